# Functions whose arguments can be filled in from a set, and changed again later.
{ lib }:
let
  inherit (builtins)
    attrNames
    filter
    head
    intersectAttrs
    isAttrs
    ;
  inherit (lib) functionArgs isFunction mirrorFunctionArgs;
in
rec {
  # `(makeOverridable f args).override changes` is `f (args // changes)`.
  makeOverridable =
    f:
    mirrorFunctionArgs f (
      args:
      let
        result = f args;
        override = mirrorFunctionArgs f (
          changes: makeOverridable f (args // (if isFunction changes then changes args else changes))
        );
      in
      if isAttrs result then result // { inherit override; } else result
    );

  callPackageWith =
    available: fn: args:
    let
      f = if isFunction fn then fn else import fn;
      wanted = functionArgs f;
      given = intersectAttrs wanted available // args;
      missing = filter (name: !wanted.${name} && !given ? ${name}) (attrNames wanted);
    in
    if missing == [ ] then
      makeOverridable f given
    else
      abort "lib.customisation.callPackageWith: Function called without required argument \"${head missing}\"";
}
