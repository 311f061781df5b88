# drop.sh ROOTS [HOST/GENERATION…]: these keep nothing any more.
set -eu
cd "$1"
shift
for generation; do
  rm -r -- "$generation"
  rmdir -- "${generation%/*}" 2>/dev/null || true
done
