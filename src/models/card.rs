//! Model cards: `models/cards/NAME.toml`, what `--model NAME` means.

use serde::Deserialize;

use crate::bundled;

/// The version of the cards' layout.
pub const SCHEMA: u32 = 3;

/// A model card. What is not known is left out.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WireCard {
    /// Version of the card's layout: [`SCHEMA`].
    pub schema: u32,
    /// `model_type` of the model's config.json.
    pub architecture: String,
    /// Weights of encoder and span head.
    pub parameters: Option<u64>,
    /// The model's licence.
    pub licence: Option<String>,
    /// ISO codes, or "multilingual".
    pub language: Option<String>,
    /// The question-answering data it was trained on.
    pub trained_on: Option<String>,
    /// One sentence for lists.
    pub description: String,
    /// Where the files are.
    pub source: WireSource,
    /// The settings that the published figures were measured with.
    pub windows: Option<WireWindows>,
    /// Scores others have measured.
    #[serde(default)]
    pub published: Vec<WirePublished>,
}

/// Where a card's files are.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub enum WireSource {
    /// In the program itself.
    Bundled {
        /// Always true.
        bundled: bool,
    },
    /// On the hub.
    Repository {
        /// `owner/name`.
        repository: String,
        /// A commit, or `main` where none could be pinned.
        revision: String,
    },
}

/// How the passages were cut for published figures.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WireWindows {
    /// Tokens of a window.
    pub max_seq_len: Option<usize>,
    /// Tokens that neighbouring windows share.
    pub doc_stride: Option<usize>,
}

/// A score as published: exact match, F1 or both.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WirePublished {
    /// The data set, in words.
    pub dataset: String,
    /// The data-set card of that very data, where there is one.
    pub data: Option<String>,
    /// The scoring protocol: one of [`Protocol`](crate::score::Protocol)'s names, or what else the
    /// source calls it.
    pub protocol: String,
    /// Whose way of choosing answers was followed, where the source tells: the name of a
    /// [`Decoder`](crate::decode::Decoder).
    pub decode: Option<String>,
    /// Best starts and ends paired, where the source tells.
    pub n_best: Option<usize>,
    /// Tokens of an answer at the most, where the source tells.
    pub max_answer_len: Option<usize>,
    /// In percent.
    pub exact_match: Option<f64>,
    /// In percent.
    pub f1: Option<f64>,
    /// The source of the figures.
    #[serde(rename = "where")]
    pub source: String,
}

/// The names of all cards, in alphabetical order.
pub fn names() -> impl Iterator<Item = &'static str> {
    bundled::CARDS.iter().map(|(name, _)| *name)
}

/// The card called `name`.
pub fn card(name: &str) -> Option<WireCard> {
    let (_, text) = bundled::CARDS.iter().find(|(card, _)| *card == name)?;
    Some(toml::from_str(text).expect("OK because a test parses every card of the program"))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::dataset::card as dataset_card;
    use crate::decode::Decoder;
    use crate::hub::RepoRef;
    use crate::models::architectures::ARCHITECTURES;
    use crate::score::Protocol;

    #[test]
    fn every_card_can_be_read_and_means_a_model_of_its_own() {
        let mut repositories = HashSet::new();
        for name in names() {
            let card = card(name).expect(name);
            assert_eq!(card.schema, SCHEMA, "{name}");
            let known = ARCHITECTURES
                .iter()
                .any(|known| known.name == card.architecture);
            assert!(known, "{name}: {}", card.architecture);
            for published in &card.published {
                let scores = [published.exact_match, published.f1];
                let mut known = scores.iter().flatten().peekable();
                assert!(known.peek().is_some(), "{name}");
                assert!(known.all(|score| (0.0..=100.0).contains(score)), "{name}");
                if let [Some(exact_match), Some(f1)] = scores {
                    assert!(exact_match <= f1, "{name}");
                }
                assert!(!published.source.is_empty(), "{name}");
                check_protocol(name, published);
            }
            if let WireSource::Repository {
                repository,
                revision,
            } = card.source
            {
                RepoRef::parse_model(&format!("{repository}@{revision}")).expect(name);
                assert!(repositories.insert(repository), "{name}");
            }
        }
        assert!(repositories.len() >= 30);
    }

    /// The data is a data-set card's, and is scored as that is scored; a scorer may be one that
    /// this program does not have.
    fn check_protocol(name: &str, published: &WirePublished) {
        if let Some(decode) = &published.decode {
            assert!(decode.parse::<Decoder>().is_ok(), "{name}: {decode}");
        }
        let Some(data) = &published.data else {
            return;
        };
        let data = dataset_card::card(data);
        let data = data.unwrap_or_else(|| panic!("{name}: no data-set card for {published:?}"));
        if published.protocol.parse::<Protocol>().is_ok() {
            assert_eq!(published.protocol, data.protocol, "{name}");
        }
    }

    #[test]
    fn figures_of_the_common_data_sets_name_them() {
        let named = names().flat_map(|name| card(name).unwrap().published);
        let named: Vec<String> = named.filter_map(|published| published.data).collect();
        for (data, least) in [
            ("squad2", 30),
            ("squad", 12),
            ("xquad.en", 1),
            ("mlqa.de", 1),
        ] {
            let found = named.iter().filter(|name| *name == data).count();
            assert!(found >= least, "{data}: {found}");
        }
    }
}
