//! What became of each host, in a line: `A deployed, B unchanged`.

use std::process::Output;

use crate::fleet::document;
use crate::schema;
use crate::support::transcript;

pub fn of_deployment(output: &Output) -> String {
    of("deployment", output)
}

pub fn of_reboot(output: &Output) -> String {
    of("reboot", output)
}

/// The document is what its schema says.
fn of(schema: &str, output: &Output) -> String {
    let report = document(output);
    assert_eq!(
        schema::complaints(schema, &report),
        [""; 0],
        "{}",
        transcript(output)
    );
    let hosts = report["hosts"].as_array().unwrap();
    let word = |host: &serde_json::Value| {
        let (name, kind) = (&host["host"], &host["outcome"]["kind"]);
        format!("{} {}", name.as_str().unwrap(), kind.as_str().unwrap())
    };
    hosts.iter().map(word).collect::<Vec<_>>().join(", ")
}
