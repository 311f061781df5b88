//! The page as people see it, in Chromium; and the picture of it in the documents.

#[path = "../../../tests/browser/mod.rs"]
mod browser;

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use self::browser::{Browser, Faults, View};
use super::tests::{of_four_hosts, of_hostile_hosts};

const PICTURE: &str = "../docs/monitoring.png";
/// The words in the picture before the hash of the page that it shows.
const SHOWS: &[u8] = b"Source\0fleet page ";

fn written(dir: &Path, name: &str, page: &str) -> PathBuf {
    let file = dir.join(name);
    std::fs::write(&file, page).unwrap();
    file
}

#[test]
fn it_can_be_read_on_every_screen_and_on_paper() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    for (name, page) in [
        ("four.html", of_four_hosts()),
        ("hostile.html", of_hostile_hosts()),
    ] {
        let file = written(dir.path(), name, &page);
        assert_eq!(browser.faults(&file), Faults::default(), "{name}");
        let paper = "getComputedStyle(document.body).backgroundColor";
        for (view, color) in [
            (View::Light, "rgb(255, 255, 255)"),
            (View::Dark, "rgb(21, 24, 27)"),
            (View::Paper, "rgb(255, 255, 255)"),
        ] {
            browser.look(view);
            assert_eq!(browser.value(paper), color, "{name}: {view:?}");
        }
        assert!(browser.print().starts_with(b"%PDF-"), "{name}");
    }
}

#[test]
fn what_a_person_would_mind_is_seen() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let page = of_four_hosts();
    let bad = "<img src=\"http://127.0.0.1:9/x.png\"><script>console.log('here')</script><script>nowhere()</script>\
        <script>alert('up')</script><p style=\"color:#888\">pale</p><div style=\"width:3000px\">.</div></body>";
    let with_bad = page.replace("</body>", bad);
    // What the page itself forbids is not even tried, and told.
    let file = written(dir.path(), "forbidden.html", &with_bad);
    let forbidden = browser.faults(&file);
    assert_eq!(forbidden.fetched, [""; 0]);
    let told = forbidden.said.join("\n");
    assert!(
        told.contains("Content Security Policy") && !told.contains("here"),
        "{told}"
    );

    let (before, rest) = with_bad.split_once("<meta http-equiv").unwrap();
    let (_, after) = rest.split_once('\n').unwrap();
    let file = written(dir.path(), "bad.html", &format!("{before}{after}"));
    let faults = browser.faults(&file);
    assert_eq!(faults.fetched, ["http://127.0.0.1:9/x.png"; 4]);
    let said = faults.said.join("\n");
    for wanted in ["here", "nowhere is not defined", "\"message\":\"up\""] {
        assert!(said.contains(wanted), "{wanted}: {said}");
    }
    // On a dark screen it is better to read than the page asks for.
    assert_eq!(faults.pale, ["Light: pale", "Narrow: pale", "Paper: pale"]);
    assert_eq!(faults.wide, ["Light", "Dark", "Narrow", "Paper"]);
}

#[test]
fn the_picture_in_the_documents_is_of_this_page() {
    let page = of_four_hosts();
    let hash: String = Sha256::digest(&page)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let shows = [SHOWS, hash.as_bytes()].concat();
    // As with snapshots, a wanted change is taken over.
    if std::env::var("INSTA_UPDATE").is_ok_and(|it| it == "always") {
        if let Some(mut browser) = Browser::start() {
            let dir = tempfile::tempdir().unwrap();
            browser.look(View::Light);
            browser.open(&written(dir.path(), "four.html", &page));
            std::fs::write(PICTURE, with_text(&browser.picture(), &shows)).unwrap();
        }
    }
    let picture = std::fs::read(PICTURE).unwrap();
    assert!(
        picture.windows(shows.len()).any(|it| it == shows),
        "docs/monitoring.png shows another page; try: INSTA_UPDATE=always cargo test -p xtask --bin xtask picture"
    );
}

/// A PNG with a text in it, behind its first chunk, which has always 25 bytes.
fn with_text(png: &[u8], text: &[u8]) -> Vec<u8> {
    let (start, rest) = png.split_at(8 + 25);
    let chunk = [b"tEXt", text].concat();
    let length = u32::try_from(text.len()).unwrap().to_be_bytes();
    [
        start,
        &length,
        &chunk,
        &checksum(&chunk).to_be_bytes(),
        rest,
    ]
    .concat()
}

/// CRC-32, as PNG has it.
fn checksum(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |sum: u32, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| {
            (sum >> 1) ^ (0xedb8_8320 & (sum & 1).wrapping_neg())
        })
    })
}
