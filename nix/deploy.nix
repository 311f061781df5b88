# deploy-rs nodes: one for every deployable host, made from its inventory entry.
{
  lib,
  deploy-rs,
  fleet,
  nixosConfigurations,
}:
let
  activatable = import ./activatable.nix { inherit lib deploy-rs; };
in
{
  nodes = lib.mapAttrs (
    name: entry:
    entry.node
    // {
      profiles.system = {
        inherit (entry.node) user;
        path = activatable nixosConfigurations.${name};
      };
    }
  ) (lib.filterAttrs (_: entry: entry.deployable) fleet.hosts);
}
