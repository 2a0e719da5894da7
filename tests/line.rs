//! The whole line without weights: questions to windows, a stub model, answers, score.

mod support;

use std::time::Instant;

use spanbench::batch::Batch;
use spanbench::bundled;
use spanbench::cell::{AnswerError, AnswerSettings, Answers, Line, Silent, WindowOrder};
use spanbench::dataset::Dataset;
use spanbench::decode::{DecodeSettings, Decoder};
use spanbench::measure::phases::PhaseClock;
use spanbench::models::pending::Pending;
use spanbench::models::{ModelDescription, ModelError, SpanModel};
use spanbench::score::{self, Predictions, Protocol, Summation};
use spanbench::tokenizer;
use spanbench::windows::{TableSizes, WindowError, WindowSettings, Windower};
use support::stub::Stub;
use support::{json, project};

const SETTINGS: AnswerSettings = AnswerSettings {
    windows: WindowSettings {
        max_seq_len: 32,
        doc_stride: 8,
        max_question_len: 64,
        decoder: Decoder::RunQa,
    },
    decode: DecodeSettings {
        decoder: Decoder::RunQa,
        n_best: 20,
        max_answer_len: 30,
        null_allowed: true,
        null_threshold: 0.0,
    },
    batch_tokens: 100,
    order: WindowOrder::AsGiven,
    seed: 0,
};

/// Twelve words of filler, the word to find, twelve more.
const DATA: &str = r#"{"version": "v2.0", "data": [{"title": "t", "paragraphs": [
  {"context": "Long ago people walked slowly over hills and fields of grass until the purple élan “vital” appeared; they were glad and sang songs of joy through nights of rain.",
   "qas": [
    {"id": "q1", "question": "  Which colour?", "answers": [{"text": "purple", "answer_start": 70}]},
    {"id": "q2", "question": "Which number?", "answers": []}]}]}]}"#;

fn dataset() -> Dataset {
    Dataset::from_bytes("line", "line.json", DATA.into()).unwrap()
}

fn tables(words: usize) -> TableSizes {
    TableSizes { words, segments: 2 }
}

fn windower(settings: WindowSettings) -> Windower {
    let files = bundled::model();
    let source = tokenizer::from_json("tokenizer.json", &files.tokenizer[0].bytes).unwrap();
    Windower::new(source, tables(30_522), settings).unwrap()
}

fn run(model: &dyn SpanModel, settings: &AnswerSettings) -> Result<Answers, AnswerError> {
    let windower = windower(settings.windows);
    let dataset = dataset();
    let line = Line {
        model,
        windower: &windower,
        dataset: &dataset,
        settings: *settings,
    };
    line.answer_all(&mut PhaseClock::start(), &Silent)
}

/// Raises the logits of the token "purple" (id 6379 in the bundled vocabulary).
fn finds_purple(id: u32, position: usize, _length: usize) -> (f32, f32) {
    let logit = if id == 6379 {
        5.0
    } else {
        -(position as f32) * 1e-3
    };
    (logit, logit)
}

#[test]
fn a_stub_model_runs_the_whole_line() {
    let answers = run(&Stub::new(finds_purple), &SETTINGS).unwrap();
    let dataset = dataset();
    // Both questions are of the same passage, so the stub finds the same word in it.
    let texts: Vec<_> = answers.answers.iter().map(|a| a.text.as_str()).collect();
    assert_eq!(texts, ["purple", "purple"]);
    assert!(
        answers.windows_of.iter().all(|&count| count >= 2),
        "the passage fits no window of 32"
    );
    assert_eq!(
        answers.windows.len(),
        answers.windows_of.iter().sum::<usize>()
    );
    assert_eq!(answers.flops(), answers.tokens() as u64);
    assert_eq!(answers.service_times().len(), 2);

    let predicted = dataset.questions.iter().zip(&answers.answers);
    let predicted = predicted.map(|(q, a)| (q.id.clone(), a.text.clone()));
    let predictions = Predictions::new("test", predicted);
    let scored = score::score(
        &dataset,
        &predictions,
        Protocol::SquadV2,
        None,
        Summation::Plain,
    )
    .unwrap();
    // "purple" is right for the first and wrong for the second.
    assert!((scored.accuracy.exact_match() - 50.0).abs() < 1e-12);
    assert!((scored.accuracy.f1() - 50.0).abs() < 1e-12);
}

#[test]
fn an_eager_null_logit_means_no_answer() {
    let stub = Stub::new(|_, position, _| {
        if position == 0 {
            (3.0, 3.0)
        } else {
            (0.0, 0.0)
        }
    });
    let answers = run(&stub, &SETTINGS).unwrap();
    assert!(answers.answers.iter().all(|answer| answer.text.is_empty()));
    assert!(
        answers
            .answers
            .iter()
            .all(|answer| answer.null_odds == Some(6.0))
    );
    let mut settings = SETTINGS;
    settings.decode.null_allowed = false;
    let answers = run(&stub, &settings).unwrap();
    assert!(
        answers
            .answers
            .iter()
            .all(|a| !a.text.is_empty() && a.null_odds.is_none())
    );
}

#[test]
fn order_and_batches_change_no_answer() {
    // Logits that depend on all there is, so that a mix-up of windows would show.
    let stub = Stub::new(|id, position, length| {
        let mixed = (u64::from(id) * 31 + position as u64 * 17 + length as u64 * 7) % 1009;
        (mixed as f32, (mixed * 13 % 997) as f32)
    });
    let expected = run(&stub, &SETTINGS).unwrap();
    for order in [
        WindowOrder::AsGiven,
        WindowOrder::ByLength,
        WindowOrder::Shuffled,
    ] {
        for batch_tokens in [1, 33, 1000] {
            for seed in [1, 2] {
                let settings = AnswerSettings {
                    order,
                    batch_tokens,
                    seed,
                    ..SETTINGS
                };
                let answers = run(&stub, &settings).unwrap();
                assert_eq!(
                    answers.answers, expected.answers,
                    "{order:?} {batch_tokens} {seed}"
                );
                assert_eq!(answers.windows_of, expected.windows_of);
            }
        }
    }
}

/// Stands for a device that computes by itself: two batches may be under way.
struct Later<M>(M);

impl<M: SpanModel> SpanModel for Later<M> {
    fn description(&self) -> &ModelDescription {
        self.0.description()
    }

    fn begin(&self, batch: &Batch) -> Result<Pending<'_>, ModelError> {
        let batch = batch.clone();
        Ok(Pending::new(move || self.0.begin(&batch)?.finish()))
    }

    fn batches_at_once(&self) -> usize {
        2
    }

    fn window_flops(&self, length: usize) -> u64 {
        self.0.window_flops(length)
    }
}

/// Beside such a device questions are cut and decoded in parts; they give what they give at once, no batch is
/// smaller for it, and no time goes uncounted.
#[test]
fn parts_change_no_answer_and_no_batch() {
    let mixed = |id: u32, position: usize, length: usize| {
        let mixed = (u64::from(id) * 31 + position as u64 * 17 + length as u64 * 7) % 1009;
        (mixed as f32, (mixed * 13 % 997) as f32)
    };
    let (windower, dataset) = (windower(SETTINGS.windows), dataset());
    let asked: Vec<usize> = (0..1000).map(|place| place * place % 7 % 2).collect();
    for (order, batch_tokens) in [
        (WindowOrder::AsGiven, 1),
        (WindowOrder::AsGiven, 1000),
        (WindowOrder::AsGiven, 50_000),
        (WindowOrder::AsGiven, 1_000_000),
        (WindowOrder::Shuffled, 1000),
    ] {
        let answer = |model: &dyn SpanModel| {
            let settings = AnswerSettings {
                order,
                batch_tokens,
                ..SETTINGS
            };
            let line = Line {
                model,
                windower: &windower,
                dataset: &dataset,
                settings,
            };
            let began = Instant::now();
            let answers = line.answer(&asked, &mut PhaseClock::start(), &Silent);
            (answers.unwrap(), began.elapsed().as_secs_f64())
        };
        let (at_once, _) = answer(&Stub::new(mixed));
        let (in_parts, whole_s) = answer(&Later(Stub::new(mixed)));
        assert_eq!(in_parts.answers, at_once.answers);
        assert_eq!(in_parts.windows_of, at_once.windows_of);
        assert_eq!(in_parts.batch_of, at_once.batch_of);
        assert_eq!(in_parts.tokenize_times.len(), asked.len());
        assert_eq!(in_parts.decode_times.len(), asked.len());
        let counted = in_parts.end_to_end_s();
        assert!(
            counted <= whole_s && counted > 0.8 * whole_s,
            "{counted} of {whole_s}"
        );
    }
}

/// A passage is tokenised once for questions that stand together, which changes none of their windows.
#[test]
fn questions_cut_together_have_their_own_windows() {
    let dataset = Dataset::bundled();
    let asked: Vec<usize> = (0..40).chain([3, 3, 90, 4, 90]).collect();
    for decoder in [Decoder::RunQa, Decoder::Pipeline, Decoder::Google] {
        let windower = windower(WindowSettings {
            max_seq_len: 96,
            doc_stride: 32,
            decoder,
            ..SETTINGS.windows
        });
        let cut = windower.cut(&dataset, &asked).unwrap();
        assert_eq!(cut.times.len(), asked.len());
        let mut windows = cut.windows.iter();
        for (&index, &count) in asked.iter().zip(&cut.counts) {
            let own = windower.question_windows(&dataset, index).unwrap();
            assert!(windows.by_ref().take(count).eq(&own), "{decoder:?} {index}");
        }
        assert_eq!(windows.next(), None);
    }
}

#[test]
fn logits_that_are_no_numbers_are_an_error() {
    let stub = Stub::new(|_, position, _| (if position == 3 { f32::NAN } else { 0.0 }, 0.0));
    let error = run(&stub, &SETTINGS).unwrap_err();
    assert!(matches!(error, AnswerError::NotFinite { .. }));
    assert!(error.to_string().contains("question \"q1\""), "{error}");
}

#[test]
fn a_question_longer_than_its_window_is_refused_by_name() {
    let settings = AnswerSettings {
        windows: WindowSettings {
            max_seq_len: 14,
            doc_stride: 8,
            ..SETTINGS.windows
        },
        ..SETTINGS
    };
    let error = run(&Stub::new(finds_purple), &settings).unwrap_err();
    assert!(
        matches!(
            error,
            AnswerError::Windows(WindowError::QuestionTooLong { .. })
        ),
        "{error}"
    );
    let text = error.to_string();
    for part in [
        "line.json",
        "data[0].paragraphs[0].qas[0]",
        "\"q1\"",
        "--max-seq-len",
    ] {
        assert!(text.contains(part), "{text:?} lacks {part:?}");
    }
}

#[test]
fn windows_cover_the_passage_and_their_offsets_give_its_text() {
    let windower = windower(SETTINGS.windows);
    let dataset = dataset();
    let windows = windower.question_windows(&dataset, 0).unwrap();
    let passage: Vec<char> = dataset.passages[0].text.chars().collect();
    let mut covered = vec![false; passage.len()];
    for window in &windows {
        assert!(window.len() <= 32 && window.token_types.len() == window.len());
        assert_eq!(window.offset(window.passage_start - 1), None);
        assert_eq!(
            window.offset(window.len() - 1),
            None,
            "the last token is [SEP]"
        );
        for &(start, end) in &window.offsets {
            covered[start as usize..end as usize].fill(true);
        }
    }
    for (character, covered) in passage.iter().zip(covered) {
        assert!(
            covered || character.is_whitespace(),
            "{character:?} is in no window"
        );
    }
    // Neighbours share exactly the stride.
    for pair in windows.windows(2) {
        let shared = pair[0]
            .offsets
            .iter()
            .filter(|offset| pair[1].offsets.contains(offset));
        assert_eq!(shared.count(), 8);
    }
}

#[test]
fn a_tokenizer_of_another_vocabulary_is_refused() {
    let files = bundled::model();
    for (vocabulary, says) in [
        (1000, "highest token id is 30521"),
        (60_000, "30522 tokens only"),
    ] {
        let source = tokenizer::from_json("t.json", &files.tokenizer[0].bytes).unwrap();
        let made = Windower::new(source, tables(vocabulary), SETTINGS.windows);
        let Err(error) = made else {
            panic!("{vocabulary} should not fit")
        };
        assert!(error.to_string().contains(says), "{error}");
    }
}

#[test]
fn a_tokenizer_that_does_not_frame_the_pair_is_refused() {
    let files = bundled::model();
    let whole: serde_json::Value = serde_json::from_slice(&files.tokenizer[0].bytes).unwrap();
    let mut bare = whole.clone();
    bare["post_processor"] = serde_json::Value::Null;
    let mut one_sided = whole.clone();
    let pair = one_sided["post_processor"]["pair"].as_array_mut().unwrap();
    pair.truncate(3);
    let mut third_segment = whole;
    third_segment["post_processor"]["pair"][3]["Sequence"]["type_id"] = 2.into();
    for (tokenizer, says) in [
        (bare, "special tokens"),
        (one_sided, "special tokens"),
        (third_segment, "tables do not have"),
    ] {
        let bytes = tokenizer.to_string();
        let source = tokenizer::from_json("t.json", bytes.as_bytes());
        let made = source.and_then(|s| Windower::new(s, tables(30_522), SETTINGS.windows));
        let Err(error) = made else {
            panic!("{says}: should be refused")
        };
        let text = error.to_string();
        assert!(
            text.starts_with("t.json: ") && text.contains(says),
            "{text}"
        );
    }
}

#[derive(serde::Deserialize)]
struct ExpectedWindows {
    max_seq_len: usize,
    doc_stride: usize,
    windows: std::collections::BTreeMap<String, Vec<ExpectedWindow>>,
}

#[derive(serde::Deserialize)]
struct ExpectedWindow {
    ids: Vec<u32>,
    offsets: Vec<(u32, u32)>,
}

/// Byte-level tokenisers that put a space before the text do not trim the first token of a window.
#[test]
fn byte_level_windows_are_those_of_the_python_tokenisers() {
    let folder = project("tests/goldens/windows");
    let expected: ExpectedWindows = json(&folder.join("windows.json"));
    let settings = WindowSettings {
        max_seq_len: expected.max_seq_len,
        doc_stride: expected.doc_stride,
        ..WindowSettings::default()
    };
    let bytes = std::fs::read(folder.join("tokenizer.json")).unwrap();
    let source = tokenizer::from_json("tokenizer.json", &bytes).unwrap();
    let sizes = TableSizes {
        words: source.tokenizer.get_vocab_size(true),
        segments: 1,
    };
    let windower = Windower::new(source, sizes, settings).unwrap();
    let dataset = Dataset::bundled();
    let mut untrimmed = 0;
    for (id, expected) in &expected.windows {
        let index = dataset.questions.iter().position(|q| q.id == *id).unwrap();
        let windows = windower.question_windows(&dataset, index).unwrap();
        assert_eq!(windows.len(), expected.len(), "{id}");
        let passage: Vec<char> = dataset.passage(&dataset.questions[index]).chars().collect();
        for (window, expected) in windows.iter().zip(expected) {
            assert_eq!(window.token_ids, expected.ids, "{id}");
            assert_eq!(window.offsets, expected.offsets, "{id}");
            let (start, end) = window.offsets[0];
            untrimmed += usize::from(start < end && passage[start as usize] == ' ');
        }
    }
    assert!(untrimmed > 4, "{untrimmed}: the rule was hardly tried");
}
