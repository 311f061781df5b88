# A host of the benchmark, in name spaces of its own: a store, a Nix daemon, an sshd and a guard. $1 is the folder with
# what it is made of, $2 the folder that Nix is in, $3 that folder's first part.
set -eu
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
# The first process of its name space takes the others with it.
trap 'exit 0' TERM
mount -t tmpfs -o mode=755 tmpfs /nix
mkdir -p /nix/store /nix/var/nix/profiles
# Copied before anything is covered: neither folder need be one that the user deploy can look into.
cp -a "$1" /nix/bench
for file in passwd group shadow; do mount --bind "/nix/bench/$file" "/etc/$file"; done
if [ "$2" != / ]; then
  mkdir /nix/tools
  mount --bind "$2" /nix/tools
  mount -t tmpfs -o mode=755 tmpfs "$3"
  mkdir -p "$2"
  mount --bind /nix/tools "$2"
fi
mount -t tmpfs -o mode=755 tmpfs /run
mkdir /run/sshd
/nix/bench/bin/nix-daemon &
/nix/bench/bin/slipway-guard --config /nix/bench/config.json serve &
/usr/sbin/sshd -D -e -f /nix/bench/sshd_config &
wait
