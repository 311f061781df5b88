# Brings to a machine, as its operator, all that it takes to be deployed from there: the controller's programs, and the fleet
# that fleet.sh made. Its closures have to lie in the machine's store; what Nix has to know of them is brought along.
#
#   sh bring.sh MACHINE
#
# They are in /home/operator/controller, with a file `environment` that is to be read before `xtask` is called there.
set -eu
machine=$1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/bin"
for program in deploy git xtask; do
  found=$(command -v $program)
  real=$(readlink -f "$found")
  case $real in
    # With what it needs, signed as all else that the machine is given.
    /nix/store/*)
      nix store sign --recursive --key-file "$LOCAL_KEY" "$real"
      nix copy --to "ssh://operator@$machine" "$real"
      ln -s "$real" "$folder/bin/$program"
      ;;
    # By what was found: xtask may be a program whose file cargo has replaced.
    *) cp "$found" "$folder/bin/$program" ;;
  esac
done
# Of each closure the derivation that it was built by: Nix asks for that before it finds it built.
derivations=$(grep -oh '"drv":"[^"]*"' fleet/hosts/*.json | cut -d '"' -f 4)
nix copy --derivation --to "ssh://operator@$machine" $derivations
cp -r fleet release "$folder"
cat >"$folder/environment" <<'END'
export PATH=/home/operator/controller/bin:/run/wrappers/bin:/run/current-system/sw/bin:/usr/local/bin:/usr/bin:/bin
export HOME=/home/operator/controller/home
cd /home/operator/controller
END
tar -C "$folder" -cf - . | ssh "operator@$machine" 'mkdir -p controller/home && tar -C controller -xf -'
