# Runs in the new root, after the packages and files are there: makes the root small and quick to boot, and leaves
# in /boot what belongs on the EFI system partition. $1: units to disable, $2: units to enable (space-separated).
set -eu

kernel=$(ls /boot | sed -n 's/^vmlinuz-//p' | sort -V | tail -n 1)
modules=/lib/modules/$kernel
test -n "$kernel"

# An initramfs of our own: two megabytes instead of thirty, four seconds of a boot under TCG.
ramfs=$(mktemp -d)
mkdir -p "$ramfs/bin" "$ramfs/dev" "$ramfs/proc" "$ramfs/sys" "$ramfs/root" "$ramfs/modules"
cp /bin/busybox "$ramfs/bin/busybox"
cp /usr/lib/harness/initramfs-init "$ramfs/init"
chmod 755 "$ramfs/init"
number=10
for module in virtio_blk failover net_failover virtio_net pvpanic pvpanic-pci; do
  file=$(find "$modules" -name "$module.ko*")
  case $file in
    "") ;; # built in
    *.xz) busybox xzcat "$file" >"$ramfs/modules/$number-$module.ko" ;;
    *) cp "$file" "$ramfs/modules/$number-$module.ko" ;;
  esac
  number=$((number + 1))
done

esp=$(mktemp -d)
mkdir -p "$esp/EFI/BOOT" "$esp/EFI/systemd" "$esp/loader/entries" "$esp/debian"
(cd "$ramfs" && find . | sort | busybox cpio -o -H newc 2>/dev/null) >"$esp/debian/initrd"
cp "/boot/vmlinuz-$kernel" "$esp/debian/linux"
for loader in /usr/lib/systemd/boot/efi/systemd-bootx64.efi /usr/lib/systemd/boot/efi/systemd-bootx64.efi.signed; do
  if [ -e "$loader" ]; then
    cp "$loader" "$esp/EFI/BOOT/BOOTX64.EFI"
    cp "$loader" "$esp/EFI/systemd/systemd-bootx64.efi"
  fi
done
test -e "$esp/EFI/BOOT/BOOTX64.EFI"
options=$(cat /usr/lib/harness/kernel-options)
printf 'timeout 0\ndefault debian.conf\neditor no\n' >"$esp/loader/loader.conf"
printf 'title Debian\nlinux /debian/linux\ninitrd /debian/initrd\noptions %s\n' "$options" >"$esp/loader/entries/debian.conf"
# An ESP that kernel-install would fill on its own is one more writer than the tests know of.
printf 'layout=other\n' >/etc/kernel/install.conf

if [ -e "/boot/initrd.img-$kernel" ]; then
  cp "/boot/initrd.img-$kernel" "$esp/debian/initrd-debian"
  printf 'title Debian, its own initramfs\nlinux /debian/linux\ninitrd /debian/initrd-debian\noptions %s\n' "$options" \
    >"$esp/loader/entries/debian-initramfs.conf"
fi
# Debian's links to its kernel: what writes boot entries of its own takes these files.
cp "$esp/debian/linux" "$esp/debian/initrd" /usr/lib/harness/
ln -sf usr/lib/harness/linux /vmlinuz
ln -sf usr/lib/harness/initrd /initrd.img
find /boot -mindepth 1 -delete
cp -r "$esp/." /boot/
rm -rf "$ramfs" "$esp"

# The initramfs mounts / writable; /boot has a unit of its own. An entry here would hold up everything until udev has
# seen the disks.
printf '# / is mounted by the initramfs, /boot by boot.mount\n' >/etc/fstab
printf 'localhost\n' >/etc/hostname
printf '127.0.0.1 localhost\n' >/etc/hosts
# The first boot of a machine without an id presets every unit, which takes seconds; each machine gets its own later.
printf '00000000000000000000000000000001\n' >/etc/machine-id
rm -f /etc/ssh/ssh_host_*
# Each machine gets an ed25519 key of its own later, and the host's ssh takes no other. An sshd_config without a HostKey
# would have the other two made at the first boot, which takes long under TCG.
ssh-keygen -q -A
rm -f /etc/ssh/ssh_host_*_key.pub
mkdir -p /var/log/journal /etc/harness

# All below /usr/lib: a guest's configuration may own /etc/systemd/system as a whole, and what is enabled or masked
# there would be gone with the first one.
units=/usr/lib/systemd/system
for unit in $(cat /usr/lib/harness/masked-units); do
  ln -sf /dev/null "$units/$unit"
done
# It looks for a VM socket, finds none, loads four modules for that and complains at every boot.
rm -f /usr/lib/systemd/system-generators/systemd-ssh-generator
ln -sf multi-user.target "$units/default.target"
mkdir -p "$units/multi-user.target.wants" "$units/sysinit.target.wants"
ln -s ../boot.mount "$units/multi-user.target.wants/"
ln -s ../harness-network.service "$units/sysinit.target.wants/"
systemctl enable ssh.service
for unit in $1; do systemctl disable "$unit"; done
for unit in $2; do systemctl enable "$unit"; done

rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /usr/share/doc /usr/share/man /usr/share/locale /var/log/*.log
