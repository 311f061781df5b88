# deploy-rs' `lib.<system>`: what makes a profile of a configuration, and the checks of the `deploy` output.
pkgs:
let
  inherit (pkgs) lib;

  # Called as a function or as a set with the scripts for --dry-activate and --boot, as in the real flake. Like there,
  # nothing looks at TEST: `deploy --test` runs the ordinary script unless that script does it.
  custom.__functor =
    self: base: activate:
    let
      printed = "echo ${pkgs.writeScript "activate" activate}";
    in
    pkgs.buildEnv {
      name = "activatable-${base.name}";
      paths = [
        base
        (pkgs.writeTextFile {
          name = "${base.name}-activate-path";
          executable = true;
          destination = "/deploy-rs-activate";
          text = ''
            #!${pkgs.runtimeShell}
            set -euo pipefail
            if [[ "''${DRY_ACTIVATE:-}" == 1 ]]; then
              ${self.dryActivate or printed}
            elif [[ "''${BOOT:-}" == 1 ]]; then
              ${self.boot or printed}
            else
              ${activate}
            fi
          '';
        })
        (pkgs.writeTextFile {
          name = "${base.name}-activate-rs";
          executable = true;
          destination = "/activate-rs";
          text = ''
            #!${pkgs.runtimeShell}
            exec ${pkgs.deploy-rs}/bin/activate-rs "$@"
          '';
        })
      ];
    };

  nixos =
    base:
    let
      inherit (base.config.boot) loader;
    in
    (
      custom
      // {
        dryActivate = "$PROFILE/bin/switch-to-configuration dry-activate";
        boot = "$PROFILE/bin/switch-to-configuration boot";
      }
    )
      base.config.system.build.toplevel
      ''
        # The profile may be gone before the script ends (NixOS/nixpkgs#73404).
        cd /tmp
        $PROFILE/bin/switch-to-configuration switch
        ${lib.optionalString loader.systemd-boot.enable
          # Without a default the newest entry boots (serokell/deploy-rs#31).
          "sed -i '/^default /d' ${loader.efi.efiSysMountPoint}/loader/loader.conf"
        }
      '';

  string = builtins.isString;
  strings = v: builtins.isList v && builtins.all string v;
  general = {
    sshUser = string;
    user = string;
    sudo = string;
    sshOpts = strings;
    groups = strings;
    tempPath = string;
    fastConnection = builtins.isBool;
    autoRollback = builtins.isBool;
    magicRollback = builtins.isBool;
    remoteBuild = builtins.isBool;
    interactiveSudo = builtins.isBool;
    confirmTimeout = builtins.isInt;
    activationTimeout = builtins.isInt;
  };
  node = general // {
    hostname = string;
    profilesOrder = strings;
    profiles = builtins.isAttrs;
  };
  profile = general // {
    path = v: string v || lib.isDerivation v;
    profilePath = string;
  };
  # deploy-rs' own schema lets unknown keys through; here they are refused, since a misspelt setting is a setting lost.
  problems =
    where: schema: required: value:
    lib.concatLists (
      lib.mapAttrsToList (
        key: v:
        if !schema ? ${key} then
          [ "${where}: deploy-rs has no setting `${key}`" ]
        else
          lib.optional (!schema.${key} v) "${where}.${key}: is of the wrong type (${builtins.typeOf v})"
      ) value
    )
    ++ map (key: "${where}: `${key}` is missing") (builtins.filter (key: !value ? ${key}) required);
  deployProblems =
    deploy:
    problems "deploy" (general // { nodes = builtins.isAttrs; }) [ ] deploy
    ++ lib.concatLists (
      lib.mapAttrsToList (
        name: value:
        problems "deploy.nodes.${name}" node [ "hostname" "profiles" ] value
        ++ lib.concatLists (
          lib.mapAttrsToList (
            profileName: problems "deploy.nodes.${name}.profiles.${profileName}" profile [ "path" ]
          ) value.profiles or { }
        )
      ) deploy.nodes or { }
    );
in
{
  activate = {
    inherit custom nixos;
    noop = base: custom base ":";
  };

  deployChecks = deploy: {
    deploy-schema =
      let
        found = deployProblems deploy;
      in
      pkgs.runCommand "deploy-schema" { } (
        if found == [ ] then
          ": > $out"
        else
          ''
            printf '%s\n' ${lib.escapeShellArgs found} >&2
            exit 1
          ''
      );
    deploy-activate = pkgs.runCommand "deploy-activate" { } (
      lib.concatStrings (
        lib.concatLists (
          lib.mapAttrsToList (
            nodeName: value:
            lib.mapAttrsToList (profileName: p: ''
              for program in deploy-rs-activate activate-rs; do
                if [ ! -x ${p.path}/$program ]; then
                  echo "profile ${profileName} of ${nodeName}: $program is missing in ${p.path}" >&2
                  exit 1
                fi
              done
            '') value.profiles
          ) deploy.nodes
        )
      )
      + ": > $out"
    );
  };
}
