//! Points: which one is meant, where it is looked for, and whether it can be reached there.

use super::condition::{Place, Point, Sight};
use super::fault::{Fault, Result};
use super::model::LONGEST;
use super::names::Names;
use super::tables::{HttpTable, PointHere, PointTable, Word};
use super::words::WordOr;

/// Where a point is used.
#[derive(Clone, Copy)]
pub enum Use<'a> {
    /// With what the step says after `on`.
    Wait(Option<&'a Word>),
    During,
}

/// One key of a point, and what it asks for.
enum Asked<'a> {
    OfCommand(Point),
    Anywhere(Sight),
    OnMachine(Sight),
    Generation(&'a Word, fn(String) -> Sight),
}

pub fn point(names: &Names<'_>, written: &PointHere, using: Use<'_>) -> Result<Point> {
    match &written.value {
        WordOr::Table(table) => of_table(names, written.line, table, using),
        WordOr::Word(name) => {
            let points = &names.table.points;
            let Some((name, table)) = points.iter().find(|(known, _)| known.value == *name) else {
                let known = points.keys().map(|name| name.value.as_str());
                return Err(Fault::unknown(written.line, "point", name, known));
            };
            names.uses.word("point", name);
            of_table(names, table.line, table, using)
                .map_err(|fault| fault.of(format!("point {}", name.value)))
        }
    }
}

fn of_table(names: &Names<'_>, line: usize, table: &PointTable, using: Use<'_>) -> Result<Point> {
    let mut asked = asked(table);
    let (kind, asked) = match (asked.pop(), asked.pop()) {
        (Some(only), None) => only,
        (Some((a, _)), Some((b, _))) => {
            return Err(Fault::new(
                line,
                format!("`{b}` and `{a}` are two points, and a table is one"),
            ));
        }
        (None, _) => {
            return Err(Fault::new(
                line,
                "the point has no key that says what is to be reached",
            ))
        }
    };
    if let (Asked::OfCommand(_), Some(on)) = (&asked, &table.on) {
        return Err(Fault::new(
            on.line,
            format!("`{kind}` is of the running command, and has no `on`"),
        ));
    }
    let (on, sight) = match (asked, using) {
        (Asked::OfCommand(point), Use::During) => return possible(point, line),
        (Asked::OfCommand(_), Use::Wait(_)) => {
            return Err(Fault::new(
                line,
                format!("`{kind}` is of a running command, so only `during` has it"),
            ));
        }
        (Asked::Anywhere(sight), _) => (place(names, line, table, using)?, sight),
        (Asked::OnMachine(sight), _) => (machine(names, line, table, using, kind)?, sight),
        (Asked::Generation(word, sight), _) => {
            let on = machine(names, line, table, using, kind)?;
            let generation = names.generation(&String::from(on.clone()), word)?;
            (on, sight(generation))
        }
    };
    Ok(Point::Seen { on, sight })
}

fn asked(table: &PointTable) -> Vec<(&'static str, Asked<'_>)> {
    let text = |text: &Option<String>, sight: fn(String) -> Sight| text.clone().map(sight);
    let unit = table.unit.clone();
    [
        (
            "unit",
            text(&table.unit, Sight::Unit)
                .filter(|_| table.journal.is_none())
                .map(Asked::OnMachine),
        ),
        (
            "port",
            table
                .port
                .as_ref()
                .map(|port| Asked::Anywhere(Sight::Port(port.value))),
        ),
        ("file", text(&table.file, Sight::File).map(Asked::Anywhere)),
        (
            "no-file",
            text(&table.no_file, Sight::NoFile).map(Asked::Anywhere),
        ),
        (
            "journal",
            table
                .journal
                .clone()
                .map(|text| Asked::OnMachine(Sight::Journal { text, unit })),
        ),
        (
            "http",
            table
                .http
                .as_ref()
                .map(|http| Asked::Anywhere(answer(http))),
        ),
        (
            "process",
            text(&table.process, Sight::Process).map(Asked::Anywhere),
        ),
        (
            "running",
            table
                .running
                .as_ref()
                .map(|word| Asked::Generation(word, Sight::Running)),
        ),
        (
            "profile",
            table
                .profile
                .as_ref()
                .map(|word| Asked::Generation(word, Sight::Profile)),
        ),
        (
            "boot-default",
            table
                .boot_default
                .as_ref()
                .map(|word| Asked::Generation(word, Sight::BootDefault)),
        ),
        (
            "output",
            table
                .output
                .clone()
                .map(|text| Asked::OfCommand(Point::Output(text))),
        ),
        (
            "after",
            table
                .after
                .as_ref()
                .map(|seconds| Asked::OfCommand(Point::After(seconds.value))),
        ),
    ]
    .into_iter()
    .filter_map(|(kind, asked)| Some((kind, asked?)))
    .collect()
}

fn answer(http: &HttpTable) -> Sight {
    Sight::Http {
        url: http.url.clone(),
        status: http.status.unwrap_or(200),
        text: http.text.clone(),
    }
}

fn possible(point: Point, line: usize) -> Result<Point> {
    match point {
        Point::After(seconds) if !seconds.is_finite() || seconds < 0.0 => Err(Fault::new(
            line,
            format!("`after` is {seconds}, and the command begins at 0"),
        )),
        Point::After(seconds) if seconds > LONGEST as f64 => Err(Fault::new(
            line,
            format!("`after` is {seconds}, and a day has {LONGEST} s"),
        )),
        point => Ok(point),
    }
}

fn place(names: &Names<'_>, line: usize, table: &PointTable, using: Use<'_>) -> Result<Place> {
    let of_step = match using {
        Use::Wait(on) => on,
        Use::During => None,
    };
    match (&table.on, of_step) {
        (Some(point), Some(_)) => Err(Fault::new(
            point.line,
            "`on` is said twice, by the step and by its point",
        )),
        (Some(on), None) | (None, Some(on)) => names.place(on),
        (None, None) => names.only_machine(line).map(Place::Machine),
    }
}

/// The place, for what is not looked for on the controller.
fn machine(
    names: &Names<'_>,
    line: usize,
    table: &PointTable,
    using: Use<'_>,
    kind: &str,
) -> Result<Place> {
    match place(names, line, table, using)? {
        Place::Controller => Err(Fault::new(
            line,
            format!("`{kind}` is looked for on machines, not on the controller"),
        )),
        machine => Ok(machine),
    }
}
