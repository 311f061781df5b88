//! Users and groups as a system hands them to its activation, in both forms: NixOS's JSON, and the rehearsal
//! stand-in's lines. Pure.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::changes::Records;
use crate::fleet::store_path::STORE_DIR;

/// The file of accounts that an activation script hands over.
pub fn file(activate: &str) -> Option<&str> {
    activate
        .split(|c: char| c.is_whitespace() || "'\"".contains(c))
        .filter(|word| word.starts_with(STORE_DIR))
        .find(|word| word.ends_with("-users-groups.json") || word.ends_with("-users-groups"))
}

/// Values stay as they are: which fields there are depends on the release, and only whether they differ matters.
#[derive(Deserialize)]
struct Spec {
    users: Vec<BTreeMap<String, serde_json::Value>>,
    groups: Vec<BTreeMap<String, serde_json::Value>>,
}

/// Users and groups, of NixOS' JSON or the stand-in's lines.
pub fn read(content: &str) -> (Records, Records) {
    match serde_json::from_str::<Spec>(content) {
        Ok(spec) => (named(spec.users), named(spec.groups)),
        Err(_) => of_lines(content),
    }
}

fn named(all: Vec<BTreeMap<String, serde_json::Value>>) -> Records {
    all.into_iter()
        .filter_map(|mut fields| {
            let name = fields.remove("name")?.as_str()?.to_owned();
            let fields = fields
                .into_iter()
                .map(|(field, value)| (field, value.to_string()))
                .collect();
            Some((name, fields))
        })
        .collect()
}

/// `group NAME GID MEMBERS` and `user NAME UID KIND GROUP HOME MODE SHELL DESCRIPTION PASSWORD PASSWORD-FILE`, apart by
/// tabs (nix/rehearsal/modules/users.nix writes them).
fn of_lines(content: &str) -> (Records, Records) {
    const GROUP: [&str; 2] = ["gid", "members"];
    const USER: [&str; 9] = [
        "uid",
        "kind",
        "group",
        "home",
        "homeMode",
        "shell",
        "description",
        "hashedPassword",
        "hashedPasswordFile",
    ];
    let (mut users, mut groups) = (Records::new(), Records::new());
    for line in content.lines() {
        let mut words = line.split('\t');
        let (records, fields): (_, &[&str]) = match words.next() {
            Some("user") => (&mut users, &USER),
            Some("group") => (&mut groups, &GROUP),
            _ => continue,
        };
        if let Some(name) = words.next() {
            let fields = fields.iter().map(|field| (*field).to_owned());
            let values = words.map(str::to_owned);
            records.insert(name.to_owned(), fields.zip(values).collect());
        }
    }
    (users, groups)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_read_in_both_forms() {
        let nixos = r#"{"mutableUsers":true,
            "users":[{"name":"deploy","uid":null,"group":"deploy","shell":"/bin/sh"}],
            "groups":[{"name":"deploy","gid":null,"members":["deploy"]}]}"#;
        let rehearsal = "mutable\t1\ngroup\tdeploy\t-\tdeploy\n\
            user\tdeploy\t-\tsystem\tdeploy\t/var/empty\t-\t/bin/sh\tdeployments\t-\t-\n";
        for content in [nixos, rehearsal] {
            let (users, groups) = read(content);
            assert_eq!(users["deploy"]["group"].trim_matches('"'), "deploy");
            assert!(groups["deploy"]["members"].contains("deploy"));
        }
    }

    #[test]
    fn the_accounts_file_is_found_in_the_activation_script() {
        let hash = "0".repeat(32);
        let nixos = format!(
            "perl \\\n-w /nix/store/{hash}-update.pl /nix/store/{hash}-users-groups.json\n"
        );
        assert!(file(&nixos).unwrap().ends_with("users-groups.json"));
        let rehearsal = format!("perl /nix/store/{hash}-users.pl /nix/store/{hash}-users-groups\n");
        assert!(file(&rehearsal).unwrap().ends_with("-users-groups"));
        assert_eq!(file("echo no users"), None);
    }
}
