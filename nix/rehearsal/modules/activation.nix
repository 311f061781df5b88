# system.activationScripts, and the scripts of the toplevel that are made of snippets.
{
  lib,
  config,
  pkgs,
  ...
}:
let
  inherit (lib) mkOption types;

  # A machine says that it may be activated by having this file, and nothing else can say it for it: the scripts
  # rewrite users, /etc and units, and must never do so to the machine of somebody who runs one by accident.
  onlyInGuest = ''
    if [ ! -f /etc/slipway-rehearsal-guest ]; then
      echo "refusing to activate: this machine is not a rehearsal guest (it has no /etc/slipway-rehearsal-guest)" >&2
      exit 1
    fi
  '';

  entries = lib.mapAttrs (
    _: v:
    if builtins.isString v then
      {
        text = v;
        deps = [ ];
        supportsDryActivation = false;
      }
    else
      v
  ) config.system.activationScripts;

  # Names in an order in which each comes after what it depends on.
  ordered =
    let
      visit =
        path: done: name:
        if builtins.elem name done then
          done
        else if builtins.elem name path then
          throw "activation scripts depend on each other: ${lib.concatStringsSep " → " (path ++ [ name ])}"
        else if !entries ? ${name} then
          throw "activation script `${lib.last path}` depends on `${name}`, which does not exist"
        else
          lib.foldl' (visit (path ++ [ name ])) done entries.${name}.deps ++ [ name ];
    in
    lib.foldl' (visit [ ]) [ ] (lib.attrNames entries);

  snippet = name: ''
    # ${name}
    snippet=${name}
    ${entries.${name}.text}
  '';
  script =
    name: names: end:
    pkgs.writeScript name ''
      #!/bin/bash
      ${onlyInGuest}
      systemConfig=$(dirname "$(readlink -f "$0")")
      export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
      umask 0022
      # As on NixOS a failing snippet does not keep the others from running, and the whole fails.
      status=0
      trap 'echo "activation script snippet $snippet failed ($?)" >&2; status=1' ERR
      ${lib.concatMapStrings snippet names}
      snippet=end
      ${end}
      exit $status
    '';
in
{
  options.system.activationScripts = mkOption {
    type = types.attrsOf (
      types.either types.str (
        types.submodule {
          options = {
            deps = mkOption {
              type = types.listOf types.str;
              default = [ ];
            };
            text = mkOption { type = types.lines; };
            supportsDryActivation = mkOption {
              type = types.bool;
              default = false;
            };
          };
        }
      )
    );
    default = { };
  };

  config.system.build = {
    activate = script "activate" ordered ''
      mkdir -p /nix/var/nix/gcroots
      ln -sfn /run/current-system /nix/var/nix/gcroots/current-system
      ln -sfn /run/booted-system /nix/var/nix/gcroots/booted-system
      ln -sfn "$systemConfig" /run/current-system
    '';
    dryActivate = script "dry-activate" (builtins.filter (
      n: entries.${n}.supportsDryActivation
    ) ordered) "";
    preSwitchChecks = pkgs.writeScript "pre-switch-checks" ''
      #!/bin/bash
      # Called with the new toplevel and the action; a check that fails stops the switch before anything is changed.
      export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
      status=0
      ${lib.concatStrings (
        lib.mapAttrsToList (name: text: ''
          (
          set -e
          ${text}
          )
          code=$?
          if [ $code -ne 0 ]; then echo "pre-switch check ${name} failed ($code)" >&2; status=1; fi
        '') config.system.preSwitchChecks
      )}
      exit $status
    '';
  };
}
