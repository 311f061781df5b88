//! What lies in a controller's working folder: for each name of a generation a flake, whose deploy-rs nodes are the
//! machines that have such a generation, made of prebuilt paths.

use std::collections::BTreeMap;
use std::path::PathBuf;

use harness::scenario::{Closure, Closures};
use serde_json::{json, Map, Value};

/// Pure evaluation may read what lies beside it, and no store path has to be one for Nix: deploy-rs asks for it by name.
const FLAKE: &str = r#"{
  outputs = _: {
    deploy.nodes = builtins.fromJSON (builtins.readFile ./nodes.json);
  };
}
"#;

/// What lies there whichever generations there are. Both players have it.
const PROGRAMS: [(&str, &str); 6] = [
    ("bring.sh", include_str!("../../../tests/machine/bring.sh")),
    (
        "fleet.nix",
        include_str!("../../../tests/machine/fleet.nix"),
    ),
    ("fleet.sh", include_str!("../../../tests/machine/fleet.sh")),
    (
        "metrics.jq",
        include_str!("../../../tests/machine/metrics.jq"),
    ),
    (
        "metrics.sh",
        include_str!("../../../tests/machine/metrics.sh"),
    ),
    (
        "release.sh",
        include_str!("../../../tests/machine/release.sh"),
    ),
];

/// `GENERATION/flake.nix` and what it reads, and of each machine `GENERATION/MACHINE`, the closure's paths for
/// `release.sh`, and `GENERATION/MACHINE.json`, the host for `fleet.sh`. A host that is never deployed is no node.
pub fn files(closures: &Closures) -> BTreeMap<PathBuf, String> {
    let mut nodes: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    let programs = PROGRAMS.map(|(name, text)| (name.into(), text.to_owned()));
    let mut files = BTreeMap::from(programs);
    for (of, closure) in closures {
        if let Some(node) = node(&of.machine, closure) {
            nodes
                .entry(&of.generation)
                .or_default()
                .insert(of.machine.clone(), node);
        }
        let paths = [&closure.toplevel, &closure.profile];
        let lines = paths.map(|path| format!("{}\n", path.display()));
        let folder = PathBuf::from(&of.generation);
        files.insert(folder.join(&of.machine), lines.concat());
        let file = format!("{}.json", of.machine);
        files.insert(folder.join(file), closure.host.clone());
    }
    for (generation, nodes) in nodes {
        let folder = PathBuf::from(generation);
        files.insert(folder.join("flake.nix"), FLAKE.to_owned());
        files.insert(folder.join("nodes.json"), Value::Object(nodes).to_string());
    }
    files
}

/// The fleet's own data of the node; it is reached by the machine's name, and its closure is there already.
fn node(machine: &str, closure: &Closure) -> Option<Value> {
    // What Nix made is JSON; a host that is not deployed has `null`.
    let host: Value = serde_json::from_str(&closure.host).ok()?;
    let mut node = host.pointer("/inventory/node")?.as_object()?.clone();
    let user = node.get("user").cloned().unwrap_or_else(|| json!("root"));
    node.insert("hostname".to_owned(), json!(machine));
    node.insert(
        "profiles".to_owned(),
        json!({ "system": { "user": user, "path": closure.profile } }),
    );
    Some(Value::Object(node))
}

#[cfg(test)]
mod tests {
    use harness::scenario::GenerationOf;

    use super::*;

    fn closure(node: &str) -> Closure {
        Closure {
            toplevel: "/nix/store/t".into(),
            profile: "/nix/store/p".into(),
            host: format!(r#"{{"inventory":{{"node":{node}}}}}"#),
        }
    }

    #[test]
    fn a_generation_is_a_flake_with_the_machines_that_have_it() {
        let node = r#"{"hostname":"192.168.0.31","user":"root","sshUser":"deploy"}"#;
        let closures: Closures = [
            ("Niko", "good", node),
            ("Ingress", "good", node),
            ("Niko", "next", node),
            ("Template", "good", "null"),
        ]
        .into_iter()
        .map(|(machine, generation, node)| {
            let of = GenerationOf {
                machine: machine.to_owned(),
                generation: generation.to_owned(),
            };
            (of, closure(node))
        })
        .collect();
        let files = files(&closures);
        let names: Vec<String> = files
            .keys()
            .map(|path| path.display().to_string())
            .collect();
        assert_eq!(
            names,
            [
                "bring.sh",
                "fleet.nix",
                "fleet.sh",
                "good/Ingress",
                "good/Ingress.json",
                "good/Niko",
                "good/Niko.json",
                "good/Template",
                "good/Template.json",
                "good/flake.nix",
                "good/nodes.json",
                "metrics.jq",
                "metrics.sh",
                "next/Niko",
                "next/Niko.json",
                "next/flake.nix",
                "next/nodes.json",
                "release.sh"
            ]
        );
        let good: Value = serde_json::from_str(&files[&PathBuf::from("good/nodes.json")]).unwrap();
        assert!(good.get("Template").is_none());
        assert_eq!(
            good["Niko"],
            json!({
                "hostname": "Niko",
                "user": "root",
                "sshUser": "deploy",
                "profiles": { "system": { "user": "root", "path": "/nix/store/p" } },
            })
        );
        assert_eq!(good.as_object().unwrap().len(), 2);
    }
}
