//! What a person reads of machines. Pure.

use super::list::{Condition, Machine};
use super::place::Port;
use super::start::Up;
use crate::report::table::Table;
use crate::report::words::bytes;

/// How to get into a machine that was started, and how to be rid of it.
pub fn started(up: &Up) -> String {
    let state = &up.state;
    let name = &state.name;
    let generation = state.generation.as_deref().unwrap_or("unknown");
    let mut text = format!("{name} runs, in the rehearsal stage, generation {generation}\n");
    if let Some(trouble) = &up.trouble {
        text.push_str(&format!("  but: {trouble}\n"));
    }
    let root = match state.user.as_str() {
        "root" => String::new(),
        user => format!("    as {user}; root: sudo -i"),
    };
    let mut line = |what: &str, how: &str| text.push_str(&format!("  {what:<8} {how}\n"));
    line("shell", &format!("cargo xtask vm shell {name}{root}"));
    line("console", &format!("cargo xtask vm console {name}"));
    let ssh = format!(
        "ssh -F {} {}@{}",
        state.ssh_config.display(),
        state.user,
        name.machine
    );
    line("ssh", &ssh);
    for port in &state.ports {
        line(
            "port",
            &format!("127.0.0.1:{} is its {}", port.host, port.guest),
        );
    }
    line("logs", &state.logs.display().to_string());
    line(
        "stop",
        &format!("cargo xtask vm stop {name}    its disk is kept"),
    );
    text
}

/// A row a machine.
pub fn table(machines: &[Machine]) -> Table {
    let mut table = Table::new([
        "machine",
        "state",
        "generation",
        "for",
        "memory",
        "disk",
        "ports",
    ])
    .numbers([3, 4, 5]);
    let size = |size: Option<u64>| size.map_or_else(|| "-".to_owned(), bytes);
    for machine in machines {
        let ports: Vec<String> = machine.ports.iter().map(port).collect();
        table.row([
            machine.name.clone(),
            condition(machine.condition).to_owned(),
            machine.generation.clone().unwrap_or_else(|| "-".to_owned()),
            duration(machine.seconds),
            size(machine.memory_bytes),
            size(machine.disk_bytes),
            ports.join(" "),
        ]);
    }
    table
}

fn condition(condition: Condition) -> &'static str {
    match condition {
        Condition::Running => "running",
        Condition::Paused => "paused",
        Condition::Stopped => "stopped",
        Condition::Frozen => "kept, frozen",
        Condition::Off => "kept, off",
    }
}

fn port(port: &Port) -> String {
    format!("{}:{}", port.host, port.guest)
}

/// `42 s`, `17 min`, `3 h`, `12 d`.
fn duration(seconds: u64) -> String {
    match seconds {
        s if s < 120 => format!("{s} s"),
        s if s < 2 * 3600 => format!("{} min", s / 60),
        s if s < 2 * 86400 => format!("{} h", s / 3600),
        s => format!("{} d", s / 86400),
    }
}

#[cfg(test)]
mod tests {
    use super::super::name::Name;
    use super::super::place::State;
    use super::*;

    fn ports() -> Vec<Port> {
        let port = |host, guest| Port { host, guest };
        vec![port(40022, 22), port(8080, 80)]
    }

    #[test]
    fn every_condition_has_its_words() {
        let machine = |name: &str, condition, seconds| Machine {
            name: name.to_owned(),
            condition,
            generation: Some("as-configured".to_owned()),
            seconds,
            memory_bytes: None,
            disk_bytes: Some(40 << 20),
            ports: Vec::new(),
            pid: None,
        };
        let running = Machine {
            memory_bytes: Some(300 << 20),
            ports: ports(),
            pid: Some(7),
            ..machine("Niko", Condition::Running, 90)
        };
        let all = [
            running,
            machine("Ingress", Condition::Paused, 1000),
            machine("Production", Condition::Stopped, 90_000),
            machine("deploy-rollback/Niko", Condition::Frozen, 1_000_000),
            machine("deploy-rollback/client", Condition::Off, 8000),
        ];
        insta::assert_snapshot!(table(&all).text());
    }

    #[test]
    fn a_started_machine_says_how_to_get_in() {
        let state = State {
            name: Name::parse("Niko"),
            pid: 7,
            since: 0,
            generation: Some("breaks-sshd".to_owned()),
            copy: false,
            ports: ports(),
            control: "/s/control".into(),
            ssh_config: "/cache/machines/runs/vm-Niko-1/ssh_config".into(),
            user: "operator".to_owned(),
            logs: "/cache/machines/held/started+Niko/logs".into(),
            percent: 100,
        };
        let up = Up {
            state,
            trouble: Some("ssh lets nobody in: Permission denied (publickey).".to_owned()),
            note: None,
        };
        insta::assert_snapshot!(started(&up));
    }
}
