# Completes azulb's commands, options and files in fish. What there is to complete is asked of `azulb --help` itself,
# so that it is what this azulb has.

function __azulb_command
    set -l words (commandline -opc)
    set -e words[1]
    while set -q words[1]
        switch $words[1]
            case -c --config
                set -e words[1]
            case '-*'
            case '*'
                echo $words[1]
                return
        end
        set -q words[1]; and set -e words[1]
    end
end

# Lines of one section, as "word<tab>what it is"; $argv[1] is a pattern of the section's name.
function __azulb_help
    set -l command (__azulb_command)
    azulb $command --help 2>/dev/null | string replace -r '^([A-Z].*):$' 'section $1' | while read -l line
        switch $line
            case 'section *'
                set section (string replace 'section ' '' -- $line)
            case '*'
                string match -q -- $argv[1] "$section"; and string trim -- $line
        end
    end
end

function __azulb_options
    for line in (__azulb_help Options)
        set -l parts (string match -r '^(-\S+).*?(?:\s{2,}(.*))?$' -- $line)
        for option in (string split , -- $parts[2])
            printf '%s\t%s\n' $option $parts[3]
        end
    end
end

function __azulb_commands
    __azulb_help Subcommands | string replace -r '^(\S+)\s+(.*)$' '$1\t$2'
end

complete -c azulb -f
complete -c azulb -n 'not string length -q (__azulb_command)' -a '(__azulb_commands)'
complete -c azulb -n 'string match -q -- "-*" (commandline -ct)' -a '(__azulb_options)'
complete -c azulb -n 'contains -- (commandline -opc)[-1] -c --config --access-log --token-file' -F
complete -c azulb -n 'contains -- (commandline -opc)[-1] --balance' -a 'round_robin least_connections random_two least_time hash'
complete -c azulb -n 'contains -- (commandline -opc)[-1] drain disable enable weight remove' -a '(azulb servers 2>/dev/null | cut -f 1)'
