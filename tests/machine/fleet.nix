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
        pathExists
        readDir
        readFile
        replaceStrings
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
      # What the play signs with, if the fleet is to have a cache (fleet.sh).
      signer = if pathExists ./signer.pub then [ (readFile ./signer.pub) ] else [ ];
      # The controller is not in the network of the machines, and must not ask whoever has the cache's address in its own:
      # at this one nobody answers.
      cacheOf =
        client:
        if client == null || signer == [ ] then
          null
        else
          client
          // rec {
            url = "http://127.0.0.1:9";
            substituters = [ url ];
            publicKeys = signer;
            trustedPublicKeys = signer;
          };
      # What a play knows and no generation: { hostKeys.MACHINE = [ … ]; operators.NAME = "…"; }.
      keys = if pathExists ./keys.json then fromJSON (readFile ./keys.json) else { };
      # What a machine reads below /etc/slipway-test, the fleet has below its own folder.
      own = file: replaceStrings [ "/etc/slipway-test/" ] [ "" ] file;
      secretsOf =
        secrets:
        secrets
        // {
          inherit (keys) operators;
          uses = mapAttrs (_: use: use // { file = own use.file; }) secrets.uses;
        };
      # A machine is reached by its name, with the key that its controller knows.
      inventory =
        name: host:
        host.inventory
        // {
          inherit name;
          cache = cacheOf (host.inventory.cache or null);
          hostKeys = keys.hostKeys.${name} or [ ];
          secrets =
            if keys == { } || host.inventory.secrets == null then
              host.inventory.secrets
            else
              secretsOf host.inventory.secrets;
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
