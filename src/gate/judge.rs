//! Base and candidate cell by cell: which is compared with which, and what the gate says of each.

use super::wire::{SCHEMA, WireCellVerdict};
use super::{Check, Gate, GateError, Outcome, WireGateVerdict};
use crate::compare::{WireComparison, compare};
use crate::record::Cell;

/// A cell of the base with that of the candidate.
type Pair<'a> = (Option<&'a Cell>, Option<&'a Cell>);

/// Holds the cells of `candidate` against those of `base`: one against one whatever they are
/// called, several by their names. `gate_file` is what the gate was read from.
///
/// # Errors
///
/// Fails where the gate has a limit of a slice that the questions do not have.
pub fn judge(
    base: &[Cell],
    candidate: &[Cell],
    gate: &Gate,
    gate_file: Option<&str>,
) -> Result<WireGateVerdict, GateError> {
    let cells = pairs(base, candidate).into_iter();
    let cells: Vec<WireCellVerdict> = cells
        .map(|pair| judge_pair(pair, gate))
        .collect::<Result<_, _>>()
        .map_err(|fault: GateError| fault.of_file(gate_file))?;
    let outcome = gate.outcome(cells.iter().flat_map(|cell| &cell.checks));
    Ok(WireGateVerdict {
        schema: SCHEMA,
        outcome,
        exit_code: outcome.exit_code(),
        gate: gate_file.map(str::to_owned),
        on_inconclusive: gate.on_inconclusive,
        cells,
    })
}

fn pairs<'a>(base: &'a [Cell], candidate: &'a [Cell]) -> Vec<Pair<'a>> {
    if let ([base], [candidate]) = (base, candidate) {
        return vec![(Some(base), Some(candidate))];
    }
    let named = |cells: &'a [Cell], name: &str| cells.iter().find(|cell| cell.name() == name);
    let of_base = base.iter();
    let mut pairs: Vec<Pair> = of_base
        .map(|cell| (Some(cell), named(candidate, cell.name())))
        .collect();
    let others = candidate.iter();
    let others = others.filter(|cell| named(base, cell.name()).is_none());
    pairs.extend(others.map(|cell| (None, Some(cell))));
    pairs
}

fn judge_pair((base, candidate): Pair<'_>, gate: &Gate) -> Result<WireCellVerdict, GateError> {
    if let (Some(Cell::Finished(base)), Some(Cell::Finished(candidate))) = (base, candidate) {
        let comparison = WireComparison::from(&compare(base, candidate, &gate.settings));
        let checks = gate.checks(&comparison)?;
        let (of_base, of_candidate) = (base.record.cell(), candidate.record.cell());
        return Ok(WireCellVerdict {
            cell: if of_base == of_candidate {
                of_base.to_owned()
            } else {
                format!("{of_base} → {of_candidate}")
            },
            outcome: gate.outcome(&checks),
            checks,
            comparison: Some(comparison),
        });
    }
    let named = base.or(candidate);
    let check = missing(base, candidate);
    Ok(WireCellVerdict {
        cell: named.map_or(String::new(), |cell| cell.name().to_owned()),
        outcome: gate.outcome([&check]),
        checks: vec![check],
        comparison: None,
    })
}

/// A cell that has no figures on one side. That the candidate fails where the base does not is a
/// regression; whatever else is missing is nothing to compare.
fn missing(base: Option<&Cell>, candidate: Option<&Cell>) -> Check {
    let (outcome, found) = match (base, candidate) {
        (Some(Cell::Finished(_)), Some(Cell::Failed { failure, .. })) => (
            Outcome::Regression,
            format!("the candidate failed: {}", failure.error.message),
        ),
        (Some(Cell::Failed { failure, .. }), _) => (
            Outcome::NotComparable,
            format!("the base failed: {}", failure.error.message),
        ),
        (Some(_), None) => (
            Outcome::NotComparable,
            "the candidate has no such cell".to_owned(),
        ),
        _ => (
            Outcome::NotComparable,
            "the base has no such cell".to_owned(),
        ),
    };
    Check {
        name: "figures".to_owned(),
        outcome,
        limit: "figures of both".to_owned(),
        found,
        remedy: None,
    }
}
