# A fleet whose hosts are prebuilt: what `xtask deploy` reads of a flake, from hosts/*.json (host.nix).
{
  outputs =
    _:
    let
      inherit (builtins)
        attrNames
        fromJSON
        head
        listToAttrs
        mapAttrs
        match
        readDir
        readFile
        ;
      hosts = listToAttrs (
        map (file: {
          name = head (match "(.*)[.]json" file);
          value = fromJSON (readFile (./hosts + "/${file}"));
        }) (attrNames (readDir ./hosts))
      );
      built =
        name: host: path:
        path
        // {
          type = "derivation";
          inherit name;
          inherit (host.inventory) system;
          drvPath = path.drv;
          outPath = path.out;
        };
      # A machine is reached by its name, with the key that its controller knows.
      inventory =
        name: host:
        host.inventory
        // {
          inherit name;
          hostKeys = [ ];
          node = if host.inventory.node == null then null else host.inventory.node // { hostname = name; };
        };
    in
    {
      nixosConfigurations = mapAttrs (name: host: {
        config = {
          homelab.inventory = inventory name host;
          system.build.toplevel = built name host host.toplevel;
        };
      }) hosts;
      deploy.nodes = mapAttrs (
        name: host:
        (inventory name host).node
        // {
          profiles.system = {
            inherit (host.inventory.node) user;
            path = built name host host.profile;
          };
        }
      ) hosts;
    };
}
