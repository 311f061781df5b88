# Programs: thin packages whose files are links to what Debian has installed in the guest, so that the version is
# Debian's business. A package says nothing about whether the guest has the program; the guest's image must.
{ lib, build }:
let
  # `files` are paths below /usr; the first is the main program.
  thin =
    name: files: passthru:
    build "${name}-debian"
      ''
        mkdir -p $out/bin
        ln -s ${lib.concatMapStringsSep " " (file: "/usr/${file}") (lib.splitString " " files)} $out/bin/
      ''
      {
        inherit passthru;
        meta.mainProgram = baseNameOf (lib.head (lib.splitString " " files));
      };
  kernel =
    name:
    build name ''
      mkdir -p $out/lib
      ln -s /vmlinuz $out/bzImage
      ln -s /initrd.img $out/initrd
      ln -s /usr/lib/modules $out/lib/modules
    '' { };
  plain = lib.mapAttrs (name: files: thin name files { });
in
plain {
  coreutils = lib.concatMapStringsSep " " (p: "bin/${p}") (
    lib.splitString " " "cat chmod chown cp cut date df du env head id install ln ls mkdir mktemp mv readlink realpath rm sha256sum sleep sort stat sync tail tee timeout touch tr uname wc"
  );
  curl = "bin/curl";
  firefox = "bin/firefox";
  forgejo-runner = "bin/forgejo-runner";
  gawk = "bin/awk";
  gcc = "bin/gcc bin/cc";
  git = "bin/git";
  gnused = "bin/sed";
  htop = "bin/htop";
  iproute2 = "bin/ip";
  jq = "bin/jq";
  nftables = "sbin/nft";
  nix = "bin/nix bin/nix-build bin/nix-collect-garbage bin/nix-copy-closure bin/nix-daemon bin/nix-env bin/nix-instantiate bin/nix-shell bin/nix-store";
  nodejs = "bin/node";
  openssh = "bin/ssh bin/ssh-keygen bin/scp bin/sftp sbin/sshd";
  openssl = "bin/openssl";
  perl = "bin/perl";
  systemd = "bin/systemctl bin/bootctl bin/journalctl bin/systemd-run";
  util-linux = "bin/setpriv bin/flock bin/mountpoint";
  vim = "bin/vi";

  # For `nix develop`, which in this stage offers what is on the developer's PATH already.
  act = "bin/act";
  actionlint = "bin/actionlint";
  cargo = "bin/cargo";
  clippy = "bin/cargo-clippy";
  qemu = "bin/qemu-system-x86_64";
  rustc = "bin/rustc";
  rustfmt = "bin/rustfmt";
  sops = "bin/sops";
}
// rec {
  bash = thin "bash" "bin/bash" { shellPath = "/bin/bash"; };
  bashInteractive = bash;
  # Where su, login and sshd find the shell of those who may not log in.
  shadow = thin "shadow" "sbin/nologin" { shellPath = "/bin/nologin"; };

  # There is no Debian package of it: the guest's image carries its `activate` as /usr/bin/activate-rs.
  deploy-rs = build "deploy-rs-debian" ''
    mkdir -p $out/bin
    ln -s /usr/bin/deploy /usr/bin/activate-rs $out/bin/
  '' { meta.mainProgram = "deploy"; };

  # The guest's Debian kernel. Which one that is, is decided by the guest: /vmlinuz and /initrd.img are Debian's links.
  linuxPackages.kernel = kernel "linux-debian";
  # The guest has one kernel, so that this is the same file under another store path.
  linuxPackages_latest.kernel = kernel "linux-debian-latest";
}
