# Commits a fleet whose machines are to have these generations, in the folder fleet:
#
#   sh fleet.sh MACHINE=GENERATION…
#
# `xtask --flake fleet deploy` deploys it. With CACHE=yes its machines use the cache that one of them serves, as those of the
# fleet do, and trust what the play signs: `xtask --flake fleet cache push --key "$LOCAL_KEY"` fills it.
# Keys that the play made, of hosts and operators, are in fleet/keys.json if there is such a file (fleet.nix).
set -eu
mkdir -p fleet/hosts
[ -d fleet/.git ] || git init -q -b main fleet
cp fleet.nix fleet/flake.nix
rm -f fleet/hosts/*
for wish; do
  machine=${wish%%=*} generation=${wish#*=}
  cp "$generation/$machine.json" "fleet/hosts/$machine.json"
done
rm -f fleet/signer.pub
[ -z "${CACHE-}" ] || nix key convert-secret-to-public <"$LOCAL_KEY" >fleet/signer.pub
cd fleet
git add --all
git -c user.name=play -c user.email=play@localhost commit -q --allow-empty -m "$*"
