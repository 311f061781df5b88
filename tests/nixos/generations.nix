# The generations of a host's machine, each a configuration of its own: not specialisations, which are part of their
# parent. The first one is the node itself.
{
  config,
  lib,
  extendModules,
  ...
}:
let
  cfg = config.slipway;
in
{
  options.slipway = {
    generations = lib.mkOption {
      type = lib.types.attrsOf (lib.types.listOf lib.types.path);
      description = "By name, the modules that make it.";
    };
    first = lib.mkOption {
      type = lib.types.str;
      description = "The generation that is installed.";
    };
    evaluated = lib.mkOption {
      type = lib.types.lazyAttrsOf lib.types.raw;
      description = "By name, its configuration.";
    };
  };

  config.slipway.evaluated = lib.mapAttrs (
    name: modules:
    if name == cfg.first then
      config
    else
      (extendModules {
        modules = [
          { disabledModules = lib.subtractLists modules cfg.generations.${cfg.first}; }
        ]
        ++ lib.subtractLists cfg.generations.${cfg.first} modules;
      }).config
  ) cfg.generations;
}
