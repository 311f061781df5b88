# The guard's program. Hosts run it, so that it is made of what it consists of and nothing else: neither another crate of
# this repository nor another crate's dependencies change a host.
{ lib, pkgs }:
let
  workspace = lib.importTOML ../Cargo.toml;
  # As Cargo.toml, with the guard as the only member.
  manifest = (pkgs.formats.toml { }).generate "Cargo.toml" (
    workspace
    // {
      workspace = workspace.workspace // {
        members = [ "guard" ];
      };
    }
  );

  # Cargo.lock, as far as the guard gets into it. A dependency is named `name`, or `name version` where there are several.
  packages = (lib.importTOML ../Cargo.lock).package;
  named =
    dependency:
    let
      parts = lib.splitString " " dependency;
      fits =
        package:
        package.name == lib.head parts && (lib.length parts == 1 || package.version == lib.elemAt parts 1);
    in
    lib.findFirst fits (throw "Cargo.lock has no ${dependency}") packages;
  reached = builtins.genericClosure {
    startSet = [ (node (named "guard")) ];
    operator = { package, ... }: map (name: node (named name)) (package.dependencies or [ ]);
  };
  node = package: {
    key = "${package.name} ${package.version}";
    inherit package;
  };
  kept = lib.sort (
    a: b: a.name < b.name || a.name == b.name && lib.versionOlder a.version b.version
  ) (map (node: node.package) reached);
  # As cargo writes it: a version only where it tells two apart. What another crate asks a shared dependency for is in it
  # too; cargo leaves it aside.
  dependency =
    text:
    let
      name = lib.head (lib.splitString " " text);
      alike = lib.filter (package: package.name == name) kept;
    in
    " ${builtins.toJSON (if lib.length alike == 1 then name else text)},\n";
  field =
    package: name:
    lib.optionalString (package ? ${name}) "${name} = ${builtins.toJSON package.${name}}\n";
  stanza =
    package:
    "\n[[package]]\n"
    + lib.concatMapStrings (field package) [
      "name"
      "version"
      "source"
      "checksum"
    ]
    + lib.optionalString (
      package ? dependencies
    ) "dependencies = [\n${lib.concatMapStrings dependency package.dependencies}]\n";
  locked = "version = 4\n" + lib.concatMapStrings stanza kept;
in
pkgs.rustPlatform.buildRustPackage {
  pname = "slipway-guard";
  inherit (workspace.workspace.package) version;
  src = pkgs.runCommand "slipway-guard-source" { } ''
    mkdir -p $out/guard
    cp ${manifest} $out/Cargo.toml
    cp ${pkgs.writeText "Cargo.lock" locked} $out/Cargo.lock
    cp ${../guard/Cargo.toml} $out/guard/Cargo.toml
    cp -r ${../guard/src} $out/guard/src
  '';
  cargoLock.lockFileContents = locked;
  # The tests run a real sshd in name spaces of their own; `cargo xtask test` runs them.
  doCheck = false;
  passthru = { inherit locked; };
  meta = {
    description = "Takes what a signed release names for a host, and nothing else";
    mainProgram = "slipway-guard";
  };
}
