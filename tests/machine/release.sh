# Signs what a machine is to have, as the fleet's signer would, and prints it for `accept-release`:
#
#   sh release.sh GENERATION MACHINE [NAME=VALUE]…
#
#   kind=switch|boot|test   what is done with it
#   lease=SECONDS           how long a test lasts
#   valid=SECONDS           how long the release does, from now; behind a minus it has ended
#   counter=NUMBER          else one more than that of the newest release
#   host=NAME               the host in it, if not the machine's name
#   and=GENERATION/MACHINE  one more host in it
#   commit=ID               what it was made of; otherwise something that looks like one
#   removes-guard=true
#
# RELEASE_KEY names the signer's key. GENERATION/MACHINE has the closure's two paths.
set -eu
generation=$1 machine=$2
shift 2
kind=switch lease= valid=3600 host=$machine others= commit= removes_guard=
counter=$(($(cat .counter 2>/dev/null || echo 0) + 1))
for setting in "$@"; do
  value=${setting#*=}
  case $setting in
    kind=*) kind=$value ;;
    lease=*) lease=$value ;;
    valid=*) valid=$value ;;
    counter=*) counter=$value ;;
    host=*) host=$value ;;
    and=*) others="$others $value" ;;
    commit=*) commit=$value ;;
    removes-guard=*) removes_guard=$value ;;
    *)
      echo "release.sh: $setting is no setting; see the top of the file" >&2
      exit 64
      ;;
  esac
done
echo "$counter" >.counter
time() { date -u -d "@$1" +%Y-%m-%dT%H:%M:%SZ; }
now=$(date +%s)
made=$now
# What has ended has begun before.
[ "$valid" -gt 0 ] || made=$((now + valid - 3600))
action="\"kind\": \"$kind\"${lease:+, \"leaseSeconds\": $lease}"
entry() {
  { read -r toplevel && read -r profile; } <"$1"
  printf '"%s": { "toplevel": "%s", "profile": "%s", "action": { %s }%s }' \
    "$2" "$toplevel" "$profile" "$action" "${removes_guard:+, \"removesGuard\": $removes_guard}"
}
hosts=$(entry "$generation/$machine" "$host")
for other in $others; do
  hosts="$hosts, $(entry "$other" "${other##*/}")"
done
[ -n "$commit" ] || commit=$(printf %s "$hosts" | sha1sum | cut -c1-40)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat >"$folder/release" <<EOF
{
  "document": "slipway-release",
  "version": 1,
  "commit": "$commit",
  "counter": $counter,
  "made": "$(time "$made")",
  "expires": "$(time $((now + valid)))",
  "hosts": { $hosts }
}
EOF
ssh-keygen -q -Y sign -f "$RELEASE_KEY" -n slipway-release@v1 "$folder/release" 2>/dev/null
# As a JSON string: nothing in it needs more than this.
text() { sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' "$1" | awk '{ printf "%s\\n", $0 }'; }
printf '{"release":"%s","signature":"%s"}\n' "$(text "$folder/release")" "$(text "$folder/release.sig")"
