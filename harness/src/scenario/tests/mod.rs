//! The language: what is read, what is refused and with which words, and what is made of it.

use super::*;

mod cells;
mod documents;
mod folder;
mod made;
mod refused;

fn known() -> Known {
    Known {
        hosts: ["BinaryCache", "Ingress", "Niko"]
            .map(str::to_owned)
            .to_vec(),
        not_deployed: ["Ingress".to_owned()].into(),
        generations: ["good", "breaks-sshd", "bulky"].map(str::to_owned).into(),
    }
}

fn plays(text: &str) -> Result<Vec<Play>, ReadError> {
    resolve(&read(text, "tests/scenarios/example.toml")?, &known())
}

/// Compares what is said of each changed text with the snapshot of that name.
fn shown(name: &str, text: &str, changes: &[(&str, &str)]) {
    let mut all = String::new();
    for (from, to) in changes {
        assert!(text.contains(from), "the example has no {from}");
        let error = plays(&text.replacen(from, to, 1)).expect_err(to);
        let change = match to.is_empty() {
            true => format!("without {from}"),
            false => (*to).to_owned(),
        };
        all.push_str(&format!(
            "{}\n  {error}\n",
            change.trim_end().replace('\n', "⏎")
        ));
    }
    insta::with_settings!({ omit_expression => true }, { insta::assert_snapshot!(name, all) });
}

/// A scenario as most are.
const PLAIN: &str = r#"title = "A configuration that breaks sshd is taken back"
proves = "After it, the host is as it was."

[machines.Niko]
generations = ["as-configured", "good", "breaks-sshd"]

[[steps]]
name = "good is deployed"
run = "deploy ./good#Niko"

[[steps]]
name = "the one that breaks sshd is refused"
run = "deploy ./breaks-sshd#Niko"
expect.exit = "failure"
within = 120

[[steps]]
name = "the host is as it was"
state.Niko = { running = "good", profile = "good", reachable = true, failed-units = [] }

[[controls]]
title = "with a configuration that does no harm"
swap = { breaks-sshd = "good" }
fails-at = "the one that breaks sshd is refused"
"#;

/// A scenario that has everything else.
const MATRIX: &str = r#"title = "{{fault}} while {{phase}}"
proves = "What state the machine is left in."

[[each]]
phase = "copy"
fault = "cut"
left = "as-configured"
port = 22

[[each]]
name = "late"
phase = "activate"
fault = "restored"
left = "bulky"
port = 2222

[machines.Niko]
generations = ["as-configured", "bulky"]

[machines.BinaryCache]
in-store = ["Niko.bulky"]

[machines.client]
helper = true

[points.copy]
on = "Niko"
file = "{{Niko.bulky}}/bulk"

[points.activate]
on = "Niko"
journal = "activating"
unit = "sshd.service"

[[blocks.fault]]
on = "Niko"
network = "{{fault}}"

[[blocks.fault]]
name = "it stays so for a while"
on = "client"
run = "sleep 1"

[[steps]]
name = "ssh is there"
on = "Niko"
wait = { port = "{{port}}" }

[[steps]]
name = "{{fault}} falls into {{phase}}"
run = "deploy ./bulky#Niko"
expect = { exit = [1, 2], output-lacks = ["panicked"], json."/a" = { b = 1 } }
[steps.during]
when = "{{phase}}"
before = { output = "confirmed" }
then = [{ play = "fault" }, { kill = "deploy", signal = "INT" }]

[[steps]]
name = "the machine is what it is"
play = "ending"

[[blocks.ending]]
power-cut = "Niko"
[[blocks.ending]]
power-on = "Niko"
[[blocks.ending]]
name = "it has booted"
state.Niko.running = "{{left}}"
state.BinaryCache.failed-units = []

[[controls]]
title = "nothing is cut"
cell = "late"
leave-out = ["the machine is what it is: power-cut Niko"]
fails-at = "the machine is what it is"
"#;
