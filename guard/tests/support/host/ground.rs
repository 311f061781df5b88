//! What a host stands on: programs in place of its own, systemd and the boot loader of a few lines, and its user.

use std::path::Path;

use crate::support::{run, write, PLACE};

/// A Nix below a home folder is for its owner only: the folder is covered, and Nix put back into it.
pub fn reachable(nix: &str) {
    let root = Path::new(nix).parent().unwrap().parent().unwrap();
    if root == Path::new("/usr") {
        return;
    }
    let top: std::path::PathBuf = root.components().take(2).collect();
    let (root, top) = (root.to_str().unwrap(), top.to_str().unwrap());
    std::fs::create_dir_all("/nix/test/tools").unwrap();
    run("mount", &["--bind", root, "/nix/test/tools"]);
    let own = env!("CARGO_MANIFEST_DIR");
    std::fs::create_dir_all("/nix/test/crate").unwrap();
    run("mount", &["--bind", own, "/nix/test/crate"]);
    run("mount", &["-t", "tmpfs", "-o", "mode=755", "tmpfs", top]);
    for (from, to) in [("/nix/test/tools", root), ("/nix/test/crate", own)] {
        if Path::new(to).starts_with(top) {
            std::fs::create_dir_all(to).unwrap();
            run("mount", &["--bind", from, to]);
        }
    }
}

/// Nix with a configuration of its own, and stand-ins for systemd and the boot loader.
pub fn programs(nix: &str) {
    let bin = Path::new(nix).parent().unwrap().display().to_string();
    let conf = "experimental-features = nix-command flakes\nbuild-users-group =\nsandbox = false\n\
        trusted-users = root\nsubstituters =\nflake-registry =\n";
    write("/nix/test/conf/nix.conf", conf, 0o644);
    for name in [
        "nix",
        "nix-env",
        "nix-store",
        "nix-daemon",
        "nix-build",
        "nix-collect-garbage",
    ] {
        // A private Nix has its programs as links.
        let script =
            format!("#!/bin/sh\nexport NIX_CONF_DIR=/nix/test/conf\nexec {bin}/{name} \"$@\"\n");
        write(&format!("{PLACE}/bin/{name}"), &script, 0o755);
    }
    write("/nix/test/bin/systemctl", SYSTEMCTL, 0o755);
    write("/nix/test/bin/bootctl", BOOTCTL, 0o755);
    write("/nix/test/bin/boots", BOOTS, 0o755);
}

const SYSTEMCTL: &str = r#"#!/bin/sh
export PATH=/usr/bin:/bin
case "$*" in
  list-units*) cat /nix/test/failed-units 2>/dev/null; true ;;
  is-system-running) echo running ;;
  "start --no-block slipway-upgrade.service")
    setpriv --reuid=7778 --regid=7777 --clear-groups -- /nix/test/bin/slipway-guard upgrade \
      --settings /nix/test/upgrade.json >> /nix/test/looked 2>&1 < /dev/null & ;;
  *reboot*) echo reboot >> /nix/test/calls ;;
esac
"#;

/// Entries are the profile's generations, as NixOS makes them; the firmware's variables are files.
const BOOTCTL: &str = r#"#!/bin/sh
export PATH=/usr/bin:/bin
shift # the partition
R=/nix/test
entry_of() { for l in $(ls -d /nix/var/nix/profiles/system-*-link | sort -V); do
  [ "$(dirname "$(readlink -f $l/init)")" != "$1" ] || basename $l; done | tail -n 1; }
case $1 in
  list)
    default=$(cat $R/efi-default 2>/dev/null || entry_of "$(cat $R/boot-default)")
    comma=; printf '['
    for l in /nix/var/nix/profiles/system-*-link; do
      id=$(basename $l); d=false; [ "$id" != "$default" ] || d=true
      printf '%s{"type":"type1","id":"%s","options":"quiet init=%s","isDefault":%s}' "$comma" $id "$(readlink -f $l/init)" $d
      comma=,
    done
    echo ']' ;;
  set-default | set-oneshot)
    file=$R/efi-${1#set-}
    if [ -n "$2" ]; then echo "$2" > $file; else rm -f $file; fi ;;
esac
"#;

/// What the firmware and the loader would boot now.
const BOOTS: &str = r#"#!/bin/sh
export PATH=/usr/bin:/bin
R=/nix/test
for f in efi-oneshot efi-default; do
  if [ -e $R/$f ]; then
    id=$(cat $R/$f); [ $f != efi-oneshot ] || rm $R/$f
    dirname "$(readlink -f /nix/var/nix/profiles/$id/init)"; exit
  fi
done
cat $R/boot-default
"#;

/// A user `deploy` that exists only here.
pub fn users() {
    let add = |file: &str, line: &str, mode: u32| {
        let name = Path::new(file).file_name().unwrap().to_str().unwrap();
        let copy = format!("{PLACE}/{name}");
        let text = std::fs::read_to_string(file).unwrap();
        let kept: String = text
            .lines()
            .filter(|line| !line.starts_with("deploy:"))
            .map(|line| format!("{line}\n"))
            .collect();
        write(&copy, &format!("{kept}{line}\n"), mode);
        run("mount", &["--bind", &copy, file]);
    };
    add(
        "/etc/passwd",
        "deploy:x:7777:7777:Deployments:/var/empty:/bin/sh",
        0o644,
    );
    add("/etc/group", "deploy:x:7777:", 0o644);
    add("/etc/shadow", "deploy:*:1:::::: ", 0o600);
}
