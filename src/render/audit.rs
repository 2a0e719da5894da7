//! An audit for a terminal: the verdict in words, and a line a protocol.

use super::columns::aligned;
use super::comparison::plain;
use crate::audit::wire::{WireAudit, WireClaim, WireTrial};
use crate::audit::{Figures, Outcome};

/// The verdict first, then the protocols in columns, then what is not known. `emphasis` is put
/// around the verdict and the headings.
pub fn text(audit: &WireAudit, (on, off): (&str, &str)) -> String {
    let published = &audit.published;
    let mut lines = vec![format!("{on}{}{off}", plain(&verdict(audit)))];
    let data = published.dataset.as_ref();
    let data = data.map_or(String::new(), |words| format!(" of {words}"));
    lines.push(plain(&format!(
        "published: {}{data} ({}); its protocol: {}",
        claimed(published),
        published.source,
        audit.protocols.first().map_or(String::new(), in_full)
    )));
    lines.push(String::new());
    let headings = [
        "protocol",
        "EM",
        "F1",
        "EM less published",
        "F1 less published",
        "",
    ];
    let mut rows = vec![headings.map(str::to_owned).to_vec()];
    rows.extend(audit.protocols.iter().map(|trial| row(trial).to_vec()));
    let mut table = aligned(&rows, 1);
    table[0] = format!("{on}{}{off}", table[0]);
    lines.extend(table);
    if audit.untried > 0 {
        lines.push(format!(
            "{} other protocols were not tried; --all tries them too",
            audit.untried
        ));
    }
    if !audit.unknown.is_empty() {
        lines.push(String::new());
        lines.push(format!("{on}not known{off}"));
        lines.extend(
            audit
                .unknown
                .iter()
                .map(|line| format!("  {}", plain(line))),
        );
    }
    lines.join("\n") + "\n"
}

/// What the audit comes to, in one line.
fn verdict(audit: &WireAudit) -> String {
    let who = format!("{} on {}", audit.model.id, audit.dataset.id);
    let protocol = audit.verdict.protocol;
    let trial = protocol.and_then(|number| audit.protocols.get(number));
    match (audit.verdict.outcome, trial) {
        (Outcome::AsPublished, _) => format!(
            "{who}: reproduces under its published protocol, within {} points",
            audit.tolerance
        ),
        (Outcome::Otherwise, Some(trial)) => format!(
            "{who}: does not reproduce under its published protocol; it does under {}, within {} points",
            departures(trial),
            audit.tolerance
        ),
        (_, Some(trial)) => {
            let tried = match audit.protocols.len() {
                1 => "does not reproduce under the one protocol tried".to_owned(),
                count => format!("reproduces under none of {count} protocols"),
            };
            let distance = trial.off_by.unwrap_or(f64::INFINITY);
            format!(
                "{who}: {tried}; the nearest is {}, off by {} points",
                departures(trial),
                points(distance)
            )
        }
        (_, None) => format!("{who}: no protocol could be run"),
    }
}

/// `EM 80.90, F1 88.20`, or what there is of them.
fn claimed(published: &WireClaim) -> String {
    let figures = [("EM", published.exact_match), ("F1", published.f1)];
    let figures = figures.iter();
    let figures =
        figures.filter_map(|(name, value)| value.map(|value| format!("{name} {value:.2}")));
    figures.collect::<Vec<_>>().join(", ")
}

fn departures(trial: &WireTrial) -> String {
    if trial.departs.is_empty() {
        return "the published one".to_owned();
    }
    trial.departs.join(" ")
}

/// A distance with two decimals; with four where two would be none.
fn points(distance: f64) -> String {
    let decimals = if distance < 0.01 { 4 } else { 2 };
    format!("{distance:.decimals$}")
}

fn in_full(trial: &WireTrial) -> String {
    format!(
        "--decode {} --max-seq-len {} --doc-stride {} --max-answer-len {} --protocol {}",
        trial.decode, trial.max_seq_len, trial.doc_stride, trial.max_answer_len, trial.protocol
    )
}

fn row(trial: &WireTrial) -> [String; 6] {
    let none = || "-".to_owned();
    let figure = |of: fn(&Figures) -> f64| {
        let figures = trial.figures.as_ref();
        figures.map_or_else(none, |figures| format!("{:.2}", of(figures)))
    };
    let difference = |value: Option<f64>| value.map_or_else(none, |value| format!("{value:+.2}"));
    let outcome = match trial.off_by {
        _ if trial.reproduces => "reproduces".to_owned(),
        Some(distance) => format!("off by {}", points(distance)),
        None => "could not be run".to_owned(),
    };
    [
        departures(trial),
        figure(|figures| figures.exact_match),
        figure(|figures| figures.f1),
        difference(trial.exact_match_difference),
        difference(trial.f1_difference),
        outcome,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::Verdict;
    use crate::record::wire::{WireDataset, WireModel};

    fn trial(departs: &[&str], figures: Option<Figures>, off_by: Option<f64>) -> WireTrial {
        WireTrial {
            departs: departs.iter().map(|text| (*text).to_owned()).collect(),
            decode: "run_qa".to_owned(),
            max_seq_len: 384,
            doc_stride: 128,
            n_best: Some(20),
            max_answer_len: 30,
            protocol: "squad-v1".to_owned(),
            null_threshold: None,
            figures,
            exact_match_difference: figures.map(|found| found.exact_match - 80.9),
            f1_difference: None,
            off_by,
            reproduces: off_by.is_some_and(|distance| distance < 0.1),
            record: None,
        }
    }

    fn audit(outcome: Outcome, protocol: Option<usize>, protocols: Vec<WireTrial>) -> WireAudit {
        WireAudit {
            schema: 1,
            model: WireModel {
                id: "bert\u{1b}[31m".to_owned(),
                revision: None,
                architecture: "bert".to_owned(),
                parameters: 1,
                dtype: "f32".to_owned(),
                compute_dtype: "f32".to_owned(),
                ops: "cpu".to_owned(),
                instructions: None,
                tf32: None,
                quantization: None,
                files: Vec::new(),
            },
            dataset: WireDataset {
                id: "squad".to_owned(),
                revision: None,
                language: None,
                sha256: String::new(),
                files: Vec::new(),
                questions: 1,
                unanswerable: 0,
                windows: 1,
                tokens: 1,
                misplaced_answers: 0,
            },
            published: WireClaim {
                exact_match: Some(80.9),
                f1: None,
                dataset: Some("SQuAD 1.1 dev".to_owned()),
                source: "a card\nof somebody".to_owned(),
            },
            tolerance: 0.1,
            verdict: Verdict { outcome, protocol },
            protocols,
            untried: 2,
            unknown: vec!["the weights\u{202e}: main".to_owned()],
            exit_code: 1,
        }
    }

    fn found(exact_match: f64) -> Figures {
        Figures {
            exact_match,
            f1: 88.0,
        }
    }

    #[test]
    fn the_first_line_is_the_verdict_and_every_protocol_has_one() {
        let own = trial(&[], Some(found(80.0)), Some(0.9));
        let google = ["--decode google", "--doc-stride 128"];
        let protocols = vec![
            own.clone(),
            trial(&google, Some(found(80.95)), Some(0.05)),
            trial(&["--max-seq-len 512"], None, None),
        ];
        let told = text(&audit(Outcome::Otherwise, Some(1), protocols), ("", ""));
        let lines: Vec<&str> = told.lines().collect();
        assert_eq!(
            lines[0],
            "bert [31m on squad: does not reproduce under its published protocol; \
             it does under --decode google --doc-stride 128, within 0.1 points"
        );
        assert!(
            lines[1].starts_with("published: EM 80.90 of SQuAD 1.1 dev (a card of somebody); "),
            "{told}"
        );
        let words =
            |line: &str| -> Vec<String> { line.split_whitespace().map(str::to_owned).collect() };
        let own_row = "the published one 80.00 88.00 -0.90 - off by 0.90";
        assert_eq!(words(lines[4]).join(" "), own_row);
        let google_row = "--decode google --doc-stride 128 80.95 88.00 +0.05 - reproduces";
        assert_eq!(words(lines[5]).join(" "), google_row);
        assert!(lines[6].ends_with("could not be run"));
        assert_eq!(
            (points(0.0012), points(0.9)),
            ("0.0012".to_owned(), "0.90".to_owned())
        );
        assert!(lines[7].starts_with("2 other protocols were not tried"));
        assert_eq!(*lines.last().unwrap(), "  the weights : main");

        let nowhere = text(&audit(Outcome::Nowhere, Some(0), vec![own]), ("", ""));
        assert!(
            nowhere.contains(
                "under the one protocol tried; the nearest is the published one, off by 0.90 points"
            ),
            "{nowhere}"
        );
        let good = vec![trial(&[], Some(found(80.9)), Some(0.0))];
        let good = text(&audit(Outcome::AsPublished, Some(0), good), ("<", ">"));
        assert!(
            good.starts_with(
                "<bert [31m on squad: reproduces under its published protocol, within 0.1 points>\n"
            ),
            "{good}"
        );
        let none = vec![trial(&[], None, None)];
        let none = text(&audit(Outcome::Nowhere, None, none), ("", ""));
        assert!(none.contains("no protocol could be run"), "{none}");
    }
}
