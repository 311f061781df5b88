# deploy-rs nodes: one for every deployable host, made from its inventory entry.
{
  lib,
  deploy-rs,
  fleet,
  nixosConfigurations,
}:
{
  nodes = lib.mapAttrs (
    name: entry:
    entry.node
    // {
      profiles.system = {
        inherit (entry.node) user;
        path = deploy-rs.lib.${entry.system}.activate.nixos nixosConfigurations.${name};
      };
    }
  ) (lib.filterAttrs (_: entry: entry.deployable) fleet.hosts);
}
