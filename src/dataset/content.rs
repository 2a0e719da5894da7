//! From the bytes of a file to the reader of its format: by its content, never by its name.

use std::io::{BufRead, BufReader, Read};

use flate2::bufread::MultiGzDecoder;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::builder::Builder;
use super::{DatasetError, lines, parquet, squad};

/// The most bytes of a file, and of one JSON document when decompressed.
pub(super) const LARGEST_DOCUMENT: u64 = 2 << 30;

/// The most bytes of a line of a file of JSON lines.
const LONGEST_LINE: u64 = 256 << 20;

/// The most bytes of blank lines before or between others.
const MOST_BLANK: u64 = 1 << 20;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// What is no data set, by its first bytes.
const OTHERS: [(&[u8], &str, &str); 10] = [
    (b"PARE", "an encrypted parquet file", "decrypt it"),
    (b"PK\x03\x04", "a zip archive", UNPACK),
    (b"\x28\xb5\x2f\xfd", "zstd-compressed", UNPACK),
    (b"BZh", "bzip2-compressed", UNPACK),
    (b"\xfd7zXZ", "xz-compressed", UNPACK),
    (b"ARROW1", "an arrow file", EXPORT),
    (b"\xff\xff\xff\xff", "an arrow stream", EXPORT),
    (b"\xff\xfe", "text in UTF-16", "convert it to UTF-8"),
    (b"\xfe\xff", "text in UTF-16", "convert it to UTF-8"),
    (
        b"version https://git-lfs",
        "a Git LFS pointer and not the file",
        "fetch it with `git lfs pull`",
    ),
];

const UNPACK: &str =
    "unpack it; what is read is JSON, JSON lines (both also gzip-compressed) and parquet";
const EXPORT: &str = "write it as parquet, or as JSON lines";

/// Adds the content of a file to `builder`, which names the file.
///
/// # Errors
///
/// See [`DatasetError`]; each names the file and the place.
pub(super) fn parse(builder: &mut Builder, bytes: Vec<u8>) -> Result<(), DatasetError> {
    if bytes.starts_with(b"PAR1") {
        return parquet::parse(builder, bytes);
    }
    let other = OTHERS.iter().find(|(magic, _, _)| bytes.starts_with(magic));
    if let Some(&(_, found, remedy)) = other {
        return Err(DatasetError::OtherFormat {
            path: builder.path().to_owned(),
            found,
            remedy,
        });
    }
    if bytes.starts_with(&[0x1f, 0x8b]) {
        let decoder = BufReader::with_capacity(1 << 16, MultiGzDecoder::new(bytes.as_slice()));
        return parse_text(builder, decoder);
    }
    parse_text(builder, bytes.as_slice())
}

fn parse_text(builder: &mut Builder, mut reader: impl BufRead) -> Result<(), DatasetError> {
    let beginning = reader
        .fill_buf()
        .map_err(|source| read_fault(builder.path(), source))?;
    if let Some(other) = no_object(beginning) {
        // The parser says what it is, and the rest need not be read.
        return squad::parse(builder, &other);
    }
    let mut first = LineReader::new(&mut reader, LARGEST_DOCUMENT);
    let Some((number, first)) = first.next_line(builder.path())? else {
        let fault = "there is nothing in it; is it the right file?";
        return Err(builder.unusable("the beginning".to_owned(), fault.to_owned()));
    };
    match serde_json::from_str::<FirstLine>(&first) {
        Ok(line) if line.is_of_lines() => {
            if first.len() as u64 > LONGEST_LINE {
                let place = format!("line {number}");
                return Err(too_large(builder.path(), place, LONGEST_LINE));
            }
            let mut rest = LineReader::new(&mut reader, LONGEST_LINE);
            rest.line = number;
            let is_mrqa = line.header.is_some() || line.qas.is_some();
            lines::parse(builder, (number, first), &mut rest, is_mrqa)
        }
        _ => {
            // Blank lines before it count in messages.
            let begun = "\n".repeat(number - 1) + &first;
            let text = document(builder.path(), begun, reader)?;
            squad::parse(builder, &text)
        }
    }
}

/// The beginning of a text that cannot be an object, as every document and line is one.
fn no_object(beginning: &[u8]) -> Option<String> {
    let text = beginning.strip_prefix(BYTE_ORDER_MARK).unwrap_or(beginning);
    let first = text.iter().find(|byte| !byte.is_ascii_whitespace())?;
    let is_other = first.is_ascii() && *first != b'{';
    is_other.then(|| String::from_utf8_lossy(&text[..text.len().min(256)]).into_owned())
}

/// The keys that tell a line of many from a document on one line.
#[derive(Deserialize)]
struct FirstLine {
    header: Option<IgnoredAny>,
    qas: Option<IgnoredAny>,
    question: Option<IgnoredAny>,
    context: Option<IgnoredAny>,
    data: Option<IgnoredAny>,
}

impl FirstLine {
    fn is_of_lines(&self) -> bool {
        let is_row = self.question.is_some() && (self.context.is_some() || self.data.is_none());
        is_row || (self.data.is_none() && (self.header.is_some() || self.qas.is_some()))
    }
}

/// The whole of a document whose first line is read already.
fn document(path: &str, first: String, reader: impl Read) -> Result<String, DatasetError> {
    let mut bytes = first.into_bytes();
    let begun = bytes.len() as u64;
    let mut rest = reader.take((LARGEST_DOCUMENT + 1).saturating_sub(begun));
    rest.read_to_end(&mut bytes)
        .map_err(|source| read_fault(path, source))?;
    if bytes.len() as u64 > LARGEST_DOCUMENT {
        return Err(too_large(path, "the document".to_owned(), LARGEST_DOCUMENT));
    }
    String::from_utf8(bytes).map_err(|fault| {
        let good = &fault.as_bytes()[..fault.utf8_error().valid_up_to()];
        let mut lines = good.split(|byte| *byte == b'\n');
        let byte = lines.next_back().map_or(0, <[u8]>::len);
        let line = lines.count() + 1;
        DatasetError::NotUtf8 {
            path: path.to_owned(),
            place: format!("line {line}, byte {byte}"),
        }
    })
}

/// Lines of a text with their numbers.
pub(super) struct LineReader<R> {
    reader: R,
    longest: u64,
    line: usize,
}

impl<R: BufRead> LineReader<R> {
    fn new(reader: R, longest: u64) -> Self {
        Self {
            reader,
            longest,
            line: 0,
        }
    }

    /// The next line that is not blank, with its number from 1 and its line break.
    /// A byte-order mark before the first line is left out.
    ///
    /// # Errors
    ///
    /// Fails where the line is too long or no UTF-8, or the file cannot be read on.
    pub(super) fn next_line(
        &mut self,
        path: &str,
    ) -> Result<Option<(usize, String)>, DatasetError> {
        let mut blank = 0;
        let mut bytes = Vec::new();
        loop {
            bytes.clear();
            let mut limited = (&mut self.reader).take(self.longest + 1);
            let count = limited
                .read_until(b'\n', &mut bytes)
                .map_err(|source| read_fault(path, source))?;
            if count == 0 {
                return Ok(None);
            }
            self.line += 1;
            if count as u64 > self.longest {
                return Err(too_large(path, format!("line {}", self.line), self.longest));
            }
            if self.line == 1 && bytes.starts_with(BYTE_ORDER_MARK) {
                bytes.drain(..BYTE_ORDER_MARK.len());
            }
            if bytes.iter().all(u8::is_ascii_whitespace) {
                blank += count as u64;
                if blank > MOST_BLANK {
                    let place = format!("the blank at line {}", self.line);
                    return Err(too_large(path, place, MOST_BLANK));
                }
                continue;
            }
            let line = self.line;
            return match String::from_utf8(bytes) {
                Ok(text) => Ok(Some((line, text))),
                Err(fault) => Err(DatasetError::NotUtf8 {
                    path: path.to_owned(),
                    place: format!("line {line}, byte {}", fault.utf8_error().valid_up_to()),
                }),
            };
        }
    }
}

/// Bytes in memory can always be read: a fault is the decompressor's.
fn read_fault(path: &str, source: std::io::Error) -> DatasetError {
    DatasetError::BadGzip {
        path: path.to_owned(),
        source,
    }
}

fn too_large(path: &str, place: String, limit_bytes: u64) -> DatasetError {
    DatasetError::TooLarge {
        path: path.to_owned(),
        place,
        limit: format!("{limit_bytes} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_an_end_somewhere() {
        let mut reader = LineReader::new(&b"ab\r\n\n  \nabcdef"[..], 4);
        assert_eq!(
            reader.next_line("f").unwrap(),
            Some((1, "ab\r\n".to_owned()))
        );
        let fault = reader.next_line("f").unwrap_err().to_string();
        assert!(
            fault.contains("f: line 4 holds more than 4 bytes"),
            "{fault}"
        );
    }
}
