# Commits a fleet whose machines are to have these generations, in the folder fleet:
#
#   sh fleet.sh MACHINE=GENERATION…
#
# `xtask --flake fleet deploy` deploys it.
set -eu
mkdir -p fleet/hosts
[ -d fleet/.git ] || git init -q -b main fleet
cp fleet.nix fleet/flake.nix
rm -f fleet/hosts/*
for wish; do
  machine=${wish%%=*} generation=${wish#*=}
  cp "$generation/$machine.json" "fleet/hosts/$machine.json"
done
cd fleet
git add --all
git -c user.name=play -c user.email=play@localhost commit -q --allow-empty -m "$*"
