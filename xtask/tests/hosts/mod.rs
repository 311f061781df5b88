//! A fleet of raw derivations: what a host costs and how it ends is a line of shell.

use crate::fleet::Fleet;

/// One host: its system, what wraps its toplevel while it is evaluated, and the script that builds it.
pub struct Host {
    pub name: &'static str,
    pub system: &'static str,
    pub evaluation: &'static str,
    pub script: &'static str,
}

pub const fn host(name: &'static str, script: &'static str) -> Host {
    Host {
        name,
        system: "x86_64-linux",
        evaluation: "toplevel",
        script,
    }
}

/// A committed fleet whose closures no store has seen. Every host needs `shared`, which is built once.
pub fn fleet(hosts: &[Host]) -> Fleet {
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos();
    let mut text = format!(
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
          nonce = "{now}";
          args = [ "-c" script ];
        }};
      shared = build "shared" "echo shared > $out";
      unit = build "bad-unit" "for i in 1 2 3; do echo line $i; done; exit 7";
      host = name: system: script: evaluation: {{
        config = {{
          homelab.inventory = {{ inherit name system; }};
          system.build.toplevel = evaluation (build "nixos-system-${{name}}" "# ${{shared}}\n${{script}}");
        }};
      }};
    in
    {{
      nixosConfigurations = {{
"##
    );
    for host in hosts {
        let script = host.script.replace("UNIT", "${unit}");
        text.push_str(&format!(
            "        {0} = host \"{0}\" \"{1}\" \"{script}\" (toplevel: {2});\n",
            host.name, host.system, host.evaluation
        ));
    }
    text.push_str("      };\n    };\n}\n");
    let fleet = Fleet::new(&[("flake.nix", &text)]);
    fleet.commit();
    fleet
}
