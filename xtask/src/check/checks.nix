# What there is to check: the names for other systems, since evaluating them proves nothing here that `nix flake check`
# does not prove, and for this system what each derivation asks of the machine that builds it.
{ system, only }:
outputs:
let
  all = outputs.checks or { };
  here = all.${system} or { };
  describe = check: {
    drv = check.drvPath;
    inherit (check) system;
    features = check.requiredSystemFeatures or [ ];
  };
in
{
  names = builtins.attrNames here;
  elsewhere = builtins.mapAttrs (_: builtins.attrNames) (builtins.removeAttrs all [ system ]);
  described = builtins.mapAttrs (_: describe) (
    if only == null then here else builtins.intersectAttrs { ${only} = null; } here
  );
}
