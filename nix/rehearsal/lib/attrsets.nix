# Functions about attribute sets, paths through them, and derivations as sets.
{ lib }:
let
  inherit (builtins)
    all
    attrNames
    attrValues
    concatMap
    elemAt
    filter
    foldl'
    groupBy
    hasAttr
    head
    intersectAttrs
    isAttrs
    length
    listToAttrs
    mapAttrs
    partition
    substring
    tail
    zipAttrsWith
    ;
in
rec {
  inherit (builtins)
    attrNames
    attrValues
    catAttrs
    getAttr
    hasAttr
    intersectAttrs
    isAttrs
    listToAttrs
    mapAttrs
    zipAttrsWith
    ;
  inherit removeAttrs;

  optionalAttrs = condition: set: if condition then set else { };
  nameValuePair = name: value: { inherit name value; };

  attrByPath =
    path: default: set:
    if path == [ ] then
      set
    else if set ? ${head path} then
      attrByPath (tail path) default set.${head path}
    else
      default;
  hasAttrByPath =
    path: set: path == [ ] || set ? ${head path} && hasAttrByPath (tail path) set.${head path};
  longestValidPathPrefix =
    path: set:
    lib.findFirst (prefix: hasAttrByPath prefix set) [ ] (
      builtins.genList (n: lib.dropEnd n path) (length path)
    );
  setAttrByPath = path: value: lib.foldr (name: inner: { ${name} = inner; }) value path;
  getAttrFromPath =
    path: attrByPath path (abort "cannot find attribute '${lib.concatStringsSep "." path}'");
  showAttrPath =
    path:
    if path == [ ] then
      "<root attribute path>"
    else
      lib.concatMapStringsSep "." lib.strings.escapeNixIdentifier path;

  # Each update is `{ path; update; }`; those of deeper paths come first.
  updateManyAttrsByPath =
    let
      missing =
        path:
        throw "updateManyAttrsByPath: Path '${showAttrPath path}' does not exist in the given value, but the first update to this path tries to access the existing value.";
      go =
        depth: exists: value: updates:
        let
          here = partition (entry: length entry.path == depth) updates;
          deeper = groupBy (entry: elemAt entry.path depth) here.wrong;
          inner = mapAttrs (name: go (depth + 1) (exists && value ? ${name}) value.${name}) deeper;
          changed =
            if here.wrong == [ ] then
              if exists then value else missing (head here.right).path
            else if !exists then
              inner
            else if isAttrs value then
              value // inner
            else
              throw "updateManyAttrsByPath: Path '${showAttrPath (head here.wrong).path}' needs to be updated, but path '${showAttrPath (lib.take depth (head here.wrong).path)}' of the given value is not an attribute set, so we can't update an attribute inside of it.";
        in
        lib.foldl (value: entry: entry.update value) changed here.right;
    in
    updates: value: go 0 true value updates;

  attrVals = names: set: map (name: set.${name}) names;
  getAttrs = names: set: genAttrs names (name: set.${name});
  genAttrs = names: f: genAttrs' names (name: nameValuePair name (f name));
  genAttrs' = xs: f: listToAttrs (map f xs);
  filterAttrs = keep: set: removeAttrs set (filter (name: !keep name set.${name}) (attrNames set));
  filterAttrsRecursive =
    keep: set:
    mapAttrs (_: value: if isAttrs value then filterAttrsRecursive keep value else value) (
      filterAttrs keep set
    );
  mapAttrs' = f: set: listToAttrs (mapAttrsToList f set);
  mapAttrsToList = f: set: attrValues (mapAttrs f set);
  attrsToList = mapAttrsToList nameValuePair;
  concatMapAttrs = f: set: mergeAttrsList (mapAttrsToList f set);
  foldlAttrs =
    f: start: set:
    lib.foldl' (acc: name: f acc name set.${name}) start (attrNames set);
  foldAttrs =
    f: start: sets:
    mapAttrs (_: lib.foldr f start) (zipAttrs sets);

  mapAttrsRecursive = mapAttrsRecursiveCond (_: true);
  mapAttrsRecursiveCond =
    descend: f:
    let
      go =
        path:
        mapAttrs (name: value: (if isAttrs value && descend value then go else f) (path ++ [ name ]) value);
    in
    go [ ];
  mapAttrsToListRecursive = mapAttrsToListRecursiveCond (_: _: true);
  mapAttrsToListRecursiveCond =
    descend: f:
    let
      go =
        path: set:
        concatMap (
          name:
          let
            here = path ++ [ name ];
            value = set.${name};
          in
          if isAttrs value && descend here value then go here value else [ (f here value) ]
        ) (attrNames set);
    in
    go [ ];
  collect =
    matches: value:
    if matches value then
      [ value ]
    else if isAttrs value then
      concatMap (collect matches) (attrValues value)
    else
      [ ];

  cartesianProduct =
    set:
    foldl' (
      done: name: concatMap (combination: map (x: combination // { ${name} = x; }) set.${name}) done
    ) [ { } ] (attrNames set);
  mapCartesianProduct = f: set: map f (cartesianProduct set);

  zipAttrs = zipAttrsWith (_: values: values);
  zipAttrsWithNames =
    names: f: sets:
    genAttrs names (name: f name (builtins.catAttrs name sets));
  # Halves, since adding one set after the other copies the growing result each time.
  mergeAttrsList =
    sets:
    let
      between =
        from: to:
        if to - from == 1 then
          elemAt sets from
        else
          between from ((from + to) / 2) // between ((from + to) / 2) to;
    in
    if sets == [ ] then { } else between 0 (length sets);
  recursiveUpdateUntil =
    stop:
    let
      go =
        path: old: new:
        old
        // mapAttrs (
          name: value:
          let
            here = path ++ [ name ];
          in
          if old ? ${name} && !stop here old.${name} value then go here old.${name} value else value
        ) new;
    in
    go [ ];
  recursiveUpdate = recursiveUpdateUntil (
    _: old: new:
    !(isAttrs old && isAttrs new)
  );
  matchAttrs =
    pattern: set:
    all (
      name:
      set ? ${name}
      && (
        if isAttrs pattern.${name} then
          isAttrs set.${name} && matchAttrs pattern.${name} set.${name}
        else
          pattern.${name} == set.${name}
      )
    ) (attrNames pattern);
  overrideExisting = old: new: old // intersectAttrs old new;
  unionOfDisjoint =
    a: b:
    let
      shared = intersectAttrs a b;
    in
    a
    // b
    // mapAttrs (
      name: _:
      throw "unionOfDisjoint: collision on ${name}; complete list: ${toString (attrNames shared)}"
    ) shared;
  recurseIntoAttrs = set: set // { recurseForDerivations = true; };
  dontRecurseIntoAttrs = set: set // { recurseForDerivations = false; };

  isDerivation = value: value.type or null == "derivation";
  # A store path with what modules expect of a package.
  toDerivation =
    path:
    let
      outPath = builtins.storePath path;
      self = {
        type = "derivation";
        name = lib.strings.sanitizeDerivationName (substring 33 (-1) (baseNameOf outPath));
        inherit outPath;
        outputs = [ "out" ];
        out = self;
        outputName = "out";
      };
    in
    self;

  getOutput =
    output: pkg: if pkg.outputSpecified or false then pkg else pkg.${output} or pkg.out or pkg;
  getFirstOutput =
    candidates: pkg:
    let
      present = filter (output: hasAttr output pkg) candidates;
    in
    if pkg.outputSpecified or false || present == [ ] then pkg else pkg.${head present};
  getBin = getOutput "bin";
  getDev = getOutput "dev";
  getLib = getOutput "lib";
  getMan = getOutput "man";
}
