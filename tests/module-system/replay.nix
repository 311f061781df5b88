# Replays the recorded cases against a `lib`, by default the stand-in's. The README says how it is called.
{
  lib ? ../../nix/rehearsal/lib,
}:
let
  theLib = import lib;
  read = file: builtins.fromJSON (builtins.readFile file);
  recorded = read ./expected.json;
  ours = read ./more-expected.json;

  suites = {
    cases = {
      cases = import ./cases.nix { lib = theLib; };
      expected = recorded.cases;
    };
    lib-cases = {
      cases = import ./lib-cases.nix { lib = theLib; };
      expected = recorded.lib-cases;
    };
    more-cases = {
      cases = import ./more-cases.nix { lib = theLib; };
      expected = ours.more-cases;
    };
  };

  attempt =
    value:
    let
      result = builtins.tryEval (builtins.deepSeq value value);
    in
    if result.success then { inherit (result) value; } else { failed = true; };
in
{
  # Every case that has a value, in one evaluation: `{ value = …; }`, or `{ failed = true; }` where it throws.
  values = builtins.mapAttrs (
    _: suite:
    builtins.mapAttrs (_: attempt) (
      builtins.intersectAttrs (builtins.removeAttrs suite.expected (
        builtins.filter (name: suite.expected.${name} ? error) (builtins.attrNames suite.expected)
      )) suite.cases
    )
  ) suites;

  # One case, bare: how its error comes out on stderr.
  one = builtins.mapAttrs (_: suite: suite.cases) suites;
}
