# Functions about lists.
{ lib }:
let
  inherit (builtins)
    all
    any
    attrNames
    attrValues
    concatLists
    concatMap
    elem
    elemAt
    filter
    foldl'
    genList
    groupBy
    head
    isList
    length
    mapAttrs
    partition
    sort
    split
    tail
    ;
  inherit (lib) assertMsg max min;
in
rec {
  inherit (builtins)
    all
    any
    concatLists
    concatMap
    elem
    elemAt
    filter
    genList
    groupBy
    head
    isList
    length
    partition
    sort
    tail
    ;
  inherit map;

  singleton = x: [ x ];
  optional = condition: x: if condition then [ x ] else [ ];
  optionals = condition: xs: if condition then xs else [ ];
  toList = x: if isList x then x else [ x ];
  range = first: last: if first > last then [ ] else genList (n: first + n) (last - first + 1);
  replicate = n: x: genList (_: x) n;
  forEach = xs: f: map f xs;

  foldr =
    f: end: xs:
    let
      from = n: if n == length xs then end else f (elemAt xs n) (from (n + 1));
    in
    from 0;
  fold = foldr;
  foldl =
    f: start: xs:
    let
      upTo = n: if n == 0 then start else f (upTo (n - 1)) (elemAt xs (n - 1));
    in
    upTo (length xs);
  foldl' = f: start: builtins.seq start (builtins.foldl' f start);

  imap0 = f: xs: genList (n: f n (elemAt xs n)) (length xs);
  imap1 = f: imap0 (n: f (n + 1));
  ifilter0 =
    keep: xs: map (elemAt xs) (filter (n: keep n (elemAt xs n)) (genList (n: n) (length xs)));
  flatten = x: if isList x then concatMap flatten x else [ x ];
  remove = x: filter (y: y != x);
  count = matches: xs: length (filter matches xs);

  findFirstIndex =
    matches: default: xs:
    let
      from =
        n:
        if n == length xs then
          default
        else if matches (elemAt xs n) then
          n
        else
          from (n + 1);
    in
    from 0;
  findFirst =
    matches: default: xs:
    let
      n = findFirstIndex matches null xs;
    in
    if n == null then default else elemAt xs n;
  findSingle =
    matches: none: several: xs:
    let
      found = filter matches xs;
    in
    if found == [ ] then
      none
    else if length found == 1 then
      head found
    else
      several;

  sublist =
    start: count: xs:
    genList (n: elemAt xs (start + n)) (max 0 (min count (length xs - start)));
  take = sublist 0;
  drop = n: xs: sublist n (length xs) xs;
  takeEnd = n: xs: drop (max 0 (length xs - n)) xs;
  dropEnd = n: xs: take (max 0 (length xs - n)) xs;
  last =
    xs:
    assert assertMsg (xs != [ ]) "lists.last: list must not be empty!";
    elemAt xs (length xs - 1);
  init =
    xs:
    assert assertMsg (xs != [ ]) "lists.init: list must not be empty!";
    dropEnd 1 xs;
  reverseList = xs: genList (n: elemAt xs (length xs - 1 - n)) (length xs);
  replaceElemAt =
    xs: n: x:
    assert assertMsg (
      0 <= n && n < length xs
    ) "'lists.replaceElemAt' called with index ${toString n} on a list of size ${toString (length xs)}";
    imap0 (m: old: if m == n then x else old) xs;

  hasPrefix = prefix: xs: take (length prefix) xs == prefix;
  removePrefix =
    prefix: xs:
    if hasPrefix prefix xs then
      drop (length prefix) xs
    else
      throw "lib.lists.removePrefix: First argument is not a list prefix of the second argument";
  commonPrefix =
    a: b:
    let
      differs = zipListsWith (x: y: x != y) a b;
    in
    take (findFirstIndex lib.id (length differs) differs) a;

  zipListsWith =
    f: a: b:
    genList (n: f (elemAt a n) (elemAt b n)) (min (length a) (length b));
  zipLists = zipListsWith (fst: snd: { inherit fst snd; });
  crossLists = f: foldl (fs: xs: concatMap (g: map g xs) fs) [ f ];
  groupBy' =
    f: start: key: xs:
    mapAttrs (_: foldl f start) (groupBy key xs);
  concatAttrValues = set: concatLists (attrValues set);

  unique = foldl' (seen: x: if elem x seen then seen else seen ++ [ x ]) [ ];
  uniqueStrings = xs: attrNames (groupBy lib.id xs);
  allUnique = xs: length (unique xs) == length xs;
  intersectLists = xs: filter (x: elem x xs);
  subtractLists = xs: filter (x: !elem x xs);
  mutuallyExclusive = a: b: !any (x: elem x b) a;

  sortOn =
    key: xs:
    map (pair: pair.x) (
      sort (a: b: a.key < b.key) (
        map (x: {
          key = key x;
          inherit x;
        }) xs
      )
    );

  compareLists =
    compare: a: b:
    if a == [ ] || b == [ ] then
      lib.compare (length a) (length b)
    else
      let
        first = compare (head a) (head b);
      in
      if first == 0 then compareLists compare (tail a) (tail b) else first;

  # Numbers within names count as numbers.
  naturalSort =
    let
      parts = map (part: if isList part then lib.toInt (head part) else part);
      prepare = x: {
        key = parts (split "(0|[1-9][0-9]*)" x);
        inherit x;
      };
      before = a: b: compareLists lib.compare a.key b.key < 0;
    in
    xs: map (entry: entry.x) (sort before (map prepare xs));

  # Follows `before` from the first element to one that nothing else precedes, or to a cycle.
  listDfs =
    stopOnCycles: before: xs:
    let
      visit =
        current: visited: rest:
        let
          cycle = filter (x: before x current) visited;
          ahead = partition (x: before x current) rest;
        in
        if stopOnCycles && cycle != [ ] then
          {
            cycle = current;
            loops = cycle;
            inherit visited rest;
          }
        else if ahead.right == [ ] then
          {
            minimal = current;
            inherit visited rest;
          }
        else
          visit (head ahead.right) ([ current ] ++ visited) (tail ahead.right ++ ahead.wrong);
    in
    visit (head xs) [ ] (tail xs);

  toposort =
    before: xs:
    let
      first = listDfs true before xs;
      rest = toposort before (first.visited ++ first.rest);
    in
    if length xs < 2 then
      { result = xs; }
    else if first ? cycle then
      {
        cycle = reverseList ([ first.cycle ] ++ first.visited);
        inherit (first) loops;
      }
    else if rest ? cycle then
      rest
    else
      { result = [ first.minimal ] ++ rest.result; };
}
