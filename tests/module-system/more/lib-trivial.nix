# Functions of lib: trivial.
{ lib }:
with lib;
{
  functions = [
    (id 1)
    (const 1 2)
    (flip (a: b: a - b) 1 3)
    (concat [ 1 ] [ 2 ])
    (mergeAttrs { a = 1; } { b = 2; })
    (defaultTo 1 null)
    (defaultTo 1 2)
    (mapNullable (x: x + 1) null)
    (mapNullable (x: x + 1) 1)
  ];
  booleans = [
    (trivial."or" true false)
    (and true false)
    (xor true true)
    (xor true false)
    (bitAnd 6 3)
    (bitOr 6 3)
    (bitXor 6 3)
    (bitNot 5)
  ];
  numbers = [
    (min 2 1)
    (max 2 1)
    (mod (-7) 3)
    (mod 7 (-3))
    (compare 1 2)
    (compare "b" "a")
    (compare 1 1)
    (toBaseDigits 10 250)
    (toBaseDigits 2 0)
    (toHexString 250)
    (fromHexString "FF")
    (fromHexString "0x10")
  ];
  functionArgs = [
    (functionArgs (
      {
        a,
        b ? 1,
      }:
      a
    ))
    (functionArgs (setFunctionArgs (x: x) { q = true; }))
    (functionArgs (x: x))
  ];
  setFunctionArgs = (setFunctionArgs (x: x + 1) { }) 2;
  toFunction = [
    (toFunction 3 "any")
    (toFunction (x: x) 4)
  ];
  mirrorFunctionArgs = functionArgs (
    mirrorFunctionArgs (
      {
        a,
        b ? 1,
      }:
      a
    ) (x: x)
  );
  fixed = [
    (fix (self: {
      a = 1;
      b = self.a + 1;
    }))
    (converge (x: x / 2) 17)
  ];
  extends = fix (
    extends (final: prev: { b = prev.a + final.c; }) (final: {
      a = 1;
      c = 5;
    })
  );
  composeExtensions = fix (
    extends
      (composeExtensions (final: prev: { a = prev.a + 1; }) (
        final: prev: {
          a = prev.a * 10;
          b = final.a;
        }
      ))
      (final: {
        a = 1;
      })
  );
  composeManyExtensions = fix (
    extends
      (composeManyExtensions [
        (f: p: { a = p.a + 1; })
        (f: p: { a = p.a * 2; })
      ])
      (f: {
        a = 1;
      })
  );
  makeExtensible-self =
    let
      e = makeExtensible (self: {
        a = 1;
        b = self.a + 1;
      });
    in
    [
      e.b
      (e.extend (f: p: { a = p.a + 10; })).b
    ];
  warn-value = [
    (warnIf false "no" 1)
    (warnIfNot true "no" 2)
    (throwIfNot true "no" 3)
    (throwIf false "no" 4)
    (showWarnings [ ] 5)
  ];
  throwIfNot = throwIfNot false "yes" 1;
  checkListOfEnum = checkListOfEnum "colours" [ "red" "blue" ] [ "red" ] "fine";
  checkListOfEnum-bad = checkListOfEnum "colours" [ "red" "blue" ] [ "green" ] "fine";
  assertOneOf = assertOneOf "a" 1 [
    1
    2
  ];
  assertOneOf-bad = assertOneOf "a" 3 [
    1
    2
  ];
  importJSON = importJSON (builtins.toFile "x.json" "{\"a\": [1]}");
  importTOML = importTOML (builtins.toFile "x.toml" "a = 1");
  pipe-empty = pipe 1 [ ];
}
