//! Layers of which it is not decided yet whether they are computed in eight bits.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use candle_core::{DType, Device, Result, Tensor};

use super::check_inputs;
use crate::ops::linear::Weights;
use crate::ops::span::bytes;
use crate::ops::{Activation, Form};

/// What an undecided layer computes with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Computes {
    /// The weights as they are.
    Full,
    /// Those in eight bits.
    Int8,
    /// Both: the result is the full one, and the difference is noted.
    Both,
}

/// Makes a layer's weight and bias once more. They are not kept: of a whole model that would be more
/// memory than the model in full takes.
pub(in crate::ops) type Tensors = Box<dyn Fn() -> Result<(Tensor, Option<Tensor>)> + Send + Sync>;

/// A dense layer that can compute with either of its weights until it is settled which ones it keeps.
///
/// It makes those in eight bits when it first computes both, for inputs like those it then has.
pub struct Trial {
    name: String,
    /// Of all groups.
    inputs: usize,
    outputs: usize,
    /// Weights, without biases.
    count: usize,
    full_bytes: u64,
    settled: OnceLock<Weights>,
    /// Nothing once it is settled.
    open: Mutex<Option<Open>>,
}

#[derive(Clone)]
struct Open {
    make: Arc<Make>,
    /// How large each input is at the most, where that is known.
    largest: Option<Arc<[f32]>>,
    int8: Option<Arc<Weights>>,
    computes: Computes,
    loss: Loss,
}

/// What a layer's weights are made of.
struct Make {
    tensors: Tensors,
    groups: usize,
    form: Form,
}

impl Make {
    fn full(&self) -> Result<Weights> {
        let (weight, bias) = (self.tensors)()?;
        Weights::new(&weight, bias.as_ref(), self.groups, self.form)
    }

    /// For inputs of which it is known perhaps how large each is at the most.
    fn int8(&self, largest: Option<&[f32]>) -> Result<Weights> {
        let (weight, bias) = (self.tensors)()?;
        Weights::int8(&weight, bias.as_ref(), largest, self.groups, self.form)
    }
}

/// Sums of squares over all that a layer computed.
#[derive(Debug, Clone, Copy, Default)]
struct Loss {
    differences: f64,
    results: f64,
}

impl Trial {
    /// A layer of this `weight` and `bias`, which `tensors` makes again; see
    /// [`Linear::grouped`](crate::ops::Linear::grouped).
    pub(in crate::ops) fn new(
        name: &str,
        (weight, bias): (&Tensor, Option<&Tensor>),
        tensors: Tensors,
        groups: usize,
        form: Form,
    ) -> Result<Self> {
        let (outputs, inputs) = weight.dims2()?;
        check_inputs(inputs)?;
        let open = Open {
            make: Arc::new(Make {
                tensors,
                groups,
                form,
            }),
            largest: None,
            int8: None,
            computes: Computes::Full,
            loss: Loss::default(),
        };
        Ok(Self {
            name: name.to_owned(),
            inputs: inputs * groups,
            outputs,
            count: weight.elem_count(),
            full_bytes: bytes(weight) + bias.map_or(0, bytes),
            settled: OnceLock::new(),
            open: Mutex::new(Some(open)),
        })
    }

    /// The layer's name in the checkpoint.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many numbers it makes its results of.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// How large each input was at the most when weights in eight bits were made; nothing where they
    /// were not, or the layer is settled.
    pub fn largest_inputs(&self) -> Option<Arc<[f32]>> {
        self.open().as_ref()?.largest.clone()
    }

    /// Has weights in eight bits made for inputs that are as large as `largest` says of each, where
    /// none are made yet.
    ///
    /// # Errors
    ///
    /// Fails where the layer has another number of inputs.
    pub fn expect_inputs(&self, largest: Arc<[f32]>) -> Result<()> {
        if largest.len() != self.inputs {
            let (name, inputs, found) = (&self.name, self.inputs, largest.len());
            candle_core::bail!("{name} has {inputs} inputs, not {found}")
        }
        if let Some(open) = self.open().as_mut().filter(|open| open.int8.is_none()) {
            open.largest = Some(largest);
        }
        Ok(())
    }

    /// Chooses what is computed with from here on; nothing has been noted then.
    pub fn compute_with(&self, computes: Computes) {
        if let Some(open) = self.open().as_mut() {
            open.computes = computes;
            open.loss = Loss::default();
        }
    }

    /// The root of the mean square of what eight bits changed, in units of that of the results in
    /// full; nothing where the layer has not computed both.
    pub fn loss(&self) -> Option<f64> {
        let loss = self.open().as_ref()?.loss;
        // What is no number was computed all the same, and is the worst there is.
        (loss.results != 0.0).then(|| (loss.differences / loss.results).sqrt())
    }

    /// Keeps the weights in eight bits, or those in full. The first time decides.
    ///
    /// # Errors
    ///
    /// Fails where the weights in full cannot be made once more.
    pub fn settle(&self, in_eight_bits: bool) -> Result<()> {
        // Held to the end: whoever finds nothing open finds it settled.
        let mut open = self.open();
        let kept = match &*open {
            None => return Ok(()),
            Some(both) if !in_eight_bits => Some(both.make.full()?),
            Some(both) if both.int8.is_none() => Some(both.make.int8(both.largest.as_deref())?),
            Some(_) => None,
        };
        let kept = kept.or_else(|| {
            let int8 = open.take()?.int8?;
            Some(Arc::try_unwrap(int8).unwrap_or_else(|shared| (*shared).clone()))
        });
        if let Some(kept) = kept {
            // There was none, for it was open.
            let _ = self.settled.set(kept);
        }
        *open = None;
        Ok(())
    }

    /// What the layer has settled on.
    pub(in crate::ops) fn settled(&self) -> Option<&Weights> {
        self.settled.get()
    }

    /// What the weights take in full.
    pub fn full_bytes(&self) -> u64 {
        self.full_bytes
    }

    /// What its weights take, those in full as long as it is not settled.
    pub fn bytes(&self) -> u64 {
        self.settled().map_or(self.full_bytes, Weights::bytes)
    }

    pub(in crate::ops) fn outputs(&self) -> usize {
        self.outputs
    }

    /// Weights, without biases and padding.
    pub(in crate::ops) fn count(&self) -> usize {
        self.count
    }

    pub(in crate::ops) fn forward(
        &self,
        x: &Tensor,
        activation: Option<Activation>,
    ) -> Result<Tensor> {
        if let Some(settled) = self.settled() {
            return settled.forward(x, activation);
        }
        // Not locked while it computes, which other threads may do at the same time.
        let Some(open) = self.open().clone() else {
            return self.forward(x, activation);
        };
        if open.computes == Computes::Full {
            return open.make.full()?.forward(x, activation);
        }
        let int8 = match open.int8 {
            Some(int8) => int8,
            None => self.make_int8(&open.make, x)?,
        };
        let found = int8.forward(x, activation)?;
        if open.computes == Computes::Int8 {
            return Ok(found);
        }
        let full = open.make.full()?.forward(x, activation)?;
        self.note(&full, &found)?;
        Ok(full)
    }

    /// Makes and keeps weights in eight bits for inputs like these.
    fn make_int8(&self, make: &Make, x: &Tensor) -> Result<Arc<Weights>> {
        // On the CPU, whatever computes: it is a few tokens, once.
        let here = x.to_device(&Device::Cpu)?.to_dtype(DType::F32)?;
        let largest: Vec<f32> = here.abs()?.max(0)?.to_vec1()?;
        let int8 = Arc::new(make.int8(Some(&largest))?);
        if let Some(open) = self.open().as_mut() {
            open.largest = Some(largest.into());
            open.int8 = Some(Arc::clone(&int8));
        }
        Ok(int8)
    }

    fn note(&self, full: &Tensor, int8: &Tensor) -> Result<()> {
        let values = |x: &Tensor| x.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>();
        let mut loss = Loss::default();
        for (full, int8) in values(full)?.into_iter().zip(values(int8)?) {
            loss.differences += f64::from(int8 - full).powi(2);
            loss.results += f64::from(full).powi(2);
        }
        if let Some(open) = self.open().as_mut() {
            open.loss.differences += loss.differences;
            open.loss.results += loss.results;
        }
        Ok(())
    }

    /// What is still open. A thread that panicked left it as it was: nothing is half done.
    fn open(&self) -> MutexGuard<'_, Option<Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Trial {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Trial")
            .field("name", &self.name)
            .field("settled", &self.settled.get().is_some())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Tensor};

    use super::Computes;
    use crate::ops::{Form, Linear};

    /// What a layer of one weight loses, and what it computes before and after it is settled.
    fn one_weight(weight: f32, in_eight_bits: bool) -> (Option<f64>, [Vec<f32>; 3]) {
        let tensors = move || Ok((Tensor::new(&[[weight]], &Device::Cpu)?, None));
        let (weight, bias) = tensors().unwrap();
        let known = (&weight, bias.as_ref());
        let (layer, trial) = Linear::on_trial("layer", known, tensors, 1, Form::Cpu).unwrap();
        let x = Tensor::new(&[[2.0_f32], [-0.5]], &Device::Cpu).unwrap();
        let forward = || -> Vec<f32> {
            let y = layer.forward(&x).unwrap();
            y.flatten_all().unwrap().to_vec1().unwrap()
        };
        assert_eq!((trial.loss(), trial.full_bytes()), (None, 4));
        trial.compute_with(Computes::Both);
        let both = forward();
        let loss = trial.loss();
        trial.compute_with(Computes::Int8);
        let int8 = forward();
        assert_eq!(layer.flops_per_token(), 2);
        trial.settle(in_eight_bits).unwrap();
        // The first time decided.
        trial.settle(!in_eight_bits).unwrap();
        assert_eq!((layer.flops_per_token(), trial.loss()), (2, None));
        (loss, [both, int8, forward()])
    }

    #[test]
    fn a_layer_keeps_what_it_was_settled_on() {
        for in_eight_bits in [true, false] {
            let (loss, [both, int8, settled]) = one_weight(0.3, in_eight_bits);
            assert_eq!(both, [2.0 * 0.3, -0.5 * 0.3]);
            assert!(loss.unwrap() < 0.01);
            assert_eq!(settled, if in_eight_bits { int8 } else { both });
        }
    }

    #[test]
    fn what_is_no_number_was_computed_all_the_same() {
        assert!(one_weight(f32::NAN, false).0.unwrap().is_nan());
        assert_eq!(one_weight(0.0, true).0, None);
    }
}
