# The tools of a working day, for those who have Nix. `cargo xtask setup` gives the same to those who have not.
{ pkgs }:
{
  default = pkgs.mkShell {
    packages = [
      pkgs.act
      pkgs.actionlint
      pkgs.cargo
      pkgs.clippy
      pkgs.deploy-rs
      pkgs.nix
      pkgs.qemu
      pkgs.rustc
      pkgs.rustfmt
      pkgs.sops
    ];
  };
}
