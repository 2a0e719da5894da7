//! The reader of a SentencePiece `.model` file: a protobuf message, of which a tokeniser needs
//! the pieces, the kind of model, the unknown piece's id and the character map.

use std::collections::HashSet;

use super::charsmap;
use super::error::{FETCH_AGAIN, bad, quote};
use super::{MOST_TOKENS, NamedFile, TokenizerError};

/// The longest piece in bytes. The library's trie is as deep as its longest piece, and is taken
/// down by a recursion of that depth.
pub(in crate::tokenizer) const LONGEST_PIECE: usize = 1024;

/// What a piece is (`SentencePiece.Type`).
const CONTROL: u64 = 3;
const USER_DEFINED: u64 = 4;
/// What a piece is unless it says so (`NORMAL`).
const NORMAL: u64 = 1;

/// The kinds of a model (`TrainerSpec.ModelType`).
const UNIGRAM: u64 = 1;

/// A piece of the vocabulary.
#[derive(Debug)]
pub(super) struct Piece<'a> {
    pub(super) text: &'a str,
    /// The logarithm of its probability.
    pub(super) score: f32,
    kind: u64,
}

impl Piece<'_> {
    /// Whether it stands for something outside the text, as `</s>` does.
    pub(super) fn is_control(&self) -> bool {
        self.kind == CONTROL
    }

    /// Whether it is always one token, whatever its score.
    pub(super) fn is_user_defined(&self) -> bool {
        self.kind == USER_DEFINED
    }
}

/// A unigram model.
#[derive(Debug)]
pub(super) struct SentencePieceModel<'a> {
    pub(super) pieces: Vec<Piece<'a>>,
    /// The index of the piece for what has no piece.
    pub(super) unk: usize,
    /// How characters are normalised; none in a model trained without.
    pub(super) charsmap: Option<&'a [u8]>,
}

/// The value of a protobuf field.
enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    Four([u8; 4]),
    Eight,
}

/// A message that is read field by field.
struct Message<'a> {
    rest: &'a [u8],
}

/// Why a message cannot be read.
struct Broken;

impl<'a> Message<'a> {
    /// The next field's number and value; none at the end.
    fn field(&mut self) -> Result<Option<(u64, Value<'a>)>, Broken> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let key = self.number()?;
        let value = match key & 7 {
            0 => Value::Number(self.number()?),
            1 => self.take(8).map(|_| Value::Eight)?,
            2 => {
                let length = usize::try_from(self.number()?).map_err(|_| Broken)?;
                Value::Bytes(self.take(length)?)
            }
            5 => Value::Four(self.take(4)?.try_into().map_err(|_| Broken)?),
            _ => return Err(Broken),
        };
        match key >> 3 {
            0 => Err(Broken),
            number => Ok(Some((number, value))),
        }
    }

    /// A number of variable length: seven bits a byte, the lowest first.
    fn number(&mut self) -> Result<u64, Broken> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.take(1)?[0];
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(Broken)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Broken> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(Broken)?;
        self.rest = rest;
        Ok(taken)
    }
}

/// Reads a model of the unigram kind.
///
/// # Errors
///
/// Fails if the file is no whole SentencePiece model, one of another kind, or has pieces or a
/// character map that the library cannot take.
pub(super) fn read(file: NamedFile<'_>) -> Result<SentencePieceModel<'_>, TokenizerError> {
    let path = file.path;
    let mut model = SentencePieceModel {
        pieces: Vec::new(),
        unk: 0,
        charsmap: None,
    };
    let mut trainer = Trainer {
        kind: UNIGRAM,
        unk: 0,
    };
    let mut specs = [("trainer_spec", false), ("normalizer_spec", false)];
    let mut message = Message { rest: file.bytes };
    loop {
        let at = file.bytes.len() - message.rest.len();
        let broken = |Broken| {
            let fault = "the file ends early or is no SentencePiece model";
            bad(path, format!("byte {at}"), fault, FETCH_AGAIN)
        };
        let Some((number, value)) = message.field().map_err(broken)? else {
            break;
        };
        match (number, value) {
            (1, Value::Bytes(bytes)) => {
                if model.pieces.len() == MOST_TOKENS {
                    let fault = format!("more than {MOST_TOKENS} pieces");
                    return Err(bad(
                        path,
                        format!("byte {at}"),
                        fault,
                        "no model has so many",
                    ));
                }
                model.pieces.push(read_piece(bytes).map_err(broken)?);
            }
            (2, Value::Bytes(bytes)) => {
                specs[0].1 = true;
                trainer.read(bytes).map_err(broken)?;
            }
            (3, Value::Bytes(bytes)) => {
                specs[1].1 = true;
                read_normalizer(bytes, &mut model.charsmap).map_err(broken)?;
            }
            (1..=3, _) => return Err(broken(Broken)),
            _ => {}
        }
    }
    if model.pieces.is_empty() {
        return Err(bad(path, "whole file", "no pieces", FETCH_AGAIN));
    }
    // Every writer puts both after the pieces; a file cut between two pieces is without.
    if let Some((name, _)) = specs.into_iter().find(|(_, found)| !found) {
        let fault = "it is missing; the file ends early";
        return Err(bad(path, format!("field {name}"), fault, FETCH_AGAIN));
    }
    check_kind(path, trainer.kind)?;
    check_pieces(path, &model.pieces)?;
    let unk = usize::try_from(trainer.unk).ok();
    model.unk = unk.filter(|&unk| unk < model.pieces.len()).ok_or_else(|| {
        let fault = format!(
            "{} is the id of none of the {} pieces",
            trainer.unk,
            model.pieces.len()
        );
        bad(path, "field trainer_spec.unk_id", fault, FETCH_AGAIN)
    })?;
    if let Some(map) = model.charsmap {
        charsmap::check(map).map_err(|fault| {
            bad(
                path,
                "field normalizer_spec.precompiled_charsmap",
                fault,
                FETCH_AGAIN,
            )
        })?;
    }
    Ok(model)
}

fn read_piece(bytes: &[u8]) -> Result<Piece<'_>, Broken> {
    let mut piece = Piece {
        text: "",
        score: 0.0,
        kind: NORMAL,
    };
    let mut message = Message { rest: bytes };
    while let Some((number, value)) = message.field()? {
        match (number, value) {
            (1, Value::Bytes(text)) => piece.text = str::from_utf8(text).map_err(|_| Broken)?,
            (2, Value::Four(score)) => piece.score = f32::from_le_bytes(score),
            (3, Value::Number(kind)) => piece.kind = kind,
            (1..=3, _) => return Err(Broken),
            _ => {}
        }
    }
    Ok(piece)
}

/// What is read of `TrainerSpec`.
struct Trainer {
    kind: u64,
    /// A negative number where the model has none.
    unk: i64,
}

impl Trainer {
    fn read(&mut self, bytes: &[u8]) -> Result<(), Broken> {
        let mut message = Message { rest: bytes };
        while let Some((number, value)) = message.field()? {
            match (number, value) {
                (3, Value::Number(kind)) => self.kind = kind,
                (40, Value::Number(unk)) => self.unk = unk.cast_signed(),
                (3 | 40, _) => return Err(Broken),
                _ => {}
            }
        }
        Ok(())
    }
}

/// Reads the character map of a `NormalizerSpec`. The other fields are of no effect on the fast
/// tokenisers of transformers.
fn read_normalizer<'a>(bytes: &'a [u8], charsmap: &mut Option<&'a [u8]>) -> Result<(), Broken> {
    let mut message = Message { rest: bytes };
    while let Some((number, value)) = message.field()? {
        match (number, value) {
            (2, Value::Bytes(map)) => *charsmap = Some(map).filter(|map| !map.is_empty()),
            (2, _) => return Err(Broken),
            _ => {}
        }
    }
    Ok(())
}

fn check_kind(path: &str, kind: u64) -> Result<(), TokenizerError> {
    let name = match kind {
        UNIGRAM => return Ok(()),
        2 => "BPE",
        3 => "word",
        4 => "character",
        _ => "unknown",
    };
    let fault = format!("a model of the {name} kind; only unigram models are read");
    let remedy = "convert it to tokenizer.json with transformers";
    Err(bad(path, "field trainer_spec.model_type", fault, remedy))
}

fn check_pieces(path: &str, pieces: &[Piece<'_>]) -> Result<(), TokenizerError> {
    let mut seen = HashSet::with_capacity(pieces.len());
    for (index, piece) in pieces.iter().enumerate() {
        let fault = if piece.text.is_empty() {
            "it is empty".to_owned()
        } else if piece.text.len() > LONGEST_PIECE {
            format!("it is longer than {LONGEST_PIECE} bytes")
        } else if !piece.score.is_finite() {
            format!("its score is {}", piece.score)
        } else if !seen.insert(piece.text) {
            format!("{} was there before", quote(piece.text))
        } else {
            continue;
        };
        return Err(bad(path, format!("piece {index}"), fault, FETCH_AGAIN));
    }
    Ok(())
}
