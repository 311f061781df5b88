# Runs "$3"… with stdin from $2, and ends its whole group with signal $1 as soon as our own stdin closes: then
# whoever held the other end is gone, by whatever death. Should this shell be killed, the kernel kills the program
# (PR_SET_PDEATHSIG counts from the death of the parent's thread, and this parent has one thread only).
signal=$1 input=$2
shift 2
exec 3<&0 </dev/null
setsid setpriv --pdeathsig KILL -- "$@" <"$input" 3<&- &
child=$!
(
  read -r _ <&3
  # There is no such group before `setsid` has come that far, and none after the end.
  until kill -s "$signal" -- "-$child"; do
    kill -s 0 "$child" || exit 0
    sleep 0.02
  done
  if [ "$signal" != KILL ]; then
    for _ in 1 2 3 4 5 6 7 8 9 10; do
      kill -s 0 -- "-$child" || exit 0
      sleep 0.5
    done
    kill -s KILL -- "-$child"
  fi
) >/dev/null 2>&1 &
watcher=$!
exec 3<&-
wait "$child"
status=$?
kill "$watcher" 2>/dev/null
exit "$status"
