# pin.sh ROOTS HOST TOPLEVEL PROFILE: the number of the generation that keeps these from being collected. The newest one is
# taken if it is the same, so that what was cut off goes on. PROFILE may be empty. A link to what is not there yet keeps it
# from the moment that it is.
set -eu
umask 002
host=$1/$2 toplevel=$3 profile=$4
mkdir -p "$host"
cd "$host"
newest=0
for number in *; do
  case $number in *[!0-9]*) continue ;; esac
  [ "$number" -le "$newest" ] || newest=$number
done
if [ "$(readlink "$newest/toplevel")" = "$toplevel" ] && [ "$(readlink "$newest/profile")" = "$profile" ]; then
  echo "$newest"
  exit
fi
new=.new-$$
mkdir "$new"
ln -s "$toplevel" "$new/toplevel"
[ -z "$profile" ] || ln -s "$profile" "$new/profile"
newest=$((newest + 1))
mv -T "$new" "$newest"
echo "$newest"
