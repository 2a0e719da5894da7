//! Data-set cards: `benchmarks/cards/NAME.toml`, what `--dataset NAME` means.

use serde::Deserialize;

use crate::bundled;

/// The version of the cards' layout.
pub const SCHEMA: u32 = 1;

/// A data-set card. What is not known is left out.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WireDatasetCard {
    /// Version of the card's layout: [`SCHEMA`].
    pub schema: u32,
    /// One sentence for lists.
    pub description: String,
    /// ISO code of the passages' language.
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
#[serde(untagged)]
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
