//! The access token, and keeping it out of everything that is printed.

use std::fmt;

use super::error::HubError;
use super::repo::percent_encode;

/// What is printed where the token would stand.
const MASK: &str = "***";
/// Longest text taken over from a server into a message, in characters.
const LONGEST_QUOTE: usize = 200;

/// A Hub access token. `Debug` and `Display` print `***`; there is no way to serialise it.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// Reads a token from text (a variable's value, a file's content): trimmed, empty is none.
    ///
    /// # Errors
    /// [`HubError::Token`] where it holds control, white-space or non-ASCII characters, which no
    /// token has and which must not get into a request header. The message does not repeat it.
    pub fn parse(text: &str) -> Result<Option<Self>, HubError> {
        let text = text.trim();
        if text.is_empty() {
            return Ok(None);
        }
        if text.chars().all(|character| character.is_ascii_graphic()) {
            Ok(Some(Self(text.to_owned())))
        } else {
            Err(HubError::Token)
        }
    }

    /// The value of the `Authorization` header.
    pub(super) fn authorization(&self) -> String {
        format!("Bearer {}", self.0)
    }

    /// `text` with the token masked, in whatever letter case and also where percent-encoded.
    fn redact(&self, text: &str) -> String {
        let masked = replace_ignoring_case(text, &self.0);
        replace_ignoring_case(&masked, &percent_encode(&self.0))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(MASK)
    }
}

impl fmt::Display for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(MASK)
    }
}

/// Makes text that came from outside fit for a message: token masked, one printable line, at most
/// 200 characters.
pub(super) fn clean(token: Option<&Token>, text: &str) -> String {
    // Masked before it is shortened: half a token would no longer be recognised.
    let masked = match token {
        Some(token) => token.redact(text),
        None => text.to_owned(),
    };
    let printable: String = masked
        .chars()
        .map(|character| {
            if is_printable(character) {
                character
            } else {
                ' '
            }
        })
        .collect();
    let line = printable.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= LONGEST_QUOTE {
        return line;
    }
    let mut short: String = line.chars().take(LONGEST_QUOTE - 1).collect();
    short.push('…');
    short
}

/// Whether a server's text holds the token: as a file name or an etag it would get onto the disk.
pub(super) fn leaks(token: Option<&Token>, text: &str) -> bool {
    token.is_some_and(|token| token.redact(text) != text)
}

/// No control characters, and none that turn the direction of the terminal's text round.
fn is_printable(character: char) -> bool {
    !character.is_control()
        && !matches!(character, '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}')
}

/// Replaces every occurrence of `secret`, ASCII letter case aside, by the mask.
fn replace_ignoring_case(text: &str, secret: &str) -> String {
    // ASCII lower case keeps byte positions, so those found in one text hold in the other.
    let (haystack, needle) = (text.to_ascii_lowercase(), secret.to_ascii_lowercase());
    let mut out = String::with_capacity(text.len());
    let mut from = 0;
    while let Some(found) = haystack[from..].find(&needle) {
        out.push_str(&text[from..from + found]);
        out.push_str(MASK);
        from += found + needle.len();
    }
    out.push_str(&text[from..]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_in_any_case_and_encoding_and_before_shortening() {
        let token = Token::parse(" hf_Se/cret \n").unwrap().unwrap();
        assert_eq!(
            clean(Some(&token), "a HF_SE/CRET b hf_Se%2Fcret\tc\u{1b}[0m"),
            "a *** b *** c [0m"
        );
        let long = format!("{}hf_Se/cret", "x".repeat(195));
        let cleaned = clean(Some(&token), &long);
        assert!(!cleaned.contains("hf_"), "{cleaned}");
        assert!(cleaned.chars().count() <= LONGEST_QUOTE);
        assert_eq!(format!("{token:?} {token}"), "*** ***");
    }

    #[test]
    fn refuses_control_characters_without_printing_them() {
        let error = Token::parse("hf_secret\r\nX-Evil: 1").unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hf_secret"));
        assert_eq!(Token::parse(" \n").unwrap(), None);
    }
}
