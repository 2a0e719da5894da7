//! A pass in which every operation is measured, beside the timed pass so as not to slow it.

use serde::{Deserialize, Serialize};

use super::answer::{AnswerError, Progress};
use super::line::Line;
use crate::measure::phases::PhaseClock;
use crate::measure::profile::Recording;
use crate::record::wire::WireProfile;

/// Questions of the pass at the most: an operation's share does not change with more.
const QUESTIONS: usize = 200;

/// Spans of the trace at the most: some 15 MB of JSON, which a viewer still opens at once.
const EVENTS: usize = 100_000;

/// A profile with its trace.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProfiledPass {
    /// The table.
    pub profile: WireProfile,
    /// The trace, in the JSON that Perfetto and Chrome read.
    pub trace: String,
}

/// Answers the first questions once more with every operation measured.
///
/// Nothing where another recording goes on in this process.
///
/// # Errors
///
/// See [`AnswerError`].
pub fn perform(
    line: &Line<'_>,
    progress: &dyn Progress,
) -> Result<Option<ProfiledPass>, AnswerError> {
    let Some(recording) = Recording::start_keeping(EVENTS) else {
        return Ok(None);
    };
    let asked: Vec<usize> = (0..line.dataset.questions.len().min(QUESTIONS)).collect();
    line.answer(&asked, &mut PhaseClock::start(), progress)?;
    let recorded = recording.finish();
    let mut trace = Vec::new();
    recorded
        .trace
        .write(&mut trace)
        .expect("OK because writing to a Vec cannot fail");
    let mut profile = WireProfile::from(&recorded.profile);
    profile.questions = asked.len();
    profile.note = recorded.trace.note();
    Ok(Some(ProfiledPass {
        profile,
        trace: String::from_utf8_lossy(&trace).into_owned(),
    }))
}
