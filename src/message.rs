//! Errors as people read them: one line.

use std::error::Error;

/// The chain of causes on one line, each cause once.
pub fn one_line(error: &(dyn Error + 'static)) -> String {
    let mut line = String::new();
    let mut next = Some(error);
    while let Some(cause) = next {
        next = cause.source();
        let text = cause.to_string();
        // The tensor library puts a backtrace behind its first line. Other line breaks are part
        // of what a file says, and do not cut the message off.
        let library = cause.is::<candle_core::Error>();
        let text = match text.split_once('\n') {
            Some((first, _)) if library => first.trim(),
            _ => text.trim(),
        };
        if text.is_empty() || line.ends_with(text) {
            continue;
        }
        if !line.is_empty() {
            line.push_str(": ");
        }
        push_shortened(&mut line, text);
    }
    line
}

/// The most characters that one cause may take: what a file says may be of any length.
const LONGEST_CAUSE: usize = 1000;

/// Adds `text` on one line; of a long one the beginning and the end, where the remedy stands.
fn push_shortened(line: &mut String, text: &str) {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    let count = text.chars().count();
    if count <= LONGEST_CAUSE {
        line.extend(text.chars().map(plain));
        return;
    }
    let half = LONGEST_CAUSE / 2;
    line.extend(text.chars().take(half).map(plain));
    line.push('…');
    line.extend(text.chars().skip(count - half).map(plain));
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::anyhow;

    #[test]
    fn errors_are_one_line() {
        let error = anyhow!("disk\tfull\n  backtrace").context("a.json: writing failed");
        let line = "a.json: writing failed: disk full   backtrace";
        assert_eq!(one_line(error.as_ref()), line);
        let library = candle_core::Error::Msg("no room\n   0: backtrace".to_owned());
        let error = anyhow::Error::from(library).context("forward");
        assert_eq!(one_line(error.as_ref()), "forward: no room");
        let long = anyhow!("begins {} remedy", "x".repeat(100_000));
        let line = one_line(long.as_ref());
        assert!(line.starts_with("begins x") && line.ends_with("x remedy") && line.len() < 1100);
        let repeated = anyhow!("no").context("no");
        assert_eq!(one_line(repeated.as_ref()), "no");
    }
}
