# bash completion for sasha-callbackctl(1). Commands, options and what they take are asked of the
# program itself, so that they are those of the version that is installed.

_sasha_callbackctl() {
    local program=$1 word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
    local command='' verb='' help valued i candidates=''
    [[ -n $program ]] || program=${COMP_WORDS[0]}

    # The first two words that are neither option nor value: the command, and the one behind it.
    help=$("$program" --help 2>/dev/null)
    valued=$(sed -n 's/^  \(--[a-z-]*\) [^ ].*/\1/p' <<<"$help")
    for ((i = 1; i < COMP_CWORD; i++)); do
        if [[ ${COMP_WORDS[i]} == -* ]]; then
            grep -qxFe "${COMP_WORDS[i]}" <<<"$valued" && ((i++))
        elif [[ -z $command ]]; then
            command=${COMP_WORDS[i]}
            help=$("$program" "$command" --help 2>/dev/null)
            valued=$(sed -n 's/^  \(--[a-z-]*\) [^ ].*/\1/p' <<<"$help")
        elif [[ -z $verb ]]; then
            verb=${COMP_WORDS[i]}
        fi
    done

    if [[ $before == --* ]] && grep -qxFe "$before" <<<"$valued"; then
        case $(sed -n "s/^  $before \([^ ,]*\).*/\1/p" <<<"$help") in
            FILE | PATH)
                mapfile -t COMPREPLY < <(compgen -f -- "$word")
                return ;;
            STATE) candidates='dead pending' ;;
            'yes|no') candidates='yes no' ;;
            STATUS) candidates='pending completed failed' ;;
            TYPE) candidates='embed-signature lookup-signature' ;;
            TIME) candidates='today yesterday -1h -1d' ;;
        esac
    elif [[ $word == -* ]]; then
        candidates=$(sed -n 's/^  \(--[a-z-]*\).*/\1/p' <<<"$help")
    elif [[ -z $command ]]; then
        candidates=$(sed -n 's/^  \([a-z][a-z-]*\) .*/\1/p' <<<"$help")
    elif [[ $command == dead && -z $verb ]]; then
        candidates='list retry drop'
    fi
    mapfile -t COMPREPLY < <(compgen -W "$candidates" -- "$word")
}

complete -o default -F _sasha_callbackctl sasha-callbackctl
