//! JUnit XML, as servers of continuous integration read it.

use crate::leaderboard::wire::{WireLeaderboard, WireRow, WireTable};
use crate::record::common::not_measured;

/// Some cases under a name.
#[derive(Debug, Clone, PartialEq)]
pub struct Suite {
    /// The suite's name.
    pub name: String,
    /// Its cases.
    pub cases: Vec<Case>,
}

/// One thing that is as it should be, or not.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// Its name within the class.
    pub name: String,
    /// What it is listed under; points divide levels.
    pub class_name: String,
    /// How long it took; nothing where that is not known.
    pub seconds: Option<f64>,
    /// What came of it.
    pub outcome: Outcome,
    /// What to show beside it, a line each.
    pub output: String,
}

/// What came of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is as it should be.
    Passed,
    /// It is not as it should be.
    Failed {
        /// The sort.
        kind: String,
        /// In one line.
        message: String,
    },
    /// It could not be told.
    Error {
        /// The sort.
        kind: String,
        /// In one line.
        message: String,
    },
    /// It was not looked at.
    Skipped {
        /// Why.
        message: String,
    },
}

/// The suites as one document.
///
/// Source: the layout of Apache Ant's JUnit task, as Jenkins, GitLab and GitHub's actions read it.
pub fn junit(suites: &[Suite]) -> String {
    let all: Vec<&Case> = suites.iter().flat_map(|suite| &suite.cases).collect();
    let mut text = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".to_owned();
    text += &format!("<testsuites{}>\n", totals("spanbench", &all));
    for suite in suites {
        let cases: Vec<&Case> = suite.cases.iter().collect();
        text += &format!("  <testsuite{}>\n", totals(&suite.name, &cases));
        text.extend(cases.into_iter().map(case));
        text += "  </testsuite>\n";
    }
    text + "</testsuites>\n"
}

fn totals(name: &str, cases: &[&Case]) -> String {
    let count = |is: fn(&Outcome) -> bool| cases.iter().filter(|case| is(&case.outcome)).count();
    let known: Vec<f64> = cases.iter().filter_map(|case| seconds(case)).collect();
    let time = if known.is_empty() {
        String::new()
    } else {
        format!(
            " time=\"{:.3}\"",
            known.iter().fold(0.0, |sum, seconds| sum + seconds)
        )
    };
    format!(
        " name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\"{time}",
        escape(name),
        cases.len(),
        count(|outcome| matches!(outcome, Outcome::Failed { .. })),
        count(|outcome| matches!(outcome, Outcome::Error { .. })),
        count(|outcome| matches!(outcome, Outcome::Skipped { .. })),
    )
}

fn seconds(case: &Case) -> Option<f64> {
    case.seconds.filter(|seconds| seconds.is_finite())
}

fn case(case: &Case) -> String {
    let time = seconds(case).map_or_else(String::new, |time| format!(" time=\"{time:.3}\""));
    let mut text = format!(
        "    <testcase name=\"{}\" classname=\"{}\"{time}>\n",
        escape(&case.name),
        escape(&case.class_name)
    );
    let told = |element: &str, kind: &str, message: &str| {
        format!(
            "      <{element} type=\"{}\" message=\"{}\">{}</{element}>\n",
            escape(kind),
            escape(message),
            escape(message)
        )
    };
    text += &match &case.outcome {
        Outcome::Passed => String::new(),
        Outcome::Failed { kind, message } => told("failure", kind, message),
        Outcome::Error { kind, message } => told("error", kind, message),
        Outcome::Skipped { message } => {
            format!("      <skipped message=\"{}\"/>\n", escape(message))
        }
    };
    if !case.output.is_empty() {
        let output = escape(&case.output);
        text += &format!("      <system-out>{output}</system-out>\n");
    }
    text + "    </testcase>\n"
}

/// A suite for each table of a leaderboard, a case for each of its cells with its figures; failed cells
/// are errors, and those whose accuracy is not the expected one failures.
pub fn suites(board: &WireLeaderboard) -> Vec<Suite> {
    let of = |table: &WireTable| Suite {
        name: format!(
            "{}: {} questions ({}), {}",
            table.dataset, table.questions, table.selection, table.protocol
        ),
        cases: table
            .rows
            .iter()
            .map(|row| cell(row, &table.dataset))
            .collect(),
    };
    let mut suites: Vec<Suite> = board.tables.iter().map(of).collect();
    if !board.failures.is_empty() {
        let rows = board.failures.iter();
        suites.push(Suite {
            name: "failed cells".to_owned(),
            cases: rows.map(|row| cell(row, "failed")).collect(),
        });
    }
    suites
}

fn cell(row: &WireRow, dataset: &str) -> Case {
    let outcome = match &row.error {
        None => Outcome::Passed,
        Some(error) => {
            let (kind, message) = (error.kind.clone(), error.message.clone());
            // What a suite expects of accuracy is the one thing that a cell can miss.
            if kind == "accuracy missed" {
                Outcome::Failed { kind, message }
            } else {
                Outcome::Error { kind, message }
            }
        }
    };
    Case {
        name: row.cell.clone(),
        // Points would divide it into levels.
        class_name: format!("spanbench.{}", dataset.replace('.', "_")),
        seconds: None,
        outcome,
        output: output(row),
    }
}

/// The figures that are known, a line each.
fn output(row: &WireRow) -> String {
    let f = &row.figures;
    let figures = [
        ("exact_match_percent", f.exact_match),
        ("f1_percent", f.f1),
        ("questions_per_s", f.questions_per_s),
        ("windows_per_s", f.windows_per_s),
        ("latency_p50_ms", f.latency_p50_ms),
        ("latency_p99_ms", f.latency_p99_ms),
        ("memory_peak_bytes", f.memory_peak_bytes.map(|b| b as f64)),
        ("joules_per_1000_questions", f.joules_per_1000_questions),
    ];
    let known = figures
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)));
    let mut lines: Vec<String> = known
        .map(|(name, value)| format!("{name} {value}"))
        .collect();
    lines.extend(row.shards.map(not_measured));
    lines.extend(row.doubts.iter().map(|doubt| format!("? {doubt}")));
    lines.join("\n")
}

/// Text for an element or an attribute. What XML 1.0 does not allow becomes U+FFFD.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            // In an attribute a reader would make spaces of them.
            '\t' | '\n' | '\r' => escaped.push_str(&format!("&#{};", u32::from(character))),
            '\0'..'\u{20}' | '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_has_its_element_and_is_counted() {
        let case = |name: &str, outcome| Case {
            name: name.to_owned(),
            class_name: "c".to_owned(),
            seconds: Some(0.5),
            outcome,
            output: String::new(),
        };
        let (kind, message) = ("k".to_owned(), "<m>\u{1}".to_owned());
        let suites = [Suite {
            name: "a & b".to_owned(),
            cases: vec![
                case("1", Outcome::Passed),
                case(
                    "2",
                    Outcome::Skipped {
                        message: "x".to_owned(),
                    },
                ),
                case(
                    "3",
                    Outcome::Failed {
                        kind: kind.clone(),
                        message: message.clone(),
                    },
                ),
                case("\"4\"\n", Outcome::Error { kind, message }),
            ],
        }];
        let text = junit(&suites);
        let totals = "name=\"a &amp; b\" tests=\"4\" failures=\"1\" errors=\"1\" skipped=\"1\" time=\"2.000\"";
        assert!(text.contains(totals), "{text}");
        assert!(
            text.contains("<failure type=\"k\" message=\"&lt;m&gt;\u{fffd}\">"),
            "{text}"
        );
        assert!(text.contains("name=\"&quot;4&quot;&#10;\""), "{text}");
        assert!(text.contains("<skipped message=\"x\"/>"), "{text}");
        assert_eq!(text.matches("<error ").count(), 1);
    }
}
