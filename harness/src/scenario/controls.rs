//! Controls: a play that is changed so that it must fail.

use super::each::Cell;
use super::fault::{Fault, Result};
use super::model::{Control, Play};
use super::names::Names;
use super::spot::Spot;
use super::tables::{ControlTable, Word};

/// The control that stands at `at` (from 0) in the file. `cells` and `plays` are in the same order and not empty.
pub fn control(cells: &[(&Cell, Names<'_>)], plays: &[Play], at: usize) -> Result<Play> {
    let (names, play) = chosen(cells, plays, at)?;
    let Some(table) = names.table.controls.get(at) else {
        return Err(Fault::new(1, "a control is in one cell and not in another"));
    };
    changed(table, at + 1, names, play)
        .map_err(|fault| fault.of(format!("control \"{}\"", table.title.value)))
}

/// The cell that the control names; what it says is read in the first.
fn chosen<'a, 'n>(
    cells: &'a [(&Cell, Names<'n>)],
    plays: &'a [Play],
    at: usize,
) -> Result<(&'a Names<'n>, &'a Play)> {
    let first = cells.iter().zip(plays).next();
    let Some(((_, names), play)) = first else {
        return Err(Fault::new(1, "there are no cells"));
    };
    let Some(wanted) = names
        .table
        .controls
        .get(at)
        .and_then(|table| table.cell.as_ref())
    else {
        return Ok((names, play));
    };
    let named = cells
        .iter()
        .zip(plays)
        .find(|((cell, _), _)| cell.name.as_ref() == Some(&wanted.value));
    match named {
        Some(((_, names), play)) => Ok((names, play)),
        None if play.cell.is_none() => Err(Fault::new(
            wanted.line,
            "`cell` is for scenarios with `each`",
        )),
        None => {
            let known = cells.iter().filter_map(|(cell, _)| cell.name.as_deref());
            Err(Fault::unknown(wanted.line, "cell", wanted, known))
        }
    }
}

fn changed(
    table: &Spot<ControlTable>,
    number: usize,
    names: &Names<'_>,
    play: &Play,
) -> Result<Play> {
    if table.leave_out.is_empty() && table.swap.is_empty() {
        let cause = "changes nothing: it has neither `leave-out` nor `swap`";
        return Err(Fault::new(table.line, cause));
    }
    for step in table.leave_out.iter().chain([&table.fails_at]) {
        exists(step, play)?;
    }
    for (from, to) in &table.swap {
        swappable(from, to, names)?;
    }
    let mut changed = play.clone();
    changed
        .steps
        .retain(|step| !table.leave_out.iter().any(|name| step.is_named(name)));
    if !changed
        .steps
        .iter()
        .any(|step| step.is_named(&table.fails_at))
    {
        let cause = format!(
            "`fails-at` is the step \"{}\", which is left out",
            table.fails_at.value
        );
        return Err(Fault::new(table.fails_at.line, cause));
    }
    comes_before_its_end(table, play)?;
    changed.name = format!("{}-control-{number}", play.name);
    changed.control = Some(Control {
        number,
        title: table.title.value.clone(),
        leave_out: table
            .leave_out
            .iter()
            .map(|name| name.value.clone())
            .collect(),
        swap: table
            .swap
            .iter()
            .map(|(from, to)| (from.value.clone(), to.value.clone()))
            .collect(),
        fails_at: table.fails_at.value.clone(),
    });
    Ok(changed)
}

/// What is left out after the step that is to fail has changed nothing when it fails.
fn comes_before_its_end(table: &ControlTable, play: &Play) -> Result<()> {
    let Some(first) = table.leave_out.first().filter(|_| table.swap.is_empty()) else {
        return Ok(());
    };
    let steps = &play.steps;
    let begin = |name: &Word| steps.iter().position(|step| step.is_named(name));
    // A block has steps of its own, and what is left out may be one of them.
    let end = steps
        .iter()
        .rposition(|step| step.is_named(&table.fails_at));
    if table.leave_out.iter().any(|name| begin(name) < end) {
        return Ok(());
    }
    let cause = format!(
        "changes nothing: what `leave-out` names comes after \"{}\", which is to fail",
        table.fails_at.value
    );
    Err(Fault::new(first.line, cause))
}

fn exists(name: &Word, play: &Play) -> Result<()> {
    match play.steps.iter().any(|step| step.is_named(name)) {
        true => Ok(()),
        false => {
            let known = play.steps.iter().map(|step| step.name.as_str());
            Err(Fault::unknown(name.line, "step", name, known))
        }
    }
}

/// Every machine that has the generation on the left has the one on the right.
fn swappable(from: &Word, to: &Word, names: &Names<'_>) -> Result<()> {
    if from.value == to.value {
        return Err(Fault::new(
            from.line,
            format!("swaps `{}` for itself", from.value),
        ));
    }
    let mut swaps = false;
    for (machine, host) in names.hosts() {
        if host.generations.contains(&from.value) {
            names.generation(machine, to)?;
            swaps = true;
        }
    }
    match swaps {
        true => Ok(()),
        false => {
            let known = names.hosts().flat_map(|(_, host)| host.generations.iter());
            Err(Fault::unknown(from.line, "generation", from, known))
        }
    }
}
