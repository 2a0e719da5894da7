//! The span head on an encoder: hidden states to start and end logits.

use std::sync::Arc;

use candle_core::{DType, Device, Result as TensorResult, Tensor, bail};

use super::config::Fields;
use super::encoder::Encoder;
use super::files::ModelFiles;
use super::pending::{ForwardPass, Pending};
use super::quantization::kept::Kept;
use super::replays::{Keep, Prepared, Replays, Ways};
use super::weights::Weights;
use super::{ModelDescription, ModelError, SpanModel, chunks, quantization};
use crate::batch::{Batch, SpanLogits};
use crate::measure::profile::{self, Operation, Work};
use crate::ops::int8::Trial;
use crate::ops::readback::{Begun, Bringing};
use crate::ops::replay::{self, Replay};
use crate::ops::{self, Form, Linear, Norm, Sequences};

/// The usual name of the layer that gives the logits.
const USUAL: &str = "qa_outputs";

/// Its name in ModernBERT checkpoints, after a layer called `head`.
const CLASSIFIER: &str = "classifier";

/// One dense layer with two outputs, in ModernBERT after another layer.
pub struct SpanHead {
    prediction: Option<Prediction>,
    outputs: Linear,
}

/// `norm(activation(dense(x)))`: `ModernBertPredictionHead` of transformers.
struct Prediction {
    dense: Linear,
    norm: Norm,
}

impl SpanHead {
    /// Checks that the checkpoint of an `architecture` has a span head at all.
    ///
    /// # Errors
    ///
    /// Fails where it has none, naming the head it has in its place.
    pub fn check(
        architecture: &str,
        fields: &Fields,
        weights: &Weights<'_>,
    ) -> Result<(), ModelError> {
        match Self::outputs_name(architecture, fields, weights)? {
            Some(_) => Ok(()),
            None => Err(ModelError::NoSpanHead {
                path: weights.path().to_owned(),
                expected: match architecture {
                    "modernbert" => {
                        "qa_outputs.weight, or classifier.weight where config.json has ModernBertForQuestionAnswering among its architectures"
                    }
                    _ => "qa_outputs.weight",
                },
                also: weights.other_head(),
            }),
        }
    }

    /// What the layer that gives the logits is called in this checkpoint.
    fn outputs_name(
        architecture: &str,
        fields: &Fields,
        weights: &Weights<'_>,
    ) -> Result<Option<&'static str>, ModelError> {
        if weights.contains(&format!("{USUAL}.weight")) {
            return Ok(Some(USUAL));
        }
        if architecture != "modernbert" || !weights.contains(&format!("{CLASSIFIER}.weight")) {
            return Ok(None);
        }
        // A classifier of tokens or pairs has the same name and, with two labels, the same shape.
        let classes: Vec<String> = fields.get("architectures")?.unwrap_or_default();
        let answers = classes
            .iter()
            .any(|class| class == "ModernBertForQuestionAnswering");
        Ok(answers.then_some(CLASSIFIER))
    }

    /// Takes the head's weights.
    ///
    /// # Errors
    ///
    /// Fails where tensors are missing or of another shape.
    pub fn load(
        architecture: &str,
        fields: &Fields,
        weights: &Weights<'_>,
        hidden: usize,
    ) -> Result<Self, ModelError> {
        let name = Self::outputs_name(architecture, fields, weights)?.unwrap_or(USUAL);
        let prediction = if architecture == "modernbert" && weights.contains("head.dense.weight") {
            let bias = fields.flag("classifier_bias", false)?;
            let activation = fields.activation("classifier_activation", "gelu")?;
            let epsilon = fields.epsilon("norm_eps", 1e-5)?;
            let dense = weights.linear_with("head.dense", hidden, hidden, bias)?;
            let norm_bias = fields.flag("norm_bias", false)?;
            Some(Prediction {
                dense: dense.with_activation(activation),
                norm: weights.norm_with("head.norm", hidden, epsilon, norm_bias)?,
            })
        } else {
            None
        };
        Ok(Self {
            prediction,
            outputs: weights.linear_in_full(name, hidden, 2)?,
        })
    }

    /// `[tokens, hidden]` to `[tokens, 2]`.
    fn forward(&self, hidden: &Tensor) -> TensorResult<Tensor> {
        match &self.prediction {
            None => self.outputs.forward(hidden),
            Some(Prediction { dense, norm }) => self
                .outputs
                .forward(&norm.forward(&dense.forward(hidden)?)?),
        }
    }

    fn flops_per_token(&self) -> u64 {
        let prediction = self.prediction.as_ref();
        let prediction = prediction.map_or(0, |prediction| prediction.dense.flops_per_token());
        prediction + self.outputs.flops_per_token()
    }
}

/// An encoder with its span head.
pub struct Assembled {
    description: ModelDescription,
    encoder: Box<dyn Encoder>,
    head: SpanHead,
    form: Form,
    device: Device,
    replays: Replays,
}

impl Assembled {
    /// Puts the parts together, all of the same form and on the same device.
    pub fn new(
        description: ModelDescription,
        encoder: Box<dyn Encoder>,
        head: SpanHead,
        form: Form,
        device: Device,
    ) -> Self {
        Self {
            description,
            encoder,
            head,
            form,
            device,
            replays: Replays::default(),
        }
    }

    /// The form of its operations.
    pub(super) fn form(&self) -> Form {
        self.form
    }

    /// Settles which layers are computed in eight bits; what was decided may be `kept` from an earlier
    /// time.
    ///
    /// # Errors
    ///
    /// Fails where the model's tokeniser cannot be used, and where tensors do.
    pub(super) fn quantise(
        &mut self,
        trials: &[Arc<Trial>],
        files: &ModelFiles,
        kept: Option<&Kept>,
    ) -> Result<(), ModelError> {
        let ModelDescription {
            architecture,
            tables,
            max_positions,
            ..
        } = self.description;
        let text = || quantization::text::windows(files, architecture, tables, max_positions);
        // What each would take in full, and what it takes.
        let full: u64 = trials.iter().map(|trial| trial.full_bytes()).sum();
        self.description.quantization = Some(quantization::settle(self, trials, text, kept)?);
        let kept: u64 = trials.iter().map(|trial| trial.bytes()).sum();
        self.description.weights_bytes = self.description.weights_bytes - full + kept;
        Ok(())
    }

    /// Start and end logits of the whole batch, in one pass.
    pub(super) fn forward(&self, batch: &Batch) -> Result<Vec<[f32; 2]>, ModelError> {
        let _span = profile::span(Operation::ForwardPass, || Work::NONE);
        let logits = self.ask(batch).and_then(Bringing::finish);
        let brought = logits.map_err(|source| failed(batch.tokens(), source))?;
        Ok(brought.values.as_chunks().0.to_vec())
    }

    /// Asks the device for the logits.
    fn ask(&self, batch: &Batch) -> TensorResult<Bringing> {
        let sequences = self.encoder.look_up(batch)?;
        let begun = Begun::now(&self.device)?;
        begun.bring(&self.logits(&sequences)?)
    }

    /// `[tokens, 2]` in `f32`.
    fn logits(&self, sequences: &Sequences<'_>) -> TensorResult<Tensor> {
        let hidden = self.encoder.forward(sequences)?;
        self.head.forward(&hidden)?.to_dtype(DType::F32)
    }

    /// The same, the windows shared among the threads of the current pool.
    fn forward_shared(&self, batch: &Batch) -> Result<Vec<[f32; 2]>, ModelError> {
        let lengths: Vec<usize> = batch.lengths().collect();
        let shares = chunks::share(&lengths, rayon::current_num_threads());
        let mut parts = chunks::for_each_alone(shares.alone.len(), |chunk| {
            ops::alone(|| self.forward(&batch.part(&shares.alone[chunk])))
        });
        if !shares.together.is_empty() {
            parts.push(self.forward(&batch.part(&shares.together)));
        }
        let mut logits = vec![[0.0; 2]; batch.tokens()];
        let places = shares.alone.iter().chain([&shares.together]);
        for (part, places) in parts.into_iter().zip(places) {
            let part = part?;
            let mut rest = part.as_slice();
            for &place in places {
                let own;
                (own, rest) = rest.split_at(lengths[place]);
                logits[batch.boundaries[place]..][..own.len()].copy_from_slice(own);
            }
        }
        Ok(logits)
    }
}

impl Ways for Assembled {
    fn launch(&self, batch: &Batch) -> Result<Pending<'_>, ModelError> {
        pending(self.ask(batch), batch.tokens(), 0)
    }

    fn record(&self, batch: &Batch) -> TensorResult<Replay> {
        let sequences = self.encoder.look_up(batch)?.with_any_lengths();
        Replay::record(&self.device, &sequences, &|sequences| {
            self.logits(sequences)
        })
    }

    fn trim(&self) -> TensorResult<()> {
        replay::trim(&self.device)
    }

    fn replay(
        &self,
        replay: &Replay,
        batch: &Batch,
        tokens: usize,
    ) -> Result<Pending<'_>, ModelError> {
        let filled = batch.filled_up(tokens);
        let replayed = || {
            let sequences = self.encoder.look_up(&filled)?;
            // Launched kernels are asked for by operations that compare this with their tables.
            let (longest, limit) = (sequences.longest(), self.description.max_positions);
            if limit.is_some_and(|limit| longest > limit) {
                bail!("a window of {longest} tokens, and {limit:?} positions")
            }
            replay.begin(&sequences)
        };
        pending(replayed(), batch.tokens(), tokens - batch.tokens())
    }
}

/// The logits of so many tokens that come before those of others.
fn pending<'a>(
    bringing: TensorResult<Bringing>,
    tokens: usize,
    filling: usize,
) -> Result<Pending<'a>, ModelError> {
    let bringing = bringing.map_err(|source| failed(tokens, source))?;
    Ok(Pending::new(move || {
        let brought = bringing.finish();
        let brought = brought.map_err(|source| failed(tokens, source))?;
        let (logits, _) = brought.values.as_chunks();
        Ok(ForwardPass {
            logits: separate(&logits[..tokens]),
            device_time: brought.device_time,
            filling,
            was_over: brought.was_over,
        })
    }))
}

fn failed(tokens: usize, source: candle_core::Error) -> ModelError {
    ModelError::Tensor {
        doing: format!("the forward pass of {tokens} tokens"),
        source,
    }
}

/// Start and end logits by themselves.
fn separate(logits: &[[f32; 2]]) -> SpanLogits {
    SpanLogits {
        start: logits.iter().map(|pair| pair[0]).collect(),
        end: logits.iter().map(|pair| pair[1]).collect(),
    }
}

impl SpanModel for Assembled {
    fn description(&self) -> &ModelDescription {
        &self.description
    }

    fn begin(&self, batch: &Batch) -> Result<Pending<'_>, ModelError> {
        // What is recorded of a forward pass is all of it.
        if self.device.is_cuda() && !profile::is_recording() {
            let replayed = self.replays.begin(self, batch);
            return replayed.unwrap_or_else(|| self.launch(batch));
        }
        let logits = match self.form {
            Form::Cpu => self.forward_shared(batch)?,
            Form::Cuda | Form::Portable => self.forward(batch)?,
        };
        Ok(Pending::ready(separate(&logits).into()))
    }

    fn prepare(&self, batches: &[Batch], keep: Keep) -> Result<Vec<Prepared>, ModelError> {
        match self.form {
            Form::Cuda => self.replays.prepare(self, batches, keep),
            Form::Cpu | Form::Portable => Ok(Vec::new()),
        }
    }

    fn batches_at_once(&self) -> usize {
        if self.device.is_cuda() { 2 } else { 1 }
    }

    fn window_flops(&self, length: usize) -> u64 {
        let head = self.head.flops_per_token() * length as u64;
        self.encoder.window_flops(length) + head
    }
}
