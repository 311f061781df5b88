# What the wanted generations are: the derivation and the folder that it makes, in the order in which they are wanted.
{ wanted }:
outputs:
if !(outputs ? scenarioGenerations) then
  throw "the flake has no output `scenarioGenerations': see lib.mkFleet"
else
  map (
    {
      scenario,
      host,
      generation,
    }:
    let
      built =
        if scenario == null then
          outputs.hostGenerations.${host}.${generation}
        else
          outputs.scenarioGenerations.${scenario}.${host}.${generation};
    in
    {
      drv = built.drvPath;
      out = built.outPath;
    }
  ) wanted
