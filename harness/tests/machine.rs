mod common;
use std::time::{Duration, Instant};
use common::{ok, place, warm};
use harness::{Origin, Spec};

#[test]
fn first() {
    let Some(place) = place("first") else { return };
    let t = Instant::now();
    let m = ok(place.run.start(&place.image, Spec::new("cold"), Origin::Cold));
    eprintln!("cold {:?}", t.elapsed());
    eprintln!("{}", ok(m.shell("hostname; cat /proc/cmdline; systemd-analyze; systemctl --failed --no-legend; date; systemd-analyze blame | head -20")));
    let t = Instant::now();
    ok(m.reboot());
    eprintln!("reboot {:?} rss {:?}", t.elapsed(), m.resident_bytes());
    drop(m);
    let t = Instant::now();
    let _a = ok(place.run.start(&place.image, Spec::new("a"), warm()));
    eprintln!("warm first {:?}", t.elapsed());
    for n in 0..3 {
        let t = Instant::now();
        let b = ok(place.run.start(&place.image, Spec::new(&format!("b{n}")), warm()));
        eprintln!("warm {:?} rss {:?}", t.elapsed(), b.resident_bytes());
        eprintln!("{}", ok(b.shell("hostname; cat /etc/machine-id; date; journalctl -n 5 --no-pager")));
        let o = ok(b.ssh("root", "hostname", Duration::from_secs(20)));
        eprintln!("{o:?}");
    }
    for e in place.run.transcript().entries() { eprintln!("{e:?}"); }
}
