//! Alerts on their whole way: what collectors wrote, read by node exporters, scraped by Prometheus with what Production is
//! built with, sent by Alertmanager, and received. All of it on 127.0.0.1, in seconds instead of minutes.
#![allow(clippy::unwrap_used)] // A test that unwraps fails where it should.

mod figures;
mod fleet;
mod processes;
mod receiver;
mod support;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use figures::{tool, unpacked, Generated, Host};
use guard::answer::{Cause, Outcome};
use processes::wait_for;
use receiver::Receiver;
use serde_json::{json, Value};
use support::{nix, skip, Nix};

/// A program that ends with its test, and with no other end.
struct Running(Child);

/// Debian's Alertmanager finds its templates where the package would be installed, and nowhere else: for it, and in a
/// mount namespace of its own, that is where it was unpacked.
const AS_INSTALLED: &str = "mount --bind \"$0/usr/share\" /usr/share && exec \"$@\"";

/// How a program gets such a namespace; none is a skip.
fn namespace() -> Option<Vec<&'static str>> {
    let ways = [vec!["--mount"], vec!["--mount", "--map-root-user"]];
    let works = |way: &Vec<&str>| {
        let tried = Command::new("unshare").args(way).arg("true").output();
        tried.is_ok_and(|output| output.status.success())
    };
    let way = ways.into_iter().find(works);
    if way.is_none() {
        skip("no mount namespaces: not root, or in a container that has none");
    }
    way
}

impl Running {
    fn start(program: &str, arguments: &[String], log: &Path) -> Self {
        let log = std::fs::File::create(log).unwrap();
        let child = Command::new("unshare")
            .args(namespace().unwrap())
            .args(["sh", "-c", AS_INSTALLED])
            .arg(unpacked().unwrap())
            .arg(tool(program).unwrap())
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn();
        Self(child.unwrap())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// A host of the fleet's scrape list, with an exporter of its own here.
struct Told {
    host: Host,
    port: u16,
    exporter: Option<Running>,
}

impl Told {
    /// It runs what it was deployed with for good.
    fn new(nix: &Nix, cache: &str) -> Self {
        let mut host = Host::new(nix);
        host.cache = cache.to_owned();
        host.confirm("good", 7);
        host.deployed("good", Outcome::Confirmed);
        host.collected();
        let mut told = Self {
            host,
            port: free_port(),
            exporter: None,
        };
        told.start();
        told
    }

    fn start(&mut self) {
        let arguments = [
            "--collector.disable-defaults".to_owned(),
            "--collector.textfile".to_owned(),
            format!(
                "--collector.textfile.directory={}",
                self.host.place("").display()
            ),
            format!("--web.listen-address=127.0.0.1:{}", self.port),
        ];
        let log = self.host.place("exporter.log");
        self.exporter = Some(Running::start("prometheus-node-exporter", &arguments, &log));
    }

    fn stop(&mut self) {
        self.exporter = None;
    }
}

/// The fleet's Prometheus and Alertmanager, with the hosts of this test in place of the real ones.
struct Watch {
    port: u16,
    dir: tempfile::TempDir,
    _programs: [Running; 2],
}

impl Watch {
    fn over(generated: &Generated, hosts: &[(&str, &Told)], webhook: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (port, manager_port) = (free_port(), free_port());
        let read = |unit: &str| -> Value {
            let text = std::fs::read_to_string(generated.configuration(unit)).unwrap();
            serde_json::from_str(&text).unwrap()
        };
        // Its own words stay but for addresses and times. What is scraped is written down here: no real host is asked.
        let mut prometheus = read("prometheus.service");
        prometheus["global"] = json!({ "scrape_interval": "1s", "evaluation_interval": "1s" });
        let rules = prometheus["rule_files"][0].as_str().unwrap();
        let rules = std::fs::read_to_string(rules).unwrap();
        let short = regex::Regex::new(r"(?m)^( +for:) \S+$").unwrap();
        assert_eq!(short.find_iter(&rules).count(), 5);
        let rules_file = dir.path().join("alerts.yml");
        std::fs::write(&rules_file, &*short.replace_all(&rules, "$1 3s")).unwrap();
        prometheus["rule_files"] = json!([rules_file]);
        let jobs = prometheus["scrape_configs"].as_array_mut().unwrap();
        let node = jobs
            .iter_mut()
            .find(|job| job["job_name"] == "node")
            .unwrap();
        let targets = node["static_configs"].as_array_mut().unwrap();
        targets.retain_mut(|target| {
            let of = |it: &&(&str, &Told)| target["labels"]["host"] == it.0;
            let Some((_, told)) = hosts.iter().find(of) else {
                return false;
            };
            target["targets"] = json!([format!("127.0.0.1:{}", told.port)]);
            true
        });
        assert_eq!(targets.len(), hosts.len());
        let text = prometheus
            .to_string()
            .replace("127.0.0.1:9090", &format!("127.0.0.1:{port}"))
            .replace("127.0.0.1:9093", &format!("127.0.0.1:{manager_port}"));
        assert!(!text.contains("192.168."), "{text}");

        let mut alertmanager = read("alertmanager.service");
        alertmanager["receivers"][0]["webhook_configs"] = json!([{ "url": webhook }]);
        alertmanager["route"]["group_wait"] = json!("0s");
        alertmanager["route"]["group_interval"] = json!("1s");

        let start = |program: &str, unit: &str, text: &str, port: u16| {
            let file = dir.path().join(unit).with_extension("yml");
            std::fs::write(&file, text).unwrap();
            let own = |argument: String| match argument.split_once('=') {
                Some(("--config.file", _)) => format!("--config.file={}", file.display()),
                Some(("--web.listen-address", _)) => {
                    format!("--web.listen-address=127.0.0.1:{port}")
                }
                Some((storage @ ("--storage.path" | "--storage.tsdb.path"), _)) => {
                    format!("{storage}={}", dir.path().join(program).display())
                }
                _ => argument,
            };
            let arguments: Vec<String> = generated.arguments(unit).into_iter().map(own).collect();
            Running::start(
                program,
                &arguments,
                &dir.path().join(program).with_extension("log"),
            )
        };
        let programs = [
            start("prometheus", "prometheus.service", &text, port),
            start(
                "prometheus-alertmanager",
                "alertmanager.service",
                &alertmanager.to_string(),
                manager_port,
            ),
        ];
        Self {
            port,
            dir,
            _programs: programs,
        }
    }

    /// What Prometheus answers.
    fn ask(&self, path: &str) -> Option<Value> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        write!(stream, "GET /api/v1/{path} HTTP/1.0\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (_, body) = answer.split_once("\r\n\r\n")?;
        serde_json::from_str(body).ok()
    }

    /// How many hosts have this value.
    fn count(&self, query: &str) -> usize {
        let answer = self.ask(&format!("query?query={query}"));
        answer.map_or(0, |answer| {
            answer["data"]["result"].as_array().map_or(0, Vec::len)
        })
    }

    /// What both programs said, for a person who wonders.
    fn logs(&self) -> String {
        ["prometheus.log", "prometheus-alertmanager.log"]
            .map(|name| std::fs::read_to_string(self.dir.path().join(name)).unwrap_or_default())
            .concat()
    }
}

#[test]
fn an_alert_reaches_somebody_and_so_does_its_end() {
    let (Some(nix), Some(_), Some(_)) = (nix(), unpacked(), namespace()) else {
        return;
    };
    let receiver = Receiver::start();
    let mut testing = Told::new(&nix, &receiver.url);
    let production = Told::new(&nix, &receiver.url);
    let generated = Generated::build(&nix);
    let hosts = [("Testing", &testing), ("Production", &production)];
    let watch = Watch::over(&generated, &hosts, &format!("{}/alerts", receiver.url));
    let hears = |wanted: &str| {
        let heard = receiver.next();
        assert_eq!(heard.as_deref(), Some(wanted), "{}", watch.logs());
    };

    // Everything is well, long enough for each rule to have been asked and to have waited.
    wait_for("answer of both exporters", || {
        watch.count("nixos_deployment_last_success==1") == 2
    });
    wait_for("fifth round of the rules", || {
        watch.count("count_over_time(nixos_guard[1m])>=5") == 2
    });
    assert_eq!(watch.ask("alerts").unwrap()["data"]["alerts"], json!([]));

    let text = "it does not work".to_owned();
    let cause = Cause::ActivationFailed;
    testing
        .host
        .deployed("other", Outcome::RolledBack { cause, text });
    testing.host.collected();
    hears("firing DeploymentFailed Testing in wave 0");
    testing.host.deployed("good", Outcome::Confirmed);
    testing.host.collected();
    hears("resolved DeploymentFailed Testing in wave 0");

    let collect = |testing: &Told| {
        testing.host.collected();
        production.host.collected();
    };
    receiver.answer_as_cache(false);
    collect(&testing);
    hears(&format!("firing CacheDead {}", receiver.url));
    receiver.answer_as_cache(true);
    collect(&testing);
    hears(&format!("resolved CacheDead {}", receiver.url));

    testing.stop();
    hears("firing ExporterStale Testing in wave 0");
    testing.start();
    hears("resolved ExporterStale Testing in wave 0");
    assert!(receiver.is_quiet(), "nothing else was told");
}
