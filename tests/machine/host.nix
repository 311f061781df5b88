# What a controller is told of a generation of a host, for a fleet of its own: what the inventory says, and the closures as
# evaluation has them. The paths are mere text: what is told of a closure does not bring it along.
{ config, profile }:
let
  built = derivation: {
    drv = builtins.unsafeDiscardStringContext derivation.drvPath;
    out = builtins.unsafeDiscardStringContext derivation.outPath;
  };
in
{
  inherit (config.homelab) inventory;
  toplevel = built config.system.build.toplevel;
  profile = built profile;
}
