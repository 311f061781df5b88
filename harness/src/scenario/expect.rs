//! What a command is expected to do.

use std::collections::BTreeMap;

use super::fault::{Fault, Result};
use super::model::{Exit, Expect, Units};
use super::names::Names;
use super::tables::{ExpectTable, UnitsTable};
use super::words::{ExitTable, ExitWord};

/// Without a table: exit code 0 and nothing else.
pub fn expect(names: &Names<'_>, table: Option<&ExpectTable>) -> Result<Expect> {
    let none = ExpectTable::default();
    let table = table.unwrap_or(&none);
    let exit = match table.exit.as_ref().map(|exit| (exit.line, &exit.value)) {
        None => Exit::Codes(vec![0]),
        Some((_, ExitTable::Code(code))) => Exit::Codes(vec![*code]),
        Some((line, ExitTable::Codes(codes))) if codes.is_empty() => {
            return Err(Fault::new(
                line,
                "`exit` is an empty list, so no exit code would do",
            ));
        }
        Some((_, ExitTable::Codes(codes))) => Exit::Codes(codes.clone()),
        Some((_, ExitTable::Word(ExitWord::Failure))) => Exit::Failure,
        Some((_, ExitTable::Word(ExitWord::Any))) => Exit::Any,
    };
    let mut json = BTreeMap::new();
    for (pointer, value) in &table.json {
        if !pointer.is_empty() && !pointer.starts_with('/') {
            let cause = format!(
                "`{0}` is no JSON pointer, which begins with a slash: `/{0}`",
                pointer.value
            );
            return Err(Fault::new(pointer.line, cause));
        }
        json.insert(pointer.value.clone(), value.clone());
    }
    let mut units = BTreeMap::new();
    for (machine, table) in &table.units {
        let name = names.machine(machine)?;
        units.insert(
            name,
            of_units(table).map_err(|cause| Fault::new(machine.line, cause))?,
        );
    }
    Ok(Expect {
        exit,
        output: table.output.clone(),
        output_lacks: table.output_lacks.clone(),
        stdout: table.stdout.clone(),
        json,
        units,
    })
}

fn of_units(table: &UnitsTable) -> std::result::Result<Units, String> {
    let lists = [
        ("restarted", &table.restarted),
        ("reloaded", &table.reloaded),
        ("started", &table.started),
        ("stopped", &table.stopped),
        ("untouched", &table.untouched),
    ];
    let mut seen = Vec::new();
    for (fate, units) in &lists {
        let Some(units) = units else {
            continue;
        };
        if units.is_empty() {
            return Err(format!(
                "`{fate} = []` asks nothing; units that nothing happens to stand in `untouched`"
            ));
        }
        for unit in units {
            if seen.contains(&unit) {
                return Err(format!(
                    "the unit `{unit}` is named twice, and only one thing becomes of it"
                ));
            }
            seen.push(unit);
        }
    }
    if seen.is_empty() {
        return Err("names no unit".to_owned());
    }
    let [restarted, reloaded, started, stopped, untouched] =
        lists.map(|(_, units)| units.clone().unwrap_or_default());
    Ok(Units {
        restarted,
        reloaded,
        started,
        stopped,
        untouched,
    })
}
