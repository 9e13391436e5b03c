#!/bin/sh
# Restarts the servers of an upstream one by one behind a running azulb, without losing a request.
set -eu

usage() {
  cat <<'TEXT'
usage: rolling-restart.sh [OPTION]... UPSTREAM COMMAND

For each server of UPSTREAM in turn: drain it and wait until it has no request and no WebSocket left (azulb closes them
within the upstream's timeout.drain), run COMMAND, enable it again and wait until its health check passes. COMMAND is a line for the shell; $name, $address and $port
are the server's in it. It must return when the old process has ended and the new one is started.

  rolling-restart.sh app 'systemctl restart "myapp@$port"'
  rolling-restart.sh -c /etc/azulb.toml app 'ssh "$name" sudo systemctl restart myapp'

  -c FILE, --admin ADDRESS, --token-file FILE
                      the running azulb, as for `azulb status` (also AZULB_ADMIN, AZULB_TOKEN)
  --drain DURATION    how long a server may take to become empty (default 60s)
  --start DURATION    how long it may take to come up (default 60s)
  --force             restart a server that is not empty in time all the same: what is left there is cut
  --azulb PATH        the azulb to run (default: azulb)

It stops at the first server with which something goes wrong, and says which. One that was not empty in time is enabled
again; one whose COMMAND failed or which did not come up stays disabled. Exit status: 0 all restarted; 1 stopped;
2 wrong command line.

A server without health checks counts as up as soon as it is enabled: there COMMAND must wait until it accepts.
TEXT
}

azulb=azulb
drain_time=60s
start_time=60s
force=no
# azulb's own options, each on a line of its own: they may hold spaces, no line feeds.
target=''
add_target() {
  target="${target}$1
"
}
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help)
      usage
      exit 0
      ;;
    --force)
      force=yes
      shift
      continue
      ;;
    -c | --config | --admin | --token-file | --drain | --start | --azulb) ;;
    -*)
      usage >&2
      exit 2
      ;;
    *) break ;;
  esac
  if [ $# -lt 2 ]; then
    usage >&2
    exit 2
  fi
  case $1 in
    --drain) drain_time=$2 ;;
    --start) start_time=$2 ;;
    --azulb) azulb=$2 ;;
    *)
      add_target "$1"
      add_target "$2"
      ;;
  esac
  shift 2
done
if [ $# -ne 2 ]; then
  usage >&2
  exit 2
fi
upstream=$1
command=$2

say() {
  printf 'rolling-restart: %s\n' "$*" >&2
}

# ask COMMAND [ARGUMENT]...: azulb COMMAND, with the options that lead to the running one.
ask() (
  IFS='
'
  set -f
  # shellcheck disable=SC2086  # one option a line
  exec "$azulb" "$@" $target
)

# restart UPSTREAM/SERVER ADDRESS
restart() {
  server=$1
  address=$2
  status=0
  ask drain "$server" --timeout "$drain_time" || status=$?
  if [ "$status" -ne 0 ] && [ "$status" -ne 4 ]; then
    return 1
  fi
  if [ "$status" -eq 4 ] && [ "$force" = no ]; then
    say "$server is not empty within $drain_time: it is enabled again (--force restarts it all the same)"
    ask enable "$server"
    return 1
  fi
  # Disabled it is not checked, so that no verdict on the old process counts for the new one.
  ask disable "$server" || return 1
  name=${server#*/} port=${address##*:}
  export name address port
  if ! sh -c "$command" </dev/null; then
    say "$server stays disabled, as the command failed: $command"
    return 1
  fi
  if ! ask enable "$server" --wait --timeout "$start_time"; then
    say "$server does not come up within $start_time"
    ask disable "$server" || true
    return 1
  fi
}

list=$(ask servers "$upstream") || exit 1
total=$(printf '%s\n' "$list" | wc -l)
number=0
tab=$(printf '\t')
while IFS="$tab" read -r server address state <&3; do
  number=$((number + 1))
  say "$number of $total: $server ($state)"
  restart "$server" "$address" || exit 1
done 3<<TEXT
$list
TEXT
say "all $total servers of $upstream are restarted"
