//! Hydra's answer to `GET JOB/latest-finished` with `Accept: application/json`: one build.

use std::collections::BTreeMap;

use anyhow::{ensure, Context, Result};
use serde::Deserialize;

use crate::store_path::StorePath;

/// A build that succeeded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Build {
    /// Hydra's number of it, which grows.
    pub id: u64,
    /// Its output `out`.
    pub toplevel: StorePath,
}

/// As Hydra says it, among much else.
#[derive(Debug, Deserialize)]
struct Answer {
    id: u64,
    finished: u8,
    /// Null before it is finished.
    buildstatus: Option<i64>,
    buildoutputs: BTreeMap<String, Output>,
}

#[derive(Debug, Deserialize)]
struct Output {
    path: Option<String>,
}

/// # Errors
/// If it is no build, has not succeeded, or has no output that could be a system.
pub fn parse(json: &[u8]) -> Result<Build> {
    let answer: Answer = serde_json::from_slice(json).context("Hydra answers no build")?;
    ensure!(
        answer.finished == 1 && answer.buildstatus == Some(0),
        "Hydra's build {} did not succeed",
        answer.id
    );
    ensure!(answer.id > 0, "Hydra's build has no number");
    let out = answer.buildoutputs.get("out");
    let path = out.and_then(|out| out.path.as_deref());
    let path = path.with_context(|| format!("Hydra's build {} has no output", answer.id))?;
    Ok(Build {
        id: answer.id,
        toplevel: path
            .parse()
            .with_context(|| format!("Hydra's build {}", answer.id))?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str = r#"{ "id": 1234, "finished": 1, "buildstatus": 0, "nixname": "nixos-system-Niko", "job": "hosts.Niko",
        "jobset": "main", "project": "fleet", "system": "x86_64-linux", "timestamp": 1764500000, "stoptime": 1764500100,
        "drvpath": "/nix/store/0123456789abcdfghijklmnpqrsvwxyz-a.drv", "priority": 100, "buildmetrics": {}, "jobsetevals": [7],
        "buildoutputs": { "out": { "path": "/nix/store/0123456789abcdfghijklmnpqrsvwxyz-nixos-system-Niko" } },
        "buildproducts": {}, "releasename": null }"#;

    #[test]
    fn only_what_succeeded_is_a_build() {
        let build = parse(ANSWER.as_bytes()).unwrap();
        assert_eq!(
            (build.id, build.toplevel.name()),
            (1234, "nixos-system-Niko")
        );
        for (from, to) in [
            ("\"buildstatus\": 0", "\"buildstatus\": 1"),
            ("\"buildstatus\": 0", "\"buildstatus\": null"),
            ("\"finished\": 1", "\"finished\": 0"),
            ("\"finished\": 1", "\"finished\": true"),
            ("\"id\": 1234", "\"id\": 0"),
            ("\"id\": 1234", "\"id\": -1"),
            ("\"out\"", "\"dev\""),
            ("-nixos-system-Niko\" }", "-nixos-system-Niko/bin\" }"),
        ] {
            assert!(ANSWER.contains(from));
            let answer = ANSWER.replacen(from, to, 1);
            assert!(parse(answer.as_bytes()).is_err(), "{to}");
        }
    }
}
