//! Model cards: `models/cards/NAME.toml`, what `--model NAME` means.

use serde::Deserialize;

use crate::bundled;

/// The version of the cards' layout.
pub const SCHEMA: u32 = 2;

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

/// A score as published.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WirePublished {
    /// The data set.
    pub dataset: String,
    /// The scoring protocol.
    pub protocol: String,
    /// In percent.
    pub exact_match: f64,
    /// In percent.
    pub f1: f64,
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
    use crate::hub::RepoRef;
    use crate::models::architectures::ARCHITECTURES;

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
                assert!(
                    scores.iter().all(|score| (0.0..=100.0).contains(score)),
                    "{name}"
                );
                assert!(published.exact_match <= published.f1, "{name}");
                assert!(!published.source.is_empty(), "{name}");
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
}
