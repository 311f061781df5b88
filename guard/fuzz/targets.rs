//! What has to hold of each parser that reads what others send, whatever the bytes: one function a target. It panics if
//! something does not hold, and says whether the bytes were taken. Used by cargo-fuzz and by `tests/fuzz.rs`.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use guard::builder;
use guard::closure::path_info;
use guard::command::{self, Command, Mode};
use guard::config::{Config, Partly};
use guard::release::{is_host_name, Release, SignedRelease};
use guard::store_path::StorePath;
use guard::time::Time;
use guard::upgrade::{figures, hydra, Settings};
use guard::wire::{self, Answers};

/// Whether the bytes were taken.
pub type Target = fn(&[u8]) -> bool;

/// Each with the name of its folder in `corpus/`.
pub const ALL: [(&str, Target); 10] = [
    ("builder", builder),
    ("command", command),
    ("config", config),
    ("figures", figures),
    ("hydra", hydra),
    ("path-info", path_info),
    ("release", release),
    ("store-path", store_path),
    ("upgrade", upgrade),
    ("wire", wire),
];

/// `SSH_ORIGINAL_COMMAND` at the builder's door.
pub fn builder(bytes: &[u8]) -> bool {
    let Ok(line) = std::str::from_utf8(bytes) else {
        return false;
    };
    let Ok(asked) = builder::parse(line) else {
        return false;
    };
    // Nothing of it could be taken for an option, a path or a name.
    let hexadecimal = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    assert!(asked.commit.len() == 40 && asked.commit.bytes().all(hexadecimal));
    let words: Vec<&str> = line.split(' ').filter(|word| !word.is_empty()).collect();
    assert_eq!(words.len(), if asked.boot { 3 } else { 2 });
    assert_eq!(builder::parse(&asked.to_string()), Ok(asked));
    true
}

/// `SSH_ORIGINAL_COMMAND`.
pub fn command(bytes: &[u8]) -> bool {
    let Ok(line) = std::str::from_utf8(bytes) else {
        return false;
    };
    let Ok(command) = command::parse(line) else {
        return false;
    };
    // What only a shell would make something of is in quotes, or not there.
    let bare: String = line.split('\'').step_by(2).collect();
    assert!(!bare.contains(|c: char| ";|&$`<>(){}[]*!#~\\\"\n\r\t\0".contains(c)));
    assert!(line.bytes().all(|byte| matches!(byte, b' '..=b'~')));
    assert_eq!(command::parse(&rendered(&command)), Ok(command));
    true
}

/// The one line that says it.
fn rendered(command: &Command) -> String {
    let program = |profile: &StorePath| format!("sudo -u root {profile}/activate-rs");
    match command {
        Command::StoreServe => "nix-store --serve --write".to_owned(),
        Command::StoreDaemon => "nix-daemon --stdio".to_owned(),
        Command::Activate(activate) => {
            let profile = &activate.profile;
            let confirmed = match activate.confirmed {
                true => " --magic-rollback",
                false => "",
            };
            let mode = match activate.mode {
                Mode::Dry => " --dry-activate",
                Mode::Plain => "",
                Mode::Boot => " --boot",
                Mode::Test => " --test",
            };
            format!(
                "{} activate '{profile}' --profile-user root --profile-name system --temp-path '/tmp' \
                 --confirm-timeout {}{confirmed}{mode}",
                program(profile),
                activate.confirm_timeout.as_secs()
            )
        }
        Command::Wait { profile, timeout } => format!(
            "{} wait '{profile}' --temp-path '/tmp' --activation-timeout {}",
            program(profile),
            timeout.as_secs()
        ),
        Command::Confirm { hash } => format!("sudo -u root rm /tmp/deploy-rs-canary-{hash}"),
        Command::Revoke { profile } => format!(
            "{} revoke --profile-user root --profile-name system",
            program(profile)
        ),
        Command::AcceptRelease => "accept-release".to_owned(),
        Command::Status => "status".to_owned(),
        Command::Health { wait } => format!("health --wait {}", wait.as_secs()),
        Command::History { limit } => format!("history --limit {limit}"),
        Command::Poll { wait } => format!("poll --wait {}", wait.as_secs()),
        Command::Rollback { to: None } => "rollback".to_owned(),
        Command::Rollback { to: Some(number) } => format!("rollback --to {number}"),
        Command::Keep => "keep".to_owned(),
        Command::Hold { reason: None } => "hold".to_owned(),
        Command::Hold {
            reason: Some(reason),
        } => format!("hold --reason '{reason}'"),
        Command::Unhold => "unhold".to_owned(),
        Command::Reboot { now: false } => "reboot".to_owned(),
        Command::Reboot { now: true } => "reboot --now".to_owned(),
        Command::AcceptBuild { toplevel, build } => {
            format!("accept-build {toplevel} --build {build}")
        }
        Command::Upgraded { result, text } => {
            let text = text.as_ref().map(|text| format!(" --text '{text}'"));
            let text = text.unwrap_or_default();
            format!("upgraded --result {}{text}", result.as_str())
        }
    }
}

/// A release as it travels, or the text that is signed.
pub fn release(bytes: &[u8]) -> bool {
    let mut taken = false;
    let mut text = std::str::from_utf8(bytes).ok().map(str::to_owned);
    if let Ok(signed) = SignedRelease::from_wire(bytes) {
        let wire = signed.to_wire().unwrap();
        assert_eq!(
            SignedRelease::from_wire(wire.as_bytes()),
            Ok(signed.clone())
        );
        text = Some(signed.release);
        taken = true;
    }
    let Some(Ok(release)) = text.as_deref().map(Release::parse) else {
        return taken;
    };
    assert!(release.made < release.expires);
    assert!(release.hosts.keys().all(|name| is_host_name(name)));
    let again = release.to_text().unwrap();
    assert_eq!(Release::parse(&again), Ok(release));
    // No part of the document was passed over: read as plain JSON it says as much.
    let values = |text: &str| members(&serde_json::from_str(text).unwrap());
    let all = text.as_deref().unwrap_or_default();
    assert!(names(all) <= values(&again) + nulls(all), "{all}");
    true
}

/// Members of objects in a document as it is written, also those of a name that stands twice.
fn names(text: &str) -> usize {
    let (mut count, mut quoted, mut escaped) = (0, false, false);
    for c in text.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ':' if !quoted => count += 1,
            _ => (),
        }
    }
    count
}

/// Members that may be written down and mean the same as none.
fn nulls(text: &str) -> usize {
    text.matches("null").count() + text.matches("false").count()
}

fn members(value: &serde_json::Value) -> usize {
    match value {
        serde_json::Value::Object(map) => map.len() + map.values().map(members).sum::<usize>(),
        serde_json::Value::Array(list) => list.iter().map(members).sum(),
        _ => 0,
    }
}

/// Bytes that fit into a socket without a reader.
const SOCKET: usize = 32 * 1024;

/// What comes over the socket, from either end.
pub fn wire(bytes: &[u8]) -> bool {
    let sent = |bytes: &[u8]| {
        let (mut here, there) = UnixStream::pair().unwrap();
        here.write_all(&bytes[..bytes.len().min(SOCKET)]).unwrap();
        there
    };
    let mut taken = false;
    if let Ok(request) = wire::read_request(&sent(bytes)) {
        let line = serde_json::to_vec(&request).unwrap();
        let again = wire::read_request(&sent(&[&line[..], b"\n"].concat()));
        assert_eq!(again.unwrap(), request);
        taken = true;
    }
    let mut answers = Answers::new(sent(bytes));
    while let Ok(Some(answer)) = answers.read() {
        let line = serde_json::to_vec(&answer).unwrap();
        let again = Answers::new(sent(&[&line[..], b"\n"].concat())).read();
        assert_eq!(again.unwrap(), Some(answer));
        taken = true;
    }
    taken
}

/// What a canary's exporter tells.
pub fn figures(bytes: &[u8]) -> bool {
    let Ok(figures) = figures::parse(bytes) else {
        return false;
    };
    let label = |(name, value): &(String, String)| {
        let value = value
            .replace('\\', "\\\\")
            .replace('"', "\\\"")
            .replace('\n', "\\n");
        format!("{name}=\"{value}\"")
    };
    let text: String = figures
        .iter()
        .map(|figure| {
            let labels: Vec<String> = figure.labels.iter().map(label).collect();
            format!("{}{{{}}} {}\n", figure.name, labels.join(","), figure.value)
        })
        .collect();
    let again = figures::parse(text.as_bytes()).unwrap();
    // Not a number equals nothing, itself neither.
    assert_eq!(format!("{again:?}"), format!("{figures:?}"));
    // Whatever it is, it is a proof or none.
    let path: StorePath = "/nix/store/0123456789abcdfghijklmnpqrsvwxyz-a"
        .parse()
        .unwrap();
    for toplevel in [None, Some(&path)] {
        let _ = figures::healthy(&figures, toplevel, Time::from_unix(1), Duration::ZERO);
    }
    true
}

/// What Hydra answers of a job's latest build.
pub fn hydra(bytes: &[u8]) -> bool {
    let Ok(build) = hydra::parse(bytes) else {
        return false;
    };
    assert!(build.id > 0);
    // What is passed over need not be a text that could be written again.
    let Ok(document) = serde_json::from_slice::<serde_json::Value>(bytes) else {
        return true;
    };
    assert_eq!(document["buildstatus"], 0);
    assert_eq!(
        document["buildoutputs"]["out"]["path"],
        build.toplevel.as_str()
    );
    true
}

/// Where a host looks for its releases.
pub fn upgrade(bytes: &[u8]) -> bool {
    let Ok(settings) = Settings::parse(bytes) else {
        return false;
    };
    let document: serde_json::Value = serde_json::from_slice(bytes).unwrap();
    let again = Settings::parse(&serde_json::to_vec(&document).unwrap());
    assert_eq!(again.unwrap(), settings);
    true
}

pub fn store_path(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return false;
    };
    let Ok(path) = text.parse::<StorePath>() else {
        return false;
    };
    assert_eq!(path.as_str(), text);
    assert_eq!(format!("/nix/store/{}-{}", path.hash(), path.name()), text);
    assert_eq!(StorePath::containing(&path.join("a/../b")), Some(path));
    true
}

/// What `nix path-info --json` prints.
pub fn path_info(bytes: &[u8]) -> bool {
    let Ok(infos) = path_info::parse(bytes) else {
        return false;
    };
    // Written again, as Nix or as anybody would, it says the same.
    let document: serde_json::Value = serde_json::from_slice(bytes).unwrap();
    let again = path_info::parse(&serde_json::to_vec(&document).unwrap());
    assert_eq!(again.unwrap(), infos);
    for info in infos {
        assert!(!info.is_signed_by(&[]));
        assert_eq!(info.path.as_str().parse(), Ok(info.path.clone()));
    }
    true
}

/// The guard's own configuration, and what another one's says of itself.
pub fn config(bytes: &[u8]) -> bool {
    // Whatever it is, a newer guard's too: read or not.
    let partly = serde_json::from_slice::<Partly>(bytes);
    let Ok(config) = Config::parse(bytes) else {
        return false;
    };
    assert!(is_host_name(&config.host));
    assert!(config
        .trusted_public_keys
        .iter()
        .all(|key| key.contains(':')));
    let partly = partly.unwrap();
    assert_eq!(partly.host, config.host);
    assert_eq!(partly.health_checks, config.health_checks);
    let document: serde_json::Value = serde_json::from_slice(bytes).unwrap();
    let again = Config::parse(&serde_json::to_vec(&document).unwrap()).unwrap();
    assert_eq!(format!("{again:?}"), format!("{config:?}"));
    true
}
