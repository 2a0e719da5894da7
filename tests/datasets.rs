//! Data sets of every format, well-formed and not (`tests/goldens/datasets`).

mod support;

use std::path::Path;

use spanbench::dataset::selection::IdFile;
use spanbench::dataset::{Dataset, QuestionSelection};
use support::{json, project};

/// id, title, passage, question, answers with their offsets.
type Row = (String, String, String, String, Vec<(String, Option<usize>)>);

fn golden(name: &str) -> std::path::PathBuf {
    project("tests/goldens/datasets").join(name)
}

fn rows(dataset: &Dataset) -> Vec<Row> {
    let questions = dataset.questions.iter();
    questions
        .map(|question| {
            let passage = &dataset.passages[question.passage];
            let answers = question.answers.iter();
            (
                question.id.clone(),
                dataset.articles[passage.article].clone(),
                passage.text.clone(),
                question.text.clone(),
                answers.map(|a| (a.text.clone(), a.start)).collect(),
            )
        })
        .collect()
}

#[test]
fn every_format_holds_the_same() {
    let expected: Vec<Row> = json(&golden("expected.json"));
    for name in [
        "squad.json",
        "squad.json.gz",
        "rows.jsonl",
        "none.parquet",
        "snappy.parquet",
        "gzip.parquet",
        "lz4.parquet",
        "zstd.parquet",
        "groups.parquet",
        "large.parquet",
        "list_of_structs.parquet",
    ] {
        let dataset = Dataset::read(&golden(name)).expect(name);
        assert_eq!(rows(&dataset), expected, "{name}");
        assert_eq!(dataset.passages.len(), 2, "{name}");
        assert_eq!(dataset.articles.len(), 2, "{name}");
        assert_eq!(dataset.misplaced_answers(), 0, "{name}");
        assert!(dataset.has_unanswerable, "{name}");
    }
    // MRQA's format has no titles.
    for name in ["mrqa.jsonl", "mrqa.jsonl.gz"] {
        let dataset = Dataset::read(&golden(name)).expect(name);
        let mut found = rows(&dataset);
        for (row, expected) in found.iter_mut().zip(&expected) {
            assert_eq!(row.1, "");
            row.1.clone_from(&expected.1);
        }
        assert_eq!(found, expected, "{name}");
        assert_eq!(dataset.id, "mrqa");
    }
}

fn fault(name: &str, bytes: &[u8]) -> String {
    let error = Dataset::from_bytes("d", name, bytes.to_vec()).expect_err(name);
    let mut line = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        line.push_str(" | ");
        line.push_str(&error.to_string());
        cause = error.source();
    }
    assert!(line.starts_with(name), "{line}");
    line
}

#[track_caller]
fn assert_fault(name: &str, bytes: &[u8], parts: &[&str]) {
    let fault = fault(name, bytes);
    for part in parts {
        assert!(fault.contains(part), "{fault:?} lacks {part:?}");
    }
}

#[test]
fn damaged_gzip_is_one_line() {
    let whole = std::fs::read(golden("mrqa.jsonl.gz")).unwrap();
    for length in 3..whole.len() {
        assert_fault(
            "cut.gz",
            &whole[..length],
            &["gzip data is damaged or cut short"],
        );
    }
    for at in 10..whole.len() {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x55;
        // The checksum finds what the decompressor does not.
        assert_fault("damaged.gz", &damaged, &["damaged.gz: "]);
    }
    assert_fault("tail.gz", &[&whole[..], b"more"].concat(), &["gzip"]);
}

#[test]
fn damaged_parquet_is_one_line() {
    for name in ["snappy.parquet", "groups.parquet", "zstd.parquet"] {
        let whole = std::fs::read(golden(name)).unwrap();
        for length in (4..whole.len()).step_by(7) {
            assert_fault(name, &whole[..length], &["parquet"]);
        }
        let mut state = 1_u64;
        let mut read = 0;
        for round in 0..2_000 {
            let mut damaged = whole.clone();
            for _ in 0..=(round % 3) {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                let at = (state >> 33) as usize % damaged.len();
                damaged[at] = (state >> 24) as u8;
            }
            damaged[..4].copy_from_slice(b"PAR1");
            // Some damage is to what nobody reads; the rest is named. None of it panics.
            match Dataset::from_bytes("d", name, damaged) {
                Ok(_) => read += 1,
                Err(error) => assert!(error.to_string().starts_with(name), "{error}"),
            }
        }
        assert!(read < 1_900, "{name}: {read}");
    }
}

#[test]
fn tables_that_are_no_questions_are_named() {
    for (name, parts) in [
        (
            "bad_columns.parquet",
            &["no column \"answers\" among id, title, context, question"][..],
        ),
        (
            "bad_type.parquet",
            &[
                "row 1, column question",
                "expected text, found a whole number",
            ],
        ),
        ("bad_hidden.parquet", &["row 1, column answers", "hidden"]),
        ("bad_empty.parquet", &["no question"]),
        (
            "bad_uneven.parquet",
            &["row 1, column answers", "2 texts and 1 offsets"],
        ),
        (
            "bad_twice.parquet",
            &["row 5, column id", "\"r1\" is already used at row 1"],
        ),
        (
            "brotli.parquet",
            &["brotli", "write it with zstd or snappy"],
        ),
        (
            "bad_checksum.parquet",
            &["damaged", "CRC checksum mismatch"],
        ),
        (
            "bad_rows.parquet",
            &["damaged", "3 rows are promised, and 4 are there"],
        ),
        (
            "bad_many.parquet",
            &["row group 0, column answers", "more than 10000000 values"],
        ),
    ] {
        assert_fault(name, &std::fs::read(golden(name)).unwrap(), parts);
    }
}

#[test]
fn text_that_is_no_data_set_is_named() {
    let row = |fields: &str| format!("{{\"id\":\"1\",\"context\":\"a b\",{fields}}}\n");
    let good = row(r#""question":"What?","answers":{"text":["a"],"answer_start":[0]}"#);
    let mrqa = "{\"header\":{}}\n";
    for (bytes, parts) in [
        (b"".to_vec(), &["nothing in it"][..]),
        (b"\n\n".to_vec(), &["nothing in it"]),
        (
            format!("{mrqa}{{\"context\":\"a\",\"qas\":[{{\"qid\":\"1\",\"question\":\"Q\"}}]}}\n").into(),
            &["line 2, qas[0]", "answers are hidden"],
        ),
        (
            vec![b'\n'; (1 << 20) + 1],
            &["the blank at line 1048577 holds more than 1048576 bytes"],
        ),
        (b"\0\0\0".to_vec(), &["at the top level", "expected value"]),
        (b"[1]".to_vec(), &["at the top level", "expected an object"]),
        (b"PK\x03\x04....".to_vec(), &["a zip archive; unpack it"]),
        (b"\xff\xfe{".to_vec(), &["UTF-16", "convert it"]),
        (b"version https://git-lfs.github.com/spec/v1\n".to_vec(), &["git lfs pull"]),
        (b"{\"data\":[\"\xff\"]}".to_vec(), &["byte 10", "not UTF-8"]),
        (b"{\n\"data\":[\"\xff\"]}".to_vec(), &["line 2, byte 9", "not UTF-8"]),
        ([good.as_bytes(), b"{\"id\":\"\xff"].concat(), &["line 2, byte 7", "not UTF-8"]),
        (format!("{good}\n{good}").into(), &["line 3, id", "already used at line 1"]),
        (format!("{good}[1]\n").into(), &["line 2", "not a data set in JSON lines format", "expected an object"]),
        (format!("{good}{{\"id\"").into(), &["line 2", "EOF"]),
        (row(r#""question":"What?""#).into(), &["line 1", "missing field `answers`"]),
        (row(r#""question":"What?","answers":1"#).into(), &["line 1, answers", "`text` and `answer_start`"]),
        (row(r#""question":"What?","answers":{"text":["a"],"answer_start":[]}"#).into(), &["1 texts and 0 offsets"]),
        (row(r#""question":" ","answers":[]"#).into(), &["line 1, question", "empty"]),
        (row(r#""question":7,"answers":[]"#).into(), &["line 1, question", "integer `7`"]),
        (mrqa.into(), &["no question"]),
        (format!("{mrqa}{{\"context\":\"a\"}}\n").into(), &["line 2", "`qas` is missing"]),
        (format!("{mrqa}{{\"context\":\" \",\"qas\":[]}}\n").into(), &["line 2, context", "passage is empty"]),
        (
            format!("{mrqa}{{\"context\":\"a\",\"qas\":[{{\"qid\":\"1\",\"question\":\"Q\",\"answers\":\"a\"}}]}}\n").into(),
            &["line 2, qas[0].answers", "not a data set in MRQA format"],
        ),
        (
            format!("{mrqa}{{\"context\":\"a\",\"qas\":[{{\"qid\":\"1\",\"question\":\"\",\"answers\":[]}}]}}\n").into(),
            &["line 2, qas[0].question", "empty"],
        ),
    ] {
        assert_fault("bad.file", &bytes, parts);
    }
}

#[test]
fn marks_line_breaks_and_long_lines_are_no_fault() {
    let squad = std::fs::read_to_string(golden("squad.json")).unwrap();
    let mrqa = std::fs::read_to_string(golden("mrqa.jsonl")).unwrap();
    for text in [squad, mrqa] {
        let marked = format!("\u{feff}{}\r\n", text.replace('\n', "\r\n\r\n"));
        let dataset = Dataset::from_bytes("d", "f", marked.into()).unwrap();
        assert_eq!(dataset.questions.len(), 4);
    }
    let odd = r#"{"id":1,"data":0,"lang":"en","language":null,"context":"a b","question":"Q?","answers":{"text":["a","b"],"answer_start":[0.0,null]}}"#;
    let dataset = Dataset::from_bytes("d", "f", odd.into()).unwrap();
    let starts = dataset.questions[0].answers.iter().map(|a| a.start);
    assert_eq!(starts.collect::<Vec<_>>(), [Some(0), None]);
    assert_eq!(dataset.questions[0].language.as_deref(), Some("en"));
    let long = "word ".repeat(4_000_000);
    let line =
        format!(r#"{{"id":1,"context":"{long}","question":"Q?","answers":["word"],"lang":"en"}}"#);
    let dataset = Dataset::from_bytes("d", "f", line.into()).unwrap();
    assert_eq!(dataset.questions[0].id, "1");
    assert_eq!(dataset.questions[0].language.as_deref(), Some("en"));
    assert_eq!(dataset.passages[0].text.len(), 20_000_000);
}

fn ids(dataset: &Dataset) -> Vec<&str> {
    dataset.questions.iter().map(|q| q.id.as_str()).collect()
}

fn selected(selection: &QuestionSelection) -> Dataset {
    let mut dataset = Dataset::bundled();
    dataset.select(selection).unwrap();
    dataset
}

#[test]
fn samples_are_seeded_nested_and_in_order() {
    let sample = |count, seed| {
        selected(&QuestionSelection {
            sample: Some(count),
            seed,
            ..QuestionSelection::default()
        })
    };
    let all = Dataset::bundled();
    let position = |id: &str| all.questions.iter().position(|q| q.id == id).unwrap();
    let (large, small, other) = (sample(60, 7), sample(20, 7), sample(20, 8));
    assert_eq!((large.questions.len(), small.questions.len()), (60, 20));
    assert!(ids(&small).iter().all(|id| ids(&large).contains(id)));
    assert_ne!(ids(&small), ids(&other));
    assert_eq!(ids(&small), ids(&sample(20, 7)));
    assert!(ids(&large).is_sorted_by_key(|id| position(id)));
    // Every question has the same chance: over many seeds each is drawn about equally often.
    let mut drawn = vec![0_u32; all.questions.len()];
    for seed in 0..400 {
        for id in ids(&sample(69, seed)) {
            drawn[position(id)] += 1;
        }
    }
    // 69 of 276 is a quarter; five standard deviations of a binomial are 43.
    assert!(
        drawn.iter().all(|&count| (57..=143).contains(&count)),
        "{drawn:?}"
    );
    assert_eq!(ids(&sample(100_000, 1)), ids(&all));
}

#[test]
fn questions_can_be_named() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("ids");
    let read = |text: &[u8]| {
        std::fs::write(&path, text).unwrap();
        IdFile::read(Path::new(&path))
    };
    let all = Dataset::bundled();
    let (first, last) = (&all.questions[0].id, &all.questions[275].id);
    for text in [
        format!("\u{feff}{last}\r\n\r\n {first} \n{last}"),
        format!("[\"{last}\", \"{first}\"]"),
    ] {
        let selection = QuestionSelection {
            ids: Some(read(text.as_bytes()).unwrap()),
            ..QuestionSelection::default()
        };
        assert_eq!(ids(&selected(&selection)), [first, last]);
    }
    let mut dataset = Dataset::bundled();
    let unknown = QuestionSelection {
        ids: Some(read(format!("{first}\nno-such\nnor-this").as_bytes()).unwrap()),
        ..QuestionSelection::default()
    };
    let fault = dataset.select(&unknown).unwrap_err().to_string();
    assert!(
        fault.contains("ids: line 2") && fault.contains("\"no-such\", nor 1 others"),
        "{fault}"
    );
    assert!(
        read(b" \n")
            .unwrap_err()
            .to_string()
            .contains("no question id")
    );
    assert!(read(b"\xff").unwrap_err().to_string().contains("byte 0"));
}
