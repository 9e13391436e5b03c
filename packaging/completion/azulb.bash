# Completes azulb's commands, options and files in bash. What there is to complete is asked of `azulb --help`
# itself, so that it is what this azulb has.

_azulb() {
  local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} command='' index
  for ((index = 1; index < COMP_CWORD; ++index)); do
    case ${COMP_WORDS[index]} in
      -c | --config) ((++index)) ;;
      -*) ;;
      *)
        command=${COMP_WORDS[index]}
        break
        ;;
    esac
  done
  COMPREPLY=()
  case $previous in
    -c | --config | --access-log | --token-file)
      compopt -o filenames 2>/dev/null
      mapfile -t COMPREPLY < <(compgen -f -- "$word")
      return
      ;;
    --balance)
      mapfile -t COMPREPLY < <(compgen -W 'round_robin least_connections random_two least_time hash' -- "$word")
      return
      ;;
    --listen | -l | --to | --admin | --health | --token | --timeout | --name | --weight) return ;;
    drain | disable | enable | weight | remove)
      mapfile -t COMPREPLY < <(compgen -W "$("${COMP_WORDS[0]}" servers 2>/dev/null | cut -f 1)" -- "$word")
      return
      ;;
  esac
  local words
  words=$("${COMP_WORDS[0]}" ${command:+"$command"} --help 2>/dev/null | awk -v options="$([[ $word == -* ]] && echo 1)" '
    /^[A-Z].*:$/ { section = $0 }
    section ~ /^Options/ && /^  -/ { sub(/ .*/, "", $1); gsub(",", " ", $1); if (options) print $1 }
    section ~ /^Subcommands/ && /^  [a-z]/ { if (!options) print $1 }')
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}

complete -F _azulb azulb
