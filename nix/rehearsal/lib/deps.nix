# Pieces of text that name the pieces which must come before them, as activation scripts do.
{ lib }:
let
  inherit (builtins) head isAttrs tail;
in
rec {
  # The texts of `names`, each once and after what it depends on.
  textClosureList =
    pieces: names:
    let
      go =
        done: todo:
        let
          next = head todo;
          before = go done next.deps;
          after = go before.done (tail todo);
        in
        if todo == [ ] then
          {
            texts = [ ];
            inherit done;
          }
        else if isAttrs next then
          {
            texts = before.texts ++ [ next.text ] ++ after.texts;
            inherit (after) done;
          }
        else if done ? ${next} then
          go done (tail todo)
        else
          go (done // { ${next} = true; }) ([ pieces.${next} ] ++ tail todo);
    in
    (go { } names).texts;

  textClosureMap =
    f: pieces: names:
    lib.concatMapStringsSep "\n" f (textClosureList pieces names);

  fullDepEntry = text: deps: { inherit text deps; };
  noDepEntry = text: fullDepEntry text [ ];
  packEntry = fullDepEntry "";
  stringAfter = deps: text: fullDepEntry text deps;
}
