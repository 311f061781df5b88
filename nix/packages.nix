# Our own programs. In the rehearsal stage `buildRustPackage` is what cargo has already built.
{ lib, pkgs }:
let
  root = toString ../.;
  # xtask embeds the rehearsal inputs, so that it can offer that stage without a clone, and what machines have besides. A
  # change to a host or to a document does not rebuild it.
  wanted = [
    "Cargo.toml"
    "Cargo.lock"
    "xtask"
    "guard"
    "harness"
    "nix/rehearsal"
    "tests/machine"
    "tests/generations/guard.nix"
    "tests/nixos/capabilities.toml"
  ];
  isWanted =
    path:
    let
      relative = lib.removePrefix "${root}/" path;
    in
    lib.any (
      name: relative == name || lib.hasPrefix "${name}/" relative || lib.hasPrefix "${relative}/" name
    ) wanted;
  xtask = pkgs.rustPlatform.buildRustPackage {
    pname = "xtask";
    inherit ((lib.importTOML ../Cargo.toml).workspace.package) version;
    src = builtins.path {
      name = "xtask-source";
      path = ../.;
      filter = path: _: isWanted path;
    };
    cargoLock.lockFile = ../Cargo.lock;
    cargoBuildFlags = [
      "--package"
      "xtask"
    ];
    # The tests run real Nix on real flakes, which a build sandbox has not; `cargo xtask test` runs them.
    doCheck = false;
    meta = {
      description = "Builds, checks and deploys the fleet";
      mainProgram = "xtask";
    };
  };
in
{
  inherit xtask;
  slipway-guard = import ./guard.nix { inherit lib pkgs; };
  default = xtask;
}
