//! When to try again, and after how long.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::Progress;
use super::error::{HubError, Subject};

/// How often to try and how long to wait.
#[derive(Debug, Clone)]
pub(super) struct RetryPolicy {
    pub(super) attempts: u32,
    pub(super) backoff_base: Duration,
    pub(super) backoff_max: Duration,
}

/// Why a step failed: for now, or for good.
#[derive(Debug)]
pub(super) enum Failure {
    /// Worth another attempt, after the time the server asked for if it did.
    Passing {
        cause: String,
        retry_after: Option<Duration>,
    },
    /// No attempt would change it.
    Final(HubError),
}

impl Failure {
    /// A failure worth another attempt.
    pub(super) fn passing(cause: impl Into<String>) -> Self {
        Self::Passing {
            cause: cause.into(),
            retry_after: None,
        }
    }
}

impl From<HubError> for Failure {
    fn from(error: HubError) -> Self {
        Self::Final(error)
    }
}

/// The attempts made so far at one thing.
pub(super) struct Attempts<'a> {
    policy: &'a RetryPolicy,
    subject: &'a Subject,
    progress: &'a dyn Progress,
    failed: u32,
}

impl<'a> Attempts<'a> {
    pub(super) fn new(
        policy: &'a RetryPolicy,
        subject: &'a Subject,
        progress: &'a dyn Progress,
    ) -> Self {
        Self {
            policy,
            subject,
            progress,
            failed: 0,
        }
    }

    /// Waits before the next attempt.
    ///
    /// # Errors
    /// A final failure as it is, and [`HubError::GaveUp`] where all attempts are spent.
    pub(super) fn wait_after(&mut self, failure: Failure) -> Result<(), HubError> {
        let (cause, retry_after) = match failure {
            Failure::Final(error) => return Err(error),
            Failure::Passing { cause, retry_after } => (cause, retry_after),
        };
        self.failed += 1;
        if self.failed >= self.policy.attempts.max(1) {
            return Err(HubError::GaveUp {
                subject: self.subject.boxed(),
                attempts: self.failed,
                cause,
            });
        }
        let pause = match retry_after {
            Some(asked) => asked.min(self.policy.backoff_max),
            None => backoff(self.policy, self.failed),
        };
        self.progress.note(&format!(
            "{}: retrying in {:.1} s: {cause}",
            self.subject,
            pause.as_secs_f64()
        ));
        std::thread::sleep(pause);
        Ok(())
    }

    /// Forgets the failures so far: the last attempt got somewhere.
    pub(super) fn start_afresh(&mut self) {
        self.failed = 0;
    }
}

/// Repeats `step` until it succeeds, fails for good, or the attempts are spent.
pub(super) fn retrying<T>(
    policy: &RetryPolicy,
    subject: &Subject,
    progress: &dyn Progress,
    mut step: impl FnMut() -> Result<T, Failure>,
) -> Result<T, HubError> {
    let mut attempts = Attempts::new(policy, subject, progress);
    loop {
        match step() {
            Ok(value) => return Ok(value),
            Err(failure) => attempts.wait_after(failure)?,
        }
    }
}

/// Doubles with each failure, capped, less a jitter of up to half so that many processes that
/// failed together do not come back together.
fn backoff(policy: &RetryPolicy, failed: u32) -> Duration {
    let doubled = policy
        .backoff_base
        .saturating_mul(1_u32.checked_shl(failed - 1).unwrap_or(u32::MAX));
    doubled
        .min(policy.backoff_max)
        .mul_f64(1.0 - 0.5 * jitter())
}

/// A number in 0..1 that differs from process to process and from call to call; no more is needed.
fn jitter() -> f64 {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    let call = CALLS.fetch_add(1, Ordering::Relaxed);
    // Knuth's multiplicative hash spreads neighbouring numbers over the whole range.
    let spread = std::process::id()
        .wrapping_add(call)
        .wrapping_mul(2_654_435_761);
    f64::from(spread) / (f64::from(u32::MAX) + 1.0)
}

/// Reads a `Retry-After` header: seconds, or an HTTP date, of which a past one means now.
pub(super) fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let then = UNIX_EPOCH + Duration::from_secs(http_date(value)?);
    Some(then.duration_since(now).unwrap_or_default())
}

/// Seconds since 1970 of `Sun, 06 Nov 1994 08:49:37 GMT`, the one date form servers may send today.
fn http_date(text: &str) -> Option<u64> {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let fields: Vec<&str> = text.split_ascii_whitespace().collect();
    let [_weekday, day, month, year, time, "GMT"] = fields[..] else {
        return None;
    };
    let day: u64 = day.parse().ok().filter(|day| (1..=31).contains(day))?;
    let month = MONTHS.iter().position(|name| *name == month)? as u64 + 1;
    let year: u64 = year
        .parse()
        .ok()
        .filter(|year| (1970..=9999).contains(year))?;
    let clock: Vec<u64> = time
        .split(':')
        .map_while(|part| part.parse().ok())
        .collect();
    let [hour @ 0..=23, minute @ 0..=59, second @ 0..=60] = clock[..] else {
        return None;
    };
    // Days from civil date, counting years from March so that the leap day is a year's last.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let days =
        year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 1 - 719_468;
    Some(days * 86_400 + hour * 3600 + minute * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_retry_after() {
        assert_eq!(
            http_date("Sun, 06 Nov 1994 08:49:37 GMT"),
            Some(784_111_777)
        );
        assert_eq!(
            http_date("Thu, 29 Feb 2024 00:00:00 GMT"),
            Some(1_709_164_800)
        );
        assert_eq!(http_date("Thu, 01 Jan 1970 00:00:00 GMT"), Some(0));
        assert_eq!(http_date("yesterday"), None);
        let now = UNIX_EPOCH + Duration::from_secs(784_111_770);
        assert_eq!(
            retry_after("Sun, 06 Nov 1994 08:49:37 GMT", now),
            Some(Duration::from_secs(7))
        );
        assert_eq!(
            retry_after("Sun, 06 Nov 1984 08:49:37 GMT", now),
            Some(Duration::ZERO)
        );
        assert_eq!(retry_after(" 12 ", now), Some(Duration::from_secs(12)));
        assert_eq!(retry_after("-1", now), None);
    }

    #[test]
    fn backs_off_within_bounds() {
        let policy = RetryPolicy {
            attempts: 50,
            backoff_base: Duration::from_millis(100),
            backoff_max: Duration::from_secs(2),
        };
        for (failed, most) in [(1, 100), (2, 200), (3, 400), (6, 2000), (40, 2000)] {
            let pause = backoff(&policy, failed);
            let most = Duration::from_millis(most);
            assert!(pause <= most && pause >= most / 2, "{failed}: {pause:?}");
        }
    }
}
