# Types as values, and their words.
{ lib }:
with import ./prelude.nix { inherit lib; };
{
  type-check = map (t: t.check 3) [
    types.int
    types.str
    (types.either types.str types.int)
    (types.nullOr types.int)
    types.anything
    types.port
    (types.enum [ 3 ])
    (types.coercedTo types.int toString types.str)
  ];
  type-merge-types = (types.mergeTypes (types.enum [ "a" ]) (types.enum [ "b" ])).check "b";
  type-merge-types-error = (types.mergeTypes types.int types.str)._type;
  type-custom = cfg [
    {
      options.x = opt (
        lib.mkOptionType {
          name = "even";
          description = "even integer";
          check = n: lib.mod n 2 == 0;
          merge = loc: defs: lib.foldl' (a: d: a + d.value) 0 defs;
        }
      );
    }
    { x = 2; }
    { x = 4; }
  ];
  type-custom-wrong = cfg [
    {
      options.x = opt (
        lib.mkOptionType {
          name = "even";
          check = n: lib.mod n 2 == 0;
        }
      );
    }
    { x = 3; }
  ];
  type-custom-merge-default = cfg [
    { options.x = opt (lib.mkOptionType { name = "plain"; }); }
    { x = [ 1 ]; }
    { x = [ 2 ]; }
  ];
  type-custom-merge-equal = cfg [
    {
      options.x = opt (
        lib.mkOptionType {
          name = "same";
          merge = lib.mergeEqualOption;
        }
      );
    }
    { x = 1; }
    { x = 2; }
  ];
  type-custom-merge-one = cfg [
    {
      options.x = opt (
        lib.mkOptionType {
          name = "one";
          merge = lib.options.mergeOneOption;
        }
      );
    }
    { x = 1; }
    { x = 1; }
  ];
  type-option-type =
    (cfg [
      { options.t = opt types.optionType; }
      { t = types.int; }
    ]).t.name;
  type-option-type-merge =
    ((cfg [
      { options.t = opt types.optionType; }
      { t = types.enum [ "a" ]; }
      { t = types.enum [ "b" ]; }
    ]).t
    ).description;
  type-between-negative = cfg [
    { options.x = opt (types.ints.between (-5) (-1)); }
    { x = -3; }
  ];
  type-between-inverted = (types.ints.between 5 3).description;
  type-oneof-empty = (types.oneOf [ ]).description;
  type-coerced-from-sub = (types.coercedTo (sub { }) (x: x) types.int).name;
  type-numbers = map (t: t.check 0.5) [
    types.numbers.positive
    types.numbers.nonnegative
    (types.numbers.between 1 2)
  ];
  type-merge-definitions =
    (lib.mergeDefinitions [ "a" ] (types.listOf types.int) [
      {
        file = "f";
        value = [ 1 ];
      }
      {
        file = "g";
        value = mkBefore [ 0 ];
      }
    ]).mergedValue;
  type-descriptions = map (t: t.description) (
    with types;
    [
      (nullOr str)
      port
      (attrsOf (submodule { }))
      (listOf str)
      (enum [
        "a"
        "b"
      ])
      (nullOr (enum [
        "a"
        "b"
      ]))
      (listOf (enum [
        "a"
        "b"
      ]))
      (listOf (enum [ "a" ]))
      (either int str)
      (oneOf [
        int
        str
        path
      ])
      (nullOr (either int str))
      (listOf (either int str))
      (attrsOf (listOf str))
      (either (listOf str) str)
      (either str (listOf str))
      (coercedTo int toString str)
      (coercedTo (listOf str) toString lines)
      (coercedTo str (x: [ x ]) (listOf str))
      ints.unsigned
      ints.positive
      (nullOr ints.positive)
      (either ints.unsigned str)
      (listOf ints.unsigned)
      (ints.between 1 4)
      (listOf (ints.between 1 4))
      ints.u8
      ints.s8
      ints.u32
      ints.s32
      number
      numbers.positive
      (numbers.between 0.5 1)
      (numbers.between 1 2)
      float
      bool
      lines
      commas
      envVar
      (separatedString " ")
      package
      shellPackage
      path
      pathInStore
      anything
      attrs
      raw
      unspecified
      (strMatching "[a]+")
      (functionTo (listOf package))
      (functionTo (either int str))
      (uniq (listOf str))
      (unique { message = ""; } (enum [
        "a"
        "b"
      ]))
      (nonEmptyListOf str)
      (nonEmptyListOf (submodule { }))
      nonEmptyStr
      singleLineStr
      (passwdEntry str)
      (passwdEntry path)
      (nullOr (passwdEntry str))
      (submodule { freeformType = attrsOf int; })
      (listOf (submodule {
        freeformType = attrsOf (either int str);
      }))
      (submoduleWith {
        modules = [ ];
        description = "foo";
      })
      (lazyAttrsOf anything)
      (attrsOf anything)
      deferredModule
      (attrsOf deferredModule)
      optionType
      (addCheck int (x: x > 0))
      (addCheck (listOf int) (x: x != [ ]))
      json
      toml
      (attrsOf json)
      (listOf (nullOr str))
      (nullOr (listOf (nullOr str)))
      (attrTag {
        a = lib.mkOption { type = int; };
        b = lib.mkOption { type = str; };
      })
      (enum [ ])
      (enum [ 1 ])
      (enum [
        null
        true
        1.5
      ])
      (nullOr attrs)
      (listOf attrs)
      boolByOr
      externalPath
      (pathWith { absolute = false; })
      (pathWith { })
      (listOf unspecified)
      (either (nullOr int) ints.positive)
      (either (coercedTo int toString str) int)
      (coercedTo (either int str) toString (either str int))
      (attrsWith {
        elemType = int;
        placeholder = "foo";
      })
    ]
  );
}
