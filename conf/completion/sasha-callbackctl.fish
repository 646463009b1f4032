# fish completion for sasha-callbackctl(1). Commands, options and what they take are asked of the
# program itself, so that they are those of the version that is installed.

# Lines of a --help that match, as "word<tab>explanation".
function __sasha_callbackctl_rows --argument-names pattern
    string replace --regex --filter "^  ($pattern)(?: [^ ,]+)?(?:, -[a-z])? +(.*)\$" '$1\t$2' -- $argv[2..]
end

function __sasha_callbackctl
    set --local words (commandline --current-process --tokenize --cut-at-cursor)
    set --local word (commandline --current-token --cut-at-cursor)
    set --local program $words[1]
    set --local before $words[-1]
    set --local command
    set --local verb

    # The first two words that are neither option nor value: the command, and the one behind it.
    set --local help ($program --help 2>/dev/null)
    set --local valued (string replace --regex --filter '^  (--[a-z-]+) [^ ].*' '$1' -- $help)
    set --local skip no
    for one in $words[2..]
        if test $skip = yes
            set skip no
        else if string match --quiet -- '-*' $one
            contains -- $one $valued; and set skip yes
        else if not set --query command[1]
            set command $one
            set help ($program $command --help 2>/dev/null)
            set valued (string replace --regex --filter '^  (--[a-z-]+) [^ ].*' '$1' -- $help)
        else if not set --query verb[1]
            set verb $one
        end
    end

    if test $skip = yes
        switch (string replace --regex --filter "^  $before ([^ ,]*).*" '$1' -- $help)[1]
            case FILE PATH
                __fish_complete_path $word
            case STATE
                printf '%s\n' dead pending
            case 'yes|no'
                printf '%s\n' yes no
            case STATUS
                printf '%s\n' pending completed failed
            case TYPE
                printf '%s\n' embed-signature lookup-signature
            case TIME
                printf '%s\n' today yesterday -1h -1d
        end
    else if string match --quiet -- '-*' $word
        __sasha_callbackctl_rows '--[a-z-]+' $help
    else if not set --query command[1]
        __sasha_callbackctl_rows '[a-z][a-z-]*' $help
    else if test $command = dead; and not set --query verb[1]
        printf '%s\n' list retry drop
    else if contains -- $command explain backup
        __fish_complete_path $word
    end
end

complete --command sasha-callbackctl --no-files --arguments '(__sasha_callbackctl)'
