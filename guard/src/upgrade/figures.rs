//! What a canary tells of itself in Prometheus' text format, and whether that is a proof: pure.

use std::time::Duration;

use anyhow::{bail, Context, Result};

use crate::store_path::StorePath;
use crate::time::Time;

const SYSTEM: &str = "nixos_system_info";
const SUCCESS: &str = "nixos_deployment_last_success";
const TIME: &str = "nixos_deployment_last_time_seconds";
const UNIT: &str = "node_systemd_unit_state";

/// The families that are read; the others are somebody else's.
const READ: [&str; 4] = [SYSTEM, SUCCESS, TIME, UNIT];

/// One sample.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    pub name: &'static str,
    pub labels: Vec<(String, String)>,
    pub value: f64,
}

impl Figure {
    fn label(&self, name: &str) -> Option<&str> {
        let found = self.labels.iter().find(|label| label.0 == name);
        found.map(|label| label.1.as_str())
    }
}

/// The samples of the families that are read, in their order.
///
/// # Errors
/// If a line of one of them is none.
pub fn parse(text: &[u8]) -> Result<Vec<Figure>> {
    let text = std::str::from_utf8(text).context("its figures are no text")?;
    text.lines()
        .filter_map(|line| figure(line).transpose())
        .collect()
}

fn figure(line: &str) -> Result<Option<Figure>> {
    let end = line.find(['{', ' ']).unwrap_or(line.len());
    let Some(name) = READ.into_iter().find(|name| *name == &line[..end]) else {
        return Ok(None);
    };
    let (labels, rest) = match line[end..].strip_prefix('{') {
        Some(rest) => labels(rest).with_context(|| format!("a label of {name}"))?,
        None => (Vec::new(), &line[end..]),
    };
    // A time may follow.
    let value = rest.split_whitespace().next();
    let value = value.and_then(|value| value.parse().ok());
    Ok(Some(Figure {
        name,
        labels,
        value: value.with_context(|| format!("{name} has no value"))?,
    }))
}

type Labels = Vec<(String, String)>;

/// `name="value",…}`, and what follows.
fn labels(mut rest: &str) -> Result<(Labels, &str)> {
    let mut labels = Vec::new();
    loop {
        if let Some(after) = rest.strip_prefix('}') {
            return Ok((labels, after));
        }
        let (name, after) = rest.split_once("=\"").context("it has no value")?;
        let letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if name.is_empty() || !name.bytes().all(letter) {
            bail!("its name is none");
        }
        let (value, after) = quoted(after)?;
        labels.push((name.to_owned(), value));
        rest = after.strip_prefix(',').unwrap_or(after);
        if after == rest && !rest.starts_with('}') {
            bail!("it does not end");
        }
    }
}

/// Up to the quotation mark that ends it.
fn quoted(text: &str) -> Result<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Ok((value, &text[at + 1..])),
            '\\' => match chars.next() {
                Some((_, 'n')) => value.push('\n'),
                Some((_, c @ ('\\' | '"'))) => value.push(c),
                _ => bail!("it is escaped in an unknown way"),
            },
            c => value.push(c),
        }
    }
    bail!("its value does not end")
}

/// Whether the host runs and boots this very closure since that long, after a deployment that ended well, with no unit
/// failed. None: whatever it runs.
///
/// # Errors
/// Why not.
pub fn healthy(
    figures: &[Figure],
    toplevel: Option<&StorePath>,
    now: Time,
    soak: Duration,
) -> Result<(), String> {
    let of = |name: &'static str| figures.iter().filter(move |figure| figure.name == name);
    let role = |role: &str| {
        of(SYSTEM)
            .find(|figure| figure.label("role") == Some(role) && figure.value == 1.0)
            .and_then(|figure| figure.label("toplevel"))
    };
    let (Some(running), Some(boots)) = (role("running"), role("boot")) else {
        return Err("it does not say what it runs and boots".to_owned());
    };
    let wanted = toplevel.map_or(running, StorePath::as_str);
    if running != wanted {
        return Err("it does not run what the release names for it".to_owned());
    }
    if boots != wanted {
        return Err("what it runs is not what it boots".to_owned());
    }
    match of(SUCCESS).next() {
        Some(success) if success.value == 1.0 => (),
        Some(_) => return Err("its last deployment failed".to_owned()),
        None => return Err("it tells of no deployment".to_owned()),
    }
    // An exporter that does not get through to systemd leaves them all out.
    if of(UNIT).next().is_none() {
        return Err("it tells of no units".to_owned());
    }
    let failed = of(UNIT).find(|unit| unit.label("state") == Some("failed") && unit.value != 0.0);
    if let Some(unit) = failed {
        let name = unit.label("name").unwrap_or("a unit");
        return Err(format!("{name} failed"));
    }
    let since = of(TIME).next().map(|time| time.value);
    let since = since.and_then(|since| Duration::try_from_secs_f64(since).ok());
    match since.map(|since| Time::from_unix(0).plus(since)) {
        Some(since) if since.plus(soak) <= now => Ok(()),
        Some(_) => Err(format!("it has not had it for {} s yet", soak.as_secs())),
        None => Err("it does not say since when".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "/nix/store/0123456789abcdfghijklmnpqrsvwxyz-old";
    const NEW: &str = "/nix/store/0123456789abcdfghijklmnpqrsvwxyz-new";

    /// As the guard's own figures come out of a node exporter.
    fn told() -> String {
        format!(
            "# HELP nixos_system_info 1 for what runs\n# TYPE nixos_system_info gauge\n\
             nixos_system_info{{revision=\"\",role=\"boot\",toplevel=\"{NEW}\",version=\"26.05\"}} 1\n\
             nixos_system_info{{revision=\"\",role=\"running\",toplevel=\"{NEW}\",version=\"26.05\"}} 1\n\
             nixos_deployment_last_success 1\nnixos_deployment_last_time_seconds 1.7e+03\n\
             nixos_deployment_last_time_seconds_of_another{{a=b}} x\n\
             node_systemd_unit_state{{name=\"a.service\",state=\"active\",type=\"simple\"}} 1\n\
             node_systemd_unit_state{{name=\"a.service\",state=\"failed\",type=\"simple\"}} 0 1700000000000\n"
        )
    }

    fn ask(text: &str, toplevel: Option<&str>, now: u64) -> Result<(), String> {
        let figures = parse(text.as_bytes()).map_err(|error| format!("{error:#}"))?;
        let toplevel = toplevel.map(|path| path.parse().unwrap());
        let soak = Duration::from_secs(300);
        healthy(&figures, toplevel.as_ref(), Time::from_unix(now), soak)
    }

    #[test]
    fn a_proof_is_the_same_release_for_some_time_and_nothing_failed() {
        assert_eq!(ask(&told(), Some(NEW), 2000), Ok(()));
        assert_eq!(ask(&told(), None, 2000), Ok(()));
        let no = |from: &str, to: &str, now| {
            assert!(told().contains(from), "{from}");
            ask(&told().replacen(from, to, 1), Some(NEW), now).unwrap_err()
        };
        let running = format!("running\",toplevel=\"{NEW}");
        let booting = format!("boot\",toplevel=\"{NEW}");
        let all = [
            no("", "", 1999),
            no(&running, &format!("running\",toplevel=\"{OLD}"), 2000),
            no(&booting, &format!("boot\",toplevel=\"{OLD}"), 2000),
            no("role=\"running\"", "role=\"x\"", 2000),
            no("last_success 1", "last_success 0", 2000),
            no("nixos_deployment_last_success 1", "", 2000),
            no("1.7e+03", "NaN", 2000),
            no("1.7e+03", "-1", 2000),
            no("simple\"} 0 ", "simple\"} 1 ", 2000),
        ];
        assert_eq!(
            all,
            [
                "it has not had it for 300 s yet",
                "it does not run what the release names for it",
                "what it runs is not what it boots",
                "it does not say what it runs and boots",
                "its last deployment failed",
                "it tells of no deployment",
                "it does not say since when",
                "it does not say since when",
                "a.service failed",
            ]
        );
        let no_units = told().replace(UNIT, "other");
        assert_eq!(
            ask(&no_units, Some(NEW), 2000),
            Err("it tells of no units".to_owned())
        );
        assert!(ask("", Some(NEW), 2000).is_err());
    }

    #[test]
    fn labels_are_read_as_they_are_written() {
        let line = r#"nixos_system_info{a="x\\\"\n}",b="",} 1"#;
        let figures = parse(line.as_bytes()).unwrap();
        assert_eq!(figures[0].label("a"), Some("x\\\"\n}"));
        assert_eq!(figures[0].label("b"), Some(""));
        for bad in [
            r#"nixos_system_info{a="x" 1"#,
            r#"nixos_system_info{a="x"b="y"} 1"#,
            r#"nixos_system_info{a="\x"} 1"#,
            r#"nixos_system_info{a=1} 1"#,
            r#"nixos_system_info{="x"} 1"#,
            "nixos_system_info{} x",
            "nixos_system_info",
        ] {
            assert!(parse(bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(parse(b"\xff").is_err());
        assert_eq!(parse(b"somebody_else{ nonsense").unwrap(), []);
    }
}
