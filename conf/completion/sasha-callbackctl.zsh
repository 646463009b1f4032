#compdef sasha-callbackctl
# zsh completion for sasha-callbackctl(1). Commands, options and what they take are asked of the
# program itself, so that they are those of the version that is installed.

# Lines of a --help that match, as "word:explanation" for _describe.
_sasha_callbackctl_rows() {
    print -r -- "$1" | sed -nE "s/^  ($2)( [^ ,]+)?(, -[a-z])? +(.*)\$/\1:\4/p"
}

_sasha_callbackctl() {
    local program=$words[1] before=$words[CURRENT-1] command='' verb='' help kind i
    local -a valued rows

    # The first two words that are neither option nor value: the command, and the one behind it.
    help=$($program --help 2>/dev/null)
    valued=(${(f)"$(print -r -- $help | sed -n 's/^  \(--[a-z-]*\) [^ ].*/\1/p')"})
    for ((i = 2; i < CURRENT; i++)); do
        if [[ $words[i] == -* ]]; then
            (( $valued[(Ie)$words[i]] )) && ((i++))
        elif [[ -z $command ]]; then
            command=$words[i]
            help=$($program $command --help 2>/dev/null)
            valued=(${(f)"$(print -r -- $help | sed -n 's/^  \(--[a-z-]*\) [^ ].*/\1/p')"})
        elif [[ -z $verb ]]; then
            verb=$words[i]
        fi
    done

    if [[ $before == --* ]] && (( $valued[(Ie)$before] )); then
        kind=$(print -r -- $help | sed -n "s/^  $before \([^ ,]*\).*/\1/p")
        case $kind in
            FILE | PATH) _files ;;
            STATE) compadd -- dead pending ;;
            'yes|no') compadd -- yes no ;;
            STATUS) compadd -- pending completed failed ;;
            TYPE) compadd -- embed-signature lookup-signature ;;
            TIME) compadd -- today yesterday -1h -1d ;;
            *) _message "$kind" ;;
        esac
    elif [[ $words[CURRENT] == -* ]]; then
        rows=(${(f)"$(_sasha_callbackctl_rows $help '--[a-z-]+')"})
        _describe -o option rows
    elif [[ -z $command ]]; then
        rows=(${(f)"$(_sasha_callbackctl_rows $help '[a-z][a-z-]*')"})
        _describe command rows
    elif [[ $command == dead && -z $verb ]]; then
        compadd -- list retry drop
    elif [[ $command == (explain|backup) ]]; then
        _files
    fi
}

# Autoloaded, this file is the function's body; sourced, it only defines it.
if [[ $funcstack[1] == _sasha-callbackctl ]]; then
    _sasha_callbackctl "$@"
elif (( $+functions[compdef] )); then
    compdef _sasha_callbackctl sasha-callbackctl
fi
