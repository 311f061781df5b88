# Small functions about functions, numbers, warnings and extensible sets.
{ lib }:
let
  inherit (builtins)
    concatStringsSep
    elemAt
    foldl'
    fromJSON
    fromTOML
    isFunction
    match
    readFile
    trace
    ;

  hexDigits = lib.stringToCharacters "0123456789ABCDEF";
in
rec {
  inherit (builtins)
    add
    addErrorContext
    bitAnd
    bitOr
    bitXor
    ceil
    deepSeq
    div
    floor
    fromJSON
    fromTOML
    genericClosure
    getContext
    hasContext
    hashFile
    hashString
    isBool
    isFloat
    isInt
    isPath
    lessThan
    mul
    parseDrvName
    pathExists
    placeholder
    readDir
    readFile
    seq
    sub
    toFile
    toJSON
    toString
    toXML
    trace
    tryEval
    typeOf
    unsafeDiscardStringContext
    unsafeGetAttrPos
    ;
  inherit baseNameOf dirOf;

  # The release whose semantics these are; modules compare against it.
  release = "26.05";
  version = "${release}pre-rehearsal";
  versionSuffix = "pre-rehearsal";
  oldestSupportedReleaseIsAtLeast = wanted: wanted <= 2511;

  id = x: x;
  const = x: _: x;
  flip =
    f: a: b:
    f b a;
  pipe = foldl' (x: f: f x);
  concat = a: b: a ++ b;
  mergeAttrs = a: b: a // b;
  defaultTo = default: x: if x == null then default else x;
  mapNullable = f: x: if x == null then x else f x;

  "or" = a: b: a || b;
  and = a: b: a && b;
  xor = a: b: a != b;
  bitNot = builtins.sub (-1);
  boolToString = b: if b then "true" else "false";
  boolToYesNo = b: if b then "yes" else "no";

  min = a: b: if a < b then a else b;
  max = a: b: if a > b then a else b;
  mod = a: b: a - b * (a / b);
  compare =
    a: b:
    if a < b then
      -1
    else if a > b then
      1
    else
      0;

  # Most significant digit first.
  toBaseDigits =
    base: n: if n < base then [ n ] else toBaseDigits base (n / base) ++ [ (mod n base) ];
  toHexString = n: concatStringsSep "" (map (elemAt hexDigits) (toBaseDigits 16 n));
  fromHexString =
    text:
    let
      digits = match "(0x)?([0-9a-fA-F]{1,16})" text;
    in
    if digits == null then
      throw "fromHexString: ${lib.strings.escapeNixString text} is not a hexadecimal number"
    else
      (fromTOML "n=0x${elemAt digits 1}").n;

  importJSON = file: fromJSON (readFile file);
  importTOML = file: fromTOML (readFile file);

  # A set with `__functor` can be called like a function.
  isFunction = f: builtins.isFunction f || f ? __functor && isFunction (f.__functor f);
  functionArgs =
    f:
    if f ? __functor then
      f.__functionArgs or (builtins.functionArgs (f.__functor f))
    else
      builtins.functionArgs f;
  setFunctionArgs = f: args: {
    __functor = _: f;
    __functionArgs = args;
  };
  mirrorFunctionArgs = f: g: setFunctionArgs g (functionArgs f);
  toFunction = v: if isFunction v then v else _: v;

  warn = builtins.warn or (message: trace "evaluation warning: ${message}");
  warnIf = condition: message: if condition then warn message else id;
  warnIfNot = condition: warnIf (!condition);
  throwIf = condition: message: if condition then throw message else id;
  throwIfNot = condition: throwIf (!condition);
  showWarnings = warnings: value: lib.foldr warn value warnings;
  info = message: trace "INFO: ${message}";
  traceVal = value: trace value value;
  traceValSeq = value: trace (builtins.deepSeq value value) value;

  checkListOfEnum =
    message: valid: given:
    let
      unexpected = lib.subtractLists valid given;
      show = items: concatStringsSep ", " (map toString items);
    in
    throwIf (unexpected != [ ]) "${message}: ${show unexpected} unexpected; valid ones: ${show valid}";

  assertMsg = condition: message: condition || throw message;
  assertOneOf =
    name: value: allowed:
    assertMsg (builtins.elem value allowed) "${name} must be one of ${
      lib.generators.toPretty { } allowed
    }, but is: ${lib.generators.toPretty { } value}";

  fix =
    f:
    let
      x = f x;
    in
    x;
  converge =
    f: x:
    let
      next = f x;
    in
    if next == x then x else converge f next;
  extends =
    overlay: f: final:
    let
      prev = f final;
    in
    prev // overlay final prev;
  composeExtensions =
    first: second: final: prev:
    let
      changes = first final prev;
    in
    changes // second final (prev // changes);
  composeManyExtensions = lib.foldr composeExtensions (_: _: { });
  makeExtensible = makeExtensibleWithCustomName "extend";
  makeExtensibleWithCustomName =
    extender: f:
    fix (
      self:
      f self
      // {
        ${extender} = overlay: makeExtensibleWithCustomName extender (extends overlay f);
        __unfix__ = f;
      }
    );
}
