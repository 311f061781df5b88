//! Tells who wants to know what became of a deployment. Nobody waits for it, and nothing fails by it.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;

use super::outcome::Report;
use crate::fleet::host::HostName;
use crate::fleet::inventory::{Notify, NotifyKind};
use crate::report;
use crate::tools::curl;

/// Who is told of each host.
pub type Listeners = BTreeMap<HostName, BTreeSet<Notify>>;

/// Posts to each listener what became of its hosts. A listener that cannot be reached is a warning.
pub async fn tell(report: &Report, listeners: &Listeners) {
    for (listener, part) in parts(report, listeners) {
        if let Err(error) = post(&listener, &part).await {
            report::say(&format!("warning: cannot tell {}: {error:#}", listener.url));
        }
    }
}

/// The report as it concerns each listener.
fn parts(report: &Report, listeners: &Listeners) -> BTreeMap<Notify, Report> {
    let all: BTreeSet<&Notify> = listeners.values().flatten().collect();
    all.into_iter()
        .map(|listener| {
            let concerned = |host: &HostName| {
                listeners
                    .get(host)
                    .is_some_and(|wanted| wanted.contains(listener))
            };
            let mut part = report.clone();
            part.hosts.retain(|host| concerned(&host.host));
            part.good = part.hosts.iter().all(|host| host.outcome.is_good());
            (listener.clone(), part)
        })
        .filter(|(_, part)| !part.hosts.is_empty())
        .collect()
}

async fn post(listener: &Notify, part: &Report) -> Result<()> {
    match listener.kind {
        NotifyKind::Webhook => {
            let headers = [("Content-Type", "application/json")];
            curl::post(&listener.url, &headers, report::json(part)?).await
        }
        NotifyKind::Ntfy => {
            let (title, priority) = headline(part);
            let headers = [
                ("Title", title.as_str()),
                ("Priority", priority),
                ("Content-Type", "text/plain"),
            ];
            curl::post(&listener.url, &headers, lines(part)).await
        }
    }
}

/// A header is one line of plain characters.
fn headline(part: &Report) -> (String, &'static str) {
    let bad: Vec<&str> = part
        .hosts
        .iter()
        .filter(|host| !host.outcome.is_good())
        .map(|host| host.host.as_str())
        .collect();
    let title = if bad.is_empty() {
        format!("deployed {}", part.reference)
    } else {
        format!(
            "{} of {}: not as it should be",
            bad.join(", "),
            part.reference
        )
    };
    let plain = |c: char| if c.is_ascii_graphic() { c } else { ' ' };
    let priority = if bad.is_empty() { "default" } else { "high" };
    (title.chars().map(plain).collect(), priority)
}

fn lines(part: &Report) -> String {
    part.hosts
        .iter()
        .map(|host| {
            let why = match host.outcome.why() {
                Some(why) => format!(": {why}"),
                None => String::new(),
            };
            format!("{}: {}{why}\n", host.host, host.outcome.words())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deploy::outcome::{HostReport, Outcome};
    use crate::deploy::plan::tests::path;
    use crate::fleet::stage::Stage;

    fn report() -> Report {
        let host = |name: &str, outcome| HostReport {
            host: HostName::known(name),
            wave: 0,
            outcome,
            new: path('n'),
            running: None,
            seconds: 0.0,
            log: Vec::new(),
            surprises: Vec::new(),
        };
        let why = "it failed".to_owned();
        Report {
            version: 1,
            stage: Stage::Rehearsal,
            reference: "main\nX-Evil: 1".to_owned(),
            commit: None,
            seconds: 0.0,
            good: false,
            hosts: vec![
                host("A", Outcome::Deployed),
                host("B", Outcome::RolledBack { why }),
            ],
        }
    }

    #[test]
    fn each_listener_hears_of_its_own_hosts() {
        let listener = |url: &str| Notify {
            kind: NotifyKind::Ntfy,
            url: url.to_owned(),
        };
        let both = listener("both");
        let listeners = Listeners::from([
            (HostName::known("A"), [both.clone(), listener("a")].into()),
            (HostName::known("B"), [both.clone()].into()),
            (HostName::known("C"), [listener("c")].into()),
        ]);
        let parts = parts(&report(), &listeners);
        assert_eq!(parts.len(), 2, "nothing became of C");
        assert!(!parts[&both].good && parts[&listener("a")].good);
        assert_eq!(
            lines(&parts[&both]),
            "A: deployed\nB: rolled back: it failed\n"
        );
        let (title, priority) = headline(&parts[&both]);
        assert_eq!(
            (title.as_str(), priority),
            ("B of main X-Evil: 1: not as it should be", "high")
        );
    }
}
