//! Pages to be opened: one as any other, and one whose every text is hostile.

use std::path::PathBuf;

use serde_json::{Value, json};
use spanbench::compare::{self, WireComparison, compare};
use spanbench::leaderboard::{self, wire::WireLeaderboard};
use spanbench::record::wire::WireQuestion;
use spanbench::record::{Cell, Record, Run, WireFailure, WireRecord, WireSamples};
use spanbench::render::html::{Page, page};

/// All that a page is made of.
pub struct Report {
    title: String,
    description: String,
    cells: Vec<Cell>,
    samples: Vec<Vec<WireSamples>>,
    pub comparisons: Vec<WireComparison>,
    leaderboard: WireLeaderboard,
}

impl Report {
    pub fn page(&self) -> String {
        page(&Page {
            title: &self.title,
            description: &self.description,
            cells: &self.cells,
            samples: &self.samples,
            comparisons: &self.comparisons,
            leaderboard: Some(&self.leaderboard),
        })
    }
}

fn record() -> Value {
    serde_json::from_str(include_str!("run.json")).unwrap()
}

fn questions() -> Vec<WireQuestion> {
    let lines = include_str!("questions.jsonl").lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn run(cell: &str, change: impl FnOnce(&mut WireRecord, &mut Vec<WireQuestion>)) -> Run {
    let mut record: WireRecord = serde_json::from_value(record()).unwrap();
    let mut questions = questions();
    cell.clone_into(&mut record.cell);
    change(&mut record, &mut questions);
    Run {
        path: PathBuf::from(format!("/runs/{cell}")),
        record: Record::Single(Box::new(record)),
        questions,
    }
}

fn failure() -> WireFailure {
    serde_json::from_value(json!({
        "schema": 1,
        "cell": "too-large",
        "error": {"kind": "out-of-memory", "message": "killed for want of memory", "phase": "timed", "repetition": 1, "stderr": "a\nb"},
        "model": "bert-large", "dataset": "mixed-bag", "device": "cpu", "scenario": "offline",
    }))
    .unwrap()
}

/// Samples of a pass whose answers took from `first_ns` on, each 3 % longer than the one before.
fn samples(first_ns: u64) -> Vec<WireSamples> {
    let times = std::iter::successors(Some(first_ns), |last| Some(last + last * 3 / 100));
    let service: Vec<u64> = times.take(200).collect();
    let zeros = vec![0; service.len()];
    let samples = json!({
        "schema": 1, "repetition": 1, "warm_up_ns": [], "memory": {"at_s": [], "rss_anon_bytes": []},
        "question": zeros, "windows_of": zeros, "scheduled_ns": zeros, "issued_ns": zeros,
        "completed_ns": service, "service_ns": service, "window_latency_ns": [], "window_batch": [],
        "batch_started_ns": [], "batch_ns": [], "batch_windows": [], "batch_tokens": [], "batch_flops": [],
    });
    vec![serde_json::from_value(samples).unwrap()]
}

/// Three cells and one that failed; the second is faster and worse than the first.
pub fn report() -> Report {
    let base = run("base", |_, _| {});
    let worse = run("worse", |record, questions| {
        "other-model".clone_into(&mut record.model.id);
        record.accuracy.f1 -= 9.0;
        record.throughput.questions_per_s *= 40.0;
        record.doubts = vec!["other processes kept 0.5 cores busy".to_owned()];
        // Every question is answered otherwise, some with "no answer", so that there are flips
        // of both directions and several causes.
        for (place, question) in questions.iter_mut().enumerate() {
            question.exact_match = 1.0 - question.exact_match;
            question.f1 = question.exact_match;
            question.error = (question.exact_match == 0.0).then(|| "wrong_place".to_owned());
            question.answer = match place % 3 {
                0 => String::new(),
                1 => format!("the {}", question.answer),
                _ => "elsewhere ".repeat(1000),
            };
        }
    });
    let third = run("third", |record, _| {
        "third-model".clone_into(&mut record.model.id);
        record.throughput.questions_per_s *= 0.5;
        record.environment.cpu_model = Some("Another processor".to_owned());
    });
    let settings = compare::Settings {
        resamples: 200,
        ..compare::Settings::default()
    };
    let comparisons = [&worse, &third]
        .map(|candidate| WireComparison::from(&compare(&base, candidate, &settings)));
    let runs = [base, worse, third];
    let mut cells: Vec<Cell> = runs
        .into_iter()
        .map(|run| Cell::Finished(Box::new(run)))
        .collect();
    cells.push(Cell::Failed {
        path: PathBuf::from("/runs/too-large"),
        failure: Box::new(failure()),
    });
    let limits = leaderboard::Limits {
        max_latency_ms: Some(1e6),
        ..leaderboard::Limits::default()
    };
    let settings = leaderboard::Settings {
        resamples: 200,
        limits,
        ..leaderboard::Settings::default()
    };
    let leaderboard = leaderboard::leaderboard(&cells, &settings).unwrap();
    Report {
        title: "A report".to_owned(),
        description: "What it is for.\n\nMore of it.".to_owned(),
        cells,
        samples: vec![samples(1_000_000), samples(100_000), Vec::new()],
        comparisons: comparisons.into(),
        leaderboard,
    }
}

/// Puts something hostile in place of every text, another each time.
pub struct Hostile {
    pub texts: Vec<String>,
    used: usize,
}

impl Hostile {
    pub fn new() -> Self {
        let mut texts: Vec<String> = [
            "<script>window.hacked=1</script>",
            "\"><img src=x onerror=window.hacked=1>",
            "'><svg onload=window.hacked=1>",
            "</style></title></textarea></script><script>window.hacked=1</script>",
            "javascript:window.hacked=1//\u{202e}txt.exe\u{2066}",
            "نموذج الإجابة على الأسئلة",
            "מודל לשאלות \"ותשובות\"",
            "\u{0}\u{1}\u{8}\u{1b}[31mred\u{7f}\u{85}\u{9f}\r\n\ttab",
            "&lt;b&gt;&amp;&#60;b&#62;",
            "]]>--><!--<![CDATA[",
            "`${window.hacked=1}` {{constructor.constructor('window.hacked=1')()}}",
            "漢字テスト 👩\u{200d}👩\u{200d}👧 ﷽",
        ]
        .map(str::to_owned)
        .into();
        texts.push("W".repeat(10_000));
        texts.push("word & <i>".repeat(1000));
        Self { texts, used: 0 }
    }

    fn next(&mut self) -> String {
        self.used += 1;
        self.texts[self.used % self.texts.len()].clone()
    }

    /// Replaces every text of `value` but those of `kept` fields, which stand for a choice.
    fn replace(&mut self, value: &mut Value, kept: &[&str]) {
        match value {
            Value::String(text) => *text = self.next(),
            Value::Array(values) => values
                .iter_mut()
                .for_each(|value| self.replace(value, kept)),
            Value::Object(fields) => {
                let fields = fields
                    .iter_mut()
                    .filter(|(name, _)| !kept.contains(&name.as_str()));
                fields.for_each(|(_, value)| self.replace(value, kept));
            }
            _ => {}
        }
    }

    fn of<T: serde::Serialize + serde::de::DeserializeOwned>(
        &mut self,
        thing: &T,
        kept: &[&str],
    ) -> T {
        let mut value = serde_json::to_value(thing).unwrap();
        self.replace(&mut value, kept);
        serde_json::from_value(value).unwrap()
    }
}

/// The report with every text of every record, question, comparison and leaderboard replaced.
pub fn hostile_report() -> Report {
    let mut hostile = Hostile::new();
    let report = report();
    let cells = report.cells.iter().map(|cell| match cell {
        Cell::Finished(run) => Cell::Finished(Box::new(Run {
            path: run.path.clone(),
            record: Record::Single(
                hostile.of(&Box::new(run.record.measured().unwrap().clone()), &[]),
            ),
            questions: hostile.of(&run.questions, &[]),
        })),
        Cell::Failed { path, failure } => Cell::Failed {
            path: path.clone(),
            failure: Box::new(hostile.of(failure, &["kind"])),
        },
    });
    let cells: Vec<Cell> = cells.collect();
    let choices = ["verdict", "aspect", "hinders", "direction", "cause"];
    Report {
        title: hostile.texts[3].clone(),
        description: hostile.texts.join("\n\n"),
        comparisons: hostile.of(&report.comparisons, &choices),
        leaderboard: hostile.of(&report.leaderboard, &[]),
        cells,
        samples: report.samples,
    }
}
