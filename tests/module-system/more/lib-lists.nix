# Functions of lib: lists.
{ lib }:
with lib;
{
  imap = [
    (imap0
      (i: x: [
        i
        x
      ])
      [
        "a"
        "b"
      ]
    )
    (imap1 (i: x: "${toString i}${x}") [
      "a"
      "b"
    ])
  ];
  ifilter0 = ifilter0 (i: x: i != 1) [
    "a"
    "b"
    "c"
  ];
  foldl = foldl (a: b: "(${a}${b})") "z" [
    "a"
    "b"
  ];
  fold-strict = foldl' (a: b: a - b) 10 [
    1
    2
  ];
  subtractLists = [
    (subtractLists [ 1 2 ] [ 1 2 3 4 ])
    (intersectLists [ 1 2 ] [ 2 3 ])
  ];
  unique = [
    (unique [
      3
      1
      3
      2
      1
    ])
    (uniqueStrings [
      "b"
      "a"
      "b"
    ])
    (allUnique [
      1
      2
    ])
    (allUnique [
      1
      1
    ])
  ];
  remove-count = [
    (remove 1 [
      1
      2
      1
    ])
    (count (x: x > 1) [
      1
      2
      3
    ])
  ];
  sublist = [
    (sublist 1 2 [
      1
      2
      3
      4
    ])
    (sublist 3 9 [
      1
      2
      3
      4
    ])
    (sublist 9 1 [ 1 ])
    (take 2 [
      1
      2
      3
    ])
    (take 9 [ 1 ])
    (drop 2 [
      1
      2
      3
    ])
    (drop 9 [ 1 ])
    (takeEnd 2 [
      1
      2
      3
    ])
    (dropEnd 1 [
      1
      2
      3
    ])
  ];
  last-init = [
    (last [
      1
      2
    ])
    (init [
      1
      2
    ])
  ];
  last-empty = last [ ];
  init-empty = init [ ];
  reverseList = reverseList [
    1
    2
    3
  ];
  zipListsWith = [
    (zipListsWith (a: b: a + b) [ 1 2 3 ] [ 10 20 ])
    (zipLists [ 1 ] [ 2 3 ])
  ];
  findSingle = [
    (findSingle (x: x > 2) "none" "many" [
      1
      2
      3
    ])
    (findSingle (x: x > 1) "none" "many" [
      1
      2
      3
    ])
    (findSingle (x: x > 9) "none" "many" [ 1 ])
  ];
  findFirstIndex = [
    (lists.findFirstIndex (x: x == 2) null [
      1
      2
    ])
    (lists.findFirstIndex (x: x == 9) null [
      1
      2
    ])
  ];
  sortOn = sortOn stringLength [
    "ccc"
    "a"
    "bb"
    "d"
  ];
  compareLists = [
    (compareLists compare [ 1 2 ] [ 1 3 ])
    (compareLists compare [ ] [ 1 ])
    (compareLists compare [ 1 ] [ ])
    (compareLists compare [ 1 ] [ 1 ])
  ];
  naturalSort-mixed = naturalSort [
    "x12"
    "x2"
    "x1y10"
    "x1y9"
    "10"
    "9"
  ];
  toposort = [
    (toposort (a: b: hasPrefix a b) [
      "ab"
      "a"
      "abc"
      "x"
    ])
    (toposort (a: b: a < b) [
      3
      2
      1
    ])
  ];
  toposort-cycle =
    toposort
      (
        a: b:
        elem
          [ a b ]
          [
            [
              1
              2
            ]
            [
              2
              3
            ]
            [
              3
              1
            ]
          ]
      )
      [
        1
        2
        3
      ];
  groupBy-prime = groupBy' (a: b: a + b) 0 (x: if x > 1 then "big" else "small") [
    1
    2
    3
  ];
  crossLists = crossLists (a: b: a + b) [
    [
      1
      2
    ]
    [
      10
      20
    ]
  ];
  replicate = [
    (replicate 2 "a")
    (lists.replicate 0 1)
    (strings.replicate 3 "ab")
  ];
  range-empty = range 3 1;
  list-prefix = [
    (lists.hasPrefix [ 1 ] [ 1 2 ])
    (lists.removePrefix [ 1 ] [ 1 2 ])
    (lists.commonPrefix [ 1 2 3 ] [ 1 2 4 ])
  ];
  mutuallyExclusive = [
    (mutuallyExclusive [ 1 ] [ 2 ])
    (mutuallyExclusive [ 1 ] [ 1 ])
  ];
  flatten-mixed = flatten [
    [ ]
    "a"
    [ [ { b = [ 1 ]; } ] ]
  ];
  toList = [
    (toList 1)
    (toList [ 1 ])
    (singleton 1)
  ];
  concatMap =
    concatMap
      (x: [
        x
        x
      ])
      [
        1
        2
      ];
  forEach = forEach [ 1 2 ] (x: x + 1);
  replaceElemAt = lists.replaceElemAt [ 1 2 3 ] 1 9;
}
