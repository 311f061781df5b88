# The inventory that xtask, the workflows and the documentation are made from. It is JSON, and reading it never needs a
# host's toplevel.
{
  lib,
  self,
  stage,
  hosts,
  hermetic,
  nixosConfigurations,
}:
let
  root = "${toString self}/";
  folder = toString hosts;
in
{
  version = 1;
  inherit stage hermetic;
  # Relative to the flake; null where the hosts' folder lies outside of it. The text names a folder, it needs no build.
  hostsDir =
    if lib.hasPrefix root folder then
      builtins.unsafeDiscardStringContext (lib.removePrefix root folder)
    else
      null;
  hosts = lib.mapAttrs (_: host: host.config.homelab.inventory) nixosConfigurations;
}
