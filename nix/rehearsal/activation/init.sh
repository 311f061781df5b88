#!/bin/bash
# The kernel's first process in a rehearsal guest (init=TOPLEVEL/init): what NixOS' second stage does. A failed
# activation is logged and does not keep the machine from booting.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
toplevel=$(dirname "$(readlink -f "$0")")
mount -o remount,rw / 2>/dev/null
mountpoint -q /proc || mount -t proc -o nosuid,noexec,nodev proc /proc
mountpoint -q /sys || mount -t sysfs -o nosuid,noexec,nodev sysfs /sys
mountpoint -q /dev || mount -t devtmpfs -o nosuid,mode=755 devtmpfs /dev
mountpoint -q /run || mount -t tmpfs -o nosuid,nodev,mode=755,size=25% tmpfs /run
ln -sfn "$toplevel" /run/booted-system
log=/dev/kmsg
[ -w $log ] || log=/dev/stderr
"$toplevel/activate" 2>&1 | while read -r line; do echo "activate: $line" > $log; done
exec /usr/lib/systemd/systemd "$@"
