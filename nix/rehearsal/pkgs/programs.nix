# Programs: thin packages whose files are links to what Debian has installed in the guest. The version is Debian's
# business, hence the word; a package says nothing about whether the guest has it, the guest's image must.
{ lib, build }:
let
  # `bin` are paths below /usr; the first is the main program.
  thin =
    name: bin: passthru:
    build "${name}-debian"
      ''
        mkdir -p $out/bin
        ln -s ${lib.concatMapStringsSep " " (p: "/usr/${p}") bin} $out/bin/
      ''
      {
        inherit passthru;
        meta.mainProgram = baseNameOf (lib.head bin);
      };
  shell = name: thin name [ "bin/${name}" ] { shellPath = "/bin/${name}"; };
in
rec {
  bash = shell "bash";
  bashInteractive = bash;
  dash = shell "dash";
  # Debian's /usr/sbin/nologin is what su, login and sshd expect to find there.
  shadow = thin "shadow" [ "sbin/nologin" ] { shellPath = "/bin/nologin"; };
  coreutils = thin "coreutils" (map (p: "bin/${p}") [
    "cat"
    "chmod"
    "chown"
    "cp"
    "cut"
    "date"
    "df"
    "du"
    "echo"
    "env"
    "head"
    "id"
    "install"
    "ln"
    "ls"
    "mkdir"
    "mktemp"
    "mv"
    "printf"
    "readlink"
    "realpath"
    "rm"
    "rmdir"
    "seq"
    "sha256sum"
    "sleep"
    "sort"
    "stat"
    "sync"
    "tail"
    "tee"
    "test"
    "timeout"
    "touch"
    "tr"
    "true"
    "uname"
    "wc"
  ]) { };
  nix = thin "nix" (map (p: "bin/${p}") [
    "nix"
    "nix-build"
    "nix-channel"
    "nix-collect-garbage"
    "nix-copy-closure"
    "nix-daemon"
    "nix-env"
    "nix-instantiate"
    "nix-shell"
    "nix-store"
  ]) { };
  openssh = thin "openssh" [ "bin/ssh" "bin/ssh-keygen" "bin/scp" "bin/sftp" "sbin/sshd" ] { };
  systemd = thin "systemd" [
    "bin/systemctl"
    "bin/journalctl"
    "bin/loginctl"
    "bin/busctl"
    "bin/systemd-analyze"
  ] { };
  sudo = thin "sudo" [ "bin/sudo" "sbin/visudo" ] { };
  curl = thin "curl" [ "bin/curl" ] { };
  git = thin "git" [ "bin/git" ] { };
  gnugrep = thin "gnugrep" [ "bin/grep" ] { };
  gnused = thin "gnused" [ "bin/sed" ] { };
  gawk = thin "gawk" [ "bin/awk" ] { };
  findutils = thin "findutils" [ "bin/find" "bin/xargs" ] { };
  util-linux = thin "util-linux" [
    "bin/mount"
    "bin/umount"
    "bin/lsblk"
    "bin/findmnt"
    "bin/flock"
  ] { };
  iproute2 = thin "iproute2" [ "bin/ip" "bin/ss" ] { };
  nftables = thin "nftables" [ "sbin/nft" ] { };
  nginx = thin "nginx" [ "sbin/nginx" ] { };
  firefox = thin "firefox" [ "bin/firefox" ] { };
  forgejo-runner = thin "forgejo-runner" [ "bin/forgejo-runner" ] { };
  htop = thin "htop" [ "bin/htop" ] { };
  nodejs = thin "nodejs" [ "bin/node" ] { };
  openssl = thin "openssl" [ "bin/openssl" ] { };
  vim = thin "vim" [ "bin/vi" ] { };
  # What `nix develop` offers in this stage is what `cargo xtask setup` has put on PATH already.
  act = thin "act" [ "bin/act" ] { };
  actionlint = thin "actionlint" [ "bin/actionlint" ] { };
  cargo = thin "cargo" [ "bin/cargo" ] { };
  clippy = thin "clippy" [ "bin/cargo-clippy" ] { };
  qemu = thin "qemu" [ "bin/qemu-system-x86_64" ] { };
  rustc = thin "rustc" [ "bin/rustc" ] { };
  rustfmt = thin "rustfmt" [ "bin/rustfmt" ] { };
  sops = thin "sops" [ "bin/sops" ] { };
  prometheus-node-exporter = thin "prometheus-node-exporter" [ "bin/prometheus-node-exporter" ] { };

  # The guest's Debian kernel. Which one that is, is decided by the guest: /vmlinuz and /initrd.img are Debian's links.
  linuxPackages = {
    kernel = build "linux-debian" ''
      mkdir -p $out/lib
      ln -s /vmlinuz $out/bzImage
      ln -s /initrd.img $out/initrd
      ln -s /usr/lib/modules $out/lib/modules
    '' { passthru.target = "bzImage"; };
  };
}
