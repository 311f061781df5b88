# The plays as NixOS tests, for outputs that `nix flake check` walks: it evaluates all of them in one process, and each
# holds one to two gigabytes of configurations. A job's path is asked of a test that is evaluated for this alone, and of
# which nothing is left once the path is known.
{
  lib,
  system,
  # From nothing to tests/nixos, anew each time.
  vmTests,
}:
lib.mapAttrs (
  name: _:
  let
    test = _: (vmTests { }).${name};
    job = {
      type = "derivation";
      inherit name system;
      drvPath = (test { }).drvPath;
      outPath = (test { }).outPath;
      outputs = [ "out" ];
      outputName = "out";
      out = job;
    };
  in
  job
) (vmTests { })
