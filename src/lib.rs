//! spanbench: a benchmark harness for extractive question answering.
//!
//! Models of the BERT class answer SQuAD-style questions, and accuracy, speed
//! and memory of the *same answers* go into one record. The way of the data is
//! one line, one stage a module:
//!
//! ```text
//! cell ─► models::locate ─► models ─────────────────────────┐
//!      └► dataset ─► windows ─► batch (packed) ─► SpanModel ─► decode ─► score ─► record ─► render
//! ```
//!
//! Tensors exist only inside [`models`] and [`ops`]; everything else is plain data.

pub mod analysis;
pub mod audit;
pub mod batch;
pub mod bundled;
mod caches;
pub mod cell;
pub mod compare;
pub mod dataset;
pub mod decode;
pub mod device;
pub mod gate;
pub mod hash;
pub mod hub;
mod json;
pub mod leaderboard;
pub mod measure;
pub mod merge;
pub mod message;
pub mod models;
pub mod ops;
mod panics;
pub mod python;
pub mod random;
pub mod record;
pub mod render;
pub mod score;
pub mod stats;
pub mod suite;
pub mod tokenizer;
mod unicode;
pub mod windows;
