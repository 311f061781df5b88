# What a definition can be wrapped in (condition, priority, order), and how each wrapping comes off again.
{ lib }:
let
  inherit (builtins)
    any
    concatMap
    filter
    foldl'
    head
    isAttrs
    isBool
    length
    mapAttrs
    sort
    ;

  tagOf = value: value._type or "";

  normalPriority = 100;
  normalOrder = 1000;

  priorityOf = def: if tagOf def.value == "override" then def.value.priority else normalPriority;

  unwrap = tag: def: if tagOf def.value == tag then def // { value = def.value.content; } else def;
in
rec {
  defaultOverridePriority = normalPriority;
  defaultOrderPriority = normalOrder;

  mkIf = condition: content: {
    _type = "if";
    inherit condition content;
  };

  mkMerge = contents: {
    _type = "merge";
    inherit contents;
  };

  mkOverride = priority: content: {
    _type = "override";
    inherit priority content;
  };

  mkOrder = priority: content: {
    _type = "order";
    inherit priority content;
  };

  # The lower number wins.
  mkOptionDefault = mkOverride 1500;
  mkDefault = mkOverride 1000;
  mkImageMediaOverride = mkOverride 60;
  mkForce = mkOverride 50;
  mkVMOverride = mkOverride 10;

  mkBefore = mkOrder 500;
  mkAfter = mkOrder 1500;

  mkAssert =
    assertion: message: mkIf (if assertion then true else throw "\nFailed assertion: ${message}");

  # A value that brings along the file it came from.
  mkDefinition = { file, value, ... }@definition: definition // { _type = "definition"; };

  # A wrapped set of definitions becomes a list of plain sets whose attributes carry the wrapping. The names of such a
  # set are known without looking at a condition, which is what lets a condition depend on the configuration.
  pushDownProperties =
    config:
    let
      tag = tagOf config;
      wrapEach = wrap: map (inner: if isAttrs inner then mapAttrs (_: wrap) inner else inner);
    in
    if tag == "if" then
      wrapEach (mkIf config.condition) (pushDownProperties config.content)
    else if tag == "merge" then
      concatMap pushDownProperties config.contents
    else if tag == "override" then
      wrapEach (mkOverride config.priority) (pushDownProperties config.content)
    else
      [ config ];

  # Decides conditions and flattens merges: zero, one or more values.
  dischargeProperties =
    value:
    let
      tag = tagOf value;
    in
    if tag == "if" then
      if !isBool value.condition then
        throw "‘mkIf’ called with a non-Boolean condition"
      else if value.condition then
        dischargeProperties value.content
      else
        [ ]
    else if tag == "merge" then
      concatMap dischargeProperties value.contents
    else
      [ value ];

  # Only the definitions of the strongest priority stay, without their wrapping.
  filterOverrides' =
    defs:
    let
      highestPrio =
        if length defs == 1 then
          priorityOf (head defs)
        else
          foldl' (strongest: def: lib.min strongest (priorityOf def)) 9999 defs;
    in
    {
      inherit highestPrio;
      values = map (unwrap "override") (filter (def: priorityOf def == highestPrio) defs);
    };

  filterOverrides = defs: (filterOverrides' defs).values;

  # Stable, so that definitions of the same order keep the order of their modules.
  sortProperties =
    defs:
    let
      orderOf = def: if tagOf def.value == "order" then def.value.priority else normalOrder;
      ranked = map (def: {
        order = orderOf def;
        plain = unwrap "order" def;
      }) defs;
    in
    if any (def: tagOf def.value == "order") defs then
      map (entry: entry.plain) (sort (a: b: a.order < b.order) ranked)
    else
      defs;

  # Changes the value inside whatever wraps it.
  mapDefinitionValue =
    f: def:
    let
      tag = tagOf def;
    in
    if tag == "merge" then
      def // { contents = map (mapDefinitionValue f) def.contents; }
    else if tag == "definition" then
      def // { value = mapDefinitionValue f def.value; }
    else if tag == "if" || tag == "override" || tag == "order" then
      def // { content = mapDefinitionValue f def.content; }
    else
      f def;
}
