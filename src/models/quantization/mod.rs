//! Which dense layers are computed in eight bits.
//!
//! Decided when the model is loaded, on a fixed text: a few questions of the bundled data set, in
//! the model's own tokens ([`text`]). All layers compute it in full and in eight bits side by side,
//! each from inputs in full, which gives the loss of each layer. Then the whole model computes it
//! in eight bits. Where its logits are further than [`LIMIT`] from those in full, the layers that
//! lose most are put back in full, one, then two, four, … of them, until they are within it.

pub mod text;

use std::sync::Arc;

use super::ModelError;
use super::span::Assembled;
use crate::batch::Batch;
use crate::ops::int8::{Computes, Trial};

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

/// Decides for all layers and lets go of the weights that are not needed.
///
/// # Errors
///
/// Fails where the model does.
pub fn settle(
    model: &Assembled,
    trials: &[Arc<Trial>],
    text: &Batch,
) -> Result<Quantization, ModelError> {
    let all_compute = |computes| {
        for trial in trials {
            trial.compute_with(computes);
        }
    };
    all_compute(Computes::Both);
    let full = model.forward(text)?;
    let mut layers: Vec<(&Trial, f64)> = trials
        .iter()
        .filter_map(|trial| Some((&**trial, trial.loss()?)))
        .collect();
    layers.sort_by(|a, b| b.1.total_cmp(&a.1));
    all_compute(Computes::Int8);
    let mut in_full = 0;
    let mut logit_loss = distance(&full, &model.forward(text)?);
    // A loss that is no number is too large.
    while (logit_loss.is_nan() || logit_loss > LIMIT) && in_full < layers.len() {
        in_full = (2 * in_full).clamp(1, layers.len());
        for (trial, _) in &layers[..in_full] {
            trial.compute_with(Computes::Full);
        }
        logit_loss = distance(&full, &model.forward(text)?);
    }
    let named = |(trial, loss): &(&Trial, f64)| LayerLoss {
        name: trial.name().to_owned(),
        loss: *loss,
    };
    let found = Quantization {
        instructions: model.form().int8_instructions(),
        layers: layers.len(),
        in_full: layers[..in_full].iter().map(named).collect(),
        largest: layers.get(in_full).map(named),
        logit_loss,
        windows: text.windows.len(),
        tokens: text.tokens(),
    };
    let mut put_back = layers[..in_full].iter();
    let settled = put_back.try_for_each(|(trial, _)| trial.settle(false));
    // The others, and those that computed nothing: they are used while the model is loaded alone.
    let settled = settled.and_then(|()| trials.iter().try_for_each(|trial| trial.settle(true)));
    settled.map_err(|source| ModelError::Tensor {
        doing: "making the layers that stay in full".to_owned(),
        source,
    })?;
    Ok(found)
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
