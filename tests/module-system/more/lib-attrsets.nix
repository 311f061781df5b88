# Functions of lib: attribute sets.
{ lib }:
with lib;
{
  attrByPath = [
    (attrByPath [ "a" "b" ] 0 { a.b = 1; })
    (attrByPath [ "a" "c" ] 0 { a.b = 1; })
    (attrByPath [ "a" "b" "c" ] 0 { a.b = 1; })
    (attrByPath [ ] 0 3)
  ];
  hasAttrByPath = [
    (hasAttrByPath [ "a" "b" ] { a.b = 1; })
    (hasAttrByPath [ "a" "b" "c" ] { a.b = 1; })
    (hasAttrByPath [ ] { })
  ];
  longestValidPathPrefix = [
    (attrsets.longestValidPathPrefix [ "a" "b" "c" ] { a.b = 1; })
    (attrsets.longestValidPathPrefix [ "z" ] { })
  ];
  setAttrByPath = [
    (setAttrByPath [ "a" "b c" ] 1)
    (setAttrByPath [ ] 1)
  ];
  getAttrFromPath = getAttrFromPath [ "a" "b" ] { a.b = 1; };
  getAttrFromPath-missing = getAttrFromPath [ "a" "z" ] { a.b = 1; };
  attrVals = attrVals [ "b" "a" ] {
    a = 1;
    b = 2;
  };
  getAttrs = getAttrs [ "a" ] {
    a = 1;
    b = 2;
  };
  genAttrs = genAttrs [ "x" "y" ] (n: n + n);
  genAttrs-prime = genAttrs' [ 1 2 ] (n: nameValuePair "n${toString n}" n);
  filterAttrsRecursive = filterAttrsRecursive (n: v: v != null) {
    a = null;
    b = {
      c = null;
      d = 1;
    };
  };
  mapAttrsToList = mapAttrsToList (n: v: "${n}${toString v}") {
    b = 2;
    a = 1;
  };
  concatMapAttrs =
    concatMapAttrs
      (n: v: {
        ${n} = v;
        "${n}2" = v + 1;
      })
      {
        a = 1;
        b = 2;
      };
  concatMapAttrs-later-wins = concatMapAttrs (n: v: { x = v; }) {
    a = 1;
    b = 2;
  };
  foldAttrs =
    foldAttrs (n: a: [ n ] ++ a)
      [ ]
      [
        { a = 2; }
        {
          a = 3;
          b = 4;
        }
      ];
  collect = collect isInt {
    a = 1;
    b = {
      c = 2;
      d = "x";
    };
  };
  cartesianProduct = cartesianProduct {
    a = [
      1
      2
    ];
    b = [
      3
      4
    ];
  };
  mapAttrsRecursive = mapAttrsRecursive (p: v: concatStringsSep "." p + toString v) {
    a.b = 1;
    c = 2;
  };
  mapAttrsRecursiveCond =
    mapAttrsRecursiveCond (a: !(a ? stop)) (p: v: if isAttrs v then "stopped" else v)
      {
        a = {
          stop = 1;
        };
        b.c = 2;
      };
  mapAttrsToListRecursive =
    mapAttrsToListRecursive
      (p: v: [
        p
        v
      ])
      {
        a.b = 1;
        c = 2;
      };
  zipAttrs = zipAttrs [
    { a = 1; }
    {
      a = 2;
      b = 3;
    }
  ];
  zipAttrsWithNames = zipAttrsWithNames [ "a" ] (n: vs: vs) [
    {
      a = 1;
      b = 1;
    }
    { a = 2; }
  ];
  recursiveUpdate =
    recursiveUpdate
      {
        a = {
          b = 1;
          c = 2;
        };
        d = 1;
      }
      {
        a.b = 3;
        a.e = 4;
        d.f = 5;
      };
  recursiveUpdateUntil =
    recursiveUpdateUntil
      (
        path: l: r:
        path == [ "a" ] || !(isAttrs l && isAttrs r)
      )
      {
        a.b = 1;
        c.d = 1;
        c.e = 2;
      }
      {
        a.z = 9;
        c.d = 3;
      };
  matchAttrs = [
    (matchAttrs { a.b = 1; } {
      a = {
        b = 1;
        c = 2;
      };
    })
    (matchAttrs { a.b = 2; } { a.b = 1; })
    (matchAttrs { z = 1; } { })
  ];
  mergeAttrsList = mergeAttrsList [
    {
      a = 1;
      b = 1;
    }
    { b = 2; }
    { c = 3; }
  ];
  overrideExisting = overrideExisting { a = 1; } {
    a = 2;
    b = 3;
  };
  unionOfDisjoint = attrsets.unionOfDisjoint { a = 1; } { b = 2; };
  unionOfDisjoint-collision = attrsets.unionOfDisjoint { a = 1; } { a = 2; };
  showAttrPath = [
    (showAttrPath [
      "a"
      "b c"
    ])
    (showAttrPath [ ])
  ];
  isDerivation = map isDerivation [
    { type = "derivation"; }
    { }
    3
  ];
  getOutput = [
    (getOutput "dev" {
      dev = "d";
      out = "o";
    })
    (getOutput "man" { out = "o"; })
    (getOutput "x" "plain")
    (getBin { bin = "b"; })
    (getLib { out = "o"; })
    (getDev {
      outputSpecified = true;
      dev = "d";
      outPath = "p";
    })
  ];
  getFirstOutput = getFirstOutput [ "include" "dev" ] { dev = "d"; };
  recurseIntoAttrs = recurseIntoAttrs { a = 1; };
  updateManyAttrsByPath-nested =
    updateManyAttrsByPath
      [
        {
          path = [ "a" ];
          update = old: old // { z = 1; };
        }
        {
          path = [
            "a"
            "b"
          ];
          update = b: b * 10;
        }
      ]
      {
        a.b = 1;
        c = 0;
      };
  updateManyAttrsByPath-new = updateManyAttrsByPath [
    {
      path = [
        "a"
        "b"
      ];
      update = _: 5;
    }
  ] { };
  updateManyAttrsByPath-missing = updateManyAttrsByPath [
    {
      path = [
        "a"
        "b"
      ];
      update = v: v + 1;
    }
  ] { };
}
