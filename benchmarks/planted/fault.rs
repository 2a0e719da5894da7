//! Faults that are planted into a model, to see whether the harness finds them.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use spanbench::batch::{Batch, SpanLogits};
use spanbench::models::pending::Pending;
use spanbench::models::{ModelDescription, ModelError, SpanModel};

/// The environment variable that names the fault: `NAME` or `NAME=NUMBER`.
pub const VARIABLE: &str = "SPANBENCH_PLANT";

/// What is planted. Passes are counted from 1. All but `slow` leave passes of a single window
/// alone, which those of the warm-up are.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    /// Nothing.
    None,
    /// Every pass takes this many times as long.
    Slow(f64),
    /// From the 15th on each pass takes so many milliseconds longer than the one before;
    /// of the 24 questions in batches of 1024 tokens that tests ask, the first 14 are the scored pass.
    Drift(f64),
    /// Every sixth pass takes this many milliseconds longer.
    Delays(f64),
    /// Every pass keeps this many megabytes for good.
    Leak(f64),
    /// A pass of that number panics.
    Panic(f64),
    /// A pass of that number ends the process by a signal.
    Signal(f64),
    /// A pass of that number asks for more memory than there is.
    Memory(f64),
    /// A pass of that number does not return.
    Hang(f64),
    /// Logits that are no numbers, from that pass on.
    NotFinite(f64),
    /// A batch that comes a second time has other logits than the first time.
    Wrong,
    /// A pass in which some window is longer than so many tokens panics.
    Long(f64),
}

impl Fault {
    fn from_environment() -> Self {
        let text = std::env::var(VARIABLE).unwrap_or_default();
        let (name, number) = text.split_once('=').unwrap_or((&text, "1"));
        let number: f64 = number.parse().expect("a number after =");
        match name {
            "" => Self::None,
            "slow" => Self::Slow(number),
            "drift" => Self::Drift(number),
            "delays" => Self::Delays(number),
            "leak" => Self::Leak(number),
            "panic" => Self::Panic(number),
            "signal" => Self::Signal(number),
            "memory" => Self::Memory(number),
            "hang" => Self::Hang(number),
            "not-finite" => Self::NotFinite(number),
            "wrong" => Self::Wrong,
            "long" => Self::Long(number),
            other => panic!("{VARIABLE}: unknown fault {other:?}"),
        }
    }
}

/// A model with a fault.
pub struct Planted {
    model: Box<dyn SpanModel>,
    fault: Fault,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    passes: u32,
    leaked: Vec<Vec<u8>>,
    seen: HashMap<u64, u32>,
}

impl Planted {
    /// Plants the fault that the environment names into `model`, or none.
    pub fn new(model: Box<dyn SpanModel>, planted: bool) -> Self {
        let fault = if planted {
            Fault::from_environment()
        } else {
            Fault::None
        };
        Self {
            model,
            fault,
            state: Mutex::default(),
        }
    }

    fn before(&self, state: &mut State, batch: &Batch) {
        let is_pass = |number: f64| f64::from(state.passes) == number;
        match self.fault {
            Fault::Panic(number) if is_pass(number) => panic!("planted panic"),
            Fault::Long(limit) if batch.lengths().any(|n| n as f64 > limit) => {
                panic!("planted panic at a long window")
            }
            Fault::Signal(number) if is_pass(number) => std::process::abort(),
            Fault::Memory(number) if is_pass(number) => {
                // More than any address space: the allocator says no, as it does when memory is limited.
                let block: Vec<u8> = Vec::with_capacity(1 << 60);
                std::hint::black_box(&block);
            }
            Fault::Hang(number) if is_pass(number) => loop {
                std::thread::sleep(Duration::from_hours(1));
            },
            Fault::Leak(megabytes) => {
                #[allow(clippy::cast_sign_loss, clippy::cast_possible_truncation)]
                state.leaked.push(vec![1; (megabytes * 1e6) as usize]);
            }
            _ => {}
        }
    }

    fn after(&self, state: &mut State, batch: &Batch, logits: &mut SpanLogits, took: Duration) {
        match self.fault {
            Fault::Slow(factor) => wait(took.mul_f64(factor - 1.0)),
            Fault::Drift(ms) => {
                let late = state.passes.saturating_sub(14);
                wait(Duration::from_secs_f64(ms * f64::from(late) / 1e3));
            }
            Fault::Delays(ms) if state.passes.is_multiple_of(6) => {
                wait(Duration::from_secs_f64(ms / 1e3));
            }
            Fault::NotFinite(number) if f64::from(state.passes) >= number => {
                logits.start[0] = f32::NAN;
            }
            Fault::Wrong => {
                let mut hasher = DefaultHasher::new();
                batch.token_ids.hash(&mut hasher);
                let times = state.seen.entry(hasher.finish()).or_default();
                *times += 1;
                if *times > 1 {
                    logits.start.reverse();
                    logits.end.reverse();
                }
            }
            _ => {}
        }
    }
}

/// Busy, as a slower model would be.
fn wait(time: Duration) {
    let started = Instant::now();
    while started.elapsed() < time {
        std::hint::spin_loop();
    }
}

impl SpanModel for Planted {
    fn description(&self) -> &ModelDescription {
        self.model.description()
    }

    fn begin(&self, batch: &Batch) -> Result<Pending<'_>, ModelError> {
        if batch.windows.len() < 2 && !matches!(self.fault, Fault::Slow(_)) {
            return self.model.begin(batch);
        }
        let mut state = self.state.lock().expect("passes come one after another");
        state.passes += 1;
        self.before(&mut state, batch);
        let started = Instant::now();
        let mut logits = self.model.span_logits(batch)?;
        self.after(&mut state, batch, &mut logits, started.elapsed());
        Ok(Pending::ready(logits.into()))
    }

    fn window_flops(&self, length: usize) -> u64 {
        self.model.window_flops(length)
    }
}
