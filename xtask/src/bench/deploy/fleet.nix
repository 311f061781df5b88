# A fleet to measure deployments with. What a host's systems are made of is a few lines of shell; what there is of them is
# as much as it says in fleet.json.
{
  outputs =
    _:
    let
      inherit (builtins.fromJSON (builtins.readFile ./fleet.json))
        system
        activate
        seconds
        hosts
        ;
      build =
        attrs:
        derivation (
          attrs
          // {
            inherit system;
            builder = "/bin/sh";
            PATH = "/usr/bin:/bin";
            args = [
              "-c"
              attrs.script
            ];
          }
        );
      # So many paths by one build, each of which leads to two more of them, and to the layer before: no build a path, and
      # a graph as flat as a real one.
      layer =
        {
          name,
          size,
          before ? "",
        }:
        build {
          name = "layer-${name}";
          inherit before;
          outputs = [ "out" ] ++ builtins.genList (n: "o${toString (n + 1)}") (size - 1);
          script = ''
            n=0
            for name in $outputs; do
              eval "path=\$$name left=\''${o$((2 * n + 1))-} right=\''${o$((2 * n + 2))-}"
              echo "$name $left $right $before" > $path
              n=$((n + 1))
            done
          '';
        };
      # What stays from one commit to the next, and is the same on every host.
      lasting =
        count:
        builtins.foldl' (
          before: n:
          layer {
            name = toString n;
            size = 300;
            inherit before;
          }
        ) "" (builtins.genList (n: n) (count / 300));
      # A closure's sources: paths that are named by what is in them.
      sources = builtins.genList (n: builtins.toFile "source-${toString n}" (toString n)) 40;
      toplevel =
        name: host:
        build {
          name = "nixos-system-${name}";
          needs = [
            (lasting host.paths)
            (layer {
              name = "${name}-${host.word}";
              size = 30;
            })
          ]
          ++ (if host.paths > 0 then sources else [ ]);
          script = ''
            mkdir -p $out/bin $out/etc/slipway-guard
            echo "$needs" > $out/needs
            echo '{ "host": "${name}" }' > $out/etc/slipway-guard/config.json
            cat > $out/bin/switch-to-configuration <<'EOF'
            #!/bin/sh
            # ${host.word}
            set -e
            system=$(dirname "$(dirname "$(readlink -f "$0")")")
            # Units that restart take their time, and hardly any of the processor's.
            case $1 in
              switch | test)
                sleep ${toString seconds}
                ln -sfn "$system" /run/current-system
                ;;
            esac
            EOF
            chmod +x $out/bin/switch-to-configuration
            touch $out/init
            echo rehearsal-1 > $out/init-interface-version
          '';
        };
      profile =
        name: system:
        build {
          name = "activatable-nixos-system-${name}";
          script = ''
            mkdir -p $out/bin
            ln -s ${system}/bin/switch-to-configuration $out/bin/
            ln -s ${system}/init $out/
            cp ${activate} $out/activate-rs
            cat > $out/deploy-rs-activate <<'EOF'
            #!/bin/sh
            if [ "$BOOT" = 1 ]; then action=boot; elif [ "$TEST" = 1 ]; then action=test; else action=switch; fi
            if [ "$DRY_ACTIVATE" = 1 ]; then action=dry-activate; fi
            exec "$PROFILE/bin/switch-to-configuration" $action
            EOF
            chmod +x $out/deploy-rs-activate
          '';
        };
      # Both ways lead to the same sshd: as its root, and as the user whose keys the guard answers.
      node = host: sshUser: sshOpts: {
        hostname = host.address;
        user = "root";
        inherit sshUser sshOpts;
        magicRollback = true;
        autoRollback = true;
        confirmTimeout = 30;
        activationTimeout = 240;
        fastConnection = false;
      };
      systems = builtins.mapAttrs toplevel hosts;
      profiles = builtins.mapAttrs profile systems;
    in
    {
      nixosConfigurations = builtins.mapAttrs (name: host: {
        config = {
          homelab.inventory = {
            inherit name system;
            inherit (host) hostKeys;
            wave = 0;
            guard = true;
            deployable = true;
            targetHost = host.address;
            node = node host "deploy" host.deployOpts;
          };
          system.build.toplevel = systems.${name};
        };
      }) hosts;
      deploy.nodes = builtins.mapAttrs (
        name: host:
        node host "root" host.rootOpts
        // {
          profiles.system = {
            user = "root";
            path = profiles.${name};
          };
        }
      ) hosts;
      # What each host is to have.
      released = builtins.mapAttrs (name: system: {
        toplevel = system.outPath;
        profile = profiles.${name}.outPath;
        profileDrv = profiles.${name}.drvPath;
      }) systems;
    };
}
