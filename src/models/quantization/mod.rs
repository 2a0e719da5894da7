//! Which dense layers are computed in eight bits.
//!
//! Decided when the model is loaded, on a fixed text: a few questions of the bundled data set, in
//! the model's own tokens ([`text`]). All layers compute it in full and in eight bits side by side,
//! each from inputs in full, which gives the loss of each layer. Then the whole model computes it
//! in eight bits. Where its logits are further than [`LIMIT`] from those in full, the layers that
//! lose most are put back in full, one, then two, four, … of them, until they are within it.
//!
//! That takes most of the time of loading, and what comes of it can be kept for the next ([`kept`]).

pub mod kept;
pub mod text;

use std::sync::Arc;

use super::ModelError;
use super::span::Assembled;
use crate::batch::Batch;
use crate::ops::Form;
use crate::ops::int8::{Computes, Trial};
use kept::Kept;

/// How far the logits may be from those in full: the root of the mean square of the differences, in
/// standard deviations of the logits.
pub const LIMIT: f64 = 0.1;

/// What a record says of weights in eight bits.
#[derive(Debug, Clone, PartialEq)]
pub struct Quantization {
    /// The instructions that multiply: see [`crate::ops::Form::int8_instructions`].
    pub instructions: Option<&'static str>,
    /// Dense layers of the encoder, each counted once also where several blocks share it.
    pub layers: usize,
    /// Those that are computed in full, the one that would lose most first.
    pub in_full: Vec<LayerLoss>,
    /// The one that loses most of those in eight bits.
    pub largest: Option<LayerLoss>,
    /// How far the logits are from those in full, as [`LIMIT`] is given.
    pub logit_loss: f64,
    /// Windows that this was decided on.
    pub windows: usize,
    /// Tokens of these windows.
    pub tokens: usize,
    /// Whether it was decided when the model was loaded at an earlier time; nothing where that is
    /// not kept.
    pub from_cache: Option<bool>,
    /// Why what was kept is of no use, or why nothing could be kept.
    pub cache_fault: Option<String>,
}

/// What a layer loses in eight bits.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerLoss {
    /// Its name in the checkpoint; of several that are computed as one all names.
    pub name: String,
    /// The root of the mean square of what eight bits change in its results, in units of that of
    /// the results.
    pub loss: f64,
}

/// What was decided for a model's layers, and why.
#[derive(Debug, Clone, PartialEq)]
struct Decision {
    /// In the order in which the model is made.
    layers: Vec<LayerDecision>,
    logit_loss: f64,
    windows: usize,
    tokens: usize,
}

#[derive(Debug, Clone, PartialEq)]
struct LayerDecision {
    name: String,
    /// Nothing where the layer computes nothing: it is used while the model is loaded alone.
    loss: Option<f64>,
    in_full: bool,
    /// How large each of its inputs is at the most.
    largest_inputs: Option<Arc<[f32]>>,
}

/// Decides for all layers, or takes what was decided at an earlier time from where it is `kept`, and
/// lets go of the weights that are not needed. The text is made where there is something to decide.
///
/// # Errors
///
/// Fails where the model or its text does.
pub fn settle(
    model: &Assembled,
    trials: &[Arc<Trial>],
    text: impl FnOnce() -> Result<Batch, ModelError>,
    kept: Option<&Kept>,
) -> Result<Quantization, ModelError> {
    let found = kept.map(|kept| kept.read(trials)).transpose();
    let (earlier, mut cache_fault) = match found {
        Ok(found) => (found.flatten(), None),
        Err(fault) => (None, Some(fault)),
    };
    let from_cache = kept.map(|_| earlier.is_some());
    let decision = if let Some(earlier) = earlier {
        earlier
    } else {
        let decision = decide(model, trials, &text()?)?;
        if let Some(Err(fault)) = kept.map(|kept| kept.write(&decision)) {
            // The next one will say again why the old one is of no use.
            cache_fault = Some(fault);
        }
        decision
    };
    decision.settle(trials)?;
    Ok(Quantization {
        from_cache,
        cache_fault,
        ..decision.quantization(model.form())
    })
}

/// Computes the text in full and in eight bits until it is known which layers lose too much.
fn decide(model: &Assembled, trials: &[Arc<Trial>], text: &Batch) -> Result<Decision, ModelError> {
    let all_compute = |computes| {
        for trial in trials {
            trial.compute_with(computes);
        }
    };
    all_compute(Computes::Both);
    let full = model.forward(text)?;
    let mut layers: Vec<LayerDecision> = trials
        .iter()
        .map(|trial| LayerDecision {
            name: trial.name().to_owned(),
            loss: trial.loss(),
            in_full: false,
            largest_inputs: trial.largest_inputs(),
        })
        .collect();
    let worst_first = worst_first(&layers);
    all_compute(Computes::Int8);
    let mut in_full = 0;
    let mut logit_loss = distance(&full, &model.forward(text)?);
    // A loss that is no number is too large.
    while (logit_loss.is_nan() || logit_loss > LIMIT) && in_full < worst_first.len() {
        in_full = (2 * in_full).clamp(1, worst_first.len());
        for &layer in &worst_first[..in_full] {
            trials[layer].compute_with(Computes::Full);
        }
        logit_loss = distance(&full, &model.forward(text)?);
    }
    for &layer in &worst_first[..in_full] {
        layers[layer].in_full = true;
    }
    Ok(Decision {
        layers,
        logit_loss,
        windows: text.windows.len(),
        tokens: text.tokens(),
    })
}

/// Which layers computed something, the one that loses most first.
fn worst_first(layers: &[LayerDecision]) -> Vec<usize> {
    let losses = layers.iter().enumerate();
    let mut losses: Vec<(usize, f64)> = losses
        .filter_map(|(index, layer)| Some((index, layer.loss?)))
        .collect();
    losses.sort_by(|a, b| b.1.total_cmp(&a.1));
    losses.into_iter().map(|(index, _)| index).collect()
}

impl Decision {
    /// Has each layer make and keep its weights.
    fn settle(&self, trials: &[Arc<Trial>]) -> Result<(), ModelError> {
        let mut pairs = trials.iter().zip(&self.layers);
        let settled = pairs.try_for_each(|(trial, layer)| {
            if let Some(largest) = &layer.largest_inputs {
                trial.expect_inputs(Arc::clone(largest))?;
            }
            trial.settle(!layer.in_full)
        });
        settled.map_err(|source| ModelError::Tensor {
            doing: "making the weights that dense layers compute with".to_owned(),
            source,
        })
    }

    /// As a record has it.
    fn quantization(&self, form: Form) -> Quantization {
        let layers = worst_first(&self.layers);
        let layers = layers.into_iter().map(|index| &self.layers[index]);
        let computed = layers.filter_map(|layer| {
            let loss = LayerLoss {
                name: layer.name.clone(),
                loss: layer.loss?,
            };
            Some((layer.in_full, loss))
        });
        let (in_full, int8): (Vec<_>, Vec<_>) = computed.partition(|(in_full, _)| *in_full);
        Quantization {
            instructions: form.int8_instructions(),
            layers: in_full.len() + int8.len(),
            in_full: in_full.into_iter().map(|(_, loss)| loss).collect(),
            largest: int8.into_iter().next().map(|(_, loss)| loss),
            logit_loss: self.logit_loss,
            windows: self.windows,
            tokens: self.tokens,
            from_cache: None,
            cache_fault: None,
        }
    }
}

/// The root of the mean square of the differences, in standard deviations of `full`. Start and end
/// logits each have a mean of their own.
fn distance(full: &[[f32; 2]], found: &[[f32; 2]]) -> f64 {
    let count = full.len() as f64;
    let (mut differences, mut variance) = (0.0, 0.0);
    for which in [0, 1] {
        let mean = full.iter().map(|pair| f64::from(pair[which])).sum::<f64>() / count;
        for (full, found) in full.iter().zip(found) {
            let full = f64::from(full[which]);
            variance += (full - mean).powi(2);
            differences += (f64::from(found[which]) - full).powi(2);
        }
    }
    if differences == 0.0 {
        return 0.0;
    }
    (differences / variance).sqrt()
}

#[cfg(test)]
mod tests {
    use super::distance;

    #[test]
    fn distances_are_in_standard_deviations() {
        let full = [[1.0, 10.0], [3.0, 10.0], [1.0, 14.0], [3.0, 14.0]];
        assert_eq!(distance(&full, &full), 0.0);
        // Variances 1 and 4, differences of 1 everywhere: the square root of 8 in 20.
        let moved = full.map(|pair| pair.map(|logit| logit + 1.0));
        assert!((distance(&full, &moved) - 0.4_f64.sqrt()).abs() < 1e-12);
        assert!(distance(&full, &[[f32::NAN; 2]; 4]).is_nan());
        assert_eq!(distance(&[[1.0; 2]; 3], &[[2.0; 2]; 3]), f64::INFINITY);
    }
}
