# list.sh ROOTS: a line for each generation: host, number, toplevel, profile or nothing, and whether all of it is there.
set -eu
cd "$1"
for link in */*/toplevel; do
  [ -L "$link" ] || continue
  generation=${link%/toplevel}
  toplevel=$(readlink "$link")
  profile=$(readlink "$generation/profile" || true)
  state=whole
  nix-store --check-validity "$toplevel" $profile >/dev/null 2>&1 || state=partial
  printf '%s\t%s\t%s\t%s\t%s\n' "${generation%/*}" "${generation##*/}" "$toplevel" "$profile" "$state"
done
