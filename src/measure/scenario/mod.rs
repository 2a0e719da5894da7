//! Scenarios: in which manner questions are asked, by which rules a run counts, and what it amounts to.
//!
//! They are MLPerf Inference's, and so are the names; what is reported is held
//! to MLPerf's own load generator, LoadGen (`tests/goldens/loadgen`).

pub mod detail_log;
pub mod early_stopping;
pub mod find_rate;
pub mod loadgen;
pub mod log_summary;
pub mod rules;
pub mod run;
pub mod schedule;
