# Every machine of a play knows the others by name.
{ lib, fleet, ... }:
{
  networking.hosts = lib.foldAttrs (name: names: [ name ] ++ names) [ ] (
    lib.mapAttrsToList (name: address: { ${address} = name; }) (
      import ./addresses.nix { inherit lib fleet; }
    )
  );
}
