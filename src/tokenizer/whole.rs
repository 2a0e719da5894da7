//! What must be checked of a tokenizer.json before the tokenizers library is
//! given it: places where the library follows the file without looking.

use std::fmt;

use base64::Engine;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::vocabulary::{LONGEST_PIECE, charsmap};

/// The parts of a tokenizer.json that are looked at.
#[derive(Deserialize)]
struct WireTokenizer {
    normalizer: Option<Value>,
    pre_tokenizer: Option<Value>,
    post_processor: Option<Value>,
    model: Option<WireModel>,
}

#[derive(Deserialize)]
struct WireModel {
    vocab: Option<Longest>,
    dropout: Option<f64>,
    continuing_subword_prefix: Option<String>,
    merges: Option<Vec<WireMerge>>,
}

/// Two pieces that are joined, in the older and the newer notation.
#[derive(Deserialize)]
#[serde(untagged)]
enum WireMerge {
    Text(String),
    Pair(IgnoredAny, String),
}

impl WireMerge {
    fn second(&self) -> &str {
        match self {
            Self::Text(text) => text.split_once(' ').map_or("", |(_, second)| second),
            Self::Pair(_, second) => second,
        }
    }
}

/// The longest piece of a unigram vocabulary, in bytes; 0 for vocabularies of another kind.
struct Longest(usize);

impl<'de> Deserialize<'de> for Longest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pieces;
        impl<'de> Visitor<'de> for Pieces {
            type Value = Longest;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a vocabulary")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut pieces: A) -> Result<Longest, A::Error> {
                let mut longest = 0;
                while let Some((piece, _)) = pieces.next_element::<(String, IgnoredAny)>()? {
                    longest = longest.max(piece.len());
                }
                Ok(Longest(longest))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut tokens: A) -> Result<Longest, A::Error> {
                while tokens.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Longest(0))
            }
        }
        deserializer.deserialize_any(Pieces)
    }
}

/// Checks the pieces and the character maps of a tokenizer.json.
///
/// What is no tokenizer at all passes: the library says so itself.
///
/// # Errors
///
/// Says what the library would stumble over.
pub(super) fn check(json: &[u8]) -> Result<(), String> {
    let Ok(wire) = serde_json::from_slice::<WireTokenizer>(json) else {
        return Ok(());
    };
    wire.model.as_ref().map_or(Ok(()), check_model)?;
    for part in parts(wire.normalizer.as_ref(), "normalizers") {
        check_normalizer(part)?;
    }
    for part in parts(wire.pre_tokenizer.as_ref(), "pretokenizers") {
        if part["type"] == "FixedLength" && part["length"] == 0 {
            return Err("pre_tokenizer.length: 0 characters make no token".to_owned());
        }
    }
    let templates = parts(wire.post_processor.as_ref(), "processors");
    let mut templates = templates
        .into_iter()
        .filter(|part| part["type"] == "TemplateProcessing");
    templates.next().map_or(Ok(()), check_template)?;
    match templates.next() {
        None => Ok(()),
        Some(_) => Err("post_processor: more than one TemplateProcessing".to_owned()),
    }
}

/// A part of the pipeline, or the parts of one that is a sequence of them.
fn parts<'a>(part: Option<&'a Value>, name: &str) -> Vec<&'a Value> {
    let (mut open, mut found) = (part.into_iter().collect::<Vec<_>>(), Vec::new());
    while let Some(part) = open.pop() {
        match part.get(name).and_then(Value::as_array) {
            Some(parts) => open.extend(parts),
            None => found.push(part),
        }
    }
    found
}

fn check_model(model: &WireModel) -> Result<(), String> {
    if let Some(Longest(longest)) = model.vocab
        && longest > LONGEST_PIECE
    {
        return Err(format!(
            "model.vocab holds a piece of {longest} bytes; the longest that can be used has {LONGEST_PIECE}"
        ));
    }
    if let Some(dropout) = model.dropout.filter(|&dropout| dropout != 0.0) {
        return Err(format!(
            "model.dropout = {dropout} makes every run another; it must be null"
        ));
    }
    let prefix = model
        .continuing_subword_prefix
        .as_deref()
        .unwrap_or_default();
    let mut merges = model.merges.iter().flatten();
    match merges.find(|merge| !merge.second().starts_with(prefix)) {
        None => Ok(()),
        Some(merge) => Err(format!(
            "model.merges: {:?} does not begin with the continuing_subword_prefix {prefix:?}",
            merge.second()
        )),
    }
}

fn check_normalizer(normalizer: &Value) -> Result<(), String> {
    if normalizer["type"] != "Precompiled" && normalizer.get("precompiled_charsmap").is_none() {
        return Ok(());
    }
    let fault = |fault: &str| format!("normalizer.precompiled_charsmap: {fault}");
    let map = normalizer["precompiled_charsmap"].as_str();
    let map = map.ok_or_else(|| fault("it is not text"))?;
    let bytes = base64::engine::general_purpose::STANDARD.decode(map);
    let bytes = bytes.map_err(|_| fault("it is not base64"))?;
    charsmap::check(&bytes).map_err(|found| fault(&found))
}

/// Checks that every special token of a template is one it says the ids of.
fn check_template(template: &Value) -> Result<(), String> {
    let known = &template["special_tokens"];
    for name in ["single", "pair"] {
        for piece in template[name].as_array().into_iter().flatten() {
            let token = piece["SpecialToken"]["id"].as_str();
            if let Some(token) = token.filter(|token| known.get(token).is_none()) {
                return Err(format!(
                    "post_processor.{name} names {token:?}, which is not among its special_tokens"
                ));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn what_the_library_would_follow_blindly_is_refused() {
        let long = "x".repeat(5000);
        for (json, says) in [
            (
                format!(r#"{{"model": {{"vocab": [["{long}", -1.0]]}}}}"#),
                "5000 bytes",
            ),
            (
                r#"{"normalizer": {"normalizers": [{"precompiled_charsmap": "////fwAA"}]}}"#
                    .to_owned(),
                "precompiled_charsmap: the length of its trie",
            ),
            (
                r#"{"normalizer": {"precompiled_charsmap": "~"}}"#.to_owned(),
                "not base64",
            ),
        ] {
            let fault = check(json.as_bytes()).unwrap_err();
            assert!(fault.contains(says), "{fault}");
        }
        for json in [
            "",
            "{}",
            r#"{"model": {"vocab": {"a": 1}}, "normalizer": null}"#,
        ] {
            assert_eq!(check(json.as_bytes()), Ok(()), "{json}");
        }
    }
}
