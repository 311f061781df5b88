//! What keeps paths in the cache: for each host a folder, in it a folder for each generation that was pushed, with links
//! to its closure. What runs on the cache for that is shell; what it prints is read here. Pure.

use std::collections::BTreeMap;

use anyhow::{bail, Context, Result};

use crate::fleet::closure::Closure;
use crate::fleet::host::HostName;
use crate::fleet::store_path::StorePath;
use crate::process::quote;

/// What the cache keeps of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generation {
    /// Counted by the cache, from 1.
    pub number: u64,
    pub closure: Closure,
    /// All of it is there: it was not cut off on its way.
    pub whole: bool,
}

/// By the names of the hosts' folders, the oldest first.
pub type Generations = BTreeMap<String, Vec<Generation>>;

/// A script with its arguments, as one command for a shell.
fn command(script: &str, arguments: &[&str]) -> String {
    let words = ["sh", "-c", script, "slipway"];
    let words = words.iter().chain(arguments);
    let words: Vec<String> = words.map(|word| quote(word)).collect();
    words.join(" ")
}

/// Keeps a closure, whether it is there or only on its way; prints the generation's number.
pub fn pin(roots: &str, host: &HostName, closure: &Closure) -> String {
    let profile = closure.profile.as_ref().map_or("", StorePath::as_str);
    let toplevel = closure.toplevel.as_str();
    command(
        include_str!("pin.sh"),
        &[roots, &host.file_name(), toplevel, profile],
    )
}

/// Prints all that is kept.
pub fn list(roots: &str) -> String {
    command(include_str!("list.sh"), &[roots])
}

/// Keeps these no longer; each is a host's folder and a number.
pub fn drop(roots: &str, generations: &[(&str, u64)]) -> String {
    let names: Vec<String> = generations
        .iter()
        .map(|(host, number)| format!("{host}/{number}"))
        .collect();
    let arguments: Vec<&str> = std::iter::once(roots)
        .chain(names.iter().map(String::as_str))
        .collect();
    command(include_str!("drop.sh"), &arguments)
}

/// Keeps what a host needs and no generation has, in the place of what was kept for that before.
pub fn hold(roots: &str, host: &HostName, paths: &[&StorePath]) -> String {
    let name = host.file_name();
    let paths = paths.iter().map(|path| path.as_str());
    let arguments: Vec<&str> = [roots, &name].into_iter().chain(paths).collect();
    command(include_str!("hold.sh"), &arguments)
}

/// Reads what `list` prints.
///
/// # Errors
/// If it is something else.
pub fn parse(text: &str) -> Result<Generations> {
    let mut all = Generations::new();
    for line in text.lines() {
        let (host, generation) = entry(line).with_context(|| format!("cannot read {line:?}"))?;
        all.entry(host).or_default().push(generation);
    }
    for generations in all.values_mut() {
        generations.sort_by_key(|generation| generation.number);
    }
    Ok(all)
}

fn entry(line: &str) -> Result<(String, Generation)> {
    let [host, number, toplevel, profile, state] = line.split('\t').collect::<Vec<_>>()[..] else {
        bail!("a line of the cache's roots has five fields");
    };
    let generation = Generation {
        number: number.parse()?,
        closure: Closure {
            toplevel: StorePath::parse(toplevel)?,
            profile: match profile {
                "" => None,
                path => Some(StorePath::parse(path)?),
            },
        },
        whole: match state {
            "whole" => true,
            "partial" => false,
            other => bail!("a generation is not {other}"),
        },
    };
    Ok((host.to_owned(), generation))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(letter: char) -> StorePath {
        let hash = letter.to_string().repeat(32);
        StorePath::parse(&format!("/nix/store/{hash}-x")).unwrap()
    }

    fn closure(toplevel: char, profile: Option<char>) -> Closure {
        Closure {
            toplevel: path(toplevel),
            profile: profile.map(path),
        }
    }

    /// The scripts with a real shell, in a folder of their own. No generation is whole: nothing of it is in any store.
    struct Cache(tempfile::TempDir);

    impl Cache {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn roots(&self) -> &str {
            self.0.path().to_str().unwrap()
        }

        fn run(&self, command: &str) -> String {
            let output = std::process::Command::new("sh")
                .args(["-c", command])
                .output()
                .unwrap();
            assert!(output.status.success(), "{output:?}");
            String::from_utf8(output.stdout).unwrap()
        }

        fn pin(&self, host: &str, closure: &Closure) -> String {
            let host = HostName::known(host);
            self.run(&pin(self.roots(), &host, closure))
                .trim()
                .to_owned()
        }

        /// `HOST: NUMBER TOPLEVEL…`
        fn kept(&self) -> Vec<String> {
            let all = parse(&self.run(&list(self.roots()))).unwrap();
            let row = |(host, kept): (String, Vec<Generation>)| {
                let of = |it: &Generation| {
                    let profile = it.closure.profile.as_ref();
                    let profile = profile.map_or("-", |path| &path.hash()[..1]);
                    format!(
                        " {}{}{profile}",
                        it.number,
                        &it.closure.toplevel.hash()[..1]
                    )
                };
                format!("{host}:{}", kept.iter().map(of).collect::<String>())
            };
            all.into_iter().map(row).collect()
        }
    }

    #[test]
    fn each_new_closure_is_a_generation_and_the_same_again_is_none() {
        let cache = Cache::new();
        assert_eq!(cache.kept(), [""; 0]);
        assert_eq!(cache.pin("Web", &closure('a', Some('p'))), "1");
        assert_eq!(cache.pin("Web", &closure('a', Some('p'))), "1");
        assert_eq!(cache.pin("Web", &closure('b', Some('q'))), "2");
        // Back to what it was is a generation of its own, and the newest.
        assert_eq!(cache.pin("Web", &closure('a', Some('p'))), "3");
        // The same system with another deploy-rs beside it.
        assert_eq!(cache.pin("Web", &closure('a', Some('r'))), "4");
        assert_eq!(cache.pin("it's / odd", &closure('c', None)), "1");
        assert_eq!(cache.pin("it's / odd", &closure('c', None)), "1");
        assert_eq!(cache.kept(), ["Web: 1ap 2bq 3ap 4ar", "it's %2F odd: 1c-"]);
        for _ in 4..11 {
            cache.pin("Web", &closure('b', None));
            cache.pin("Web", &closure('a', None));
        }
        assert_eq!(cache.pin("Web", &closure('c', None)), "19");
        let links = std::fs::read_link(cache.0.path().join("Web/19/toplevel")).unwrap();
        assert_eq!(links, path('c').as_path());
    }

    #[test]
    fn what_is_dropped_is_gone_and_a_folder_with_nothing_in_it_too() {
        let cache = Cache::new();
        for letter in ['a', 'b', 'c'] {
            cache.pin("Web", &closure(letter, None));
        }
        cache.pin("Old", &closure('d', None));
        cache.run(&drop(cache.roots(), &[("Web", 1), ("Web", 2), ("Old", 1)]));
        assert_eq!(cache.kept(), ["Web: 3c-"]);
        assert!(!cache.0.path().join("Old").exists());
        assert_eq!(cache.pin("Web", &closure('a', None)), "4");
    }

    #[test]
    fn what_a_host_needs_is_kept_until_it_needs_something_else() {
        let cache = Cache::new();
        let web = HostName::known("Web");
        let held = || {
            let folder = std::fs::read_dir(cache.0.path().join("Web/needed"));
            let mut names: Vec<String> = folder
                .into_iter()
                .flatten()
                .map(|it| it.unwrap().file_name().into_string().unwrap()[..1].to_owned())
                .collect();
            names.sort();
            names.concat()
        };
        let hold = |letters: &[char]| {
            let paths: Vec<StorePath> = letters.iter().copied().map(path).collect();
            let paths: Vec<&StorePath> = paths.iter().collect();
            cache.run(&hold(cache.roots(), &web, &paths));
        };
        hold(&['a', 'b']);
        assert_eq!(held(), "ab");
        hold(&['b', 'c']);
        assert_eq!(held(), "bc");
        cache.pin("Web", &closure('a', None));
        assert_eq!(cache.kept(), ["Web: 1a-"], "it is no generation");
        hold(&[]);
        assert_eq!(held(), "");
        let left = std::fs::read_dir(cache.0.path().join("Web")).unwrap();
        assert_eq!(left.count(), 1, "nothing else stays");
    }

    #[test]
    fn what_is_no_list_is_an_error() {
        assert!(parse("Last login: today\n").is_err());
        let line = format!("Web\t1\t{}\t\tperhaps\n", path('a'));
        assert!(parse(&line).is_err());
    }
}
