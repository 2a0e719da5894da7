//! Byte-level BPE tokenisers from vocab.json and merges.txt: RoBERTa and DeBERTa (version 1).

use std::collections::HashSet;

use serde::de::DeserializeOwned;
use tokenizers::models::bpe::{BPE, Merges, Vocab};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::processors::roberta::RobertaProcessing;
use tokenizers::{NormalizerWrapper, Tokenizer};

use super::error::{FETCH_AGAIN, bad, quote, refused};
use super::settings::{Role, Settings};
use super::special::{Framing, SpecialTokens, needed_id, template};
use super::{Family, MOST_TOKENS, NamedFile, TokenizerError, text};

/// Builds what `RobertaTokenizer` of transformers and `DebertaConverter` build.
///
/// `DebertaTokenizer` of version 5 frames a pair with two separators and one type, unlike all
/// before it and the training of the models.
pub(super) fn build(
    family: Family,
    vocabulary: NamedFile<'_>,
    merges: NamedFile<'_>,
    settings: &Settings<'_>,
) -> Result<Tokenizer, TokenizerError> {
    let path = vocabulary.path;
    let special = SpecialTokens::of(family, settings)?;
    let cls = special.name(Role::Cls).to_owned();
    let sep = special.name(Role::Sep).to_owned();
    let add_prefix_space = settings.flag("add_prefix_space")?.unwrap_or(false);
    let trim_offsets = settings.flag("trim_offsets")?.unwrap_or(true);

    let tokens = read_vocabulary(vocabulary)?;
    let merges = read_merges(merges, &tokens)?;
    let model = BPE::builder()
        .vocab_and_merges(tokens, merges)
        .build()
        .map_err(refused(path, "vocabulary"))?;
    let mut tokenizer = Tokenizer::new(model);
    tokenizer
        .with_normalizer(None::<NormalizerWrapper>)
        .map_err(refused(path, "vocabulary"))?
        .with_pre_tokenizer(Some(ByteLevel::new(add_prefix_space, true, true)))
        .with_decoder(Some(ByteLevel::default()));
    special.add_to(&mut tokenizer, path, Vec::new(), settings)?;

    let cls_id = needed_id(&tokenizer, path, settings, Role::Cls, &cls)?;
    let sep_id = needed_id(&tokenizer, path, settings, Role::Sep, &sep)?;
    if family == Family::Deberta {
        let processor = template(Framing::OneSeparator, (&cls, cls_id), (&sep, sep_id));
        tokenizer.with_post_processor(Some(processor));
    } else {
        let processor = RobertaProcessing::new((sep, sep_id), (cls, cls_id))
            .trim_offsets(trim_offsets)
            .add_prefix_space(add_prefix_space);
        tokenizer.with_post_processor(Some(processor));
    }
    Ok(tokenizer)
}

/// Parses a JSON file.
pub(super) fn parse_json<T: DeserializeOwned>(
    file: NamedFile<'_>,
    wanted: &'static str,
) -> Result<T, TokenizerError> {
    serde_json::from_str(text(file)?).map_err(|source| TokenizerError::BadJson {
        path: file.path.to_owned(),
        line: source.line(),
        column: source.column(),
        wanted,
        source,
    })
}

/// The tokens with their ids.
fn read_vocabulary(file: NamedFile<'_>) -> Result<Vocab, TokenizerError> {
    let vocabulary: Vocab = parse_json(file, "a JSON object of tokens and ids")?;
    let mut seen = HashSet::new();
    for (token, &id) in &*vocabulary {
        let fault = match id as usize >= MOST_TOKENS {
            true => format!("its id {id} is beyond the {MOST_TOKENS} tokens that a model may have"),
            false if !seen.insert(id) => format!("its id {id} is that of another token as well"),
            false => continue,
        };
        return Err(bad(
            file.path,
            format!("token {}", quote(token)),
            fault,
            FETCH_AGAIN,
        ));
    }
    Ok(vocabulary)
}

/// The merges, by rank. A first line `#version…` is a comment; without it, version 4 of
/// transformers left the first merge out, which is not done here.
fn read_merges(file: NamedFile<'_>, vocabulary: &Vocab) -> Result<Merges, TokenizerError> {
    let mut merges = Vec::new();
    let lines = text(file)?.trim_end_matches(['\n', '\r']).lines();
    for (number, line) in lines.enumerate() {
        if number == 0 && (line.starts_with("#version") || line.is_empty()) {
            continue;
        }
        let wrong = |fault: String| {
            bad(
                file.path,
                format!("line {}", number + 1),
                fault,
                FETCH_AGAIN,
            )
        };
        let pair = line.split_once(' ');
        let Some((left, right)) = pair.filter(|(_, right)| !right.contains(' ')) else {
            let fault = format!("{} is not two tokens and a space between", quote(line));
            return Err(wrong(fault));
        };
        let both = format!("{left}{right}");
        // The library would run over its buffer's end for a merge that is no token.
        let unknown = [left, right, &both]
            .into_iter()
            .find(|token| !vocabulary.contains_key(*token));
        if let Some(token) = unknown {
            let fault = format!("the token {} is not in vocab.json", quote(token));
            return Err(wrong(fault));
        }
        merges.push((left.to_owned(), right.to_owned()));
    }
    Ok(merges)
}
