# Conditions that depend on the configuration.
{ lib }:
with import ./prelude.nix { inherit lib; };
{
  if-depends-on-sibling = cfg [
    ({ config, ... }: {
      options.a = optD types.bool false;
      options.b = optD types.int 0;
      config = mkMerge [
        { a = true; }
        (mkIf config.a { b = 1; })
      ];
    })
  ];
  if-depends-on-group = cfg [
    ({ config, ... }: {
      options.a.on = optD types.bool true;
      options.a.n = optD types.int 0;
      config.a = mkIf config.a.on { n = 2; };
    })
  ];
  if-attrs-self-dependent = cfg [
    ({ config, ... }: {
      options.x = opt (types.attrsOf types.int);
      options.y = optD types.int 1;
      config = mkIf (config.y == 1) { x.a = 1; };
    })
  ];
  if-false-throws-not = cfg [
    attrs
    { x = mkIf false (throw "never"); }
  ];
  if-false-in-sub-throws-not = cfg [
    {
      options.s = opt (sub {
        a = optD types.int 1;
      });
    }
    { s.a = mkIf false (throw "never"); }
  ];
  if-three-deep = cfg [
    attrs
    {
      config = mkIf true {
        x = mkIf true {
          a = mkIf true 1;
          b = mkIf false 2;
        };
      };
    }
  ];
  if-force-default-mix = cfg [
    str
    {
      config = mkMerge [
        (mkIf true { x = mkDefault "d"; })
        (mkIf false { x = mkForce "f"; })
        { x = "p"; }
      ];
    }
  ];
  if-optional-attrs = cfg [
    attrs
    {
      x = {
        a = 1;
      }
      // lib.optionalAttrs true { b = 2; };
    }
  ];
}
