//! Decoders against the scripts they are named after: tests/goldens/decode.

mod support;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use spanbench::bundled;
use spanbench::cell::{AnswerSettings, Line, Silent, WindowOrder};
use spanbench::dataset::Dataset;
use spanbench::dataset::characters::CharacterIndex;
use spanbench::decode::{
    self, Answer, AnswerOrigin, BasicTokenizer, DecodeSettings, Decoder, WindowLogits, final_text,
};
use spanbench::measure::phases::PhaseClock;
use spanbench::models::files::ModelFile;
use spanbench::models::{self, Precision};
use spanbench::ops::FormChoice;
use spanbench::tokenizer::{self, TokenizerSource};
use spanbench::windows::{TableSizes, Window, WindowSettings, Windower};
use support::{json, project};

/// One row of final_text.json: predicted, original, lower case, BERT's and transformers' text.
type FinalText = (String, String, bool, String, String);

#[derive(Deserialize)]
struct RuleCase {
    decoder: String,
    tokenizer: String,
    /// The tokeniser's files, by the names they are expected under; none for a tokenizer.json.
    files: Option<BTreeMap<String, String>>,
    lower_case: Option<bool>,
    salt: u32,
    levels: u64,
    null_bonus: f32,
    settings: Settings,
    answers: BTreeMap<String, Expected>,
}

#[derive(Deserialize, Clone, Copy)]
struct Settings {
    max_seq_len: usize,
    doc_stride: usize,
    max_question_len: usize,
    n_best: usize,
    max_answer_len: usize,
    null_allowed: bool,
}

impl Settings {
    fn windows(self, decoder: Decoder) -> WindowSettings {
        WindowSettings {
            max_seq_len: self.max_seq_len,
            doc_stride: self.doc_stride,
            max_question_len: self.max_question_len,
            decoder,
        }
    }

    fn decode(self, decoder: Decoder) -> DecodeSettings {
        DecodeSettings {
            decoder,
            n_best: self.n_best,
            max_answer_len: self.max_answer_len,
            null_allowed: self.null_allowed,
            null_threshold: 0.0,
        }
    }
}

#[derive(Deserialize)]
struct Expected {
    text: String,
    best: f64,
    null_odds: Option<f64>,
    margin: Option<f64>,
    windows: usize,
    start: Option<u32>,
    end: Option<u32>,
}

/// The finaliser of xxHash32.
fn mix(x: u32) -> u32 {
    let x = (x ^ (x >> 15)).wrapping_mul(2_246_822_519);
    let x = (x ^ (x >> 13)).wrapping_mul(3_266_489_917);
    x ^ (x >> 16)
}

/// Logits by the rule of make_decode.py; exact in f32.
fn logits(case: &RuleCase, window: &Window, number: u32, side: u32) -> Vec<f32> {
    let tokens = (0_u32..).zip(&window.token_ids);
    let logit = |(position, token): (u32, &u32)| {
        let by_token = token.wrapping_mul(2_654_435_761);
        let by_token = by_token.wrapping_add(side * 40_503 + case.salt);
        let by_place = position.wrapping_mul(668_265_263);
        let by_place = by_place.wrapping_add(number.wrapping_mul(374_761_393));
        let by_place = by_place.wrapping_add(side * 977 + case.salt);
        let mixed = |x: u32| u64::from(mix(x) >> 8);
        let level = (((5 * mixed(by_token) + 3 * mixed(by_place)) >> 3) * case.levels) >> 24;
        let bonus = if position == 0 { case.null_bonus } else { 0.0 };
        level as f32 * (16.0 / case.levels as f32) - 8.0 + bonus
    };
    tokens.map(logit).collect()
}

fn file(name: &str, bytes: Vec<u8>) -> ModelFile {
    // Small, and as long-lived as the test.
    ModelFile::embedded(name, name, bytes.leak())
}

fn source(case: &RuleCase) -> TokenizerSource {
    let Some(files) = &case.files else {
        let folder = project("tests/goldens/architectures").join(&case.tokenizer);
        let bytes = std::fs::read(folder.join("tokenizer.json")).unwrap();
        return tokenizer::from_json("tokenizer.json", &bytes).unwrap();
    };
    let folder = project("tests/goldens/tokenizers/files");
    let read =
        |(name, path): (&String, &String)| file(name, std::fs::read(folder.join(path)).unwrap());
    let mut files: Vec<_> = files.iter().map(read).collect();
    if let Some(lower_case) = case.lower_case {
        let settings = format!(r#"{{"do_lower_case": {lower_case}}}"#);
        files.push(file("tokenizer_config.json", settings.into_bytes()));
    }
    let config = format!(r#"{{"model_type": "{}"}}"#, case.tokenizer);
    let config = file("config.json", config.into_bytes());
    tokenizer::read(&case.tokenizer, &config, &files).unwrap()
}

fn windower(case: &RuleCase, decoder: Decoder) -> Windower {
    let source = source(case);
    let ids = source.tokenizer.get_vocab(true).into_values();
    let tables = TableSizes {
        words: ids.max().unwrap() as usize + 1,
        segments: 2,
    };
    Windower::new(source, tables, case.settings.windows(decoder)).unwrap()
}

/// The awkward questions of the goldens, and the bundled data.
struct Questions {
    awkward: Dataset,
    bundled: Dataset,
}

impl Questions {
    fn open() -> Self {
        let awkward = project("tests/goldens/decode/data.json");
        Self {
            awkward: Dataset::read(&awkward).unwrap(),
            bundled: Dataset::bundled(),
        }
    }

    fn find(&self, id: &str) -> (&Dataset, usize) {
        let dataset = if id.starts_with("x-") {
            &self.awkward
        } else {
            &self.bundled
        };
        let index = dataset.questions.iter().position(|q| q.id == id).unwrap();
        (dataset, index)
    }
}

/// What is wrong with an answer; nothing where it is the script's.
fn fault(expected: &Expected, windows: usize, found: &Answer) -> Option<String> {
    let narrow = |value: Option<f64>| value.map(|value| value as f32);
    let is_null = found.origin == AnswerOrigin::Null;
    // The pipeline counts spans of probability 0 as others.
    let margin = expected
        .margin
        .filter(|&margin| found.margin.is_some() || margin != expected.best);
    let agrees = windows == expected.windows
        && found.text == expected.text
        && (is_null || found.score == expected.best as f32)
        && found.null_odds == narrow(expected.null_odds)
        // Beyond the n best the script knows no margin.
        && (margin.is_none() || found.margin == narrow(margin));
    let expected_span = expected.start.zip(expected.end);
    let found_span = match found.origin {
        AnswerOrigin::Span { start, end, .. } => Some((start, end)),
        _ => None,
    };
    let agrees = agrees && (is_null || expected_span.is_none() || expected_span == found_span);
    (!agrees).then(|| {
        format!(
            "{found:?} of {windows} windows, not {:?} ({} {:?} {:?} {expected_span:?}, {} windows)\n",
            expected.text, expected.best, expected.null_odds, expected.margin, expected.windows
        )
    })
}

/// Candidates of every kind, ties, several windows, with and without the null answer: the
/// same text, score, null odds and margin, to the last bit.
#[test]
fn answers_are_the_scripts_on_the_same_logits() {
    let cases: Vec<RuleCase> = json(&project("tests/goldens/decode/cases.json"));
    let questions = Questions::open();
    let (mut compared, mut wrong) = (0, String::new());
    for (number, case) in cases.iter().enumerate() {
        let decoder: Decoder = case.decoder.parse().unwrap();
        let windower = windower(case, decoder);
        for (id, expected) in &case.answers {
            let (dataset, index) = questions.find(id);
            let windows = windower.question_windows(dataset, index).unwrap();
            let sides: Vec<_> = (0..)
                .zip(&windows)
                .map(|(n, window)| (logits(case, window, n, 0), logits(case, window, n, 1)))
                .collect();
            let logits: Vec<_> = windows
                .iter()
                .zip(&sides)
                .map(|(window, (start, end))| WindowLogits { window, start, end })
                .collect();
            let passage = CharacterIndex::new(dataset.passage(&dataset.questions[index]));
            let settings = case.settings.decode(decoder);
            let found = decode::answer(&passage, &windower.detokenizer(), &logits, &settings);
            compared += 1;
            if let Some(fault) = fault(expected, windows.len(), &found) {
                wrong += &format!("case {number}, {decoder} {} {id}: {fault}", case.tokenizer);
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(compared > 500, "{compared}");
}

#[test]
fn final_texts_are_the_scripts() {
    let rows: Vec<FinalText> = json(&project("tests/goldens/decode/final_text.json"));
    let (mut apart, mut parts) = (0, 0);
    for (predicted, original, lower_case, google, huggingface) in &rows {
        for (transformers, expected) in [(false, google), (true, huggingface)] {
            let tokenizer = BasicTokenizer {
                lower_case: *lower_case,
                transformers,
            };
            let found = final_text(predicted, original, tokenizer);
            assert_eq!(
                found, *expected,
                "{predicted:?} in {original:?}, {tokenizer:?}"
            );
            parts += usize::from(found != *original);
        }
        apart += usize::from(google != huggingface);
    }
    assert!(
        apart > 5 && parts > 50,
        "{apart}, {parts} of {}",
        rows.len()
    );
}

/// The bundled model on the bundled data, from its own logits. An answer may be
/// another only where the best two are closer than arithmetic can tell apart.
#[test]
fn the_bundled_model_answers_as_the_scripts() {
    #[derive(Deserialize)]
    struct Golden {
        settings: Settings,
        answers: BTreeMap<String, (String, f64, Option<f64>)>,
    }
    let goldens: BTreeMap<String, Value> = json(&project("tests/goldens/decode/bundled.json"));
    let files = bundled::model();
    let device = candle_core::Device::Cpu;
    let model = models::load(&files, &device, Precision::F32, FormChoice::Auto).unwrap();
    let bundled = Dataset::bundled();
    for (name, golden) in goldens {
        let golden: Golden = serde_json::from_value(golden).unwrap();
        let decoder: Decoder = name.parse().unwrap();
        let mut dataset = bundled.clone();
        let asked = |id: &str| golden.answers.contains_key(id);
        dataset.questions.retain(|question| asked(&question.id));
        let source = tokenizer::read("bert", &files.config, &files.tokenizer).unwrap();
        let windows = golden.settings.windows(decoder);
        let windower = Windower::new(source, model.description().tables, windows).unwrap();
        let settings = AnswerSettings {
            windows,
            decode: DecodeSettings {
                null_allowed: true,
                ..golden.settings.decode(decoder)
            },
            batch_tokens: 2048,
            order: WindowOrder::AsGiven,
            seed: 0,
        };
        let line = Line {
            model: &*model,
            windower: &windower,
            dataset: &dataset,
            settings,
        };
        let mut clock = PhaseClock::start();
        let found = line.answer_all(&mut clock, &Silent).unwrap();
        let mut nulls = 0;
        for (question, answer) in dataset.questions.iter().zip(&found.answers) {
            let (text, odds, margin) = &golden.answers[&question.id];
            let found_odds = f64::from(answer.null_odds.unwrap());
            assert!(
                (found_odds - odds).abs() < 2e-3,
                "{name} {}: {found_odds}, not {odds}",
                question.id
            );
            let is_null = answer.origin == AnswerOrigin::Null;
            nulls += usize::from(is_null);
            assert!(
                is_null == (*odds > 0.0) || odds.abs() < 2e-3,
                "{name} {}",
                question.id
            );
            let close = margin.is_some_and(|margin| margin < 2e-3);
            assert!(
                is_null || close || answer.text == *text,
                "{name} {}: {answer:?}, not {text:?}",
                question.id
            );
        }
        assert!(nulls > 0 && nulls < 60, "{name}: {nulls}");
        assert_eq!(found.answers.len(), golden.answers.len());
    }
}
