# Called with a toplevel. Writes one entry for each generation of the system profile, and makes the newest one that
# holds this toplevel the default. Set before: esp, timeout, editor, limit (empty: all of them).
set -euo pipefail
toplevel=$1
profiles=${SLIPWAY_PROFILES:-/nix/var/nix/profiles}
if ! mountpoint -q "$esp"; then
  echo "cannot install the boot entry: no EFI system partition is mounted at $esp" >&2
  exit 1
fi
[ "${NIXOS_INSTALL_BOOTLOADER:-}" != 1 ] || bootctl --esp-path="$esp" install
mkdir -p "$esp/loader/entries" "$esp/EFI/nixos"

# A file is copied under the hash of what it holds, once for all generations that share it, and hashed once.
declare -A copied=()
copy() { # copy FILE NAME: sets `target`, the path on the partition
  local source hash
  source=$(readlink -f "$1")
  target=${copied[$source]:-}
  [ -z "$target" ] || return 0
  hash=$(sha256sum < "$source")
  target=/EFI/nixos/${hash:0:32}-$2.efi
  if [ ! -e "$esp$target" ]; then
    cp "$source" "$esp$target.tmp"
    mv "$esp$target.tmp" "$esp$target"
  fi
  copied[$source]=$target
}

# What the guest's kernel needs on this machine (root=…, console=…) is the guest's to know.
machine_params=$(sed -n 's/^kernel-params=//p' /etc/slipway-rehearsal-guest)
write_entry() { # write_entry NUMBER TOPLEVEL
  local entry=$esp/loader/entries/nixos-generation-$1.conf kernel initrd="" target
  copy "$2/kernel" bzImage
  kernel=$target
  if [ -e "$2/initrd" ]; then
    copy "$2/initrd" initrd
    initrd=$target
  fi
  {
    echo "title NixOS rehearsal"
    echo "sort-key nixos"
    echo "version Generation $1 $(cat "$2/nixos-version")"
    echo "linux $kernel"
    [ -z "$initrd" ] || echo "initrd $initrd"
    echo "options init=$2/init $(cat "$2/kernel-params") $machine_params"
    [ ! -s /etc/machine-id ] || echo "machine-id $(cat /etc/machine-id)"
  } > "$entry.tmp"
  mv "$entry.tmp" "$entry"
}

generations=$(for link in "$profiles"/system-*-link; do
  number=${link##*/system-}
  [ ! -e "$link/init" ] || echo "${number%-link}"
done | sort -n)
[ -z "$limit" ] || generations=$(tail -n "$limit" <<< "$generations")

default=
for entry in "$esp"/loader/entries/nixos-generation-*.conf; do
  number=${entry##*-}
  grep -qx "${number%.conf}" <<< "$generations" || rm -f "$entry"
done
for number in $generations; do
  # The profile may hold a tree of links around the toplevel, as deploy-rs makes it.
  held=$(dirname "$(readlink -f "$profiles/system-$number-link/init")")
  write_entry "$number" "$held"
  [ "$held" != "$toplevel" ] || default=$number
done
for file in "$esp"/EFI/nixos/*; do
  [[ " ${copied[*]} " == *" ${file#"$esp"} "* ]] || rm -f "$file"
done

if [ -n "$default" ]; then
  {
    echo "timeout $timeout"
    echo "default nixos-generation-$default.conf"
    [ "$editor" = yes ] || echo "editor no"
    echo "console-mode keep"
  } > "$esp/loader/loader.conf.tmp"
  mv "$esp/loader/loader.conf.tmp" "$esp/loader/loader.conf"
else
  echo "warning: no generation of $profiles/system holds $toplevel; the boot default stays as it is" >&2
fi
sync -f "$esp"
