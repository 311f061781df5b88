# In which order definitions are joined.
{ lib }:
with import ./prelude.nix { inherit lib; };
{
  order-merge-inside = cfg [
    list
    {
      x = mkMerge [
        (mkAfter [ 9 ])
        [ 5 ]
        (mkBefore [ 1 ])
      ];
    }
    { x = [ 6 ]; }
  ];
  order-order-of-merge = cfg [
    list
    {
      x = mkOrder 1600 (mkMerge [
        [ 1 ]
        [ 2 ]
      ]);
    }
    { x = [ 3 ]; }
  ];
  order-equal-numbers-stable = cfg [
    list
    { x = mkOrder 700 [ 1 ]; }
    { x = mkOrder 700 [ 2 ]; }
    { x = mkBefore [ 0 ]; }
  ];
  order-if = cfg [
    list
    { x = mkIf true (mkBefore [ 1 ]); }
    { x = [ 2 ]; }
    { x = mkBefore (mkIf true [ 0 ]); }
  ];
  order-lines-numbers = cfg [
    { options.x = opt types.lines; }
    { x = mkOrder 1501 "z"; }
    { x = mkAfter "y"; }
    { x = "m"; }
    { x = mkOrder 499 "a"; }
    { x = mkBefore "b"; }
  ];
  order-on-int = cfg [
    int
    { x = mkBefore 3; }
  ];
  order-in-submodule = cfg [
    {
      options.s = opt (sub {
        l = optD types.lines "";
      });
    }
    { s.l = mkAfter "b"; }
    { s.l = "a"; }
  ];
  order-envvar = cfg [
    { options.x = opt types.envVar; }
    { x = "/b"; }
    { x = mkBefore "/a"; }
  ];
  order-separated = cfg [
    { options.x = opt (types.separatedString " + "); }
    { x = mkAfter "b"; }
    { x = "a"; }
  ];
  order-of-whole-config = cfg [
    list
    { config = mkBefore { x = [ 1 ]; }; }
    { x = [ 2 ]; }
  ];
  order-module-order = cfg [
    list
    {
      imports = [ { x = [ 1 ]; } ];
      x = [ 2 ];
    }
    { x = [ 3 ]; }
  ];
  order-import-depth = cfg [
    list
    {
      imports = [
        {
          imports = [ { x = [ 1 ]; } ];
          x = [ 2 ];
        }
        { x = [ 3 ]; }
      ];
      x = [ 4 ];
    }
    { x = [ 5 ]; }
  ];
}
