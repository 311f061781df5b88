# Why the NixOS player cannot play something; empty if it can. `tree` is a scenario's file as it is for one cell.
{ lib }:
let
  table = lib.importTOML ./capabilities.toml;
  mine = builtins.filter (row: row.player == "nixos") table.cannot;

  # Every step that stands in the file, wherever.
  steps = list: list ++ lib.concatMap (step: steps (step.during."then" or [ ])) list;
  all = tree: steps (tree.steps ++ lib.concatLists (lib.attrValues (tree.blocks or { })));

  # Those that are played: of blocks only those that a step plays.
  played =
    tree:
    lib.concatMap (
      step:
      if step ? play then
        played tree tree.blocks.${step.play}
      else
        [ step ] ++ played tree (step.during."then" or [ ])
    );

  verb =
    step:
    let
      verbs = builtins.filter (key: builtins.elem key table.verbs) (lib.attrNames step);
    in
    if lib.length verbs == 1 then
      lib.head verbs
    else
      throw "step `${step.name or "without a name"}` (${toString (lib.attrNames step)}): the NixOS player knows no such verb; it knows ${toString table.verbs}";

  isValue =
    row: value:
    !row ? value || (if builtins.isAttrs value then row.value == "shaped" else row.value == value);
  point = tree: point: if builtins.isString point then tree.points.${point} else point;
  points =
    tree: step:
    map (point tree) (
      lib.optional (step ? wait) step.wait
      ++ lib.optional (step ? during) step.during.when
      ++ lib.optional (step.during or { } ? before) step.during.before
    );
in
tree:
# A verb that nobody knows is an error in a block that is not played, too.
builtins.deepSeq (map verb (all tree)) lib.unique (
  lib.concatMap (
    step:
    let
      its = verb step;
      needs =
        row:
        if row ? verb then
          row.verb == its && isValue row step.${its}
        else
          lib.any (point: !(point ? journal) && point.unit or null == row.unit) (points tree step);
    in
    map (row: row.because) (builtins.filter needs mine)
  ) (played tree tree.steps)
)
