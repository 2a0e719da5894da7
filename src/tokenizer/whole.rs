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
    model: Option<WireModel>,
}

#[derive(Deserialize)]
struct WireModel {
    vocab: Option<Longest>,
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
    let vocabulary = wire.model.and_then(|model| model.vocab);
    if let Some(Longest(longest)) = vocabulary
        && longest > LONGEST_PIECE
    {
        return Err(format!(
            "model.vocab holds a piece of {longest} bytes; the longest that can be used has {LONGEST_PIECE}"
        ));
    }
    let mut open: Vec<&Value> = wire.normalizer.iter().collect();
    while let Some(normalizer) = open.pop() {
        if let Some(parts) = normalizer.get("normalizers").and_then(Value::as_array) {
            open.extend(parts);
        }
        if let Some(map) = normalizer
            .get("precompiled_charsmap")
            .and_then(Value::as_str)
        {
            let fault = |fault: &str| format!("normalizer.precompiled_charsmap: {fault}");
            let bytes = base64::engine::general_purpose::STANDARD.decode(map);
            let bytes = bytes.map_err(|_| fault("it is not base64"))?;
            charsmap::check(&bytes).map_err(|found| fault(&found))?;
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
