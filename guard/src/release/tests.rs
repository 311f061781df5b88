use super::*;
use proptest::prelude::*;

fn path(name: &str) -> StorePath {
    format!("/nix/store/0123456789abcdfghijklmnpqrsvwxyz-{name}")
        .parse()
        .unwrap()
}

fn release() -> Release {
    let host = HostRelease {
        toplevel: path("nixos-system-Niko-26.05"),
        profile: path("activatable-nixos-system-Niko-26.05"),
        action: Action {
            kind: ActionKind::Switch,
            lease_seconds: None,
        },
        removes_guard: false,
    };
    Release {
        document: Document::Release,
        version: VERSION,
        commit: "0123456789abcdef0123456789abcdef01234567".to_owned(),
        counter: 7,
        made: "2026-11-21T12:00:00Z".parse().unwrap(),
        expires: "2026-11-28T12:00:00Z".parse().unwrap(),
        hosts: BTreeMap::from([("Niko".to_owned(), host)]),
    }
}

fn code<T: std::fmt::Debug>(result: Result<T, Refusal>) -> Code {
    result.unwrap_err().code
}

#[test]
fn written_and_read_is_the_same() {
    let release = release();
    assert_eq!(Release::parse(&release.to_text().unwrap()), Ok(release));
}

#[test]
fn the_text_is_what_the_interface_says() {
    let text = release().to_text().unwrap();
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    let expected = serde_json::json!({
        "document": "slipway-release",
        "version": 1,
        "commit": "0123456789abcdef0123456789abcdef01234567",
        "counter": 7,
        "made": "2026-11-21T12:00:00Z",
        "expires": "2026-11-28T12:00:00Z",
        "hosts": { "Niko": {
            "toplevel": "/nix/store/0123456789abcdfghijklmnpqrsvwxyz-nixos-system-Niko-26.05",
            "profile": "/nix/store/0123456789abcdfghijklmnpqrsvwxyz-activatable-nixos-system-Niko-26.05",
            "action": { "kind": "switch" },
        } },
    });
    assert_eq!(value, expected);
}

#[test]
fn what_is_not_understood_is_refused() {
    let text = release().to_text().unwrap();
    for (from, to) in [
        ("\"counter\": 7", "\"counter\": -7"),
        ("\"counter\": 7", "\"counter\": 7, \"surprise\": 1"),
        ("\"counter\": 7", "\"counter\": 7, \"counter\": 9"),
        ("slipway-release", "slipway-receipt"),
        ("\"Niko\"", "\"Niko\\n\""),
        ("\"switch\"", "\"switch\", \"leaseSeconds\": 5"),
        ("\"switch\"", "\"reboot\""),
        ("0123456789abcdef0123456789abcdef01234567", "main"),
        ("2026-11-28", "2026-11-20"),
        ("/nix/store/", "/nix/store/../"),
    ] {
        assert!(text.contains(from), "{from}");
        let edited = text.replacen(from, to, 1);
        assert_eq!(code(Release::parse(&edited)), Code::BadDocument, "{to}");
    }
    let newer = text.replace("\"version\": 1", "\"version\": 2, \"new\": true");
    assert_eq!(code(Release::parse(&newer)), Code::UnknownVersion);
}

#[test]
fn leases_have_bounds() {
    let with = |lease| {
        let mut release = release();
        let niko = release.hosts.get_mut("Niko").unwrap();
        niko.action = Action {
            kind: ActionKind::Test,
            lease_seconds: lease,
        };
        Release::parse(&release.to_text().unwrap())
    };
    assert!(with(None).is_ok());
    assert!(with(Some(3600)).is_ok());
    assert_eq!(code(with(Some(0))), Code::BadDocument);
    assert_eq!(code(with(Some(u64::MAX))), Code::BadDocument);
}

#[test]
fn a_release_has_its_time() {
    let at = |text: &str| release().in_time(text.parse().unwrap());
    assert_eq!(at("2026-11-21T12:00:00Z"), Ok(()));
    assert_eq!(at("2026-11-21T11:56:00Z"), Ok(()));
    assert_eq!(code(at("2026-11-21T11:50:00Z")), Code::NotYetValid);
    assert_eq!(at("2026-11-28T11:59:59Z"), Ok(()));
    assert_eq!(code(at("2026-11-28T12:00:00Z")), Code::Expired);
}

#[test]
fn a_host_is_named_exactly() {
    assert!(release().for_host("Niko").is_ok());
    for other in ["niko", "Niko-2", "Nik", ""] {
        assert_eq!(code(release().for_host(other)), Code::OtherHost, "{other}");
    }
}

#[test]
fn a_document_beyond_the_limit_is_not_read() {
    let long = vec![b' '; WIRE_LIMIT + 1];
    assert_eq!(code(SignedRelease::from_wire(&long)), Code::TooLong);
}

proptest! {
    #[test]
    fn any_bytes_are_taken_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = SignedRelease::from_wire(&bytes);
        if let Ok(text) = std::str::from_utf8(&bytes) {
            let _ = Release::parse(text);
        }
    }

    #[test]
    fn a_changed_byte_never_panics(at in 0..600usize, byte in any::<u8>()) {
        let mut bytes = release().to_text().unwrap().into_bytes();
        let at = at % bytes.len();
        bytes[at] = byte;
        if let Ok(text) = String::from_utf8(bytes) {
            let _ = Release::parse(&text);
        }
    }
}
