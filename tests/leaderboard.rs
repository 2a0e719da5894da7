//! Leaderboards: ranks and leads against SciPy and NumPy (`tests/goldens/leaderboard`), tables, fronts,
//! speeds, budgets, and what hostile names become in every format.

mod support;

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use spanbench::compare::{self, WireComparison, compare};
use spanbench::leaderboard::wire::{WireLeaderboard, WireTable};
use spanbench::leaderboard::{Floor, LeaderboardError, Limits, Settings, leaderboard, ranks};
use spanbench::record::{Cell, Record, Run, WireRecord};
use spanbench::render::model_index::{ModelIndexError, model_index};
use spanbench::render::{csv, html, junit, latex, leaderboard as board};
use support::runs::{merged, single};

fn golden() -> Value {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens/leaderboard/expected.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    let values = value.as_array().unwrap().iter();
    values.map(|value| value.as_f64().unwrap()).collect()
}

fn counts(value: &Value) -> Vec<usize> {
    let values = value.as_array().unwrap().iter();
    values.map(count).collect()
}

fn count(value: &Value) -> usize {
    usize::try_from(value.as_u64().unwrap()).unwrap()
}

fn assert_close(found: f64, expected: f64) {
    assert!(
        (found - expected).abs() < 1e-9,
        "{found}, expected {expected}"
    );
}

/// A record as a run wrote it, less its long lists.
fn template() -> Value {
    serde_json::from_str(include_str!("support/record.json")).unwrap()
}

/// A finished cell of `model` with these scores, and what `change` makes of its record.
fn cell(model: &str, f1: &[f64], passages: &[usize], change: impl Fn(&mut Value)) -> Cell {
    let mut record = template();
    record["cell"] = format!("{model}-cell").into();
    record["model"]["id"] = model.into();
    record["accuracy"]["f1"] = (100.0 * f1.iter().sum::<f64>() / f1.len() as f64).into();
    record["dataset"]["questions"] = f1.len().into();
    change(&mut record);
    let questions = f1.iter().zip(passages).enumerate();
    let questions = questions.map(|(number, (f1, passage))| {
        serde_json::from_value(json!({
            "id": format!("q{number}"), "exact_match": 0.0, "f1": f1, "answer": "", "score": 0.0,
            "margin": null, "windows": 1, "latency_ms": null, "passage": passage,
        }))
        .unwrap()
    });
    Cell::Finished(Box::new(Run {
        path: PathBuf::from("reports").join(model),
        questions: questions.collect(),
        record: Record::Single(Box::new(
            WireRecord::parse(Path::new("made up"), &record.to_string()).unwrap(),
        )),
    }))
}

fn failed(dataset: &str, kind: &str) -> Cell {
    Cell::Failed {
        path: PathBuf::from("reports/failed"),
        failure: serde_json::from_value(json!({
            "schema": 1, "cell": "bad", "model": "m", "dataset": dataset, "device": "cpu", "scenario": "offline",
            "error": {"kind": kind, "message": "it died", "phase": null, "repetition": 1, "stderr": ""},
        }))
        .unwrap(),
    }
}

/// Cells with one F1 for all of 12 questions, and a speed and a p99 latency.
fn simple(model: &str, f1: f64, speed: f64, p99: f64) -> Cell {
    let passages: Vec<usize> = (0..12).collect();
    cell(model, &[f1; 12], &passages, |record| {
        record["throughput"]["questions_per_s"] = speed.into();
        record["latency_ms"]["p99"] = p99.into();
    })
}

fn record(cell: &Cell) -> &Record {
    let Cell::Finished(run) = cell else { panic!() };
    &run.record
}

fn names(table: &WireTable) -> Vec<&str> {
    table.rows.iter().map(|row| row.model.as_str()).collect()
}

#[test]
fn ranks_and_leads_are_numpys() {
    let golden = golden();
    let values = numbers(&golden["values"]);
    let cases = golden["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 7);
    for case in cases {
        let passages = counts(&case["passages"]);
        let f1: Vec<Vec<f64>> = case["f1"]
            .as_array()
            .unwrap()
            .iter()
            .map(|digits| digits.as_str().unwrap().bytes())
            .map(|digits| digits.map(|d| values[usize::from(d - b'0')]).collect())
            .collect();
        let cells = f1.iter().zip(0..);
        let cells: Vec<Cell> = cells
            .map(|(f1, number)| cell(&format!("m{number:02}"), f1, &passages, |_| ()))
            .collect();
        let settings = Settings {
            resamples: count(&case["resamples"]),
            seed: case["seed"].as_u64().unwrap(),
            limits: Limits {
                max_latency_ms: Some(1e9),
                ..Limits::default()
            },
            ..Settings::default()
        };
        let found = leaderboard(&cells, &settings).unwrap();
        let table = &found.tables[0];
        let ranking = table.ranking.as_ref().unwrap();
        assert_eq!(ranking.unit_count, count(&case["units"]));
        assert_eq!(ranking.common_questions, passages.len());
        let expected = ["ranks", "lower", "upper"].map(|name| counts(&case[name]));
        for row in &table.rows {
            let model: usize = row.model[1..].parse().unwrap();
            let rank = row.rank.unwrap();
            assert_eq!(rank.rank, expected[0][model]);
            let interval = (rank.lower.unwrap(), rank.upper.unwrap());
            assert_eq!(
                interval,
                (expected[1][model], expected[2][model]),
                "{}",
                row.model
            );
        }
        let choice = &found.budget.as_ref().unwrap().choices[0];
        let model = |row: Option<usize>| {
            table.rows[row.unwrap()].model[1..]
                .parse::<usize>()
                .unwrap()
        };
        assert_eq!(model(choice.best), count(&case["best"]));
        assert_eq!(model(choice.runner_up), count(&case["second"]));
        let lead = choice.lead.unwrap();
        assert_close(lead.f1_difference, case["lead"].as_f64().unwrap());
        let [lower, upper] = lead.interval.unwrap();
        assert_close(lower, numbers(&case["lead_interval"])[0]);
        assert_close(upper, numbers(&case["lead_interval"])[1]);
    }
}

#[test]
fn geometric_means_are_scipys() {
    for case in golden()["geometric_means"].as_array().unwrap() {
        let (own, base) = (numbers(&case["own"]), numbers(&case["base"]));
        let mut cells = Vec::new();
        for (number, (own, base)) in own.iter().zip(&base).enumerate() {
            for (model, speed) in [("base", *base), ("own", *own)] {
                let mut cell = simple(model, 0.5, speed, 1.0);
                if let Cell::Finished(run) = &mut cell {
                    single(run).dataset.sha256 = number.to_string();
                }
                cells.push(cell);
            }
        }
        let found = leaderboard(&cells, &Settings::default()).unwrap();
        assert_eq!(found.tables.len(), own.len());
        let speeds = found.speeds.unwrap();
        assert_eq!(speeds.groups.len(), own.len());
        let own = speeds.models.iter().find(|m| m.model == "own").unwrap();
        let expected = case["ratio"].as_f64().unwrap();
        assert_close(own.ratio.unwrap() / expected, 1.0);
    }
}

#[test]
fn ranks_do_not_depend_on_threads() {
    let sums: Vec<Vec<f64>> = (0..50)
        .map(|unit| {
            (0..6)
                .map(|model| f64::from((unit * 7 + model * 5) % 11) / 11.0)
                .collect()
        })
        .collect();
    let of = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        pool.unwrap().install(|| ranks::ranks(&sums, 1000, 9))
    };
    assert_eq!(of(1), of(4));
}

#[test]
fn what_cannot_be_compared_stands_apart() {
    let cells = [
        simple("a", 0.5, 10.0, 1.0),
        cell("b", &[0.7; 12], &[0; 12], |r| {
            r["protocol"]["threads"] = 1.into();
        }),
        cell("c", &[0.6; 12], &[0; 12], |r| r["device"] = "cuda:0".into()),
        cell("d", &[0.6; 12], &[0; 12], |r| {
            r["protocol"]["name"] = "squad-v1".into();
        }),
        cell("e", &[0.6; 12], &[0; 12], |r| {
            r["protocol"]["limit"] = 7.into();
        }),
        cell("f", &[0.6; 12], &[0; 12], |r| {
            r["dataset"]["sha256"] = "0".into();
        }),
        failed("mixed-bag", "crash"),
    ];
    let found = leaderboard(&cells[..3], &Settings::default()).unwrap();
    assert_eq!(found.tables.len(), 1);
    let table = &found.tables[0];
    // The accuracies can be compared, the speeds cannot.
    assert_eq!(names(table), ["b", "c", "a"]);
    assert_eq!(table.conditions.len(), 3);
    assert!(table.conditions.iter().all(|c| c.fronts[0].rows.len() == 1));
    assert!(found.speeds.is_none());
    let ranks: Vec<usize> = table
        .rows
        .iter()
        .map(|row| row.rank.unwrap().rank)
        .collect();
    assert_eq!(ranks, [1, 2, 3]);
    let all = leaderboard(&cells, &Settings::default()).unwrap();
    assert_eq!(all.tables.len(), 4);
    // Its data set is that of four tables.
    assert_eq!(all.failures.len(), 1);
    let placed = leaderboard(
        &[
            simple("a", 0.5, 1.0, 1.0),
            failed("x/mixed-bag.json", "stalled"),
        ],
        &Settings::default(),
    );
    let placed = placed.unwrap();
    assert!(placed.failures.is_empty());
    assert_eq!(
        placed.tables[0].rows[1].error.as_ref().unwrap().kind,
        "stalled"
    );
    let none = leaderboard(&[], &Settings::default()).unwrap();
    assert!(none.tables.is_empty() && none.failures.is_empty());
    assert_eq!(board::text(&none, ("", "")), "");
}

#[test]
fn models_have_names_of_their_own() {
    let dtype = |dtype: &'static str| move |r: &mut Value| r["model"]["dtype"] = dtype.into();
    let cells = [
        cell("a", &[0.5; 12], &[0; 12], dtype("f32")),
        cell("a", &[0.4; 12], &[0; 12], dtype("bf16")),
        cell("a", &[0.3; 12], &[0; 12], |r| {
            r["model"]["dtype"] = "f32".into();
            r["model"]["files"][0]["sha256"] = "1".into();
        }),
        cell("b", &[0.2; 12], &[0; 12], |_| ()),
    ];
    let found = leaderboard(&cells, &Settings::default()).unwrap();
    let names = names(&found.tables[0]);
    assert!(names[0].starts_with("a (f32, files "), "{names:?}");
    assert!(names[1].starts_with("a (bf16, files "), "{names:?}");
    assert!(
        names[2].starts_with("a (f32, files ") && names[2] != names[0],
        "{names:?}"
    );
    assert_eq!(names[3], "b");
    let base = |name: &str| {
        let base = Some(name.to_owned());
        leaderboard(
            &cells,
            &Settings {
                base,
                ..Settings::default()
            },
        )
    };
    assert!(matches!(
        base("a"),
        Err(LeaderboardError::AmbiguousBase { .. })
    ));
    assert!(matches!(
        base("z"),
        Err(LeaderboardError::UnknownBase { .. })
    ));
    assert_eq!(base("b-cell").unwrap().speeds.unwrap().base, "b");
    assert_eq!(base(names[1]).unwrap().speeds.unwrap().base, names[1]);
}

#[test]
fn fast_and_wrong_does_not_win() {
    let cells = [
        simple("base", 0.80, 10.0, 5.0),
        simple("close", 0.795, 20.0, 5.0),
        simple("wrong", 0.10, 1000.0, 1.0),
    ];
    let speeds = |floor| {
        let settings = Settings {
            floor,
            ..Settings::default()
        };
        leaderboard(&cells, &settings).unwrap().speeds.unwrap()
    };
    let by_default = speeds(Floor::default());
    assert_eq!(by_default.models[0].model, "close");
    assert_close(by_default.models[0].ratio.unwrap(), 2.0);
    assert_eq!(by_default.models[2].model, "wrong");
    assert_eq!(by_default.models[2].ratio, None);
    let reason = by_default.models[2].left_out_because.as_deref().unwrap();
    assert_eq!(reason, "F1 10.00 is below 79.00 on mixed-bag");
    let none = speeds(Floor {
        min_f1: Some(0.0),
        min_exact_match: None,
    });
    assert_close(none.models[0].ratio.unwrap(), 100.0);
    // Not even the base passes.
    let high = speeds(Floor {
        min_f1: Some(80.1),
        min_exact_match: None,
    });
    assert!(high.models.iter().all(|model| model.ratio.is_none()));
    let exact = speeds(Floor {
        min_f1: None,
        min_exact_match: Some(100.0),
    });
    assert!(exact.models.iter().all(|model| model.ratio.is_none()));
}

#[test]
fn means_are_over_all_that_the_base_was_timed_on() {
    let elsewhere = |model: &str, speed: f64| {
        let Cell::Finished(mut run) = simple(model, 0.8, speed, 1.0) else {
            panic!()
        };
        single(&mut run).dataset.sha256 = "other".to_owned();
        Cell::Finished(run)
    };
    let cells = [
        simple("base", 0.8, 10.0, 1.0),
        simple("both", 0.8, 40.0, 1.0),
        simple("one", 0.8, 99.0, 1.0),
        simple("zero", 0.8, 0.0, 1.0),
        elsewhere("base", 10.0),
        elsewhere("both", 10.0),
        elsewhere("zero", 10.0),
    ];
    let speeds = leaderboard(&cells, &Settings::default())
        .unwrap()
        .speeds
        .unwrap();
    let of = |name: &str| speeds.models.iter().find(|m| m.model == name).unwrap();
    assert_close(of("both").ratio.unwrap(), 2.0);
    assert_close(of("base").ratio.unwrap(), 1.0);
    assert!(
        of("one")
            .left_out_because
            .as_ref()
            .unwrap()
            .contains("not timed on")
    );
    assert!(
        of("zero")
            .left_out_because
            .as_ref()
            .unwrap()
            .contains("no questions/s")
    );
    // The rate of a server's questions is set, and says nothing about the model.
    let paced = ["base", "both"].map(|model| {
        cell(model, &[0.8; 12], &[0; 12], |r| {
            r["protocol"]["scenario"] = "server".into();
            r["protocol"]["timing"]["rate_per_s"] = 3.into();
        })
    });
    let found = leaderboard(&paced, &Settings::default()).unwrap();
    assert!(found.speeds.is_none());
    let fronts = found.tables[0].conditions[0].fronts.iter();
    assert!(
        fronts
            .clone()
            .all(|front| front.figure != "questions_per_s")
    );
    assert_eq!(fronts.count(), 3);
}

#[test]
fn budgets_name_the_best_within() {
    let cells = [
        simple("large", 0.9, 5.0, 100.0),
        simple("middle", 0.8, 50.0, 20.0),
        simple("small", 0.6, 90.0, 20.0),
    ];
    let choose = |limits| {
        let settings = Settings {
            limits,
            ..Settings::default()
        };
        leaderboard(&cells, &settings).unwrap().budget
    };
    assert_eq!(choose(Limits::default()), None);
    let budget = choose(Limits {
        max_latency_ms: Some(20.0),
        ..Limits::default()
    })
    .unwrap();
    assert_eq!(budget.limits, ["p99 latency at most 20 ms"]);
    let choice = &budget.choices[0];
    assert_eq!((choice.best, choice.runner_up), (Some(1), Some(2)));
    let lead = choice.lead.unwrap();
    assert_close(lead.f1_difference, 20.0);
    assert_close(lead.interval.unwrap()[0], 20.0);
    assert_eq!(choice.outside[0].because, ["p99 latency 100 ms"]);
    // Nobody's energy is known here.
    let energy = choose(Limits {
        max_joules_per_1000: Some(1e9),
        ..Limits::default()
    })
    .unwrap();
    assert_eq!(energy.choices[0].best, None);
    assert!(
        energy.choices[0]
            .outside
            .iter()
            .all(|outside| outside.unknown)
    );
    let fast = choose(Limits {
        min_questions_per_s: Some(60.0),
        max_memory_mb: Some(1e6),
        ..Limits::default()
    });
    let choice = &fast.unwrap().choices[0];
    assert_eq!(
        (choice.best, choice.runner_up, choice.lead),
        (Some(2), None, None)
    );
}

/// Names as nobody means well by.
const HOSTILE: &str = "=cmd|'/c calc'!A1,\"x\"\r\n<script>&amp;\\input{/etc/passwd}%$_^~#`| \u{1b}[31m\u{202e}\u{0}\u{fffe}\u{2028}]]>: - é中😀";

fn hostile() -> (Vec<Cell>, WireLeaderboard) {
    let evil = cell(HOSTILE, &[0.5; 12], &[0; 12], |record| {
        for pointer in [
            "/cell",
            "/dataset/id",
            "/model/architecture",
            "/model/dtype",
            "/device",
        ] {
            *record.pointer_mut(pointer).unwrap() = HOSTILE.into();
        }
        record["environment"]["cpu_model"] = HOSTILE.into();
        record["doubts"] = json!([HOSTILE]);
    });
    let cells = vec![
        evil,
        simple("-1+1", 0.4, 1.0, 1.0),
        failed(HOSTILE, "crash"),
    ];
    let settings = Settings {
        limits: Limits {
            max_latency_ms: Some(0.5),
            ..Limits::default()
        },
        ..Settings::default()
    };
    let board = leaderboard(&cells, &settings).unwrap();
    (cells, board)
}

#[test]
fn terminals_are_not_commanded() {
    let (_, board) = hostile();
    let text = board::text(&board, ("", ""));
    assert!(text.lines().count() < 40);
    let foul = |c: char| (c.is_control() && c != '\n') || ('\u{202a}'..='\u{202e}').contains(&c);
    assert!(!text.contains(foul), "{text:?}");
}

#[test]
fn markdown_stays_in_its_cells() {
    let (_, board) = hostile();
    let prose = "On <script>\nx\u{1b}.\n\n# | two";
    let page = board::markdown(&board, Some("s|\n# t"), prose);
    let begins = "# Leaderboard: s\\| \\# t\n\nOn &lt;script&gt; x .\n\n\\# \\| two\n\n## ";
    assert!(page.starts_with(begins), "{page}");
    let page = board::markdown(&board, None, "");
    assert!(page.starts_with("# Leaderboard\n\n## "), "{page}");
    assert!(
        !page.contains("<script") && !page.contains(['\u{1b}', '\u{202e}', '\u{2028}']),
        "{page}"
    );
    let unescaped = |line: &str| {
        line.replace("\\\\", "")
            .replace("\\|", "")
            .matches('|')
            .count()
    };
    for block in page.split("\n\n").filter(|block| block.starts_with('|')) {
        let columns: Vec<usize> = block.lines().map(unescaped).collect();
        assert!(columns.windows(2).all(|pair| pair[0] == pair[1]), "{block}");
    }
    assert!(page.contains("| rank | model |"), "{page}");
}

/// The fields of a document, read by RFC 4180.
fn read_csv(text: &str) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut field) = (Vec::new(), Vec::new(), String::new());
    let mut quoted = false;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => field.extend(characters.next()),
            '"' => quoted = !quoted,
            ',' if !quoted => row.push(std::mem::take(&mut field)),
            '\r' if !quoted => {
                assert_eq!(characters.next(), Some('\n'));
                row.push(std::mem::take(&mut field));
                rows.push(std::mem::take(&mut row));
            }
            other => field.push(other),
        }
    }
    assert!(row.is_empty() && field.is_empty() && !quoted);
    rows
}

#[test]
fn csv_has_a_row_a_cell_and_no_formula() {
    let (_, board) = hostile();
    let rows = read_csv(&csv::csv(&board));
    assert_eq!(rows.len(), 4);
    assert!(rows.iter().all(|row| row.len() == rows[0].len()));
    let of = |row: usize, heading: &str| {
        let column = rows[0]
            .iter()
            .position(|name| name == heading)
            .expect(heading);
        rows[row][column].as_str()
    };
    assert_eq!(
        of(1, "model_id"),
        format!("'{}", HOSTILE.replace('\0', "\u{fffd}"))
    );
    assert_eq!(of(2, "model"), "'-1+1");
    assert_eq!(
        of(2, "f1_percent").parse::<f64>().unwrap(),
        board.tables[0].rows[1].figures.f1.unwrap()
    );
    assert_eq!(of(2, "joules_per_1000_questions"), "");
    assert_eq!(
        (
            of(3, "error_kind"),
            of(3, "f1_percent"),
            of(3, "speed_doubtful")
        ),
        ("crash", "", "")
    );
    assert_eq!(
        (of(1, "speed_doubtful"), of(2, "speed_doubtful")),
        ("true", "false")
    );
    assert!(
        rows.iter()
            .flatten()
            .all(|field| !field.starts_with(['=', '+', '@']))
    );
    let headings = rows[0].iter();
    assert!(
        headings
            .flat_map(|name| name.chars())
            .all(|c| c.is_ascii_lowercase() || c == '_' || c.is_ascii_digit())
    );
}

#[test]
fn latex_has_no_command_of_others() {
    let (_, board) = hostile();
    let text = latex::latex(&board);
    assert!(!text.contains("\\input") && !text.contains("%$"), "{text}");
    assert!(
        text.contains("\\textbackslash{}input\\{/etc/passwd\\}\\%\\$\\_"),
        "{text}"
    );
    assert!(
        text.chars().all(|c| c == '\n' || (' '..='ÿ').contains(&c)),
        "{text}"
    );
    let tables = text.matches("\\begin{tabular}").count();
    assert_eq!(text.matches("\\end{tabular}").count(), tables);
    assert_eq!(text.matches("\\label{tab:spanbench-").count(), tables);
}

#[test]
fn junit_tells_failures_from_errors() {
    let (_, mut board) = hostile();
    let text = junit::junit(&junit::suites(&board));
    assert!(!text.contains("<script") && !text.contains(['\u{0}', '\u{1b}', '\u{fffe}']));
    assert!(text.contains("]]&gt;"));
    assert_eq!(text.matches("<testcase ").count(), 3);
    assert_eq!(text.matches("<error ").count(), 1);
    assert!(
        text.contains("tests=\"3\" failures=\"0\" errors=\"1\""),
        "{text}"
    );
    assert!(text.contains("f1_percent 40"), "{text}");
    // What a suite expects and a cell misses is no error of the program's.
    let rows = board.tables[0].rows.iter_mut().chain(&mut board.failures);
    for error in rows.filter_map(|row| row.error.as_mut()) {
        error.kind = "accuracy missed".to_owned();
    }
    let text = junit::junit(&junit::suites(&board));
    assert!(
        text.contains("tests=\"3\" failures=\"1\" errors=\"0\""),
        "{text}"
    );
}

#[test]
fn model_indexes_are_of_one_model() {
    let index = |cells: &[Cell], url| {
        let records: Vec<&Record> = cells.iter().map(record).collect();
        model_index(&records, url)
    };
    let on = |dataset: &'static str, f1: f64| {
        cell("roberta-base-squad2", &[f1; 12], &[0; 12], |r| {
            r["dataset"]["id"] = dataset.into();
            r["dataset"]["sha256"] = dataset.into();
            r["dataset"]["revision"] = "abc".into();
        })
    };
    let cells = [
        on("squad2", 0.8),
        on("xquad.de", 0.7),
        on("squad2", 0.8),
        on("a/b:c:test", 0.25),
    ];
    let text = index(&cells, Some("https://example.org/report")).unwrap();
    assert_eq!(text.matches("  - task:\n").count(), 3, "{text}");
    for part in [
        "model-index:\n- name: \"deepset/roberta-base-squad2\"\n  results:\n",
        "      type: question-answering\n",
        "      type: \"rajpurkar/squad_v2\"\n      name: \"squad2\"\n",
        "      split: \"validation\"\n      revision: \"abc\"\n    metrics:\n    - type: exact_match\n",
        "      type: \"a/b\"\n      name: \"a/b:c:test\"\n      config: \"c\"\n      split: \"test\"\n",
        "    - type: f1\n      value: 25.0\n      name: F1\n      verified: false\n",
        "      url: \"https://example.org/report\"\n",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    assert!(!index(&cells, None).unwrap().contains("source:"));
    let contradiction = index(&[on("squad2", 0.8), on("squad2", 0.7)], None);
    assert!(matches!(
        contradiction,
        Err(ModelIndexError::Contradiction { .. })
    ));
    let several = index(&[on("squad2", 0.8), simple("b", 0.5, 1.0, 1.0)], None);
    assert!(matches!(
        several,
        Err(ModelIndexError::SeveralModels { .. })
    ));
    assert!(matches!(index(&[], None), Err(ModelIndexError::NoRecord)));
    let (cells, _) = hostile();
    let text = index(&cells[..1], None).unwrap();
    assert!(
        !text.contains(['\u{1b}', '\u{202e}', '\u{2028}', '\u{0}']),
        "{text}"
    );
    // As many lines as without: whatever the name, it is one scalar.
    assert_eq!(
        text.lines().count(),
        index(&[simple("a", 0.5, 1.0, 1.0)], None)
            .unwrap()
            .lines()
            .count()
    );
}

#[test]
fn leaderboards_can_be_read_back() {
    let (_, board) = hostile();
    let text = serde_json::to_string(&board).unwrap();
    assert_eq!(
        serde_json::from_str::<WireLeaderboard>(&text).unwrap(),
        board
    );
}

/// The finished cell as if it were merged from three shards.
fn as_merged(cell: &Cell) -> Cell {
    let Cell::Finished(run) = cell else { panic!() };
    Cell::Finished(Box::new(merged(run, 3)))
}

#[test]
fn merged_shards_have_a_rank_and_no_speed() {
    let fast = simple("fast", 0.5, 40.0, 1.0);
    let shards = as_merged(&simple("shards", 0.9, 99.0, 0.5));
    // First, so that it would be what speeds are compared with.
    let cells = [shards, simple("slow", 0.5, 10.0, 2.0), fast];
    let settings = Settings {
        limits: Limits {
            max_latency_ms: Some(1e6),
            ..Limits::default()
        },
        ..Settings::default()
    };
    let found = leaderboard(&cells, &settings).unwrap();
    let [table] = &found.tables[..] else { panic!() };
    assert_eq!(names(table), ["shards", "slow", "fast"]);
    let row = &table.rows[0];
    assert_eq!((row.shards, row.conditions), (Some(3), None));
    assert_eq!(row.rank.unwrap().rank, 1);
    assert_close(row.figures.f1.unwrap(), 90.0);
    assert!(row.figures.f1_interval.is_some() && row.figures.parameters.is_some());
    let figures = serde_json::to_value(&row.figures).unwrap();
    for (name, value) in figures.as_object().unwrap() {
        let is_measured = ["_per_s", "latency", "memory", "joules"]
            .iter()
            .any(|part| name.contains(part));
        assert!(!is_measured || value.is_null(), "{name}: {value}");
    }
    // Neither a front nor a budget knows it, and the first that was timed is the base.
    let [conditions] = &table.conditions[..] else {
        panic!()
    };
    for front in &conditions.fronts {
        let dominated = front.dominated.iter().map(|dominated| dominated.row);
        let rows = front.rows.iter().chain(&front.unknown).copied();
        assert!(rows.chain(dominated).all(|row| row != 0), "{front:?}");
    }
    let choice = &found.budget.as_ref().unwrap().choices[0];
    assert_eq!((choice.best, &choice.within[..]), (Some(1), &[1, 2][..]));
    assert!(choice.outside.is_empty());
    let speeds = found.speeds.as_ref().unwrap();
    assert_eq!(speeds.base, "slow");
    assert_close(speeds.models[0].ratio.unwrap(), 4.0);
    let last = speeds.models.last().unwrap();
    assert_eq!((last.model.as_str(), last.ratio), ("shards", None));
    let why = "merged from 3 shards, each measured on its own";
    assert!(last.left_out_because.as_ref().unwrap().starts_with(why));
    let read: WireLeaderboard =
        serde_json::from_str(&serde_json::to_string(&found).unwrap()).unwrap();
    assert_eq!(read, found);
}

#[test]
fn every_format_tells_of_merged_shards() {
    let cells = [
        as_merged(&simple("shards", 0.9, 99.0, 0.5)),
        simple("single", 0.5, 10.0, 2.0),
    ];
    let found = leaderboard(&cells, &Settings::default()).unwrap();
    let why = "merged from 3 shards, each measured on its own";
    let text = board::text(&found, ("", ""));
    let line = text.lines().find(|line| line.contains("cpu, 3 shards"));
    assert!(line.unwrap().contains(" -  "), "{text}");
    let note = format!("shards (shards-cell): {why}: no speed");
    assert_eq!(text.matches(&note).count(), 1, "{text}");
    let page = board::markdown(&found, None, "");
    let line = page.lines().find(|line| line.contains("cpu, 3 shards"));
    assert!(line.unwrap().matches("| - ").count() >= 4, "{page}");
    let latex = latex::latex(&found);
    assert!(latex.contains("Timed on: ") && latex.contains("merged from 3 shards"));
    let rows = read_csv(&csv::csv(&found));
    let of = |row: usize, heading: &str| {
        let column = rows[0].iter().position(|name| name == heading).unwrap();
        rows[row][column].as_str()
    };
    assert_eq!((of(1, "shards"), of(2, "shards")), ("3", ""));
    for heading in ["machine", "questions_per_s", "speed_doubtful"] {
        assert_eq!(of(1, heading), "");
        assert_ne!(of(2, heading), "");
    }
    let xml = junit::junit(&junit::suites(&found));
    assert_eq!(xml.matches(why).count(), 1, "{xml}");
    let index = model_index(&[record(&cells[0])], Some("https://example.org")).unwrap();
    let measured = record(&cells[1]).measured().unwrap();
    let version = &measured.environment.tool_version;
    assert!(index.contains(&format!("spanbench {version}")) && index.contains("value: 90.0"));
}

#[test]
fn merged_shards_alone_are_compared_with_by_none() {
    let mut cells = vec![
        as_merged(&simple("a", 0.9, 1.0, 1.0)),
        as_merged(&simple("b", 0.8, 1.0, 1.0)),
    ];
    let settings = |base: Option<&str>| Settings {
        base: base.map(str::to_owned),
        limits: Limits {
            max_latency_ms: Some(1e6),
            ..Limits::default()
        },
        ..Settings::default()
    };
    let found = leaderboard(&cells, &settings(None)).unwrap();
    assert!(found.speeds.is_none() && found.tables[0].conditions.is_empty());
    assert!(found.budget.as_ref().unwrap().choices.is_empty());
    let latex = latex::latex(&found);
    assert!(!latex.contains("Timed on") && latex.contains("a (a{-}cell): merged from"));
    assert!(board::text(&found, ("", "")).contains("1 (1–1)  a "));
    // Asked for as the base, it is said why there is no mean.
    cells.push(simple("timed", 0.8, 1.0, 1.0));
    let found = leaderboard(&cells, &settings(Some("a"))).unwrap();
    let speeds = found.speeds.as_ref().unwrap();
    assert_eq!((speeds.models.len(), speeds.groups.len()), (3, 0));
    for model in &speeds.models {
        let because = model.left_out_because.as_ref().unwrap();
        assert!(because.starts_with("the base was merged from 3 shards"));
        assert_eq!(model.ratio, None);
    }
}

#[test]
fn a_page_tells_of_merged_shards() {
    let Cell::Finished(mut other) = as_merged(&simple("b", 0.8, 1.0, 1.0)) else {
        panic!()
    };
    if let Record::Merged(merged) = &mut other.record {
        for (number, shard) in merged.shards.iter_mut().enumerate() {
            if let Some(measured) = &mut shard.measured {
                let shard = format!("{}/3", number + 1);
                let words = ["spanbench", "run", "--shard", &shard].map(str::to_owned);
                measured.command = Some(words.into());
                measured.environment.cpu_model = Some(format!("<Processor {number}>"));
            }
        }
    }
    let base = simple("a", 0.9, 1.0, 1.0);
    let Cell::Finished(run) = as_merged(&base) else {
        panic!()
    };
    let comparison = compare(&run, &other, &compare::Settings::default());
    let comparisons = [WireComparison::from(&comparison)];
    let of = |cells: &[Cell], comparisons: &[WireComparison]| {
        let board = leaderboard(cells, &Settings::default()).unwrap();
        html::page(&html::Page {
            title: "t",
            description: "",
            cells,
            samples: &[],
            comparisons,
            leaderboard: Some(&board),
        })
    };
    let merged = Cell::Finished(other);
    let page = of(&[base.clone(), merged.clone()], &comparisons);
    for part in [
        "2, 1 merged from shards, without speed",
        ": merged from 3 shards, each measured on its own.",
        "b,\u{a0}shard\u{a0}1",
        "b,\u{a0}shard\u{a0}2",
        "&lt;Processor 1&gt;",
        "run --shard 1/3\nspanbench run --shard 2/3\nspanbench merge parts/1 parts/2 parts/3 --out merged",
        "Shards, each on its own: not to be added up",
        "and so without a latency: b.",
        "not comparable",
    ] {
        assert!(page.contains(part), "{part}\n{page}");
    }
    let (content, _) = page.split_once("<script>").unwrap();
    assert!(!content.contains("NaN") && !content.contains("<Processor"));
    // Of merged shards alone too, and where their commands are not kept.
    let alone = of(&[merged], &[]);
    assert!(alone.contains("and so without a latency") && !alone.contains("id=\"latencies\""));
    let unknown = of(&[as_merged(&base)], &[]);
    assert!(unknown.contains("does not hold its command, or those of its shards"));
}
