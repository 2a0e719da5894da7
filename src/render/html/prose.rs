//! Texts of any length and language: folded where they are long, and compared word by word.

use super::markup::{Markup, element};

/// Texts of more characters are folded: only their beginning shows until they are opened.
const LONG: usize = 320;

/// Characters of a folded text's beginning.
const BEGINNING: usize = 160;

/// Word pairs that a comparison may look at; what lies between equal beginnings and ends of longer
/// texts is all taken for different.
const MOST_PAIRS: usize = 250_000;

/// A text of a data set or a model, whole; a long one can be unfolded.
pub fn prose(text: &str) -> Markup {
    folded(text, Markup::text(text))
}

/// `text` marked up as `whole`.
fn folded(text: &str, whole: Markup) -> Markup {
    let count = text.chars().count();
    if count <= LONG {
        return element("bdi", &[("class", "prose")], whole);
    }
    let beginning: String = text.chars().take(BEGINNING).collect();
    let count = format!("\u{2026} {count} characters");
    let count = element("span", &[("class", "count")], Markup::text(count));
    let beginning = element("bdi", &[("class", "beginning")], Markup::text(beginning));
    let summary = element("summary", &[], beginning.and(count));
    let whole = element("div", &[("class", "prose"), ("dir", "auto")], whole);
    element("details", &[("class", "long")], summary.and(whole))
}

/// An answer; an empty one is "no answer".
pub fn answer(text: &str) -> Markup {
    answer_against(text, text)
}

/// An answer in which the words are marked that `other` has not at their place.
pub fn answer_against(text: &str, other: &str) -> Markup {
    if text.is_empty() {
        return element("em", &[("class", "none")], Markup::text("no answer"));
    }
    let words = split(text);
    let common = common(&words, &split(other));
    let mut whole = Markup::new();
    let mut pieces = words.iter().zip(common).peekable();
    while let Some((word, is_common)) = pieces.next() {
        let mut run = (*word).to_owned();
        while let Some((word, _)) = pieces.next_if(|(_, next)| *next == is_common) {
            run += word;
        }
        let run_markup = Markup::text(&run);
        whole.push(if is_common {
            run_markup
        } else {
            element("mark", &[], run_markup)
        });
    }
    folded(text, whole)
}

/// Words and the white space between them; in scripts without spaces each character is a word.
fn split(text: &str) -> Vec<&str> {
    let sort = |c: char| match c {
        c if c.is_whitespace() => 0,
        '\u{0}'..='\u{2e7f}' | '\u{ac00}'..='\u{d7ff}' => 1,
        _ => 2,
    };
    let mut words = Vec::new();
    let mut start = 0;
    let mut last = None;
    for (place, c) in text.char_indices() {
        let sort = sort(c);
        if last.is_some_and(|last| last != sort || sort == 2) {
            words.push(&text[start..place]);
            start = place;
        }
        last = Some(sort);
    }
    if start < text.len() {
        words.push(&text[start..]);
    }
    words
}

/// Of each word, whether it belongs to the longest common subsequence with `other`.
fn common(words: &[&str], other: &[&str]) -> Vec<bool> {
    let shortest = words.len().min(other.len());
    let same = words.iter().zip(other).take_while(|(a, b)| a == b);
    let head = same.count();
    let backwards = words.iter().rev().zip(other.iter().rev());
    let tail = backwards
        .take(shortest - head)
        .take_while(|(a, b)| a == b)
        .count();
    let (a, b) = (
        &words[head..words.len() - tail],
        &other[head..other.len() - tail],
    );
    let mut common = vec![true; head];
    if a.len().saturating_mul(b.len()) > MOST_PAIRS {
        common.resize(head + a.len(), false);
    } else {
        common.extend(subsequence(a, b));
    }
    common.resize(words.len(), true);
    common
}

fn subsequence(a: &[&str], b: &[&str]) -> Vec<bool> {
    // Entry [i][j]: the length of the longest common subsequence of a[i..] and b[j..].
    let width = b.len() + 1;
    let mut lengths = vec![0_u32; (a.len() + 1) * width];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            lengths[i * width + j] = if a[i] == b[j] {
                lengths[(i + 1) * width + j + 1] + 1
            } else {
                lengths[(i + 1) * width + j].max(lengths[i * width + j + 1])
            };
        }
    }
    let mut common = vec![false; a.len()];
    let (mut i, mut j) = (0, 0);
    while i < a.len() && j < b.len() {
        if a[i] == b[j] {
            common[i] = true;
            (i, j) = (i + 1, j + 1);
        } else if lengths[(i + 1) * width + j] >= lengths[i * width + j + 1] {
            i += 1;
        } else {
            j += 1;
        }
    }
    common
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differing_words_are_marked() {
        for (text, other, expected) in [
            ("in 1852", "1852", "<mark>in </mark>1852"),
            ("the old town", "the new town", "the <mark>old</mark> town"),
            ("same", "same", "same"),
            ("a < b", "", "<mark>a &lt; b</mark>"),
            ("東京都", "東京", "東京<mark>都</mark>"),
        ] {
            let expected = format!("<bdi class=\"prose\">{expected}</bdi>");
            assert_eq!(answer_against(text, other).as_str(), expected);
        }
        assert!(answer("").as_str().contains("no answer"));
    }

    #[test]
    fn long_texts_are_folded_and_whole() {
        let text = "x<y ".repeat(2500);
        let markup = prose(&text);
        assert!(markup.as_str().contains(&"x&lt;y ".repeat(2500)));
        assert!(
            markup
                .as_str()
                .contains("10000 characters</span></summary>")
        );
        // Too long to be compared word by word: whole all the same.
        let other = "y ".repeat(5000);
        let marked = answer_against(&text, &other);
        let unmarked = marked.as_str().replace("<mark>", "").replace("</mark>", "");
        assert!(unmarked.contains(&"x&lt;y ".repeat(2500)) && unmarked != marked.as_str());
    }
}
