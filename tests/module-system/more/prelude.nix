# What the further cases are written with.
{ lib }:
let
  inherit (lib) mkOption types;
in
rec {
  inherit lib;
  inherit (lib)
    mkOption
    mkIf
    mkMerge
    mkDefault
    mkForce
    mkOverride
    mkBefore
    mkAfter
    mkOrder
    types
    ;

  eval = modules: lib.evalModules { inherit modules; };
  cfg = modules: removeAttrs (eval modules).config [ "_module" ];

  opt = type: mkOption { inherit type; };
  optD = type: default: mkOption { inherit type default; };
  sub = options: types.submodule { inherit options; };

  # Modules that declare `x`.
  int = {
    options.x = opt types.int;
  };
  str = {
    options.x = opt types.str;
  };
  list = {
    options.x = opt (types.listOf types.int);
  };
  attrs = {
    options.x = opt (types.attrsOf types.int);
  };

  # A module with a place of its own.
  file = name: module: {
    _file = name;
    imports = [ module ];
  };
}
