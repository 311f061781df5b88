//! A fleet's hosts and nodes, as a person, a document and a CI system read them.

use std::collections::BTreeMap;

use anyhow::Result;
use serde::Serialize;

use super::Survey;
use crate::fleet::host::HostName;
use crate::fleet::inventory::{Host, Inventory, Node};
use crate::fleet::stage::Stage;
use crate::report::table::Table;
use crate::tools::nix::error::EvaluationError;

pub fn table(survey: &Survey) -> String {
    let mut table = Table::new(["host", "description", "system", "address", "wave", "checks"]);
    table = table.numbers([4]);
    for name in survey.names() {
        match (survey.inventory.hosts.get(&name), survey.failed.get(&name)) {
            (Some(host), _) => table.row(row(host)),
            (None, Some(error)) => table.row(broken(&name, error)),
            (None, None) => (),
        }
    }
    table.text()
}

fn row(host: &Host) -> [String; 6] {
    let wave = if host.deployable {
        host.wave.to_string()
    } else {
        "-".to_owned()
    };
    let builder = if host.builder { ", builder" } else { "" };
    let checks: Vec<&str> = host.health_checks.keys().map(String::as_str).collect();
    [
        host.name.to_string(),
        host.description.clone(),
        format!("{}{builder}", host.system),
        host.target_host.clone().unwrap_or_else(|| "-".to_owned()),
        wave,
        checks.join(", "),
    ]
}

fn broken(name: &HostName, error: &EvaluationError) -> [String; 6] {
    let mut cells = [const { String::new() }; 6];
    cells[0] = name.to_string();
    cells[1] = format!("does not evaluate: {}", error.first_line());
    cells
}

/// The whole of docs/hosts.md.
pub fn markdown(inventory: &Inventory) -> String {
    let mut table = Table::new([
        "Host",
        "What it is",
        "System",
        "Address",
        "Wave",
        "Health checks",
    ]);
    for host in inventory.hosts.values() {
        table.row(row(host));
    }
    format!(
        "# Hosts\n\n\
         <!-- Made from the fleet by `cargo xtask hosts --format markdown > docs/hosts.md`; a test compares the two. -->\n\n\
         {}\n\
         Waves are deployed in this order, the lowest first; a host without one is never deployed.\n",
        table.markdown()
    )
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    #[serde(flatten)]
    inventory: &'a Inventory,
    /// Hosts that do not evaluate; not there in a healthy fleet.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    failed: &'a BTreeMap<HostName, EvaluationError>,
}

/// The inventory, what is taken of the flake's (schema: docs/json/hosts.schema.json).
///
/// # Errors
/// Never, with string keys.
pub fn json(survey: &Survey) -> Result<String> {
    let document = Document {
        inventory: &survey.inventory,
        failed: &survey.failed,
    };
    crate::report::json(&document)
}

#[derive(Serialize)]
struct Matrix<'a> {
    include: Vec<Leg<'a>>,
}

#[derive(Serialize)]
struct Leg<'a> {
    host: &'a HostName,
    system: &'a str,
    runner: &'a str,
}

/// What `strategy.matrix` of a workflow takes, on one line.
///
/// # Errors
/// Never, with string keys.
pub fn matrix(inventory: &Inventory) -> Result<String> {
    let legs = inventory.hosts.values().map(|host| Leg {
        host: &host.name,
        system: &host.system,
        runner: &host.runner_label,
    });
    let matrix = Matrix {
        include: legs.collect(),
    };
    Ok(format!("{}\n", serde_json::to_string(&matrix)?))
}

pub fn nodes(inventory: &Inventory) -> String {
    let mut table = Table::new([
        "node",
        "hostname",
        "ssh user",
        "user",
        "rollback",
        "confirm within",
        "activate within",
    ])
    .numbers([5, 6]);
    for (name, node) in all_nodes(inventory) {
        let rollback = match (node.magic_rollback, node.auto_rollback) {
            (true, true) => "magic, auto",
            (true, false) => "magic",
            (false, true) => "auto",
            (false, false) => "none",
        };
        table.row([
            name.to_string(),
            node.hostname.clone(),
            node.ssh_user.clone().unwrap_or_else(|| "-".to_owned()),
            node.user.clone(),
            rollback.to_owned(),
            format!("{} s", node.confirm_timeout),
            format!("{} s", node.activation_timeout),
        ]);
    }
    table.text()
}

fn all_nodes(inventory: &Inventory) -> impl Iterator<Item = (&HostName, &Node)> {
    inventory
        .hosts
        .iter()
        .filter_map(|(name, host)| Some((name, host.node.as_ref()?)))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NodesDocument<'a> {
    version: u32,
    stage: Stage,
    nodes: BTreeMap<&'a HostName, &'a Node>,
}

/// Schema: docs/json/nodes.schema.json.
///
/// # Errors
/// Never, with string keys.
pub fn nodes_json(inventory: &Inventory) -> Result<String> {
    let document = NodesDocument {
        version: 1,
        stage: inventory.stage,
        nodes: all_nodes(inventory).collect(),
    };
    crate::report::json(&document)
}
