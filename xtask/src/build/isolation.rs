//! Whether the hosts' files leave each other alone. A fleet can be hermetic by its arguments and still let one host
//! import a file of another's folder, or read another's configuration: then no host is taken as unchanged.

use std::collections::BTreeSet;
use std::path::Path;

use crate::evaluate::reading;
use crate::fleet::host::HostName;

/// Words by which Nix code reaches other hosts, or files that nobody named.
const REACHING: [&str; 4] = [
    "nixosConfigurations",
    "hydraJobs",
    "readDir",
    "listFilesRecursive",
];

/// Whether no Nix file that a host reads mentions another host's folder or configuration. `paths` are relative to `root`.
/// Text decides, whole lines of comment excepted: a mistaken `false` costs time, a mistaken `true` a wrong closure.
pub fn is_isolated<'a>(
    root: &Path,
    hosts_dir: &str,
    hosts: &[HostName],
    paths: impl IntoIterator<Item = &'a str>,
) -> bool {
    // Slipway's own tree has the function that makes fleets; what it does with the folders is known.
    let own = root.join("nix/rehearsal/flake.nix").exists();
    let hosts: BTreeSet<&str> = hosts.iter().map(HostName::as_str).collect();
    paths
        .into_iter()
        .filter(|path| Path::new(path).extension().is_some_and(|it| it == "nix"))
        .filter(|path| !(own && reading::is_known(path)))
        .all(|path| {
            // A file that is gone is not read by the evaluation either.
            let bytes = std::fs::read(root.join(path)).unwrap_or_default();
            let text = String::from_utf8_lossy(&bytes);
            let folder = path
                .strip_prefix(hosts_dir)
                .and_then(|rest| rest.strip_prefix('/'))
                .and_then(|rest| rest.split('/').next());
            let text = reading::code(&text);
            // A path that ends in the folder of all hosts is a matter for the flake; anybody else reads them all.
            let all = path != "flake.nix" && names_all(&text, hosts_dir, folder.is_some());
            !all && leaves_alone(&text, hosts_dir, &hosts, folder)
        })
}

/// Whether a path ends in the folder of all hosts, from beside it or from `below` it.
fn names_all(text: &str, hosts_dir: &str, below: bool) -> bool {
    let dir = hosts_dir.rsplit('/').next().unwrap_or(hosts_dir);
    let start = format!("./{dir}");
    let named = text.match_indices(&start).any(|(at, _)| {
        let mut after = text[at + start.len()..].chars();
        match (after.next(), after.next()) {
            (Some('/'), Some(next)) => !next.is_alphanumeric(),
            (Some(next), _) => !(next.is_alphanumeric() || "-_.".contains(next)),
            (None, _) => true,
        }
    });
    named || below && reading::names_a_folder_of_its_own(text)
}

fn leaves_alone(text: &str, hosts_dir: &str, hosts: &BTreeSet<&str>, own: Option<&str>) -> bool {
    if REACHING.iter().any(|word| text.contains(word)) {
        return false;
    }
    let folder = format!("{hosts_dir}/");
    // `./X` is found in `../X` too.
    ["./", &folder].iter().all(|start| {
        text.match_indices(start).all(|(at, _)| {
            let name = &text[at + start.len()..];
            let end = name.find(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_');
            let name = &name[..end.unwrap_or(name.len())];
            own == Some(name) || !hosts.contains(name)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn isolated(file: &str, text: &str) -> bool {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        let hosts = ["Web", "Db"].map(HostName::known);
        is_isolated(dir.path(), "hosts", &hosts, [file])
    }

    #[test]
    fn shared_files_and_the_hosts_own_are_no_matter() {
        assert!(isolated(
            "hosts/Web/default.nix",
            "{ imports = [ ../common.nix ./disk.nix ]; }"
        ));
        assert!(isolated(
            "flake.nix",
            "mkFleet { inherit inputs; hosts = ./hosts; }"
        ));
        assert!(isolated(
            "hosts/Web/default.nix",
            "{ imports = [ ../Web/disk.nix ../Database.nix ]; }"
        ));
    }

    #[test]
    fn another_hosts_folder_or_configuration_is() {
        assert!(!isolated(
            "hosts/Web/default.nix",
            "{ imports = [ ../Db/disk.nix ]; }"
        ));
        assert!(!isolated("hosts/site.nix", "import ./Db/keys.nix"));
        assert!(!isolated("modules/x.nix", "import ../hosts/Db"));
        assert!(!isolated("flake.nix", "self.nixosConfigurations.Db.config"));
        assert!(!isolated("modules/x.nix", "builtins.readDir ../hosts"));
        assert!(!isolated("modules/x.nix", "lib.cleanSource ../hosts"));
        assert!(!isolated("modules/x.nix", "../hosts/${x}"));
        assert!(!isolated("hosts/Web/default.nix", "lib.cleanSource ../."));
        assert!(!isolated("hosts/Web/default.nix", "../${x}"));
    }

    #[test]
    fn only_nix_code_counts() {
        assert!(isolated("README.md", "hosts/Db"));
        assert!(isolated("modules/x.nix", "  # nixosConfigurations.Db\n{ }"));
    }
}
