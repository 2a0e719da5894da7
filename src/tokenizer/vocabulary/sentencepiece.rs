//! Tokenisers from a SentencePiece unigram model: XLM-RoBERTa, CamemBERT, ALBERT, DeBERTa
//! (versions 2 and 3) and RemBERT.

use tokenizers::models::unigram::Unigram;
use tokenizers::normalizers::replace::ReplacePattern;
use tokenizers::normalizers::{
    Lowercase, NFKD, Precompiled, Replace, Sequence as Normalizers, Strip, StripAccents,
};
use tokenizers::pre_tokenizers::metaspace::{Metaspace, PrependScheme};
use tokenizers::pre_tokenizers::punctuation::Punctuation;
use tokenizers::pre_tokenizers::sequence::Sequence as PreTokenizers;
use tokenizers::pre_tokenizers::whitespace::WhitespaceSplit;
use tokenizers::{
    AddedToken, NormalizerWrapper, PreTokenizerWrapper, SplitDelimiterBehavior, Tokenizer,
};

use super::error::{bad, refused};
use super::sentencepiece_model::{Piece, SentencePieceModel, read};
use super::settings::{Role, Settings};
use super::special::{Framing, SpecialTokens, needed_id, template};
use super::{Family, NamedFile, TokenizerError};

/// Builds the tokeniser of a family with a SentencePiece model.
///
/// XLM-RoBERTa, CamemBERT and ALBERT split as their classes of transformers' version 5 and
/// their published tokenizer.json files do, ALBERT with the scores of `AlbertConverter`.
/// DeBERTa equals `DebertaV2Converter`, since the class of version 5 leaves the model's
/// character map out. RemBERT equals `RemBertConverter`, as its class does.
pub(super) fn build(
    family: Family,
    file: NamedFile<'_>,
    settings: &Settings<'_>,
) -> Result<Tokenizer, TokenizerError> {
    let path = file.path;
    let model = read(file)?;
    let special = SpecialTokens::of(family, settings)?;
    let (first, separator) = match family {
        Family::XlmRoberta | Family::Camembert => (Role::Bos, Role::Eos),
        _ => (Role::Cls, Role::Sep),
    };
    let first_name = special.name(first).to_owned();
    let separator_name = special.name(separator).to_owned();

    let (pieces, unk) = vocabulary(family, path, &model, &special)?;
    let unigram = Unigram::from(pieces, Some(unk), false).map_err(refused(path, "pieces"))?;
    let add_prefix_space = settings.flag("add_prefix_space")?.unwrap_or(true);
    let metaspace = || {
        let scheme = if add_prefix_space {
            PrependScheme::Always
        } else {
            PrependScheme::Never
        };
        Metaspace::new('▁', scheme, true)
    };
    let mut tokenizer = Tokenizer::new(unigram);
    let normalizers = normalizers(family, path, &model, settings)?;
    let normalizers = Some(normalizers).filter(|normalizers| !normalizers.is_empty());
    tokenizer
        .with_normalizer(normalizers.map(Normalizers::new))
        .map_err(refused(path, "character map"))?
        .with_pre_tokenizer(Some(pre_tokenizer(family, metaspace(), settings)?))
        .with_decoder(Some(metaspace()));
    special.add_to(&mut tokenizer, path, own_tokens(&model.pieces), settings)?;

    let first_id = needed_id(&tokenizer, path, settings, first, &first_name)?;
    let separator_id = needed_id(&tokenizer, path, settings, separator, &separator_name)?;
    let framing = match family {
        Family::XlmRoberta | Family::Camembert => Framing::TwoSeparatorsOneType,
        _ => Framing::OneSeparator,
    };
    tokenizer.with_post_processor(Some(template(
        framing,
        (&first_name, first_id),
        (&separator_name, separator_id),
    )));
    Ok(tokenizer)
}

/// The tokens with their scores, and the index of the unknown one.
fn vocabulary(
    family: Family,
    path: &str,
    model: &SentencePieceModel<'_>,
    special: &SpecialTokens,
) -> Result<(Vec<(String, f64)>, usize), TokenizerError> {
    let token = |role: Role| (special.name(role).to_owned(), 0.0);
    // fairseq numbered its own special tokens first and put the pieces after them, without
    // those that SentencePiece begins with.
    let (mut tokens, left_out) = match family {
        Family::XlmRoberta => {
            let own = [Role::Bos, Role::Pad, Role::Eos, Role::Unk];
            (own.map(token).to_vec(), 3)
        }
        Family::Camembert => {
            let unused = |name: &str, score: f64| (name.to_owned(), score);
            let own = [
                unused("<s>NOTUSED", 0.0),
                token(Role::Pad),
                unused("</s>NOTUSED", 0.0),
                token(Role::Unk),
                unused("<unk>NOTUSED", -100.0),
            ];
            (own.to_vec(), 1)
        }
        _ => (Vec::new(), 0),
    };
    let Some(pieces) = model.pieces.get(left_out..) else {
        let fault = format!(
            "{} pieces; the first {left_out} are special",
            model.pieces.len()
        );
        return Err(bad(
            path,
            "whole file",
            fault,
            "take the file of the checkpoint",
        ));
    };
    tokens.extend(pieces.iter().map(|piece| {
        let score = f64::from(piece.score);
        if family == Family::Albert && is_digit_and_comma(piece.text) {
            (piece.text.to_owned(), score - 100.0)
        } else {
            (piece.text.to_owned(), score)
        }
    }));
    match family {
        Family::XlmRoberta | Family::Camembert => {
            tokens.push(token(Role::Mask));
            Ok((tokens, 3))
        }
        _ => Ok((tokens, model.unk)),
    }
}

/// Whether ALBERT splits the piece again: digits and the comma after them are two tokens.
fn is_digit_and_comma(piece: &str) -> bool {
    let mut from_end = piece.chars().rev();
    // Python's `isdigit` takes the digits of all scripts, too.
    from_end.next() == Some(',') && from_end.next().is_some_and(char::is_numeric)
}

/// The pieces that are found in a text before it is split.
fn own_tokens(pieces: &[Piece<'_>]) -> Vec<AddedToken> {
    let own = pieces
        .iter()
        .filter(|piece| piece.is_control() || piece.is_user_defined());
    own.map(|piece| AddedToken::from(piece.text, piece.is_control()).normalized(false))
        .collect()
}

fn normalizers(
    family: Family,
    path: &str,
    model: &SentencePieceModel<'_>,
    settings: &Settings<'_>,
) -> Result<Vec<NormalizerWrapper>, TokenizerError> {
    let mut all: Vec<NormalizerWrapper> = Vec::new();
    let charsmap = match model.charsmap {
        None => None,
        Some(map) => {
            let map = Precompiled::from(map).map_err(std::convert::Into::into);
            Some(map.map_err(refused(path, "character map"))?)
        }
    };
    let charsmap = charsmap.map(NormalizerWrapper::Precompiled);
    let lower = |default: bool| Ok(settings.flag("do_lower_case")?.unwrap_or(default));
    let keep_accents = |default: bool| Ok(settings.flag("keep_accents")?.unwrap_or(default));
    match family {
        Family::Albert | Family::RemBert => {
            let is_albert = family == Family::Albert;
            all.push(replace(ReplacePattern::String("``".to_owned()), "\""));
            all.push(replace(ReplacePattern::String("''".to_owned()), "\""));
            if !is_albert {
                all.push(single_spaces());
            }
            if !keep_accents(!is_albert)? {
                all.push(NFKD.into());
                all.push(StripAccents.into());
            }
            if lower(is_albert)? {
                all.push(Lowercase.into());
            }
            all.extend(charsmap);
        }
        Family::DebertaV2 => {
            if lower(false)? {
                all.push(Lowercase.into());
            }
            all.push(Strip::new(true, true).into());
            all.extend(charsmap);
            all.push(single_spaces());
        }
        _ => all.extend(charsmap),
    }
    Ok(all)
}

fn single_spaces() -> NormalizerWrapper {
    replace(ReplacePattern::Regex(" {2,}".to_owned()), " ")
}

fn replace(pattern: ReplacePattern, content: &str) -> NormalizerWrapper {
    Replace::new(pattern, content)
        .expect("OK because the patterns of this file are well formed")
        .into()
}

fn pre_tokenizer(
    family: Family,
    metaspace: Metaspace,
    settings: &Settings<'_>,
) -> Result<PreTokenizerWrapper, TokenizerError> {
    let mut steps: Vec<PreTokenizerWrapper> = Vec::new();
    match family {
        Family::RemBert => {}
        Family::DebertaV2 => {
            if settings.flag("split_by_punct")?.unwrap_or(false) {
                steps.push(Punctuation::new(SplitDelimiterBehavior::Isolated).into());
            }
        }
        _ => steps.push(WhitespaceSplit.into()),
    }
    steps.push(metaspace.into());
    Ok(PreTokenizers::new(steps).into())
}
