//! What a git ref asks for, the same for a person, for CI and for the signer. Pure.

use super::host::HostName;
use super::nearest::nearest;
use crate::failure::Failure;

/// What is to become of a ref's hosts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Meaning {
    /// Every deployable host is switched to it; or boots it the next time, if the commit asks for that.
    Deploy { boot: bool },
    /// One host tries it; a reboot returns.
    Test { host: HostName },
    /// The hosts are built, and none is touched.
    Build,
}

/// A host as far as a ref concerns it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known<'a> {
    pub name: &'a HostName,
    pub deployable: bool,
}

/// The branch that is deployed to every host, and that others are merged into.
pub const MAIN: &str = "main";

/// A commit's id as people read it.
pub fn short(commit: &str) -> &str {
    commit.get(..10).unwrap_or(commit)
}
const TEST: &str = "test-";
const TRAILER: &str = "Deploy";

/// The meaning of a branch with this message on its last commit. A tag, a commit id or `HEAD` is no branch, and is built.
///
/// # Errors
/// Usage, if a test branch names no deployable host, or the trailer asks for something that does not exist.
pub fn meaning(reference: &str, message: &str, hosts: &[Known]) -> Result<Meaning, Failure> {
    let branch = reference.strip_prefix("refs/heads/").unwrap_or(reference);
    if branch == MAIN {
        return Ok(Meaning::Deploy {
            boot: asks_for_boot(message)?,
        });
    }
    let Some(wanted) = branch.strip_prefix(TEST) else {
        return Ok(Meaning::Build);
    };
    // What a test activates never reaches the boot loader: the trailer of a commit that `main` has, too, is not for it.
    match hosts.iter().find(|host| host.name.as_str() == wanted) {
        Some(host) if host.deployable => Ok(Meaning::Test {
            host: host.name.clone(),
        }),
        Some(host) => Err(Failure::usage(format!(
            "branch {branch}: host {} is not deployable",
            host.name
        ))
        .try_next(candidates(hosts, wanted))),
        None => Err(
            Failure::usage(format!("branch {branch}: the fleet has no host `{wanted}`"))
                .try_next(candidates(hosts, wanted)),
        ),
    }
}

/// Whether pushing this branch has hosts deployed.
pub fn is_deployed_from(branch: &str) -> bool {
    branch == MAIN || branch.starts_with(TEST)
}

/// The branches that could have been meant, the nearest first.
fn candidates(hosts: &[Known], wanted: &str) -> String {
    let names: Vec<&str> = hosts
        .iter()
        .filter(|host| host.deployable)
        .map(|host| host.name.as_str())
        .collect();
    if names.is_empty() {
        return "homelab.deploy.enable = true on a host: none of this fleet is deployable"
            .to_owned();
    }
    let mut sorted = nearest(wanted, &names);
    let others = names.iter().filter(|name| !sorted.contains(name));
    let others: Vec<&str> = others.copied().collect();
    sorted.extend(others);
    let branches: Vec<String> = sorted.iter().map(|name| format!("{TEST}{name}")).collect();
    format!("a branch called {}", branches.join(", "))
}

/// Whether the message's last paragraph says `Deploy: boot`.
fn asks_for_boot(message: &str) -> Result<bool, Failure> {
    let mut boot = false;
    for value in trailers(message, TRAILER) {
        match value {
            "boot" => boot = true,
            "switch" => boot = false,
            other => {
                return Err(Failure::usage(format!(
                    "the commit's trailer `{TRAILER}: {other}` asks for nothing that a deployment can do"
                ))
                .try_next(format!("`{TRAILER}: boot`, `{TRAILER}: switch`, or no such line")))
            }
        }
    }
    Ok(boot)
}

/// The values of a trailer, as git reads them: lines `Key: value` of the last paragraph, if that is not the subject. A
/// paragraph that holds more prose than trailers has none.
fn trailers<'a>(message: &'a str, key: &str) -> Vec<&'a str> {
    let message = message.trim_end();
    let Some((_, last)) = message.rsplit_once("\n\n") else {
        return Vec::new();
    };
    let token = |text: &str| {
        !text.is_empty()
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let pairs: Vec<(&str, &str)> = last
        .lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.trim_end(), value.trim()))
        .filter(|(name, _)| token(name))
        .collect();
    if pairs.len() < last.lines().count() {
        return Vec::new();
    }
    pairs
        .into_iter()
        .filter(|(name, _)| name.eq_ignore_ascii_case(key))
        .map(|(_, value)| value)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(reference: &str, message: &str) -> Result<Meaning, Failure> {
        let names = ["Niko", "Production", "Template"].map(HostName::known);
        let hosts: Vec<Known> = names
            .iter()
            .map(|name| Known {
                name,
                deployable: name.as_str() != "Template",
            })
            .collect();
        meaning(reference, message, &hosts)
    }

    #[test]
    fn main_deploys_a_test_branch_tries_and_all_else_is_built() {
        let deploy = Meaning::Deploy { boot: false };
        let test = Meaning::Test {
            host: HostName::known("Niko"),
        };
        for (reference, wanted) in [
            ("main", &deploy),
            ("refs/heads/main", &deploy),
            ("test-Niko", &test),
            ("refs/heads/test-Niko", &test),
            ("refs/tags/main", &Meaning::Build),
            ("refs/pull/7/head", &Meaning::Build),
            ("maintenance", &Meaning::Build),
            ("testing", &Meaning::Build),
            ("origin/main", &Meaning::Build),
            ("HEAD", &Meaning::Build),
            ("", &Meaning::Build),
        ] {
            assert_eq!(&read(reference, "subject").unwrap(), wanted, "{reference}");
        }
    }

    #[test]
    fn a_test_branch_names_a_host_that_can_be_deployed() {
        for (branch, message, next_step) in [
            (
                "test-Prodction",
                "branch test-Prodction: the fleet has no host `Prodction`",
                "a branch called test-Production, test-Niko",
            ),
            (
                "test-niko",
                "branch test-niko: the fleet has no host `niko`",
                "a branch called test-Niko, test-Production",
            ),
            (
                "test-",
                "branch test-: the fleet has no host ``",
                "a branch called test-Niko, test-Production",
            ),
            (
                "test-Template",
                "branch test-Template: host Template is not deployable",
                "a branch called test-Niko, test-Production",
            ),
        ] {
            let failure = read(branch, "subject").unwrap_err();
            assert_eq!(failure.to_string(), message);
            assert_eq!(failure.next_step(), Some(next_step), "{branch}");
        }
        let failure = meaning("test-a", "", &[]).unwrap_err();
        let next_step = failure.next_step().unwrap();
        assert!(next_step.contains("none of this fleet"), "{next_step}");
    }

    #[test]
    fn the_trailer_is_in_the_last_paragraph() {
        let boot = |message: &str| read("main", message).unwrap() == Meaning::Deploy { boot: true };
        for yes in [
            "new kernel\n\nDeploy: boot\n",
            "new kernel\n\nWhy.\n\nSigned-off-by: A <a@example.org>\ndeploy: boot",
            "new kernel\n\nDeploy: switch\nDeploy: boot",
        ] {
            assert!(boot(yes), "{yes}");
        }
        for no in [
            "Deploy: boot",
            "new kernel\n\nDeploy: boot\n\nSigned-off-by: A <a@example.org>",
            "new kernel\n\nSo we can say\nDeploy: boot",
            "new kernel\n\nDeploy: boot\nDeploy: switch",
        ] {
            assert!(!boot(no), "{no}");
        }
        let failure = read("main", "x\n\nDeploy: reboot").unwrap_err();
        assert!(
            failure.to_string().contains("`Deploy: reboot`"),
            "{failure}"
        );
    }

    #[test]
    fn a_test_never_asks_for_boot() {
        let test = read("test-Niko", "x\n\nDeploy: boot").unwrap();
        assert_eq!(
            test,
            Meaning::Test {
                host: HostName::known("Niko")
            }
        );
    }
}
