//! What was published, of what, and what its source leaves untold.

use super::PublishedFigures;
use super::protocols::{Answering, Published};
use crate::dataset::card::{self as dataset_card, WireDatasetSource};
use crate::decode::{DecodeSettings, Decoder, UnknownDecoder};
use crate::models::card::{WireCard, WirePublished, WireSource};
use crate::score::Protocol;

/// What can be wrong with what is to be audited.
#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    /// A model without a card, and no figures.
    #[error(
        "{model}: no model card, so that nothing is known to be published; say what is with --exact-match and --f1 (`spanbench list models` names the cards)"
    )]
    NoCard {
        /// The model.
        model: String,
    },
    /// A card without figures.
    #[error(
        "{model}: its card has no published figures; say what is published with --exact-match and --f1"
    )]
    NothingPublished {
        /// The model.
        model: String,
    },
    /// A number that no figure of the card has.
    #[error(
        "--published {number}: the card of {model} has {count} published figures; they count from 1"
    )]
    NoSuchFigure {
        /// The model.
        model: String,
        /// What was asked for.
        number: usize,
        /// How many there are.
        count: usize,
    },
    /// The card numbers figures, and others were given.
    #[error(
        "--published chooses one of a card's figures, and --exact-match and --f1 are given in their place; leave one out"
    )]
    TwoSources,
    /// Data that no data-set card holds.
    #[error(
        "{model}: the figures are of {dataset:?}, which is none of the data sets known here; give that data with --dataset D"
    )]
    UnknownData {
        /// The model.
        model: String,
        /// The card's words.
        dataset: String,
    },
    /// Another of the data sets known here.
    #[error(
        "{model}: the figures are of {published} and not of {dataset}; leave --dataset out, or choose other figures with --published N"
    )]
    OtherDataset {
        /// The model.
        model: String,
        /// What was given.
        dataset: String,
        /// The card of the data that the figures are of.
        published: String,
    },
    /// Figures of one's own without data.
    #[error("of which data are the given figures? say so with --dataset D")]
    NoData,
    /// A decoder that a card names wrongly.
    #[error("the card of {model} names a decoder that there is not")]
    Decoder {
        /// The model.
        model: String,
        /// What is there instead.
        #[source]
        source: UnknownDecoder,
    },
    /// Other data than that of the published figures.
    #[error(
        "{dataset}: has {found} questions, and the published figures are of {expected} ({card}): nothing can be said of them; give the very data with --dataset D, or choose other figures with --published N"
    )]
    OtherData {
        /// The data that was given.
        dataset: String,
        /// Its questions.
        found: usize,
        /// Those of the data set that figures were published of.
        expected: usize,
        /// That data set's card.
        card: String,
    },
}

/// What is given: a model, maybe its card, and what the user says over it.
#[derive(Debug, Clone, Default)]
pub struct Given {
    /// The model's name.
    pub model: String,
    /// Its card.
    pub card: Option<WireCard>,
    /// Which of the card's figures, from 1.
    pub number: Option<usize>,
    /// Exact match, in percent.
    pub exact_match: Option<f64>,
    /// F1, in percent.
    pub f1: Option<f64>,
    /// The data.
    pub dataset: Option<String>,
    /// The scorer.
    pub scorer: Option<Protocol>,
    /// The decoder.
    pub decoder: Option<Decoder>,
    /// Tokens of a window.
    pub max_seq_len: Option<usize>,
    /// The stride.
    pub doc_stride: Option<usize>,
    /// Tokens of an answer.
    pub max_answer_len: Option<usize>,
}

/// Published figures, and what is known of how they came to be.
#[derive(Debug, Clone, PartialEq)]
pub struct Claim {
    /// The figures.
    pub figures: PublishedFigures,
    /// The data to measure on, as `--dataset` names it.
    pub dataset: String,
    /// The data in the words of the source.
    pub words: Option<String>,
    /// Who published them, and where.
    pub source: String,
    /// How many questions they are of and the card that says so, where that is known.
    pub questions: Option<(usize, String)>,
    /// What the source, or the user, does not tell and this program cannot know: a line each.
    pub unknown: Vec<String>,
    /// What the user should know of the choice.
    pub notes: Vec<String>,
    scorer: Option<Protocol>,
    decoder: Option<Decoder>,
    max_seq_len: Option<usize>,
    doc_stride: Option<usize>,
    n_best: Option<usize>,
    max_answer_len: Option<usize>,
}

impl Claim {
    /// Finds out what is claimed: by the model's card, or by the user.
    ///
    /// Of a card's several figures that of the `number` is meant; else the first of the data that
    /// the user names; else the first of data that is known here; else the first.
    ///
    /// # Errors
    ///
    /// Fails where there is no figure or no data.
    pub fn new(given: &Given) -> Result<Self, ClaimError> {
        let own = given.exact_match.is_some() || given.f1.is_some();
        if own && given.number.is_some() {
            return Err(ClaimError::TwoSources);
        }
        let mut notes = Vec::new();
        let published = if own {
            None
        } else {
            Some(choose(given, &mut notes)?)
        };
        let figures = PublishedFigures {
            exact_match: published.map_or(given.exact_match, |p| p.exact_match),
            f1: published.map_or(given.f1, |p| p.f1),
        };
        let dataset = match (&given.dataset, published) {
            (Some(dataset), _) => dataset.clone(),
            (None, Some(published)) => {
                published
                    .data
                    .clone()
                    .ok_or_else(|| ClaimError::UnknownData {
                        model: given.model.clone(),
                        dataset: published.dataset.clone(),
                    })?
            }
            (None, None) => return Err(ClaimError::NoData),
        };
        let data = published.and_then(|published| published.data.as_deref());
        if let Some(data) = data
            && data != dataset
            && dataset_card::card(&dataset).is_some()
        {
            return Err(ClaimError::OtherDataset {
                model: given.model.clone(),
                dataset,
                published: data.to_owned(),
            });
        }
        let decoder = published.and_then(|published| published.decode.as_ref());
        let decoder = decoder.map(|name| name.parse()).transpose();
        let decoder = decoder.map_err(|source| ClaimError::Decoder {
            model: given.model.clone(),
            source,
        })?;
        // What a card says of windows is said of its own figures.
        let windows = published.and(given.card.as_ref()).and_then(|c| c.windows);
        let scorer = published.and_then(|published| published.protocol.parse().ok());
        let mut claim = Self {
            figures,
            words: published.map(|published| published.dataset.clone()),
            source: published.map_or("the command line".to_owned(), |p| p.source.clone()),
            questions: data.and_then(questions),
            unknown: Vec::new(),
            notes,
            scorer: given.scorer.or(scorer),
            decoder: given.decoder.or(decoder),
            max_seq_len: given
                .max_seq_len
                .or_else(|| windows.and_then(|windows| windows.max_seq_len)),
            doc_stride: given
                .doc_stride
                .or_else(|| windows.and_then(|windows| windows.doc_stride)),
            n_best: published.and_then(|published| published.n_best),
            max_answer_len: given
                .max_answer_len
                .or(published.and_then(|p| p.max_answer_len)),
            dataset,
        };
        claim.unknown.extend(unknown_weights(given));
        claim.unknown.extend(claim.unknown_data(data));
        if let (None, Some(published)) = (claim.scorer, published) {
            claim.unknown.push(format!(
                "the scorer: the source says {:?}, which is none of this program's; that of the data set is taken",
                published.protocol
            ));
        }
        Ok(claim)
    }

    fn unknown_data(&self, data: Option<&str>) -> Option<String> {
        match (data, &self.words) {
            (Some(data), _) if data == self.dataset => unknown_revision(data),
            (_, Some(words)) => Some(format!(
                "the data: the figures are of {words:?}; whether {} is the very same is not checked",
                self.dataset
            )),
            (_, None) => None,
        }
    }

    /// The published protocol, its gaps filled by run_qa's settings and the data set's scorer.
    /// What was filled is added to what is unknown.
    pub fn protocol(&mut self, of_dataset: Protocol) -> Published {
        let scorer = self.scorer.unwrap_or(of_dataset);
        let defaults = Answering::for_scorer(scorer);
        let decoder = self.decoder.unwrap_or(defaults.decoder);
        let decode = DecodeSettings::new(decoder);
        let answering = Answering {
            decoder,
            max_seq_len: self.max_seq_len.unwrap_or(defaults.max_seq_len),
            doc_stride: self.doc_stride.unwrap_or(defaults.doc_stride),
            n_best: self.n_best.unwrap_or(decode.n_best),
            max_answer_len: self.max_answer_len.unwrap_or(decode.max_answer_len),
            null_allowed: scorer.allows_no_answer(),
        };
        if self.decoder.is_none() {
            self.unknown.push(format!(
                "the decoder: the source does not tell it; {decoder} is taken"
            ));
        }
        let taken = [
            (
                self.max_seq_len.is_none(),
                "--max-seq-len",
                answering.max_seq_len,
            ),
            (
                self.doc_stride.is_none(),
                "--doc-stride",
                answering.doc_stride,
            ),
        ];
        for (_, option, value) in taken.into_iter().filter(|(is_taken, ..)| *is_taken) {
            self.unknown.push(format!(
                "the windows: the source does not tell {option}; {value} is taken"
            ));
        }
        Published {
            answering,
            scorer,
            tells_decoder: self.decoder.is_some(),
            tells_windows: self.max_seq_len.is_some() && self.doc_stride.is_some(),
        }
    }

    /// Checks that data with so many questions may be that of the figures.
    ///
    /// # Errors
    ///
    /// Fails where it cannot.
    pub fn check_questions(&self, found: usize) -> Result<(), ClaimError> {
        match &self.questions {
            Some((expected, card)) if *expected != found => Err(ClaimError::OtherData {
                dataset: self.dataset.clone(),
                found,
                expected: *expected,
                card: card.clone(),
            }),
            _ => Ok(()),
        }
    }
}

/// The card's figures that are meant.
fn choose<'a>(given: &'a Given, notes: &mut Vec<String>) -> Result<&'a WirePublished, ClaimError> {
    let model = || given.model.clone();
    let Some(card) = &given.card else {
        return Err(ClaimError::NoCard { model: model() });
    };
    let all = &card.published;
    let of_data = |data: &str| all.iter().position(|p| p.data.as_deref() == Some(data));
    let index = match (given.number, &given.dataset) {
        (Some(number), _) if (1..=all.len()).contains(&number) => number - 1,
        (Some(number), _) => {
            return Err(ClaimError::NoSuchFigure {
                model: model(),
                number,
                count: all.len(),
            });
        }
        (None, Some(dataset)) => of_data(dataset).unwrap_or(0),
        (None, None) => all.iter().position(|p| p.data.is_some()).unwrap_or(0),
    };
    let Some(chosen) = all.get(index) else {
        return Err(ClaimError::NothingPublished { model: model() });
    };
    if all.len() > 1 && given.number.is_none() {
        notes.push(format!(
            "{}: these are figures {} of {} that its card has; choose others with --published N",
            given.model,
            index + 1,
            all.len()
        ));
    }
    Ok(chosen)
}

/// How many questions the data set of that card has.
fn questions(data: &str) -> Option<(usize, String)> {
    let count = dataset_card::card(data)?.questions?;
    Some((count, format!("data-set card {data}")))
}

fn is_commit(revision: &str) -> bool {
    revision.len() == 40 && revision.chars().all(|c| c.is_ascii_hexdigit())
}

fn unknown_weights(given: &Given) -> Option<String> {
    match given.card.as_ref().map(|card| &card.source) {
        Some(WireSource::Bundled { .. }) => None,
        Some(WireSource::Repository { revision, .. }) if is_commit(revision) => None,
        Some(WireSource::Repository {
            repository,
            revision,
        }) => Some(format!(
            "the weights: which commit of {repository} was measured is not told; {revision} is what it is today"
        )),
        None => Some(format!(
            "the weights: whether those of {} are the ones that were measured is not checked",
            given.model
        )),
    }
}

/// Of a data set's card that names no commit.
fn unknown_revision(data: &str) -> Option<String> {
    match dataset_card::card(data)?.source {
        WireDatasetSource::Repository {
            repository,
            revision,
            ..
        } if !is_commit(&revision) => Some(format!(
            "the data: {repository} is not pinned; {revision} is what it is today"
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::card;

    fn given(model: &str) -> Given {
        Given {
            model: model.to_owned(),
            card: card::card(model),
            ..Given::default()
        }
    }

    #[test]
    fn a_card_tells_the_protocol_of_its_figures() {
        let mut claim = Claim::new(&given("mobilebert-uncased-squad-v1")).unwrap();
        assert_eq!(claim.dataset, "squad");
        assert_eq!(claim.figures.exact_match, Some(82.6));
        let published = claim.protocol(Protocol::SquadV2);
        assert_eq!(published.scorer, Protocol::SquadV1);
        assert_eq!(published.answering.decoder, Decoder::Google);
        assert_eq!(published.answering.max_seq_len, 320);
        assert!(published.tells_decoder && published.tells_windows);
        // `main` is not pinned; nothing else is unknown.
        assert_eq!(claim.unknown.len(), 1, "{:?}", claim.unknown);
        assert!(claim.unknown[0].contains("csarron/mobilebert-uncased-squad-v1"));
        assert!(claim.check_questions(10_570).is_ok());
        let fault = claim.check_questions(5).unwrap_err().to_string();
        assert!(
            fault.contains("has 5 questions") && fault.contains("10570"),
            "{fault}"
        );
    }

    #[test]
    fn what_is_not_told_is_filled_and_said() {
        let mut claim = Claim::new(&given("bert-base-cased-squad2")).unwrap();
        let published = claim.protocol(Protocol::SquadV1);
        assert_eq!(
            published.answering,
            Answering::for_scorer(Protocol::SquadV2)
        );
        assert!(!published.tells_decoder && !published.tells_windows);
        let unknown = claim.unknown.join("\n");
        for part in [
            "weights",
            "decoder",
            "--max-seq-len; 384",
            "--doc-stride; 128",
        ] {
            assert!(unknown.contains(part), "{unknown}");
        }
        // A scorer that is none of ours is the data set's.
        let mut claim = Claim::new(&given("gelectra-base-germanquad")).unwrap();
        assert!(
            claim
                .unknown
                .iter()
                .any(|line| line.contains("hub-evaluator"))
        );
        assert_eq!(claim.protocol(Protocol::SquadV1).scorer, Protocol::SquadV1);
    }

    #[test]
    fn of_several_figures_the_one_of_the_data_is_meant() {
        let model = "roberta-base-squad2";
        let first = Claim::new(&given(model)).unwrap();
        assert_eq!((first.dataset.as_str(), first.notes.len()), ("squad2", 1));
        let of_data = Claim::new(&Given {
            dataset: Some("squad".to_owned()),
            ..given(model)
        });
        assert_eq!(of_data.unwrap().figures.exact_match, Some(85.289));
        let second = Claim::new(&Given {
            number: Some(2),
            ..given(model)
        });
        let second = second.unwrap();
        assert_eq!(second.dataset, "squad");
        assert!(second.notes.is_empty());
        let third = Claim::new(&Given {
            number: Some(3),
            ..given(model)
        });
        assert!(matches!(
            third,
            Err(ClaimError::NoSuchFigure { count: 2, .. })
        ));
        let none = Claim::new(&Given {
            number: Some(0),
            ..given(model)
        });
        assert!(matches!(none, Err(ClaimError::NoSuchFigure { .. })));
    }

    #[test]
    fn a_copy_of_the_data_is_the_users_word() {
        let copy = Given {
            dataset: Some("data/xquad.en.json".to_owned()),
            ..given("minilm-l6-squad")
        };
        let mut claim = Claim::new(&copy).unwrap();
        assert_eq!(claim.dataset, "data/xquad.en.json");
        assert_eq!(claim.unknown.len(), 1);
        assert!(claim.unknown[0].contains("XQuAD-en"));
        assert!(claim.check_questions(1_189).is_err());
        assert!(claim.protocol(Protocol::SquadV2).tells_decoder);
        let other = Given {
            dataset: Some("xquad.de".to_owned()),
            ..given("minilm-l6-squad")
        };
        assert!(matches!(
            Claim::new(&other),
            Err(ClaimError::OtherDataset { .. })
        ));
        let bundled = Claim::new(&given("minilm-l6-squad")).unwrap();
        assert_eq!(bundled.unknown, [""; 0]);
    }

    #[test]
    fn figures_of_ones_own_need_a_model_and_data() {
        let own = Given {
            f1: Some(57.9),
            ..given("owner/name")
        };
        assert!(matches!(Claim::new(&own), Err(ClaimError::NoData)));
        let own = Given {
            dataset: Some("squad".to_owned()),
            max_seq_len: Some(256),
            ..own
        };
        let mut claim = Claim::new(&own).unwrap();
        assert_eq!(claim.figures.exact_match, None);
        assert_eq!(claim.questions, None);
        let published = claim.protocol(Protocol::SquadV1);
        assert_eq!(published.answering.max_seq_len, 256);
        assert!(!published.tells_windows);
        let both = Given {
            number: Some(1),
            ..own
        };
        assert!(matches!(Claim::new(&both), Err(ClaimError::TwoSources)));
        let none = given("owner/name");
        assert!(matches!(Claim::new(&none), Err(ClaimError::NoCard { .. })));
        let none = given("bert-base-turkish-squad");
        assert!(matches!(
            Claim::new(&none),
            Err(ClaimError::NothingPublished { .. })
        ));
        let elsewhere = given("camembert-base-fquad");
        assert!(matches!(
            Claim::new(&elsewhere),
            Err(ClaimError::UnknownData { .. })
        ));
    }
}
