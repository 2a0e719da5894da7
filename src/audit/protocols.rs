//! The protocols that a published figure may have been measured under.

use crate::decode::{DecodeSettings, Decoder};
use crate::score::Protocol;
use crate::suite::Options;
use crate::windows::WindowSettings;

/// Window settings that published figures commonly have: tokens of a window, and stride.
const COMMON_WINDOWS: [(usize, usize); 2] = [(384, 128), (512, 128)];

/// What decides the answers of a checkpoint: settings of one run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answering {
    /// Whose way of cutting windows and choosing answers is followed.
    pub decoder: Decoder,
    /// Tokens of a window at the most.
    pub max_seq_len: usize,
    /// Tokens that two windows share; for google the step from one to the next.
    pub doc_stride: usize,
    /// Best starts and ends that are paired; the pipeline looks at all.
    pub n_best: usize,
    /// Tokens of an answer at the most.
    pub max_answer_len: usize,
    /// Whether "no answer" may be given.
    pub null_allowed: bool,
}

/// How the answers of one run are scored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scoring {
    /// The scorer.
    pub scorer: Protocol,
    /// Above which null odds "no answer" is given, where it may be.
    pub null_threshold: Option<NullThreshold>,
}

/// Above which null odds "no answer" is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NullThreshold {
    /// Zero: where no answer has the better score.
    Zero,
    /// Those that give the best exact match and the best F1 on the very questions: `best_exact`
    /// and `best_f1` of SQuAD 2.0's script.
    Best,
}

impl NullThreshold {
    /// Its name in tables and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Zero => "0",
            Self::Best => "best",
        }
    }
}

/// A run with the ways in which its answers are scored, at least one. The first is the run's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Its settings.
    pub answering: Answering,
    /// Its scores.
    pub scorings: Vec<Scoring>,
}

/// The protocol that figures were published with, as far as its source tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published {
    /// What decides the answers.
    pub answering: Answering,
    /// The scorer, with a null threshold of 0.
    pub scorer: Protocol,
    /// Whether the source tells the decoder.
    pub tells_decoder: bool,
    /// Whether the source tells the window settings, both of them.
    pub tells_windows: bool,
}

impl Published {
    /// How the published figures were scored.
    pub fn scoring(&self) -> Scoring {
        scoring(self.scorer)
    }
}

/// What of the data and the model decides which protocols there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Data {
    /// Whether questions without an answer are among them: then SQuAD 2.0's is the only scorer.
    pub has_unanswerable: bool,
    /// The scorer of MLQA for the language of the passages, where it has one.
    pub mlqa: Option<Protocol>,
    /// Tokens of a window at the most that the model has positions for, where that is known.
    pub max_positions: Option<usize>,
}

/// The runs to make, the published one first, then the likeliest: those that depart from the fewest
/// settings that are told, then from the fewest in all, a decoder sooner than window settings,
/// and these sooner than the scorer.
pub fn runs(published: &Published, data: &Data) -> Vec<Run> {
    let own = published.answering;
    let mut decoders = vec![own.decoder];
    decoders.extend(Decoder::ALL.into_iter().filter(|d| *d != own.decoder));
    let own_windows = (own.max_seq_len, own.doc_stride);
    let others = COMMON_WINDOWS.into_iter().filter(|&(length, stride)| {
        let fits = data.max_positions.is_none_or(|most| length <= most);
        fits && (length, stride) != own_windows
    });
    let windows: Vec<(usize, usize)> = std::iter::once(own_windows).chain(others).collect();
    let mut nulls = vec![own.null_allowed];
    if !data.has_unanswerable {
        nulls.push(!own.null_allowed);
    }
    let mut ranked = Vec::new();
    for (decoder_rank, decoder) in decoders.into_iter().enumerate() {
        for (window_rank, &(max_seq_len, doc_stride)) in windows.iter().enumerate() {
            for (null_rank, &null_allowed) in nulls.iter().enumerate() {
                let told = [
                    (decoder_rank > 0, published.tells_decoder),
                    (window_rank > 0, published.tells_windows),
                    (null_rank > 0, true),
                ];
                let departures = told.iter().filter(|(departs, _)| *departs).count();
                let from_told = told.iter().filter(|(departs, told)| *departs && *told);
                let rank = (
                    from_told.count(),
                    departures,
                    null_rank,
                    window_rank,
                    decoder_rank,
                );
                let answering = Answering {
                    max_seq_len,
                    doc_stride,
                    null_allowed,
                    ..by(decoder, &own)
                };
                ranked.push((rank, answering));
            }
        }
    }
    ranked.sort_by_key(|(rank, _)| *rank);
    let runs = ranked.into_iter();
    runs.map(|(_, answering)| Run {
        answering,
        scorings: scorings(answering.null_allowed, published, data),
    })
    .collect()
}

/// The published settings; another decoder has its own defaults.
fn by(decoder: Decoder, own: &Answering) -> Answering {
    if decoder == own.decoder {
        return *own;
    }
    let defaults = DecodeSettings::new(decoder);
    Answering {
        decoder,
        n_best: defaults.n_best,
        max_answer_len: defaults.max_answer_len,
        ..*own
    }
}

/// All scores of answers among which "no answer" is or is not, those as published first.
fn scorings(null_allowed: bool, published: &Published, data: &Data) -> Vec<Scoring> {
    if null_allowed {
        let of = |threshold| Scoring {
            scorer: Protocol::SquadV2,
            null_threshold: Some(threshold),
        };
        return vec![of(NullThreshold::Zero), of(NullThreshold::Best)];
    }
    let mut scorers = Vec::new();
    let known = [Some(published.scorer), Some(Protocol::SquadV1), data.mlqa];
    for scorer in known.into_iter().flatten() {
        if !scorer.allows_no_answer() && !scorers.contains(&scorer) {
            scorers.push(scorer);
        }
    }
    scorers.into_iter().map(scoring).collect()
}

fn scoring(scorer: Protocol) -> Scoring {
    Scoring {
        scorer,
        null_threshold: scorer.allows_no_answer().then_some(NullThreshold::Zero),
    }
}

impl Answering {
    /// run_qa's defaults, for a scorer.
    pub fn for_scorer(scorer: Protocol) -> Self {
        let decode = DecodeSettings::default();
        let windows = WindowSettings::default();
        Self {
            decoder: decode.decoder,
            max_seq_len: windows.max_seq_len,
            doc_stride: windows.doc_stride,
            n_best: decode.n_best,
            max_answer_len: decode.max_answer_len,
            null_allowed: scorer.allows_no_answer(),
        }
    }

    /// Whether longer windows than these give the same answers as these, where these show every
    /// passage whole: `other` has them, and is the same otherwise.
    pub fn is_only_longer_in(&self, other: &Self) -> bool {
        let alike = Self {
            max_seq_len: self.max_seq_len,
            doc_stride: self.doc_stride,
            ..*other
        };
        alike == *self && other.max_seq_len >= self.max_seq_len
    }

    /// The settings as options of a run, of which the pipeline has fewer.
    pub fn options(&self) -> Options {
        Options {
            decode: Some(self.decoder),
            max_seq_len: Some(self.max_seq_len),
            doc_stride: Some(self.doc_stride),
            n_best: self.told_n_best(),
            max_answer_len: Some(self.max_answer_len),
            ..Options::default()
        }
    }

    /// How many starts and ends are paired, for decoders that take notice of it.
    pub fn told_n_best(&self) -> Option<usize> {
        (self.decoder != Decoder::Pipeline).then_some(self.n_best)
    }

    /// A name for its run's folder, with `scorer`.
    pub fn name(&self, scorer: Protocol) -> String {
        let decoder = self.decoder;
        let scorer = scorer.name().replace(':', "-");
        let mut name = format!(
            "{decoder}-{}-{}-{scorer}",
            self.max_seq_len, self.doc_stride
        );
        let defaults = DecodeSettings::new(decoder);
        if self.max_answer_len != defaults.max_answer_len {
            name += &format!("-max-answer-len-{}", self.max_answer_len);
        }
        if self.n_best != defaults.n_best {
            name += &format!("-n-best-{}", self.n_best);
        }
        name
    }
}

/// In what a protocol departs from the published one, as options of a run; the null thresholds in
/// words. Nothing where it is the published one.
pub fn departures(published: &Published, answering: &Answering, scored: Scoring) -> Vec<String> {
    let own = &published.answering;
    let mut departures = Vec::new();
    let other_decoder = answering.decoder != own.decoder;
    if other_decoder {
        departures.push(format!("--decode {}", answering.decoder));
    }
    if answering.max_seq_len != own.max_seq_len {
        departures.push(format!("--max-seq-len {}", answering.max_seq_len));
    }
    let is_step = |answering: &Answering| answering.decoder == Decoder::Google;
    // A stride that is the same number of another thing is another stride.
    if answering.doc_stride != own.doc_stride || is_step(answering) != is_step(own) {
        departures.push(format!("--doc-stride {}", answering.doc_stride));
    }
    if scored.scorer != published.scorer {
        departures.push(format!("--protocol {}", scored.scorer));
    }
    if scored.null_threshold == Some(NullThreshold::Best) {
        departures.push("the best null thresholds".to_owned());
    }
    departures
}

#[cfg(test)]
mod tests {
    use super::*;

    const V1: Protocol = Protocol::SquadV1;
    const V2: Protocol = Protocol::SquadV2;

    fn published(scorer: Protocol) -> Published {
        Published {
            answering: Answering::for_scorer(scorer),
            scorer,
            tells_decoder: false,
            tells_windows: true,
        }
    }

    const UNANSWERABLE: Data = Data {
        has_unanswerable: true,
        mlqa: None,
        max_positions: Some(512),
    };

    /// What each run departs in, by its first score.
    fn told(published: &Published, data: &Data) -> Vec<String> {
        let runs = runs(published, data).into_iter();
        runs.map(|run| departures(published, &run.answering, run.scorings[0]).join(" "))
            .collect()
    }

    #[test]
    fn what_is_told_is_departed_from_last() {
        let own = published(V2);
        let expected = [
            "",
            "--decode google --doc-stride 128",
            "--decode pipeline",
            "--max-seq-len 512",
            "--decode google --max-seq-len 512 --doc-stride 128",
            "--decode pipeline --max-seq-len 512",
        ];
        assert_eq!(told(&own, &UNANSWERABLE), expected);
        let own = Published {
            tells_decoder: true,
            tells_windows: false,
            ..own
        };
        let expected = [
            "",
            "--max-seq-len 512",
            "--decode google --doc-stride 128",
            "--decode pipeline",
            "--decode google --max-seq-len 512 --doc-stride 128",
            "--decode pipeline --max-seq-len 512",
        ];
        assert_eq!(told(&own, &UNANSWERABLE), expected);
    }

    #[test]
    fn windows_are_the_published_and_the_common_ones_that_the_model_has_positions_for() {
        let mut own = published(V2);
        own.answering.max_seq_len = 320;
        let lengths = |data: &Data| -> Vec<usize> {
            let runs = runs(&own, data).into_iter();
            let own = runs.filter(|run| run.answering.decoder == Decoder::RunQa);
            own.map(|run| run.answering.max_seq_len).collect()
        };
        assert_eq!(lengths(&UNANSWERABLE), [320, 384, 512]);
        let short = Data {
            max_positions: Some(400),
            ..UNANSWERABLE
        };
        assert_eq!(lengths(&short), [320, 384]);
        let unknown = Data {
            max_positions: None,
            ..UNANSWERABLE
        };
        assert_eq!(lengths(&unknown), [320, 384, 512]);
    }

    #[test]
    fn no_answer_is_tried_only_where_every_question_has_one() {
        let answerable = Data {
            has_unanswerable: false,
            ..UNANSWERABLE
        };
        let runs = runs(&published(V1), &answerable);
        assert_eq!(runs.len(), 12);
        assert!(!runs[0].answering.null_allowed);
        assert_eq!(runs[0].scorings, [scoring(V1)]);
        let first = runs.iter().position(|run| run.answering.null_allowed);
        // The scorer is told: all that departs from what is not told comes before.
        assert!(first.unwrap() >= 3);
        for run in &runs {
            let scores: Vec<Protocol> = run.scorings.iter().map(|s| s.scorer).collect();
            let thresholds = run.scorings.iter().map(|s| s.null_threshold);
            let thresholds: Vec<_> = thresholds.flatten().collect();
            if run.answering.null_allowed {
                assert_eq!(scores, [V2, V2]);
                assert_eq!(thresholds, [NullThreshold::Zero, NullThreshold::Best]);
            } else {
                assert_eq!(scores, [V1]);
                assert_eq!(thresholds, []);
            }
        }
    }

    #[test]
    fn mlqas_scorer_is_tried_on_the_same_answers() {
        let mlqa: Protocol = "mlqa:de".parse().unwrap();
        let german = Data {
            has_unanswerable: false,
            mlqa: Some(mlqa),
            max_positions: None,
        };
        let scorers = |published: Protocol| -> Vec<Protocol> {
            let runs = runs(&self::published(published), &german);
            runs[0].scorings.iter().map(|s| s.scorer).collect()
        };
        assert_eq!(scorers(V1), [V1, mlqa]);
        assert_eq!(scorers(mlqa), [mlqa, V1]);
    }

    #[test]
    fn other_decoders_have_their_own_defaults() {
        let mut own = published(V2);
        own.answering.max_answer_len = 50;
        own.answering.n_best = 5;
        for run in runs(&own, &UNANSWERABLE) {
            let answering = run.answering;
            let expected = match answering.decoder {
                Decoder::RunQa => (50, 5),
                Decoder::Google => (30, 20),
                Decoder::Pipeline => (15, 20),
            };
            assert_eq!((answering.max_answer_len, answering.n_best), expected);
            assert_eq!(answering.doc_stride, 128);
        }
    }

    #[test]
    fn names_of_runs_tell_them_apart() {
        let own = published(V2);
        let mut names: Vec<String> = runs(&own, &UNANSWERABLE)
            .iter()
            .map(|run| run.answering.name(V2))
            .collect();
        assert_eq!(names[0], "run_qa-384-128-squad-v2");
        names.sort();
        names.dedup();
        assert_eq!(names.len(), 6);
        let mlqa = own.answering.name("mlqa:de".parse().unwrap());
        assert_eq!(mlqa, "run_qa-384-128-mlqa-de");
        let short = Answering {
            max_answer_len: 7,
            ..own.answering
        };
        assert_eq!(short.name(V1), "run_qa-384-128-squad-v1-max-answer-len-7");
    }

    #[test]
    fn longer_windows_change_nothing_where_passages_are_whole() {
        let own = Answering::for_scorer(V2);
        let longer = Answering {
            max_seq_len: 512,
            ..own
        };
        assert!(own.is_only_longer_in(&longer));
        assert!(!longer.is_only_longer_in(&own));
        let other = Answering {
            max_answer_len: 7,
            ..longer
        };
        assert!(!own.is_only_longer_in(&other));
    }

    #[test]
    fn a_run_has_the_options_that_its_decoder_knows() {
        let mut answering = Answering::for_scorer(V2);
        assert_eq!(answering.options().n_best, Some(20));
        answering.decoder = Decoder::Pipeline;
        assert_eq!(answering.options().n_best, None);
        assert_eq!(answering.options().decode, Some(Decoder::Pipeline));
    }
}
