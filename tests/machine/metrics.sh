# Holds what node exporter tells of a machine against what `xtask status` says of it, and prints the generations that it
# tells: of what runs, boots and was booted.
#
#   sh metrics.sh MACHINE [STATUS]
#
# STATUS is a file with the JSON of an earlier `status`; otherwise it is asked now. The collector looks at the machine
# first. What is compared is in metrics.jq, which runs on the machine: the controller may have no jq.
set -eu
machine=$1 status=${2-}
if [ -z "$status" ]; then
  status=status.json
  xtask --flake fleet status --json "$machine" >$status
fi
at() { ssh "operator@$machine" "$@"; }
at sudo systemctl start slipway-metrics.service
at 'curl --silent --show-error --fail http://127.0.0.1:9100/metrics >/tmp/metrics'
at 'cat >/tmp/metrics.jq' <metrics.jq
at jq --raw-output --exit-status --arg host "$machine" --rawfile metrics /tmp/metrics --from-file /tmp/metrics.jq <"$status"
