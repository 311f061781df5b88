//! The fleet as one page for people who would rather look: hosts by wave, what they run, what they were deployed with.
//! Pure; nothing in it is fetched from elsewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use guard::answer::{Activation, Event, HostState};
use guard::time::Time;

use super::live;
use super::status::{boots, runs, HostStatus, Report};
use super::verbs::{activation_words, Histories};
use crate::fleet::host::HostName;
use crate::fleet::inventory::Host;
use crate::report::html::Html;

/// What the timeline shows.
const DAYS: u32 = 30;
const DAY: Duration = Duration::from_secs(24 * 3600);
/// Rows of the list below it.
const LISTED: usize = 50;

/// What the page is made from.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    pub hosts: &'a BTreeMap<HostName, Host>,
    pub report: &'a Report,
    pub histories: &'a Histories,
    pub now: Time,
}

/// The whole document.
pub fn page(facts: Facts) -> String {
    let mut html = Html::default();
    html.markup("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n")
        .markup("<meta name=\"viewport\" content=\"width=device-width\">\n")
        // Whatever gets in by a mistake of ours: a browser fetches nothing and runs nothing.
        .markup("<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n")
        .markup("<title>Fleet</title>\n<style>\n")
        .markup(include_str!("page.css"))
        .markup("</style>\n</head>\n<body>\n<header>\n<h1>Fleet</h1>\n<p>As its hosts said themselves at ")
        .text(&facts.now.to_string())
        .markup(", stage ")
        .text(&facts.report.stage.to_string())
        .markup("</p>\n");
    sums(&mut html, facts.report);
    html.markup("</header>\n");
    waves(&mut html, facts);
    timeline(&mut html, facts);
    html.markup("</body>\n</html>\n");
    html.finish()
}

fn sums(html: &mut Html, report: &Report) {
    let count = |holds: &dyn Fn(&HostStatus) -> bool| {
        report.hosts.values().filter(|host| holds(host)).count()
    };
    let apart = |host: &HostStatus| {
        let distance = host.origin.as_ref().map(|it| (it.behind, it.ahead));
        distance.is_some_and(|distance| distance != (Some(0), Some(0)))
    };
    let state = |host: &HostStatus, of: fn(&HostState) -> bool| {
        host.live.as_ref().is_some_and(|live| of(&live.state))
    };
    let sums = [
        (report.hosts.len(), "", "in all"),
        (
            count(&|host| host.unreachable.is_some()),
            "bad",
            "unreachable",
        ),
        (count(&apart), "warn", "apart from main"),
        (
            count(&|host| host.reboot_due.as_ref().is_some_and(|why| !why.is_empty())),
            "warn",
            "with a reboot due",
        ),
        (
            count(&|host| state(host, |state| matches!(state, HostState::TestUntil { .. }))),
            "other",
            "on a test",
        ),
        (
            count(&|host| state(host, |state| matches!(state, HostState::OnTrial { .. }))),
            "other",
            "on trial",
        ),
    ];
    html.markup("<ul class=\"sums\">\n");
    for (count, class, what) in sums {
        html.markup("<li><b class=\"")
            .markup(if count == 0 { "" } else { class })
            .markup("\">")
            .text(&count.to_string())
            .markup("</b> ")
            .text(what)
            .markup("</li>\n");
    }
    html.markup("</ul>\n");
}

fn waves(html: &mut Html, facts: Facts) {
    let wave = |name: &HostName| facts.hosts.get(name).map_or(0, |host| host.wave);
    let waves: BTreeSet<u32> = facts.report.hosts.keys().map(wave).collect();
    for number in waves {
        html.markup("<section>\n<h2>Wave ")
            .text(&number.to_string())
            .markup(
                "</h2>\n<table class=\"wave\">\n<thead><tr><th>host</th><th>state</th><th>runs</th><th>boots</th>",
            )
            .markup("<th>reboot</th><th>failed units</th></tr></thead>\n<tbody>\n");
        for (name, status) in &facts.report.hosts {
            if wave(name) == number {
                row(html, name, facts.hosts.get(name), status);
            }
        }
        html.markup("</tbody>\n</table>\n</section>\n");
    }
}

fn row(html: &mut Html, name: &HostName, host: Option<&Host>, status: &HostStatus) {
    html.markup("<tr><th>").text(name.as_str());
    if let Some(host) = host {
        html.markup("<br><small>")
            .text(&host.description)
            .markup("</small>");
    }
    html.markup("</th>");
    let Some(live) = &status.live else {
        let why = status.unreachable.as_deref().unwrap_or_default();
        html.markup("<td class=\"bad\" colspan=\"5\">does not answer: ")
            .text(why)
            .markup("</td></tr>\n");
        return;
    };
    let boots = boots(live);
    let reboot = match status.reboot_due.as_deref() {
        None => "?".to_owned(),
        Some(why) => why.join(", "),
    };
    let is_settled = matches!(live.state, HostState::Idle);
    cell(
        html,
        if is_settled { "" } else { "other" },
        &live::words(&live.state),
    );
    cell(html, "", &runs(status, live));
    cell(html, if boots == "the same" { "" } else { "warn" }, boots);
    cell(html, "warn", &reboot);
    cell(html, "bad", &live.failed_units.join(", "));
    html.markup("</tr>\n");
}

fn cell(html: &mut Html, class: &'static str, text: &str) {
    html.markup("<td class=\"")
        .markup(class)
        .markup("\">")
        .text(text)
        .markup("</td>");
}

/// A deployment that has ended.
struct Deployment<'a> {
    host: &'a HostName,
    at: Time,
    by: &'a str,
    class: &'static str,
    activation: &'a Activation,
}

fn deployments<'a>(histories: &'a Histories) -> Vec<Deployment<'a>> {
    let mut all: Vec<Deployment> = Vec::new();
    for (host, history) in &histories.hosts {
        for entry in &history.entries {
            let Event::Activation { activation } = &entry.event else {
                continue;
            };
            let Some(ended) = &activation.ended else {
                continue;
            };
            if activation.purpose.is_deployment() {
                let class = if ended.outcome.is_success() {
                    "good"
                } else {
                    "bad"
                };
                let (at, by) = (ended.at, entry.by.as_str());
                all.push(Deployment {
                    host,
                    at,
                    by,
                    class,
                    activation,
                });
            }
        }
    }
    // The newest first; hosts of one moment by their names.
    all.sort_by(|a, b| b.at.cmp(&a.at).then_with(|| a.host.cmp(b.host)));
    all
}

fn timeline(html: &mut Html, facts: Facts) {
    let all = deployments(facts.histories);
    let span = DAY * DAYS;
    html.markup("<section>\n<h2>Deployments of the last ")
        .text(&DAYS.to_string())
        .markup(" days</h2>\n");
    for (host, history) in &facts.histories.hosts {
        html.markup("<div class=\"row\"><b>")
            .text(host.as_str())
            .markup("</b>");
        if let Some(why) = &history.missing {
            html.markup("<small>").text(why).markup("</small></div>\n");
            continue;
        }
        html.markup("<ol class=\"line\">");
        let recent = |it: &&Deployment| it.host == host && facts.now.since(it.at) <= span;
        for one in all.iter().filter(recent) {
            dot(html, one, facts.now.since(one.at), span);
        }
        html.markup("</ol></div>\n");
    }
    html.markup("<div class=\"row\"><span></span><small class=\"axis\"><span>")
        .text(&DAYS.to_string())
        .markup(" days ago</span><span>now</span></small></div>\n</section>\n")
        .markup("<section>\n<h2>Last deployments</h2>\n");
    if all.is_empty() {
        html.markup("<p>None is on record.</p>\n</section>\n");
        return;
    }
    html.markup("<table>\n<thead><tr><th>ended</th><th>host</th><th>by</th><th>what</th></tr></thead>\n<tbody>\n");
    for one in all.iter().take(LISTED) {
        html.markup("<tr><td>")
            .text(&one.at.to_string())
            .markup("</td><td>")
            .text(one.host.as_str())
            .markup("</td><td>")
            .text(one.by)
            .markup("</td>");
        cell(html, one.class, &activation_words(one.activation));
        html.markup("</tr>\n");
    }
    html.markup("</tbody>\n</table>\n</section>\n");
}

fn dot(html: &mut Html, one: &Deployment, ago: Duration, span: Duration) {
    let left = 100.0 - 100.0 * ago.as_secs_f64() / span.as_secs_f64();
    html.markup("<li class=\"")
        .markup(one.class)
        .markup("\" style=\"left:")
        .text(&format!("{left:.1}"))
        .markup("%\" title=\"")
        .text(&format!("{}: {}", one.at, activation_words(one.activation)))
        .markup("\"></li>");
}

#[cfg(test)]
mod seen;
#[cfg(test)]
mod tests;
