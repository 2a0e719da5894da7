//! Code points and bytes: annotations and tokenisers count the former, Rust the latter.

/// Byte offsets of a text's code points.
pub struct CharacterIndex<'text> {
    text: &'text str,
    /// Byte offset of each code point and of the end; empty where the text is ASCII and both agree.
    bytes: Vec<usize>,
}

impl<'text> CharacterIndex<'text> {
    /// Indexes `text`.
    pub fn new(text: &'text str) -> Self {
        let mut bytes = Vec::new();
        if !text.is_ascii() {
            bytes.extend(text.char_indices().map(|(byte, _)| byte));
            bytes.push(text.len());
        }
        Self { text, bytes }
    }

    /// The whole text.
    pub fn text(&self) -> &'text str {
        self.text
    }

    /// The part of the text from code point `start` up to `end`, if both exist.
    pub fn slice(&self, start: usize, end: usize) -> Option<&'text str> {
        self.text.get(self.byte(start)?..self.byte(end)?)
    }

    fn byte(&self, character: usize) -> Option<usize> {
        if self.bytes.is_empty() {
            (character <= self.text.len()).then_some(character)
        } else {
            self.bytes.get(character).copied()
        }
    }

    /// Whether `expected` stands at code point `start`.
    pub fn has_at(&self, start: usize, expected: &str) -> bool {
        let start = self.byte(start);
        start.is_some_and(|start| self.text[start..].starts_with(expected))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_stop_at_the_end() {
        let index = CharacterIndex::new("né!");
        assert_eq!(index.slice(1, 3), Some("é!"));
        assert_eq!(index.slice(1, 4), None);
        assert_eq!(CharacterIndex::new("ab").slice(0, 3), None);
    }
}
