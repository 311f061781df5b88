# The module system: one topic a file, all of it reachable as `lib.modules`.
{ lib }:
let
  load = file: import file { inherit lib; };
in
load ./properties.nix
// load ./collect.nix
// load ./definitions.nix
// load ./tree.nix
// load ./evaluate.nix
// load ./renames.nix
// {
  # Imports a file that takes an argument before it is a module, and keeps its name for error messages.
  importApply = file: arg: lib.modules.setDefaultModuleLocation file (import file arg);

  importJSON = file: {
    _file = file;
    config = lib.importJSON file;
  };
}
