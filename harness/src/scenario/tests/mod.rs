//! The language: what is read, what is refused and with which words, and what is made of it.

use super::*;

mod folder;

const HOSTS: [&str; 3] = ["Ingress", "Niko", "Testing"];
const GENERATIONS: [&str; 4] = ["good", "breaks-sshd", "fails-to-activate", "new-kernel"];

fn known() -> Known {
    Known {
        hosts: HOSTS.map(str::to_owned).to_vec(),
        generations: GENERATIONS.map(str::to_owned).into(),
    }
}

fn plays(text: &str) -> Result<Vec<Play>, ReadError> {
    resolve(&read(text, "tests/scenarios/example.toml")?, &known())
}

const EXAMPLE: &str = r#"title = "A configuration that breaks sshd is taken back"
proves = "After a deployment that nobody can confirm, the host runs, boots and has as profile what it had before."
[machines.Niko]
generations = ["as-configured", "good", "breaks-sshd"]

[[steps]]
name = "the good generation is deployed"
run = "deploy ./good#Niko"
within = 60
[[steps]]
name = "the one that breaks sshd is refused"
run = "deploy ./breaks-sshd#Niko"
expect.exit = "failure"
within = 120
[[steps]]
name = "the host is back on the good one"
state.Niko = { running = "good", profile = "good", boot-default = "good", reachable = true, failed-units = [] }
within = 60
[[controls]]
title = "with a configuration that does no harm"
swap = { "breaks-sshd" = "good" }
fails-at = "the one that breaks sshd is refused"
"#;

mod x {
    #[test]
    fn p() {
        println!(
            "{}",
            serde_json::to_string_pretty(&super::super::schema()).unwrap()
        );
        let p = super::plays(super::EXAMPLE).unwrap();
        println!("{}", serde_json::to_string_pretty(&p).unwrap());
        println!("{}", p[0].steps[1].written);
    }
}
