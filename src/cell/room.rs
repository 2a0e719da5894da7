//! How many tokens a batch may have for the memory that there is.

use super::answer::{AnswerError, AnswerSettings};
use super::line::Line;
use crate::device::OpenDevice;
use crate::measure::device_memory::{self, Room};

/// Tokens of the batch that is tried.
const TRIED: usize = 1024;

/// What a batch may take of the memory that is free: others may want some before the run ends.
const SHARE: f64 = 0.8;

/// Sizes are whole multiples of this.
const STEP: u64 = 256;

/// Tokens that a batch of the line may have on the fullest of its devices, where that is fewer than its
/// settings allow; nothing where all is well, or no device tells of its memory.
///
/// A batch of 1,024 tokens is computed to find what a token takes: attention keeps no scores, so that all
/// grows with the tokens.
///
/// # Errors
///
/// See [`AnswerError`].
pub(super) fn fewer_tokens(
    line: &Line<'_>,
    devices: &OpenDevice,
) -> Result<Option<usize>, AnswerError> {
    if devices
        .all()
        .all(|device| device_memory::room(device).is_none())
    {
        return Ok(None);
    }
    let small = Line {
        settings: AnswerSettings {
            batch_tokens: TRIED.min(line.settings.batch_tokens),
            ..line.settings
        },
        ..*line
    };
    // The first pass leaves behind what is allocated once.
    small.first_forward()?;
    let rooms = devices.all().map(|device| {
        device_memory::take_peak(device);
        device_memory::room(device)
    });
    let rooms: Vec<_> = rooms.collect();
    let tokens = small.first_forward()?;
    let told = devices.all().zip(rooms).filter_map(|(device, room)| {
        let peak_bytes = device_memory::take_peak(device)?;
        tokens_for(room?, peak_bytes, tokens)
    });
    Ok(told
        .min()
        .filter(|&fewer| fewer < line.settings.batch_tokens))
}

/// Tokens that there is room for, by the peak of a pass over some.
fn tokens_for(room: Room, peak_bytes: u64, tokens: usize) -> Option<usize> {
    let taken = peak_bytes.checked_sub(room.used_bytes)?;
    let by_token = taken as f64 / tokens as f64;
    #[allow(clippy::cast_sign_loss)] // sizes are not below 0
    let most = (SHARE * room.free_bytes as f64 / by_token) as u64;
    usize::try_from((most / STEP).max(1) * STEP).ok()
}

/// What is said of it.
pub(super) fn note(fewer: usize) -> String {
    format!(
        "batches have {fewer} tokens at the most, for which the device has memory free; --batch-tokens N asks for others"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_share_what_is_free() {
        let room = Room {
            used_bytes: 1000,
            free_bytes: 10_000_000,
        };
        // 100 tokens took 200,000 bytes: 2,000 each, of 8,000,000.
        assert_eq!(tokens_for(room, 201_000, 100), Some(4000 / 256 * 256));
        // At least a few, for the device itself says when it has no memory.
        assert_eq!(tokens_for(room, 20_001_000, 100), Some(256));
        // A device that tells of no more than before takes all.
        assert!(tokens_for(room, 1000, 100).unwrap() > 1 << 40);
        assert_eq!(tokens_for(room, 999, 100), None);
        let full = Room {
            free_bytes: 0,
            ..room
        };
        assert_eq!(tokens_for(full, 201_000, 100), Some(256));
    }
}
