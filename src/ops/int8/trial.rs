//! Layers of which it is not decided yet whether they are computed in eight bits.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use candle_core::{DType, Result, Tensor};

use crate::ops::Activation;
use crate::ops::linear::Weights;

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

/// Makes a layer's weights in full once more. They are not kept beside those in eight bits: of a
/// whole model that would be more memory than the model in full takes.
pub(in crate::ops) type Full = Box<dyn Fn() -> Result<Weights> + Send + Sync>;

/// A dense layer that can compute with either of its weights until it is settled which ones it keeps.
pub struct Trial {
    name: String,
    full_bytes: u64,
    settled: OnceLock<Weights>,
    /// Nothing once it is settled.
    open: Mutex<Option<Open>>,
}

#[derive(Clone)]
struct Open {
    full: Arc<Full>,
    int8: Arc<Weights>,
    computes: Computes,
    loss: Loss,
}

/// Sums of squares over all that a layer computed.
#[derive(Debug, Clone, Copy, Default)]
struct Loss {
    differences: f64,
    results: f64,
}

impl Trial {
    /// A layer whose weights take `full_bytes` in full.
    pub(in crate::ops) fn new(name: &str, full_bytes: u64, full: Full, int8: Weights) -> Self {
        let open = Open {
            full: Arc::new(full),
            int8: Arc::new(int8),
            computes: Computes::Full,
            loss: Loss::default(),
        };
        Self {
            name: name.to_owned(),
            full_bytes,
            settled: OnceLock::new(),
            open: Mutex::new(Some(open)),
        }
    }

    /// The layer's name in the checkpoint.
    pub fn name(&self) -> &str {
        &self.name
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
        let full = match &*open {
            None => return Ok(()),
            Some(_) if in_eight_bits => None,
            Some(open) => Some((open.full)()?),
        };
        let kept = full.or_else(|| {
            let int8 = open.take()?.int8;
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

    /// What the weights that were kept take.
    pub fn kept_bytes(&self) -> u64 {
        self.settled().map_or(0, Weights::bytes)
    }

    /// For what is the same of both.
    pub(in crate::ops) fn with_weights<R>(&self, of: impl Fn(&Weights) -> R) -> R {
        if let Some(settled) = self.settled() {
            return of(settled);
        }
        let int8 = self.open().as_ref().map(|open| Arc::clone(&open.int8));
        match int8 {
            Some(int8) => of(&int8),
            // Settled since it was looked at.
            None => self.with_weights(of),
        }
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
        match open.computes {
            Computes::Full => (open.full)()?.forward(x, activation),
            Computes::Int8 => open.int8.forward(x, activation),
            Computes::Both => {
                let full = (open.full)()?.forward(x, activation)?;
                let int8 = open.int8.forward(x, activation)?;
                self.note(&full, &int8)?;
                Ok(full)
            }
        }
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
        let (layer, trial) = Linear::on_trial("layer", tensors, 1, Form::Cpu).unwrap();
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
