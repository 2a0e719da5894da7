//! From a comparison to its layout in JSON.

use super::accuracy::{Accuracy, Judged};
use super::comparability::Difference;
use super::flips::{Flip, Flips};
use super::group::{Change, Group};
use super::performance::FigureComparison;
use super::slices::Slice;
use super::wire::{
    SCHEMA, WireAccuracyComparison, WireCauseCount, WireChange, WireComparability, WireComparison,
    WireComparisonSettings, WireEnds, WireErrorCount, WireFigureComparison, WireFlip,
    WireFlipAnswer, WireFlips, WireGroupComparison, WireMcNemar, WirePairing, WireRecordDifference,
    WireResampled, WireScoreComparison, WireSide, WireSliceComparison,
};
use super::{Aspect, Comparison, Settings};
use crate::record::run::Run;
use crate::record::wire::WireQuestion;
use crate::stats::Interval;

impl From<&Comparison<'_>> for WireComparison {
    fn from(comparison: &Comparison) -> Self {
        let comparable = |aspect| comparison.is_comparable(aspect);
        let pairing = &comparison.pairing;
        Self {
            schema: SCHEMA,
            base: comparison.base.into(),
            candidate: comparison.candidate.into(),
            settings: (&comparison.settings).into(),
            comparability: WireComparability {
                accuracy: comparable(Aspect::Accuracy),
                speed: comparable(Aspect::Speed),
                memory: comparable(Aspect::Memory),
                differences: comparison.differences.iter().map(Into::into).collect(),
            },
            accuracy: accuracy(
                &comparison.accuracy,
                &comparison.settings,
                WirePairing {
                    common: pairing.pairs.len(),
                    only_base: pairing.only_base,
                    only_candidate: pairing.only_candidate,
                },
            ),
            performance: comparison.performance.iter().map(Into::into).collect(),
            flips: (&comparison.flips).into(),
            slices: comparison.slices.iter().map(Into::into).collect(),
            notes: comparison.notes.clone(),
        }
    }
}

impl From<&Run> for WireSide {
    fn from(run: &Run) -> Self {
        let (record, model) = (&run.record, run.record.model());
        let measured = record.measured();
        Self {
            path: run.path.display().to_string(),
            cell: record.cell().to_owned(),
            run_id: measured.and_then(|record| record.run_id.clone()),
            started: record.started().to_owned(),
            model: model.id.clone(),
            revision: model.revision.clone(),
            architecture: model.architecture.clone(),
            dtype: model.dtype.clone(),
            compute_dtype: model.compute_dtype.clone(),
            ops: model.ops.clone(),
            dataset: record.dataset().id.clone(),
            device: record.device().to_owned(),
            questions: run.questions.len(),
            repetitions: measured.map_or(0, |record| record.repetitions.len()),
            shards: record.shards().map(<[_]>::len),
            doubts: record.doubts().to_vec(),
        }
    }
}

impl From<&Settings> for WireComparisonSettings {
    fn from(settings: &Settings) -> Self {
        Self {
            level: settings.level,
            exact_match_margin: settings.exact_match_margin,
            f1_margin: settings.f1_margin,
            noise_threshold: settings.noise_threshold,
            tie_margin: settings.tie_margin,
            common_questions_suffice: settings.common_questions_suffice,
            min_slice: settings.min_slice,
            resamples: settings.resamples,
            seed: settings.seed,
        }
    }
}

impl From<&Difference> for WireRecordDifference {
    fn from(difference: &Difference) -> Self {
        Self {
            field: difference.field.to_owned(),
            base: difference.base.clone(),
            candidate: difference.candidate.clone(),
            hinders: difference.hinders.clone(),
        }
    }
}

fn accuracy(
    accuracy: &Accuracy,
    settings: &Settings,
    questions: WirePairing,
) -> WireAccuracyComparison {
    let Accuracy { all, p, .. } = accuracy;
    WireAccuracyComparison {
        questions,
        mcnemar: WireMcNemar {
            gained: all.exact_match.higher,
            lost: all.exact_match.lower,
            p: *p,
        },
        resampled: WireResampled {
            unit: all.resampled.unit().to_owned(),
            units: all.units,
            because: all.resampled.because(),
        },
        exact_match: score(
            &all.exact_match,
            &accuracy.exact_match,
            settings.exact_match_margin,
        ),
        f1: score(&all.f1, &accuracy.f1, settings.f1_margin),
        has_answer: accuracy.has_answer.as_ref().map(Into::into),
        no_answer: accuracy.no_answer.as_ref().map(Into::into),
    }
}

fn score(change: &Change, judged: &Judged, margin: f64) -> WireScoreComparison {
    WireScoreComparison {
        change: change.into(),
        margin,
        non_inferior: judged.non_inferior,
        verdict: judged.verdict,
        reasons: judged.reasons.clone(),
    }
}

impl From<&Change> for WireChange {
    fn from(change: &Change) -> Self {
        Self {
            base: change.base,
            candidate: change.candidate,
            difference: change.difference,
            interval: change.interval.map(Into::into),
            expanded: change.expanded.map(Into::into),
            higher: change.higher,
            lower: change.lower,
        }
    }
}

impl From<&WireChange> for Change {
    fn from(change: &WireChange) -> Self {
        let interval = |WireEnds { lower, upper }| Interval { lower, upper };
        Self {
            base: change.base,
            candidate: change.candidate,
            difference: change.difference,
            interval: change.interval.map(interval),
            expanded: change.expanded.map(interval),
            higher: change.higher,
            lower: change.lower,
        }
    }
}

impl From<Interval> for WireEnds {
    fn from(Interval { lower, upper }: Interval) -> Self {
        Self { lower, upper }
    }
}

impl From<&Group> for WireGroupComparison {
    fn from(group: &Group) -> Self {
        Self {
            n: group.n,
            gained: group.exact_match.higher,
            lost: group.exact_match.lower,
            exact_match: (&group.exact_match).into(),
            f1: (&group.f1).into(),
        }
    }
}

impl From<&FigureComparison> for WireFigureComparison {
    fn from(figure: &FigureComparison) -> Self {
        Self {
            figure: figure.figure.to_owned(),
            aspect: figure.aspect,
            higher_is_better: figure.higher_is_better,
            base: figure.base,
            candidate: figure.candidate,
            paired: figure.paired,
            ratio: figure.ratio,
            interval: figure.interval.map(Into::into),
            verdict: figure.verdict,
            reasons: figure.reasons.clone(),
        }
    }
}

impl From<&Flips<'_>> for WireFlips {
    fn from(flips: &Flips) -> Self {
        let counts = flips.counts();
        let causes = flips.causes().into_iter();
        let errors = flips.errors().into_iter();
        Self {
            lost: counts.lost,
            gained: counts.gained,
            f1_higher: flips.f1_higher,
            f1_lower: flips.f1_lower,
            answers_changed: flips.answers_changed,
            causes: causes
                .map(|(cause, counts)| WireCauseCount {
                    cause,
                    lost: counts.lost,
                    gained: counts.gained,
                })
                .collect(),
            errors: errors
                .map(|(error, counts)| WireErrorCount {
                    error: error.to_owned(),
                    lost: counts.lost,
                    gained: counts.gained,
                })
                .collect(),
            questions: flips.flips.iter().map(Into::into).collect(),
        }
    }
}

impl From<&Flip<'_>> for WireFlip {
    fn from(flip: &Flip) -> Self {
        let pair = &flip.pair;
        Self {
            id: pair.base.id.clone(),
            direction: flip.direction,
            cause: flip.cause,
            question: pair.question().map(str::to_owned),
            golds: pair.golds().map(<[String]>::to_vec),
            passage: pair.passage(),
            base: pair.base.into(),
            candidate: pair.candidate.into(),
        }
    }
}

impl From<&WireQuestion> for WireFlipAnswer {
    fn from(line: &WireQuestion) -> Self {
        Self {
            answer: line.answer.clone(),
            f1: line.f1,
            score: line.score,
            margin: line.margin,
            null_odds: line.null_odds,
            span: line.span,
            window: line.window,
            error: line.error.clone(),
        }
    }
}

impl From<&Slice> for WireSliceComparison {
    fn from(slice: &Slice) -> Self {
        Self {
            property: slice.property.to_owned(),
            name: slice.name.clone(),
            group: (&slice.group).into(),
            resampled: slice.group.resampled.unit().to_owned(),
        }
    }
}
