//! HTML that is escaped by construction.

use std::fmt::Display;

/// A piece of HTML or SVG: tags and attributes are named in the program, and whatever comes from
/// elsewhere gets in as escaped text only.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Markup(String);

/// Attributes of an element; those with an empty value are written as well.
pub type Attributes<'a> = &'a [(&'static str, &'a str)];

impl Markup {
    /// Nothing.
    pub const fn new() -> Self {
        Self(String::new())
    }

    /// Words of the program, or a figure.
    pub fn text(text: impl Display) -> Self {
        let mut markup = Self::new();
        escape(&text.to_string(), &mut markup.0);
        markup
    }

    /// Text of a data set, a model or a path: it runs in its own direction and turns nothing
    /// beside it around.
    pub fn foreign(text: &str) -> Self {
        element("bdi", &[], Self::text(text))
    }

    /// Adds a piece.
    pub fn push(&mut self, piece: Self) {
        if self.0.is_empty() {
            *self = piece;
        } else {
            self.0.push_str(&piece.0);
        }
    }

    /// This and then that.
    #[must_use]
    pub fn and(mut self, piece: Self) -> Self {
        self.push(piece);
        self
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As it stands in a page.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Extend<Markup> for Markup {
    fn extend<I: IntoIterator<Item = Markup>>(&mut self, pieces: I) {
        pieces.into_iter().for_each(|piece| self.push(piece));
    }
}

impl FromIterator<Markup> for Markup {
    fn from_iter<I: IntoIterator<Item = Markup>>(pieces: I) -> Self {
        pieces.into_iter().fold(Self::new(), Self::and)
    }
}

/// An element with its end tag.
pub fn element(name: &'static str, attributes: Attributes<'_>, content: Markup) -> Markup {
    let mut markup = open(name, attributes);
    markup.push(content);
    markup.0.push_str("</");
    markup.0.push_str(name);
    markup.0.push('>');
    markup
}

/// An element of HTML that has no content and no end tag.
pub fn void(name: &'static str, attributes: Attributes<'_>) -> Markup {
    open(name, attributes)
}

fn open(name: &'static str, attributes: Attributes<'_>) -> Markup {
    let mut markup = Markup::new();
    markup.0.push('<');
    markup.0.push_str(name);
    for (attribute, value) in attributes {
        markup.0.push(' ');
        markup.0.push_str(attribute);
        markup.0.push_str("=\"");
        escape(value, &mut markup.0);
        markup.0.push('"');
    }
    markup.0.push('>');
    markup
}

/// A style sheet or script of the program's own. Its text is not escaped, so it must not hold
/// its own end tag; the tests see to that.
pub fn embedded(name: &'static str, content: &'static str) -> Markup {
    Markup(format!("<{name}>{content}</{name}>"))
}

/// A paragraph with a class.
pub fn paragraph(class: &str, content: Markup) -> Markup {
    element("p", &[("class", class)], content)
}

/// `text` for element content and for attribute values in double quotes.
///
/// Control characters, which a browser drops, and characters that reorder their neighbours
/// (<https://www.unicode.org/reports/tr9/>, "Trojan Source") are shown by their names, so that
/// what is read is what is there.
fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\t' => out.push(c),
            '\r' => out.push_str("&#13;"),
            c if c.is_control() || is_reordering(c) => {
                out.push_str(&format!("\u{27e8}U+{:04X}\u{27e9}", u32::from(c)));
            }
            c => out.push(c),
        }
    }
}

/// Embeddings, overrides and isolates of the bidirectional algorithm.
fn is_reordering(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_gets_out_of_text_or_attributes() {
        let hostile = "</p><script>x('\"')</script>&amp;\u{0}\u{202e}\u{85}";
        let markup = element("p", &[("title", hostile)], Markup::text(hostile));
        let escaped = "&lt;/p&gt;&lt;script&gt;x(&#39;&quot;&#39;)&lt;/script&gt;&amp;amp;\
                       ⟨U+0000⟩⟨U+202E⟩⟨U+0085⟩";
        let expected = format!("<p title=\"{escaped}\">{escaped}</p>");
        assert_eq!(markup.as_str(), expected);
        assert_eq!(Markup::foreign("س").as_str(), "<bdi>س</bdi>");
    }

    #[test]
    fn pieces_add_up() {
        let list: Markup = ["a", "b"]
            .map(|text| element("li", &[], Markup::text(text)))
            .into_iter()
            .collect();
        assert_eq!(list.as_str(), "<li>a</li><li>b</li>");
        assert!(Markup::new().is_empty() && !list.is_empty());
        assert_eq!(void("br", &[]).as_str(), "<br>");
    }
}
