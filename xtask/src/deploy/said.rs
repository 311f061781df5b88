//! What deploy-rs said, and what of it is told. Pure.

use guard::refusal::Refusal;

use crate::process::Output;

/// All of it, in which the host's own programs have their say, too.
pub fn everything(output: &Output) -> String {
    format!("{}\n{}", output.text(), output.stderr)
}

/// The last lines of what deploy-rs said, without its own words about itself.
pub fn last_lines(output: &Output) -> Vec<String> {
    const SHOWN: usize = 15;
    let text = without_colours(&output.stderr);
    let lines: Vec<String> = text
        .lines()
        .map(str::trim_end)
        .filter(|line| !line.trim().is_empty())
        .map(str::to_owned)
        .collect();
    lines[lines.len().saturating_sub(SHOWN)..].to_vec()
}

/// deploy-rs's own last error, in a line.
pub fn failure(output: &Output) -> String {
    if output.status.success() {
        return "deploy-rs said that all was well".to_owned();
    }
    if let Some(refusal) = Refusal::find(&output.stderr) {
        return refusal.to_string();
    }
    let text = without_colours(&output.stderr);
    let errors = || {
        text.lines()
            .filter_map(|line| line.split_once("[ERROR] "))
            .rev()
    };
    // They speak in no fixed order. The one on the host knows the cause, and what waits for it only that it was told to
    // end.
    let of = |wanted: fn(&str) -> bool| errors().find(|(who, _)| wanted(who));
    let cause = of(|who| who.contains("[activate]"))
        .or_else(|| of(|who| !who.contains("[wait]")))
        .or_else(|| of(|_| true));
    match cause.map(|(_, error)| error) {
        Some(error) => {
            let error = error.split(". The failed command").next().unwrap_or(error);
            error.trim().to_owned()
        }
        None => format!("deploy-rs {}", output.status),
    }
}

/// deploy-rs colours its lines wherever they go.
fn without_colours(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\u{1b}') {
        plain.push_str(before);
        rest = match after.split_once('m') {
            Some((code, after)) if code.starts_with('[') => after,
            _ => after,
        };
    }
    plain.push_str(rest);
    plain
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::process::Status;

    #[test]
    fn deploy_rs_own_last_error_is_told() {
        let said = |stderr: &str| {
            failure(&Output {
                status: Status::Code(1),
                stdout: Vec::new(),
                stderr: stderr.to_owned(),
                wall: Duration::ZERO,
            })
        };
        let coloured = "🚀 ❌ [deploy] [\u{1b}[31mERROR\u{1b}[0m] one\n🚀 ❌ [deploy] [\u{1b}[31mERROR\u{1b}[0m] two\nlast\n";
        assert_eq!(said(coloured), "two");
        let waited = "[activate] [ERROR] the cause\n[wait] [ERROR] cancelled\n[deploy] [ERROR] rolled back\n";
        assert_eq!(said(waited), "the cause");
        assert_eq!(said("[wait] [ERROR] alone\n"), "alone");
        assert_eq!(said(""), "deploy-rs exited 1");
        assert_eq!(
            said("refused downgrade: older\n[ERROR] bad exit code"),
            "refused downgrade: older"
        );
    }
}
