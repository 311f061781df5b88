//! The report in the form that CI servers read: a suite a scenario, a case a play.

use super::outcome::{Played, Report, Scenario, Verdict};
use super::render;

/// One XML document.
pub fn document(report: &Report) -> String {
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let counts = Counts::of(report.scenarios.iter());
    let attributes = counts.attributes(report.seconds);
    text.push_str(&format!("<testsuites name=\"vm-test\" {attributes}>\n"));
    for scenario in &report.scenarios {
        text.push_str(&suite(report, scenario));
    }
    text.push_str("</testsuites>\n");
    text
}

struct Counts {
    tests: usize,
    failures: usize,
    errors: usize,
    skipped: usize,
}

impl Counts {
    fn of<'a>(scenarios: impl Iterator<Item = &'a Scenario>) -> Self {
        let mut counts = Self {
            tests: 0,
            failures: 0,
            errors: 0,
            skipped: 0,
        };
        for scenario in scenarios {
            counts.tests += scenario.plays.len();
            for play in &scenario.plays {
                counts.failures += usize::from(play.verdict == Verdict::Failed);
                counts.errors += usize::from(play.verdict == Verdict::Broken);
                counts.skipped += usize::from(play.verdict == Verdict::NotPlayable);
            }
        }
        counts
    }

    fn attributes(&self, seconds: f64) -> String {
        format!(
            "tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\" time=\"{seconds:.3}\"",
            self.tests, self.failures, self.errors, self.skipped
        )
    }
}

fn suite(report: &Report, scenario: &Scenario) -> String {
    let seconds = scenario.seconds();
    let attributes = Counts::of(std::iter::once(scenario)).attributes(seconds);
    let name = escape(&scenario.name);
    let mut text = format!("  <testsuite name=\"{name}\" {attributes}>\n");
    let mut properties = vec![
        ("title", scenario.title.clone()),
        ("stage", report.stage.to_string()),
    ];
    properties.extend(
        report
            .revision
            .clone()
            .map(|revision| ("revision", revision)),
    );
    text.push_str("    <properties>\n");
    for (key, value) in properties {
        let value = escape(&value);
        text.push_str(&format!(
            "      <property name=\"{key}\" value=\"{value}\"/>\n"
        ));
    }
    text.push_str("    </properties>\n");
    for play in &scenario.plays {
        text.push_str(&case(report, &name, play));
    }
    text.push_str("  </testsuite>\n");
    text
}

fn case(report: &Report, class: &str, play: &Played) -> String {
    let mut name = play.name.clone();
    if report.repeat > 1 {
        name.push_str(&format!(" (round {})", play.round));
    }
    let mut text = format!(
        "    <testcase classname=\"{class}\" name=\"{}\" time=\"{:.3}\">\n",
        escape(&name),
        play.seconds
    );
    let element = match play.verdict {
        Verdict::Failed => Some("failure"),
        Verdict::Broken => Some("error"),
        Verdict::Passed | Verdict::NotPlayable => None,
    };
    if let Some(element) = element {
        text.push_str(&format!(
            "      <{element} message=\"{}\">{}</{element}>\n",
            escape(&play.message()),
            text_of(&render::of_play(play))
        ));
    }
    if let Some(why) = &play.not_playable {
        let why = escape(why);
        text.push_str(&format!(
            "      <skipped message=\"{why}\"/>\n    </testcase>\n"
        ));
        return text;
    }
    if !play.logs.as_os_str().is_empty() {
        let logs = escape(&play.logs.display().to_string());
        text.push_str(&format!("      <system-out>logs: {logs}</system-out>\n"));
    }
    text.push_str("    </testcase>\n");
    text
}

/// Between tags a line feed is one.
fn text_of(text: &str) -> String {
    escape(text).replace("&#10;", "\n")
}

/// For attributes; what XML cannot say at all, such as the escapes of a console, becomes `?`.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' => escaped.push_str("&#10;"),
            '\t' => escaped.push(c),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => escaped.push('?'),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::super::samples::report;
    use super::*;

    #[test]
    fn a_suite_a_scenario_and_a_case_a_play() {
        let mut report = report();
        report.scenarios.push(super::super::samples::not_playable());
        insta::assert_snapshot!(document(&report));
    }

    #[test]
    fn a_round_whose_logs_were_not_kept_leads_to_none() {
        let mut report = report();
        report.scenarios.truncate(1);
        report.scenarios[0].plays[0].logs = std::path::PathBuf::new();
        let document = document(&report);
        assert_eq!(document.matches("<system-out>").count(), 1, "{document}");
        assert_eq!(document.matches("</testcase>").count(), 2);
    }

    #[test]
    fn what_xml_cannot_say_is_replaced() {
        assert_eq!(
            escape("a\u{1b}[31m<b>&\"\u{0}\r"),
            "a?[31m&lt;b&gt;&amp;&quot;??"
        );
    }
}
