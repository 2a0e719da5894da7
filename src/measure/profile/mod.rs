//! Where a run's time goes, operation by operation.
//!
//! The operations of [`crate::ops`] open a [`span`] each, a model opens one for
//! a forward pass, and whoever runs it one for tokenising and for decoding. While
//! nothing records, a span costs one relaxed load of an atomic number.
//! [`Recording::start`] begins to record and [`Recording::finish`] gives the
//! [`Profile`] (a table, exact however long the run was) and the [`Trace`] (the
//! first spans one by one, for Perfetto).
//!
//! Spans of one thread lie within each other or apart, since each ends where
//! its guard is dropped. A span's own time is what no span within it takes, so
//! that own times add up to the time of the outermost spans. Parallel loops
//! inside an operation are part of the operation: a span is wall time of the
//! thread that called it.

mod recorder;
mod table;
mod trace;

pub(crate) use recorder::is_recording;
pub use recorder::{Recorded, Recording, Span, span};
pub use table::{Profile, Row};
pub use trace::{Event, MAX_EVENTS, Trace};

/// What a span is spent on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Dense layers with their bias, grouped ones too, and convolutions made of them.
    Linear,
    /// Scores, softmax and weighted sums, with the turning of queries and keys before.
    Attention,
    /// Normalisation, with the residual sum that is made in the same pass.
    LayerNorm,
    /// Non-linearities and gates; in the CPU form gates alone, for a dense layer applies its
    /// non-linearity to what it has just computed.
    Activation,
    /// Table look-ups and their sum.
    Embedding,
    /// One forward pass, on the CPU over the chunk of the batch that one thread computes, so
    /// that the times of several add up to more than has passed. Its own time, between the operations, is
    /// the row [`Profile::other`]: residual sums by themselves, copies, gathers, allocation.
    ForwardPass,
    /// Text to windows of token ids.
    Tokenize,
    /// Logits to answers.
    Decode,
}

impl Operation {
    /// All of them, in the order of the table.
    pub const ALL: [Self; 8] = [
        Self::Linear,
        Self::Attention,
        Self::LayerNorm,
        Self::Activation,
        Self::Embedding,
        Self::ForwardPass,
        Self::Tokenize,
        Self::Decode,
    ];

    /// Name in tables and traces.
    pub fn name(self) -> &'static str {
        match self {
            Self::Linear => "linear",
            Self::Attention => "attention",
            Self::LayerNorm => "layer norm",
            Self::Activation => "activation",
            Self::Embedding => "embedding",
            Self::ForwardPass => "forward pass",
            Self::Tokenize => "tokenise",
            Self::Decode => "decode",
        }
    }

    /// Whether it is a step of the line, not a part of the forward pass.
    fn is_stage(self) -> bool {
        matches!(self, Self::ForwardPass | Self::Tokenize | Self::Decode)
    }
}

/// What a span computes and moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Work {
    /// Model FLOPs: see [`crate::models::SpanModel::window_flops`].
    pub flops: u64,
    /// Bytes of the operands and of the result, each once: what has to be
    /// moved even with a perfect cache, not what is.
    pub bytes: u64,
}

impl Work {
    /// Work that is not counted.
    pub const NONE: Self = Self { flops: 0, bytes: 0 };
}

impl std::ops::AddAssign for Work {
    fn add_assign(&mut self, other: Self) {
        self.flops = self.flops.saturating_add(other.flops);
        self.bytes = self.bytes.saturating_add(other.bytes);
    }
}
