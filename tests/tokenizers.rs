//! Tokenisers built from vocabulary files equal those of transformers, and bad files are refused.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;
use spanbench::tokenizer::vocabulary::{NamedFile, TokenizerError, build};
use tokenizers::Tokenizer;

#[derive(Deserialize)]
struct Cases {
    pairs: Vec<(String, String)>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    model_type: String,
    /// File names with the name of a made file, or with the JSON that the file holds.
    files: BTreeMap<String, Value>,
    expected: Vec<Expected>,
}

#[derive(Deserialize, PartialEq, Debug)]
struct Expected {
    ids: Vec<u32>,
    types: String,
    offsets: String,
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens/tokenizers")
}

fn made(name: &str) -> Vec<u8> {
    std::fs::read(directory().join("files").join(name)).unwrap()
}

fn cases() -> Cases {
    serde_json::from_slice(&std::fs::read(directory().join("cases.json")).unwrap()).unwrap()
}

fn build_from(model_type: &str, files: &[(&str, Vec<u8>)]) -> Result<Tokenizer, TokenizerError> {
    let files: Vec<NamedFile<'_>> = files
        .iter()
        .map(|(name, bytes)| NamedFile {
            name,
            path: name,
            bytes,
        })
        .collect();
    build(model_type, &files)
}

fn encode(tokenizer: &Tokenizer, (question, passage): &(String, String)) -> Expected {
    let pair = (question.as_str(), passage.as_str());
    let encoding = tokenizer.encode_char_offsets(pair, true).unwrap();
    let types = encoding.get_type_ids().chunk_by(|a, b| a == b);
    let types: Vec<String> = types
        .map(|run| format!("{}*{}", run.len(), run[0]))
        .collect();
    let offsets = encoding.get_offsets().iter();
    let offsets: Vec<String> = offsets
        .map(|(start, end)| format!("{start}-{end}"))
        .collect();
    Expected {
        ids: encoding.get_ids().to_vec(),
        types: types.join(" "),
        offsets: offsets.join(" "),
    }
}

#[test]
fn tokenizers_equal_those_of_transformers() {
    let Cases { pairs, cases } = cases();
    assert!(cases.len() >= 20 && pairs.len() >= 12);
    let mut wrong = String::new();
    for case in cases {
        let content = |value: &Value| match value {
            Value::String(name) => made(name),
            value => value.to_string().into_bytes(),
        };
        let files: Vec<(&str, Vec<u8>)> = case
            .files
            .iter()
            .map(|(name, value)| (name.as_str(), content(value)))
            .collect();
        let tokenizer = build_from(&case.model_type, &files)
            .unwrap_or_else(|error| panic!("{}: {error}", case.name));
        for (pair, expected) in pairs.iter().zip(&case.expected) {
            let found = encode(&tokenizer, pair);
            if found != *expected {
                wrong += &format!("{}: {pair:?}\n  {found:?}\n  {expected:?}\n", case.name);
            }
        }
        // Written as tokenizer.json and read again, it is the same, less what that cannot say.
        if tokenizer.get_encode_special_tokens() {
            continue;
        }
        let again: Tokenizer = tokenizer.to_string(false).unwrap().parse().unwrap();
        for pair in &pairs {
            assert_eq!(
                encode(&again, pair),
                encode(&tokenizer, pair),
                "{}",
                case.name
            );
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// A protobuf field of bytes.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    // Numbers above 15 and lengths above 127 take two bytes each.
    assert!(number < 16 && bytes.len() < 1 << 14);
    let length = bytes.len();
    let mut field = vec![number << 3 | 2];
    if length < 128 {
        field.push(length as u8);
    } else {
        field.extend([(length & 127) as u8 | 128, (length >> 7) as u8]);
    }
    field.extend(bytes);
    field
}

fn piece(text: &str, score: f32) -> Vec<u8> {
    let mut piece = field(1, text.as_bytes());
    piece.push(2 << 3 | 5);
    piece.extend(score.to_le_bytes());
    field(1, &piece)
}

/// A model of five pieces with this `TrainerSpec` and character map.
fn model(trainer: &[u8], charsmap: &[u8]) -> Vec<u8> {
    let pieces = ["<unk>", "<s>", "</s>", "a", "▁"];
    let mut model: Vec<u8> = pieces.iter().flat_map(|text| piece(text, -1.0)).collect();
    model.extend(field(2, trainer));
    model.extend(field(3, &field(2, charsmap)));
    model
}

fn refusal(model_type: &str, files: &[(&str, Vec<u8>)]) -> String {
    let error = build_from(model_type, files).err();
    let message = error.expect("a bad file is refused").to_string();
    assert!(!message.contains('\n'), "{message}");
    message
}

#[track_caller]
fn assert_refused(model_type: &str, files: &[(&str, &[u8])], parts: &[&str]) {
    let files: Vec<(&str, Vec<u8>)> = files
        .iter()
        .map(|(name, bytes)| (*name, bytes.to_vec()))
        .collect();
    let message = refusal(model_type, &files);
    for part in parts {
        assert!(message.contains(part), "{message}");
    }
}

const VOCABULARY: &[u8] = b"[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n##b\n";

#[test]
fn model_types_without_vocabulary_files_are_refused() {
    for (model_type, part) in [
        ("roformer", "jieba"),
        ("modernbert", "tokenizer.json"),
        ("gpt2", "tokenizer.json"),
        ("new\nline", "tokenizer.json"),
    ] {
        assert_refused(model_type, &[("vocab.txt", VOCABULARY)], &[part]);
    }
    let config = br#"{"tokenizer_class": "BertJapaneseTokenizer"}"#;
    let files: [(&str, &[u8]); 2] = [("vocab.txt", VOCABULARY), ("tokenizer_config.json", config)];
    assert_refused("bert", &files, &["BertJapaneseTokenizer", "morphological"]);
    assert_refused("bert", &[], &["vocab.txt", "bert"]);
    assert_refused("roberta", &[("vocab.json", b"{}")], &["merges.txt"]);
}

#[test]
fn model_types_of_one_class_are_alike() {
    let cased = made("cased.txt");
    let bert = build_from("bert", &[("vocab.txt", cased.clone())]).unwrap();
    for model_type in [
        "distilbert",
        "electra",
        "mobilebert",
        "squeezebert",
        "ernie",
        "megatron-bert",
    ] {
        let other = build_from(model_type, &[("vocab.txt", cased.clone())]).unwrap();
        assert_eq!(
            bert.to_string(false).unwrap(),
            other.to_string(false).unwrap()
        );
    }
}

#[test]
fn words_of_more_than_a_hundred_characters_are_unknown() {
    let files = [("vocab.txt", [VOCABULARY, b"##a\n"].concat())];
    let tokenizer = build_from("bert", &files).unwrap();
    let ids = |length: usize| {
        tokenizer
            .encode("a".repeat(length), false)
            .unwrap()
            .get_ids()
            .to_vec()
    };
    assert_eq!((ids(100).len(), ids(101)), (100, vec![1]));
}

#[test]
fn line_ends_and_empty_lines_of_a_vocabulary_count_as_in_python() {
    let text = b"[PAD]\r\n[UNK]\r\n[CLS]\r\n[SEP]\r\n\r\n[MASK]\r\na\r\na";
    let tokenizer = build_from("bert", &[("vocab.txt", text.to_vec())]);
    let tokenizer = tokenizer.unwrap();
    assert_eq!(tokenizer.token_to_id("a"), Some(7));
    assert_eq!(tokenizer.token_to_id("[MASK]"), Some(5));
}

#[test]
fn bad_vocab_txt_is_refused() {
    for (text, parts) in [
        (
            &b"[PAD]\n[CLS]\n[SEP]\n"[..],
            ["vocab.txt", "unk_token", "[UNK]"],
        ),
        (
            b"[PAD]\n[UNK]\n[SEP]\n",
            ["vocab.txt", "cls_token", "[CLS]"],
        ),
        (
            b"[PAD]\n[UNK]\n[CLS]\n",
            ["vocab.txt", "sep_token", "[SEP]"],
        ),
        (b"", ["vocab.txt", "unk_token", "[UNK]"]),
        (b"[UNK]\n\xff\n", ["vocab.txt", "byte 6", "UTF-8"]),
        (
            b"[UNK]\n[C\rLS]\n",
            ["vocab.txt", "line 2", "carriage return"],
        ),
    ] {
        assert_refused("bert", &[("vocab.txt", text)], &parts);
    }
    // Doubled lines leave the vocabulary short, and the mask would get the id of a token.
    let doubled = b"[PAD]\n[UNK]\n[CLS]\n[SEP]\na\na\nb\n";
    assert_refused(
        "bert",
        &[("vocab.txt", doubled)],
        &["[MASK]", "id 6", "\"b\""],
    );
}

#[test]
fn bad_settings_are_refused() {
    let config = "tokenizer_config.json";
    for (name, text, parts) in [
        (config, "[]", ["line 1", "JSON object"]),
        (config, "{\"do_lower_case\": tru", ["line 1", "JSON object"]),
        (
            config,
            "{\"do_lower_case\": \"yes\"}",
            ["do_lower_case", "true or false"],
        ),
        (config, "{\"cls_token\": 3}", ["cls_token", "a token"]),
        (
            config,
            "{\"cls_token\": {\"lstrip\": true}}",
            ["cls_token", "a token"],
        ),
        (
            config,
            "{\"cls_token\": {\"content\": \"[CLS]\", \"lstrip\": 1}}",
            ["cls_token", "a token"],
        ),
        (
            config,
            "{\"cls_token\": \"[X]: $A\"}",
            ["cls_token", "[X]: $A"],
        ),
        (
            config,
            "{\"tokenizer_class\": [1]}",
            ["tokenizer_class", "a text"],
        ),
        (
            config,
            "{\"tokenizer_class\": \"PreTrainedTokenizerFast\"}",
            ["PreTrainedTokenizerFast", "tokenizer.json"],
        ),
        (
            config,
            "{\"added_tokens_decoder\": []}",
            ["added_tokens_decoder", "object"],
        ),
        (
            config,
            "{\"added_tokens_decoder\": {\"x\": \"a\"}}",
            ["added_tokens_decoder", "token id"],
        ),
        (
            config,
            "{\"added_tokens_decoder\": {\"9\": \"new\"}}",
            ["\"new\"", "its id is 9 here"],
        ),
        (
            config,
            "{\"additional_special_tokens\": 1}",
            ["additional_special_tokens", "list"],
        ),
        (
            "special_tokens_map.json",
            "1",
            ["special_tokens_map.json", "JSON object"],
        ),
        (
            "added_tokens.json",
            "{\"new\": -1}",
            ["added_tokens.json", "token id"],
        ),
        (
            "added_tokens.json",
            "{\"a\": 6}",
            ["added_tokens.json", "its id is 6 here, and 5"],
        ),
        (
            "config.json",
            "{\"tokenizer_class\": \"None\"}",
            ["tokenizer_class", "\"None\""],
        ),
    ] {
        let files: [(&str, &[u8]); 2] = [("vocab.txt", VOCABULARY), (name, text.as_bytes())];
        assert_refused("bert", &files, &parts);
    }
    let deep = "{\"a\":".repeat(100_000);
    let files: [(&str, &[u8]); 2] = [("vocab.txt", VOCABULARY), (config, deep.as_bytes())];
    assert_refused("bert", &files, &["JSON object"]);
}

#[test]
fn odd_special_tokens_frame_a_pair() {
    let vocabulary = b"[UNK]\n$A:1 b\n[SEP]:0\n1\n2\n";
    let config = br#"{"cls_token": "$A:1 b", "sep_token": "[SEP]:0", "pad_token": null, "mask_token": null}"#;
    let files = [
        ("vocab.txt", vocabulary.to_vec()),
        ("tokenizer_config.json", config.to_vec()),
    ];
    let tokenizer = build_from("bert", &files).unwrap();
    let encoding = tokenizer.encode(("1", "2"), true).unwrap();
    assert_eq!(encoding.get_ids(), [1, 3, 2, 4, 2]);
}

#[test]
fn bad_bpe_files_are_refused() {
    let vocabulary: &[u8] =
        br#"{"<s>":0,"<pad>":1,"</s>":2,"<unk>":3,"<mask>":4,"a":5,"b":6,"ab":7}"#;
    let merges: &[u8] = b"#version: 0.2\na b\n\n";
    let good: [(&str, &[u8]); 2] = [("vocab.json", vocabulary), ("merges.txt", merges)];
    let good = good.map(|(name, bytes)| (name, bytes.to_vec()));
    let tokenizer = build_from("roberta", &good).unwrap();
    assert_eq!(
        tokenizer.encode(("ab", "b"), true).unwrap().get_ids(),
        [0, 7, 2, 2, 6, 2]
    );

    for (text, parts) in [
        (&b"#version: 0.2\na b\nab\n"[..], ["line 3", "\"ab\""]),
        (b"a b c\n", ["line 1", "two tokens"]),
        (b"a  b\n", ["line 1", "two tokens"]),
        (b"a b\n\na b\n", ["line 2", "two tokens"]),
        // The merged token is longer than any in the vocabulary, which the library does not check.
        (b"<mask> <mask>\n", ["line 1", "\"<mask><mask>\""]),
        (b"a c\n", ["line 1", "\"c\""]),
        (b"a \xc3\n", ["byte 2", "UTF-8"]),
    ] {
        let files = [("vocab.json", vocabulary), ("merges.txt", text)];
        assert_refused("roberta", &files, &[&parts[..], &["merges.txt"]].concat());
    }
    for (text, parts) in [
        (&b"[\"a\"]"[..], ["line 1", "JSON object"]),
        (b"{\"a\": \"0\"}", ["line 1", "JSON object"]),
        (b"{\"a\": -1}", ["line 1", "JSON object"]),
        (b"{\"a\": 4294967295}", ["\"a\"", "4294967295"]),
        (b"{\"a\": 0, \"b\": 0}", ["id 0", "another token"]),
        (b"{\"a\": 0, \"</s>\": 1}", ["cls_token", "<s>"]),
        (b"{}", ["cls_token", "<s>"]),
    ] {
        let files: [(&str, &[u8]); 2] = [("vocab.json", text), ("merges.txt", b"")];
        assert_refused("roberta", &files, &[&parts[..], &["vocab.json"]].concat());
    }
}

const MODEL: &str = "sentencepiece.bpe.model";

#[test]
fn bad_character_maps_are_refused() {
    let units = |units: &[u32], texts: &[u8]| {
        let mut map = (units.len() as u32 * 4).to_le_bytes().to_vec();
        map.extend(units.iter().flat_map(|unit| unit.to_le_bytes()));
        map.extend(texts);
        map
    };
    // A trie whose root leads to the letter a (97) with a replacement at `value`.
    let trie = |value: u32| {
        let mut all = vec![0_u32; 256];
        all[97] = 0x61 | 1 << 8 | 1 << 10;
        all[96] = value;
        units(&all, "é\0".as_bytes())
    };
    assert!(build_from("xlm-roberta", &[(MODEL, model(&[], &trie(0)))]).is_ok());
    for (map, part) in [
        (vec![1], "cut off"),
        (vec![255, 255, 255, 255, 0], "length of its trie"),
        (units(&[], b""), "length of its trie"),
        (units(&[0; 3], b""), "leads out of itself"),
        (units(&[u32::MAX; 256], b""), "leads out of itself"),
        (trie(9), "leads out of the replacements"),
        (trie(1), "leads out of the replacements"),
        (units(&[0; 256], b"\xff\0"), "not UTF-8"),
    ] {
        let bytes = model(&[], &map);
        assert_refused(
            "xlm-roberta",
            &[(MODEL, &bytes)],
            &[MODEL, "charsmap", part],
        );
    }
}

#[test]
fn bad_sentencepiece_models_are_refused() {
    let name = MODEL;
    let good = model(&[], &[]);
    assert!(build_from("xlm-roberta", &[(name, good.clone())]).is_ok());
    let short = [piece("<unk>", 0.0), field(2, &[]), field(3, &[])].concat();
    let unk = |id: u8| [(40 << 3 & 127) as u8 | 128, 2, id];
    for (bytes, parts) in [
        (Vec::new(), ["whole file", "no pieces"]),
        (b"\x80".to_vec(), ["byte 0", "ends early"]),
        (
            b"<!DOCTYPE html><html>".to_vec(),
            ["byte 0", "no SentencePiece model"],
        ),
        (vec![0xff; 4096], ["byte 0", "no SentencePiece model"]),
        // A piece that claims nearly 2^63 bytes.
        (
            vec![10, 255, 255, 255, 255, 255, 255, 255, 255, 127],
            ["byte 0", "ends early"],
        ),
        (good[..good.len() - 1].to_vec(), ["byte", "ends early"]),
        (model(&[3 << 3, 2], &[]), ["model_type", "BPE"]),
        (model(&[3 << 3, 4], &[]), ["model_type", "character"]),
        (model(&unk(5), &[]), ["unk_id", "5 is the id of none"]),
        (
            model(
                &[192, 2, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1],
                &[],
            ),
            ["unk_id", "-1 is the id of none"],
        ),
        (
            [good.clone(), piece("a", 0.0)].concat(),
            ["piece 5", "was there before"],
        ),
        (
            [good.clone(), piece("", 0.0)].concat(),
            ["piece 5", "empty"],
        ),
        (
            [good.clone(), piece("b", f32::NAN)].concat(),
            ["piece 5", "NaN"],
        ),
        (
            [good.clone(), piece(&"b".repeat(2000), 0.0)].concat(),
            ["piece 5", "longer"],
        ),
        (short.clone(), ["whole file", "1 pieces"]),
        (piece("<unk>", 0.0), ["field trainer_spec", "ends early"]),
        (
            [piece("<unk>", 0.0), field(2, &[])].concat(),
            ["field normalizer_spec", "ends early"],
        ),
    ] {
        assert_refused(
            "xlm-roberta",
            &[(name, &bytes)],
            &[&parts[..], &[name]].concat(),
        );
    }
    assert_refused(
        "albert",
        &[("spiece.model", &good)],
        &["cls_token", "[CLS]"],
    );
    assert_refused("camembert", &[(name, &short)], &["bos_token", "<s>"]);
}

/// Numbers that look random and are the same each time.
fn scrambled(seed: u64) -> impl Iterator<Item = u64> {
    std::iter::successors(Some(seed), |&state| {
        let state = state ^ state << 13;
        let state = state ^ state >> 7;
        Some(state ^ state << 17)
    })
    .skip(3)
}

#[test]
fn no_change_of_a_file_makes_it_panic() {
    let pair = (
        "What is ①?".to_owned(),
        "It is  ½ of «[SEP]» <mask> 東京.".to_owned(),
    );
    let mut built = 0;
    let mut tried = 0;
    for (model_type, names) in [
        ("bert", vec![("vocab.txt", "uncased.txt")]),
        (
            "roberta",
            vec![
                ("vocab.json", "roberta/vocab.json"),
                ("merges.txt", "roberta/merges.txt"),
            ],
        ),
        (
            "camembert",
            vec![("sentencepiece.bpe.model", "fairseq.model")],
        ),
        ("albert", vec![("spiece.model", "albert.model")]),
        (
            "xlm-roberta",
            vec![("sentencepiece.bpe.model", "nmt.model")],
        ),
    ] {
        let files: Vec<(&str, Vec<u8>)> = names
            .iter()
            .map(|(name, file)| (*name, made(file)))
            .collect();
        let rounds = if files[0].1.len() > 100_000 { 12 } else { 60 };
        for round in 1..=rounds {
            let mut files = files.clone();
            let which = round as usize % files.len();
            let bytes = &mut files[which].1;
            let length = bytes.len() as u64;
            if round % 5 == 0 {
                bytes.truncate((scrambled(round).next().unwrap() % length) as usize);
            } else {
                let changes = scrambled(round).take(2 * round as usize % 14 + 2);
                for change in changes {
                    bytes[(change % length) as usize] = (change >> 40) as u8;
                }
            }
            tried += 1;
            if let Ok(tokenizer) = build_from(model_type, &files) {
                built += 1;
                encode(&tokenizer, &pair);
            }
        }
    }
    assert!(built > 10 && built < tried, "{built} of {tried}");
}
