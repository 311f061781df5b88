# The types of options: one family a file, all of them reachable as `lib.types`.
{ lib }:
let
  load = file: import file { inherit lib; };
in
load ./base.nix
// load ./scalars.nix
// load ./strings.nix
// load ./collections.nix
// load ./unions.nix
// load ./submodules.nix
