# hold.sh ROOTS HOST [PATH…]: what a host needs besides its generations is kept, and nothing that it needed before.
set -eu
umask 002
mkdir -p "$1/$2"
cd "$1/$2"
shift 2
new=.needed-$$
mkdir "$new"
for path; do
  ln -s "$path" "$new/${path##*/}"
done
# Between the two moments both are there.
for path in needed/*; do
  [ -L "$path" ] || continue
  [ -L "$new/${path##*/}" ] || dropped="${dropped-} $path"
done
mkdir -p needed
for path in "$new"/*; do
  [ ! -L "$path" ] || mv -T "$path" "needed/${path##*/}"
done
rm -f -- ${dropped-}
rmdir "$new"
rmdir needed "$PWD" 2>/dev/null || true
