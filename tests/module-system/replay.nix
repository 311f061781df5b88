# Replays the recorded cases against a `lib`, by default the stand-in's. README.md says how it is called.
{
  lib ? ../../nix/rehearsal/lib,
}:
let
  read = file: builtins.fromJSON (builtins.readFile file);
  load = file: import file { lib = import lib; };
  expected = read ./expected.json // read ./more-expected.json;

  # A file of cases in `more/` is a suite of its name, but for the one that they share.
  topics = builtins.filter (topic: topic != null && topic != "prelude") (
    map (
      file:
      let
        name = builtins.match "(.*)\\.nix" file;
      in
      if name == null then null else builtins.head name
    ) (builtins.attrNames (builtins.readDir ./more))
  );

  cases = {
    cases = load ./cases.nix;
    lib-cases = load ./lib-cases.nix;
  }
  // builtins.listToAttrs (
    map (name: {
      inherit name;
      value = load (./more + "/${name}.nix");
    }) topics
  );

  hasValue = suite: name: expected ? ${suite}.${name}.value;

  attempt =
    value:
    let
      result = builtins.tryEval (builtins.deepSeq value value);
    in
    if result.success then { inherit (result) value; } else { failed = true; };
in
{
  # Every case, bare.
  inherit cases;

  # Every case that has a value, in one evaluation: `{ value = …; }`, or `{ failed = true; }` where it throws.
  values = builtins.mapAttrs (
    suite: all:
    builtins.mapAttrs (_: attempt) (
      removeAttrs all (builtins.filter (name: !hasValue suite name) (builtins.attrNames all))
    )
  ) cases;

  # For `nix repl`: says on stderr which case comes, and then either its error or `no error`.
  probe =
    suite: name:
    builtins.trace "@@ ${suite} ${name}" (
      builtins.deepSeq cases.${suite}.${name} (builtins.trace "no error" null)
    );
}
