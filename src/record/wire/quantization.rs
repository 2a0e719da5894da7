//! What a record says of weights in eight bits.

use serde::{Deserialize, Serialize};

/// How dense layers were quantised, and what that changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WireQuantization {
    /// How weights are.
    pub weights: String,
    /// How activations are.
    pub activations: String,
    /// What features were divided by first, and their weights multiplied by.
    pub smoothing: String,
    /// The instructions that multiplied; absent of the portable form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instructions: Option<String>,
    /// Dense layers of the encoder.
    pub dense_layers: usize,
    /// Those that stayed in `f32`, for they would lose most.
    pub in_full: Vec<WireLayerLoss>,
    /// The one that lost most of the others.
    pub largest_layer_loss: Option<WireLayerLoss>,
    /// Root mean square difference of the logits from those in `f32`, in standard deviations of
    /// these.
    pub logit_loss: f64,
    /// What that was to be at the most.
    pub logit_loss_limit: f64,
    /// What was computed to find out.
    pub calibration: WireCalibration,
}

/// What a layer loses by itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WireLayerLoss {
    /// Its name in the checkpoint.
    pub layer: String,
    /// Root mean square difference of its results from those in `f32`, in units of the root mean
    /// square of these.
    pub loss: f64,
}

/// The text that was computed in `f32` and in eight bits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WireCalibration {
    /// The data set it is from.
    pub dataset: String,
    /// Its windows.
    pub windows: usize,
    /// Tokens of these.
    pub tokens: usize,
}
