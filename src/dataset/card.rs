//! Data-set cards: `benchmarks/cards/NAME.toml`, what `--dataset NAME` means.

use serde::Deserialize;

use crate::bundled;

/// The version of the cards' layout.
pub const SCHEMA: u32 = 1;

/// What stands for a language where there are several.
pub const MULTILINGUAL: &str = "multilingual";

/// A data-set card. What is not known is left out.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WireDatasetCard {
    /// Version of the card's layout: [`SCHEMA`].
    pub schema: u32,
    /// One sentence for readers of the card.
    pub description: String,
    /// ISO code of the passages' language, or [`MULTILINGUAL`].
    pub language: String,
    /// ISO code of the questions' language, where it is another.
    pub question_language: Option<String>,
    /// The licence.
    pub licence: Option<String>,
    /// The protocol of its own paper.
    pub protocol: String,
    /// Questions in the split.
    pub questions: Option<usize>,
    /// Questions without an answer among them.
    pub unanswerable: Option<usize>,
    /// Where the files are.
    pub source: WireDatasetSource,
    /// Where the card's statements come from.
    #[serde(default)]
    pub evidence: Vec<WireEvidence>,
}

/// Where a card's files are.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub enum WireDatasetSource {
    /// In the program itself.
    Bundled {
        /// Always true.
        bundled: bool,
    },
    /// On the hub.
    Repository {
        /// `owner/name`.
        repository: String,
        /// A commit, branch or tag.
        revision: String,
        /// The configuration, where the repository holds several data sets.
        config: Option<String>,
        /// The split.
        split: String,
        /// The rows to be read: those with this value in the column `subset`.
        subset: Option<String>,
        /// The files in the repository, where their names do not say configuration and split.
        #[serde(default)]
        files: Vec<String>,
    },
}

/// Where a statement comes from.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WireEvidence {
    /// What is stated.
    pub what: String,
    /// By whom.
    #[serde(rename = "where")]
    pub source: String,
    /// Whether the source itself was seen when the card was written.
    pub seen: bool,
}

/// The names of all cards, in alphabetical order.
pub fn names() -> impl Iterator<Item = &'static str> {
    bundled::DATASET_CARDS.iter().map(|(name, _)| *name)
}

/// The card called `name`.
pub fn card(name: &str) -> Option<WireDatasetCard> {
    let (_, text) = bundled::DATASET_CARDS
        .iter()
        .find(|(card, _)| *card == name)?;
    Some(toml::from_str(text).expect("OK because a test parses every card of the program"))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::dataset::DatasetSource;
    use crate::score::Protocol;

    #[test]
    fn every_card_can_be_read_and_means_a_data_set_of_its_own() {
        let mut sources = HashSet::new();
        for name in names() {
            let card = card(name).expect(name);
            assert_eq!(card.schema, SCHEMA, "{name}");
            assert!(card.protocol.parse::<Protocol>().is_ok(), "{name}");
            let is_code = (2..=3).contains(&card.language.len());
            assert!(is_code || card.language == MULTILINGUAL, "{name}");
            let is_hub = matches!(card.source, WireDatasetSource::Repository { .. });
            assert_eq!(is_hub, !card.evidence.is_empty(), "{name}");
            let source = DatasetSource::parse(name).expect(name);
            assert_eq!(matches!(source, DatasetSource::Hub(_)), is_hub, "{name}");
            assert!(sources.insert(format!("{source:?}")), "{name}");
        }
        assert!(sources.len() >= 40);
    }
}
