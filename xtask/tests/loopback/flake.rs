//! The fleet's flake: its hosts as they are told to be, with systems of a few lines of shell.

use super::Loopback;

impl Loopback {
    pub(super) fn flake(&self, word: &str) -> String {
        let activate = self.deploy_rs.with_file_name("activate");
        let mut hosts = String::new();
        for host in &self.hosts {
            let root = self.root(&host.name);
            let key = std::fs::read_to_string(root.join("key.pub")).unwrap();
            let keys = if host.known {
                format!("[ \"{}\" ]", key.trim())
            } else {
                "[ ]".to_owned()
            };
            hosts.push_str(&format!(
                r#"        {name} = {{ wave = {wave}; port = "{port}"; hostKeys = {keys}; healthChecks = {checks}; notify = {notify}; guard = {guard}; releases = {releases}; reboot = {reboot}; kernel = "{kernel}"; inventory = {inventory}; script = ''
{script}
''; }};
"#,
                name = host.name,
                wave = host.wave,
                port = host.port,
                checks = host.checks,
                notify = host.notify,
                guard = host.guard.is_some(),
                releases = if host.makes_releases { "{ user = \"root\"; }" } else { "null" },
                reboot = host.reboot,
                kernel = host.kernel,
                inventory = host.inventory,
                script = host.script,
            ));
        }
        format!(
            r##"{{
  outputs =
    _:
    let
      build =
        name: script:
        derivation {{
          inherit name;
          system = "x86_64-linux";
          builder = "/bin/sh";
          PATH = "/usr/bin:/bin";
          args = [ "-c" script ];
        }};
      hosts = {{
{hosts}      }};
      toplevel =
        name: host:
        build "nixos-system-${{name}}" ''
          mkdir -p $out/bin
          cat > $out/bin/switch-to-configuration <<'EOF'
          #!/bin/sh
          # {word}
          # Of {client} alone: hosts of other tests share this machine's /tmp, where deploy-rs puts its canary.
          set -e
          action=$1
          system=$(dirname "$(dirname "$(readlink -f "$0")")")
          ${{host.script}}
          case $action in switch | test) ln -sfn "$system" /run/current-system ;; esac
          EOF
          chmod +x $out/bin/switch-to-configuration
          touch $out/init
          echo rehearsal-1 > $out/init-interface-version
          if [ -n "${{host.kernel}}" ]; then ln -s ${{builtins.toFile "kernel" host.kernel}} $out/kernel; fi
        '';
      profile =
        name: system:
        build "activatable-nixos-system-${{name}}" ''
          mkdir -p $out/bin
          ln -s ${{system}}/bin/switch-to-configuration $out/bin/
          ln -s ${{system}}/init $out/
          cp {activate} $out/activate-rs
          cat > $out/deploy-rs-activate <<'EOF'
          #!/bin/sh
          if [ "$BOOT" = 1 ]; then action=boot; elif [ "$TEST" = 1 ]; then action=test; else action=switch; fi
          if [ "$DRY_ACTIVATE" = 1 ]; then
            "$PROFILE/bin/switch-to-configuration" dry-activate && echo 'dry activation done' >&2
            exit
          fi
          exec "$PROFILE/bin/switch-to-configuration" $action
          EOF
          chmod +x $out/deploy-rs-activate
        '';
      node = host: {{
        hostname = "127.0.0.1";
        sshUser = "root";
        user = "root";
        sshOpts = [ "-p" host.port "-i" "{client}/client" "-oIdentitiesOnly=yes" ];
        magicRollback = true;
        autoRollback = true;
        confirmTimeout = 8;
        activationTimeout = 20;
        fastConnection = false;
      }};
    in
    {{
      nixosConfigurations = builtins.mapAttrs (name: host: {{
        config = {{
          homelab.inventory = {{
            inherit name;
            inherit (host) wave hostKeys healthChecks notify guard releases reboot;
            system = "x86_64-linux";
            deployable = true;
            targetHost = "127.0.0.1";
            node = node host;
          }} // host.inventory;
          system.build.toplevel = toplevel name host;
        }};
      }}) hosts;
      deploy.nodes = builtins.mapAttrs (
        name: host: node host // {{ profiles.system = {{ user = "root"; path = profile name (toplevel name host); }}; }}
      ) hosts;
    }};
}}
"##,
            activate = activate.display(),
            client = self.dir.path().display(),
        )
    }
}
