# Every option that the stand-in declares, rendered as nixos-options.json renders NixOS' own:
#   nix eval --json -f tests/options/declared.nix
# A default is given where it is plain, that is, written down and not computed (then it has a defaultText).
let
  standin = (import ../../nix/rehearsal/flake.nix).outputs {
    self = { };
    crates = ../../nix/rehearsal/crates;
    machine = ../../nix/rehearsal/machine;
  };
  inherit (standin) lib;
  system = lib.nixosSystem { modules = [ { nixpkgs.hostPlatform = "x86_64-linux"; } ]; };

  isOption = v: v._type or null == "option";
  isPlain =
    v:
    if builtins.isAttrs v then
      v.type or null != "derivation" && builtins.all isPlain (builtins.attrValues v)
    else if builtins.isList v then
      builtins.all isPlain v
    else
      !builtins.isFunction v && !builtins.isPath v;
  describe =
    option:
    {
      type = option.type.description;
    }
    // lib.optionalAttrs (option.readOnly or false) { readOnly = true; }
    // lib.optionalAttrs (option ? default && !(option ? defaultText) && isPlain option.default) {
      inherit (option) default;
    };
  walk =
    options:
    lib.concatLists (
      lib.mapAttrsToList (
        name: v:
        if name == "_module" || name == "_freeformOptions" then
          [ ]
        else if isOption v then
          [ (lib.nameValuePair (lib.concatStringsSep "." v.loc) (describe v)) ]
          ++ walk (v.type.getSubOptions v.loc)
        else if builtins.isAttrs v then
          walk v
        else
          [ ]
      ) options
    );
in
builtins.listToAttrs (walk system.options)
