# Functions of lib: options and modules as values.
{ lib }:
with lib;
{
  wrappers = [
    (mkForce 1)
    (mkDefault 1)
    (mkIf true 1)
    (mkMerge [ ])
    (mkBefore 1)
    (mkAfter 1)
    (mkOrder 3 1)
    (mkOverride 3 1)
    (mkOptionDefault 1)
    (mkVMOverride 1)
    (mkImageMediaOverride 1)
  ];
  isType = [
    (isType "if" (mkIf true 1))
    (isType "if" { })
    (setType "q" { })._type
    (isOption (mkOption { }))
    (isOptionType types.int)
  ];
  showOption = [
    (showOption [
      "a"
      "b"
    ])
    (showOption [
      "a"
      "b c"
      "*"
      "<name>"
    ])
    (options.showFiles [
      "a"
      "b"
    ])
  ];
  showDefs = options.showDefs [
    {
      file = "a.nix";
      value = 1;
    }
    {
      file = "b.nix";
      value = {
        a = [
          1
          2
          3
          4
          5
          6
        ];
      };
    }
    {
      file = "c.nix";
      value = throw "x";
    }
  ];
  mergeOptions = [
    (options.mergeEqualOption
      [ "a" ]
      [
        {
          file = "f";
          value = 1;
        }
        {
          file = "g";
          value = 1;
        }
      ]
    )
    (options.mergeOneOption
      [ "a" ]
      [
        {
          file = "f";
          value = 1;
        }
      ]
    )
    (options.mergeDefaultOption
      [ "a" ]
      [
        {
          file = "f";
          value = [ 1 ];
        }
        {
          file = "g";
          value = [ 2 ];
        }
      ]
    )
  ];
  properties = [
    (modules.pushDownProperties (mkIf true { a = 1; }))
    (modules.dischargeProperties (mkMerge [
      1
      (mkIf false 2)
      (mkIf true 3)
    ]))
    (map (d: d.value) (
      modules.filterOverrides [
        { value = mkForce 1; }
        { value = 2; }
      ]
    ))
    (map (d: d.value) (
      modules.sortProperties [
        { value = mkAfter 1; }
        { value = 2; }
      ]
    ))
  ];
  prelude = [
    (isInt 1)
    (isFloat 1.0)
    (isBool true)
    (isString "a")
    (isList [ ])
    (isAttrs { })
    (isPath ./.)
    (typeOf 1)
    (stringLength "abc")
    (substring 1 1 "abc")
    (elemAt [ 1 2 ] 1)
    (length [ 1 ])
    (genList id 2)
    (toJSON 1)
    (fromJSON "1")
    (hasAttr "a" { a = 1; })
    (getAttr "a" { a = 1; })
    (attrNames {
      b = 1;
      a = 2;
    })
    (attrValues {
      b = 1;
      a = 2;
    })
    (listToAttrs [ (nameValuePair "a" 1) ])
    (intersectAttrs { a = 1; } {
      a = 2;
      b = 3;
    })
    (removeAttrs {
      a = 1;
      b = 2;
    } [ "a" ])
    (concatLists [
      [ 1 ]
      [ 2 ]
    ])
    (match "a(.)" "ab")
    (split "," "a,b")
    (tryEval 1)
    (seq 1 2)
    (deepSeq 1 2)
    (add 1 2)
    (sub 3 1)
    (mul 2 3)
    (div 7 2)
    (lessThan 1 2)
    (ceil 1.5)
    (floor 1.5)
    (baseNameOf "/a/b")
    (dirOf "/a/b")
    (versions.compareVersions "1" "2")
    (hashString "sha256" "a")
    (toString [
      1
      "a"
    ])
  ];
}
