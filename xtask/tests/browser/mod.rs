//! A page as a person sees it: in headless Chromium, asked by its DevTools protocol over a pipe. What the page tries to
//! fetch, what it complains of, and whether it can be read on light and dark screens, on a phone and on paper.
#![allow(dead_code)] // Each test program uses its own share of it.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{json, Value};

/// Chromium's own name for the pipe's ends is 3 and 4.
const WITH_PIPE: &str = "exec \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1";

/// No name is resolved and nothing is asked for by the browser itself: what leaves it is the page's doing.
const FLAGS: [&str; 12] = [
    "--headless=new",
    // Tests run as root, and in containers.
    "--no-sandbox",
    "--remote-debugging-pipe",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "about:blank",
];

/// Text whose contrast with what is behind it is less than readable: 4.5, as WCAG 2 has it.
const PALE: &str = r#"(() => {
  const channel = (c) => (c /= 255, c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
  const light = (color) => {
    const [r, g, b] = color.match(/[0-9.]+/g).map(Number);
    return 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  };
  const paper = light(getComputedStyle(document.body).backgroundColor);
  const words = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const pale = [];
  while (words.nextNode()) {
    const text = words.currentNode.textContent.trim();
    if (!text) continue;
    const ink = light(getComputedStyle(words.currentNode.parentElement).color);
    const [a, b] = [ink, paper].sort((x, y) => y - x);
    if ((a + 0.05) / (b + 0.05) < 4.5) pale.push(text);
  }
  return pale;
})()"#;

/// What a person has before them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    Light,
    Dark,
    /// As narrow as a phone, and light.
    Narrow,
    /// On paper, from a dark screen.
    Paper,
}

/// What is wrong with a page; all of it empty is a good one.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// What it asked for besides itself.
    pub fetched: Vec<String>,
    /// What it wrote to the console, threw or popped up.
    pub said: Vec<String>,
    /// Where text can hardly be read, and what it is.
    pub pale: Vec<String>,
    /// Where it is wider than its window.
    pub wide: Vec<String>,
}

pub struct Browser {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    /// What it tells without being asked, in this order.
    events: Vec<Value>,
    asked: u64,
    session: Option<String>,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// None is a skip.
    pub fn start() -> Option<Self> {
        let names = ["chromium", "chromium-browser", "google-chrome"];
        let Some(program) = names.iter().find_map(|name| which::which(name).ok()) else {
            println!("skip: no Chromium on PATH");
            return None;
        };
        let profile = tempfile::tempdir().unwrap();
        let mut child = Command::new("sh")
            .args(["-c", WITH_PIPE, "chromium"])
            .arg(program)
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .args(FLAGS)
            .env("HOME", profile.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (to, from) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let mut browser = Self {
            child,
            to,
            from: BufReader::new(from),
            events: Vec::new(),
            asked: 0,
            session: None,
            _profile: profile,
        };
        let target = browser.ask("Target.createTarget", json!({ "url": "about:blank" }));
        let attached = browser.ask(
            "Target.attachToTarget",
            json!({ "targetId": target["targetId"], "flatten": true }),
        );
        browser.session = Some(attached["sessionId"].as_str().unwrap().to_owned());
        for domain in ["Page", "Network", "Log", "Runtime"] {
            browser.ask(&format!("{domain}.enable"), json!({}));
        }
        Some(browser)
    }

    fn read(&mut self) -> Value {
        let mut message = Vec::new();
        self.from.read_until(0, &mut message).unwrap();
        assert_eq!(message.pop(), Some(0), "Chromium has ended");
        serde_json::from_slice(&message).unwrap()
    }

    fn send(&mut self, method: &str, params: &Value) -> u64 {
        self.asked += 1;
        let mut message = json!({ "id": self.asked, "method": method, "params": params });
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        self.to.write_all(message.to_string().as_bytes()).unwrap();
        self.to.write_all(&[0]).unwrap();
        self.to.flush().unwrap();
        self.asked
    }

    fn hear(&mut self) -> Option<Value> {
        let message = self.read();
        if message["id"].is_u64() {
            return Some(message);
        }
        // A page that pops something up waits until somebody has seen it.
        if message["method"] == "Page.javascriptDialogOpening" {
            self.send("Page.handleJavaScriptDialog", &json!({ "accept": true }));
        }
        self.events.push(message);
        None
    }

    fn ask(&mut self, method: &str, params: Value) -> Value {
        let id = self.send(method, &params);
        loop {
            match self.hear() {
                Some(answer) if answer["id"] == id => {
                    assert!(answer["error"].is_null(), "{method} {params}: {answer}");
                    return answer["result"].clone();
                }
                _ => continue,
            }
        }
    }

    /// The value of an expression in the page, a promise's once it is there.
    pub fn value(&mut self, expression: &str) -> Value {
        let params =
            json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        self.ask("Runtime.evaluate", params)["result"]["value"].clone()
    }

    pub fn look(&mut self, view: View) {
        let scheme = match view {
            View::Light | View::Narrow => "light",
            View::Dark | View::Paper => "dark",
        };
        let media = if view == View::Paper {
            "print"
        } else {
            "screen"
        };
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        let emulated = json!({ "media": media, "features": features });
        self.ask("Emulation.setEmulatedMedia", emulated);
        let width = if view == View::Narrow { 400 } else { 1000 };
        let size =
            json!({ "width": width, "height": 1000, "deviceScaleFactor": 1, "mobile": false });
        self.ask("Emulation.setDeviceMetricsOverride", size);
    }

    /// Opens a file and stays a moment, so that what the page does of itself is done.
    pub fn open(&mut self, file: &Path) {
        self.events.clear();
        self.ask("Page.navigate", json!({ "url": address(file) }));
        while !self
            .events
            .iter()
            .any(|it| it["method"] == "Page.loadEventFired")
        {
            self.hear();
        }
        self.value("new Promise((done) => setTimeout(done, 300))");
    }

    /// What a person would mind of this page, in every view.
    pub fn faults(&mut self, file: &Path) -> Faults {
        let mut faults = Faults::default();
        for view in [View::Light, View::Dark, View::Narrow, View::Paper] {
            self.look(view);
            self.open(file);
            let strings = |list: Value| -> Vec<String> {
                let all = list.as_array().cloned().unwrap_or_default();
                let texts = all.iter().filter_map(|it| it.as_str());
                texts.map(|text| format!("{view:?}: {text}")).collect()
            };
            let pale = self.value(PALE);
            faults.pale.extend(strings(pale));
            let root = "document.documentElement";
            let wide = self.value(&format!("{root}.scrollWidth > {root}.clientWidth"));
            if wide == json!(true) {
                faults.wide.push(format!("{view:?}"));
            }
            let own = address(file);
            // What its policy forbids is told as a complaint, and nothing is sent.
            let forbidden = |id: &Value| {
                let is = |it: &&Value| it["params"]["requestId"] == *id;
                let mut of_it = self.events.iter().filter(is);
                of_it.any(|it| it["params"]["blockedReason"] == "csp")
            };
            for event in &self.events {
                let params = &event["params"];
                match event["method"].as_str() {
                    Some("Network.requestWillBeSent") => {
                        let url = params["request"]["url"].as_str().unwrap_or_default();
                        if url != own && !forbidden(&params["requestId"]) {
                            faults.fetched.push(url.to_owned());
                        }
                    }
                    Some(
                        "Log.entryAdded"
                        | "Runtime.consoleAPICalled"
                        | "Runtime.exceptionThrown"
                        | "Page.javascriptDialogOpening",
                    ) => faults.said.push(params.to_string()),
                    _ => (),
                }
            }
        }
        faults
    }

    /// What is seen, as PNG.
    pub fn picture(&mut self) -> Vec<u8> {
        decoded(&self.ask("Page.captureScreenshot", json!({ "format": "png" })))
    }

    /// What would be printed, as PDF.
    pub fn print(&mut self) -> Vec<u8> {
        decoded(&self.ask("Page.printToPDF", json!({ "printBackground": false })))
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Its helpers end with it.
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

fn address(file: &Path) -> String {
    format!("file://{}", file.display())
}

fn decoded(answer: &Value) -> Vec<u8> {
    use base64::prelude::{Engine, BASE64_STANDARD};
    let data = answer["data"].as_str().unwrap();
    BASE64_STANDARD.decode(data).unwrap()
}
