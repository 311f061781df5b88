# Functions of lib: generators.
{ lib }:
with lib;
let
  drv =
    name: extra:
    {
      type = "derivation";
      inherit name;
      outPath = "/nix/store/${name}";
    }
    // extra;
in
{
  toINI-escapes = generators.toINI { } {
    "a[b]" = {
      "k=1" = "v";
      n = null;
      f = 1.5;
    };
    e = { };
  };
  toINI-own = generators.toINI {
    mkSectionName = s: "<${s}>";
    mkKeyValue = k: v: "${k}: ${toString v}";
  } { s.a = 1; };
  toINI-duplicates = generators.toINI { listsAsDuplicateKeys = true; } {
    s.a = [
      1
      2
    ];
  };
  toINI-list = generators.toINI { } { s.a = [ 1 ]; };
  toINIWithGlobalSection = [
    (generators.toINIWithGlobalSection { } {
      globalSection = {
        a = 1;
      };
      sections = {
        s.b = 2;
      };
    })
    (generators.toINIWithGlobalSection { } { globalSection = { }; })
  ];
  toKeyValue-forms = [
    (generators.toKeyValue { listsAsDuplicateKeys = true; } {
      a = [
        1
        2
      ];
    })
    (generators.toKeyValue { mkKeyValue = generators.mkKeyValueDefault { } " "; } { a = "x"; })
    (generators.toKeyValue { indent = "  "; } { a = 1; })
  ];
  mkKeyValueDefault = [
    (generators.mkKeyValueDefault { } ":" "f:oo" "bar")
    (generators.mkKeyValueDefault { mkValueString = v: "<${v}>"; } "=" "a" "b")
  ];
  mkValueStringDefault = map (generators.mkValueStringDefault { }) [
    1
    "a"
    true
    false
    null
    1.5
    (drv "d" { })
  ];
  toJSON-yaml = [
    (generators.toJSON { } { a = null; })
    (generators.toYAML { } { a = [ true ]; })
  ];
  toPretty-forms = generators.toPretty { } {
    a = [
      1
      "x\"y"
      null
    ];
    b = { };
    "c d" = [ ];
    e = 1.5;
    f = x: x;
    g =
      {
        h,
        i ? 1,
      }:
      h;
    s = "l1\nl2\${x}''\n";
    t = true;
    d = drv "dd" { };
  };
  toPretty-single = generators.toPretty { multiline = false; } {
    a = [
      1
      { b = "q\nr"; }
    ];
  };
  toPretty-pretty = generators.toPretty { allowPrettyValues = true; } {
    a = {
      __pretty = v: "P${v}";
      val = "q";
    };
  };
  toPretty-indent = generators.toPretty { indent = "  "; } { a = [ 1 ]; };
  withRecursion =
    generators.withRecursion
      {
        depthLimit = 2;
        throwOnDepthLimit = false;
      }
      {
        a.b.c = 1;
        d = [ [ 1 ] ];
        e = 1;
      };
  withRecursion-throws = generators.withRecursion { depthLimit = 1; } { a.b.c = 1; };
}
