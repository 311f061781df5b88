#!/bin/sh
# Takes the place of ssh where the host is the machine itself: the same words, and the command is started here. A host
# with a guard is asked through the guard's door, as its sshd would open it.
host=
while [ $# -gt 0 ]; do
  case $1 in
    --) shift; [ -n "$host" ] || { host=$1; shift; }; break ;;
    -[BbcDEeFIiJLlmOoPpQRSWw]) shift 2 ;;
    -*) shift ;;
    *) [ -z "$host" ] || break; host=$1; shift ;;
  esac
done
# Nix asks whether a connection stands already (`-O check`): one does, and nothing has to be waited for.
[ $# -gt 0 ] || exit 0
if [ -S /run/slipway-guard.socket ]; then
  if [ "$(id -u)" = 0 ]; then become=; else become="sudo -n"; fi
  exec $become env SSH_ORIGINAL_COMMAND="$*" /run/current-system/sw/bin/slipway-guard ssh --as here
fi
exec sh -c "$*"
