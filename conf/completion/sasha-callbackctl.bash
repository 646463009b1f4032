# bash completion for sasha-callbackctl(1). Commands and options are asked of the program itself, so
# that they are those of the version that is installed.

_sasha_callbackctl() {
    local program=$1 word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
    local command='' verb='' i candidates=''
    [[ -n $program ]] || program=${COMP_WORDS[0]}

    case $before in
        --config | --cacert | --secret-file | --token-file | --socket)
            mapfile -t COMPREPLY < <(compgen -f -- "$word")
            return ;;
        --state) candidates='dead pending' ;;
        --stale) candidates='yes no' ;;
        --status) candidates='pending completed failed' ;;
        --type) candidates='embed-signature lookup-signature' ;;
        --since | --until) candidates='today yesterday -1h -1d' ;;
    esac
    if [[ -z $candidates ]]; then
        # The first word that is no option and no value of a common one, and the one behind it.
        for ((i = 1; i < COMP_CWORD; i++)); do
            case ${COMP_WORDS[i]} in
                --config | --socket) ((i++)) ;;
                -*) ;;
                *)
                    if [[ -z $command ]]; then
                        command=${COMP_WORDS[i]}
                    elif [[ -z $verb ]]; then
                        verb=${COMP_WORDS[i]}
                    fi ;;
            esac
        done
        if [[ $word == -* ]]; then
            candidates=$("$program" ${command:+"$command"} --help 2>/dev/null |
                sed -n 's/^  \(--[a-z-]*\).*/\1/p')
        elif [[ -z $command ]]; then
            candidates=$("$program" --help 2>/dev/null | sed -n 's/^  \([a-z][a-z-]*\) .*/\1/p')
        elif [[ $command == dead && -z $verb ]]; then
            candidates='list retry drop'
        fi
    fi
    mapfile -t COMPREPLY < <(compgen -W "$candidates" -- "$word")
}

complete -o default -F _sasha_callbackctl sasha-callbackctl
