//! WordPiece tokenisers from vocab.txt: BERT and those that took over its tokeniser, and MPNet.

use tokenizers::decoders::wordpiece::WordPiece as WordPieceDecoder;
use tokenizers::models::bpe::Vocab;
use tokenizers::models::wordpiece::WordPiece;
use tokenizers::normalizers::BertNormalizer;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::{Model, Tokenizer};

use super::error::{FETCH_AGAIN, bad, refused};
use super::settings::{Role, Settings};
use super::special::{Framing, SpecialTokens, missing, needed_id, template};
use super::{Family, MOST_TOKENS, NamedFile, TokenizerError, text};

/// The longest word that is split; longer ones are unknown.
const LONGEST_WORD: usize = 100;

/// Builds what `BertTokenizer` and `MPNetTokenizer` of transformers build.
///
/// MPNet's types are those of `MPNetConverter`; `MPNetTokenizer` of version 5 has type 0
/// throughout. The model reads no types.
pub(super) fn build(
    family: Family,
    vocabulary: NamedFile<'_>,
    settings: &Settings<'_>,
) -> Result<Tokenizer, TokenizerError> {
    let path = vocabulary.path;
    let special = SpecialTokens::of(family, settings)?;
    let unk = special.name(Role::Unk).to_owned();
    let cls = special.name(Role::Cls).to_owned();
    let sep = special.name(Role::Sep).to_owned();

    let model = WordPiece::builder()
        .vocab(read_vocabulary(vocabulary)?)
        .unk_token(unk.clone())
        .continuing_subword_prefix("##".to_owned())
        .max_input_chars_per_word(LONGEST_WORD)
        .build()
        .map_err(refused(path, "vocabulary"))?;
    // An added token is no help here: the model itself looks its unknown token up.
    if model.token_to_id(&unk).is_none() {
        return Err(missing(path, Role::Unk, &unk));
    }
    let mut tokenizer = Tokenizer::new(model);
    let normalizer = BertNormalizer::new(
        true,
        settings.flag("tokenize_chinese_chars")?.unwrap_or(true),
        settings.flag("strip_accents")?,
        settings.flag("do_lower_case")?.unwrap_or(true),
    );
    tokenizer
        .with_normalizer(Some(normalizer))
        .map_err(refused(path, "vocabulary"))?
        .with_pre_tokenizer(Some(BertPreTokenizer))
        .with_decoder(Some(WordPieceDecoder::new("##".to_owned(), true)));
    special.add_to(&mut tokenizer, path, Vec::new(), settings)?;

    let cls_id = needed_id(&tokenizer, path, settings, Role::Cls, &cls)?;
    let sep_id = needed_id(&tokenizer, path, settings, Role::Sep, &sep)?;
    let framing = match family {
        Family::Mpnet => Framing::TwoSeparators,
        _ => Framing::OneSeparator,
    };
    tokenizer.with_post_processor(Some(template(framing, (&cls, cls_id), (&sep, sep_id))));
    Ok(tokenizer)
}

/// The tokens with their ids, which are the numbers of their lines from 0.
///
/// As in transformers, the last of equal lines has the token and an empty line is an id that no
/// text gets; white space at the end of a line is left out, as of version 5 and of BERT itself.
fn read_vocabulary(file: NamedFile<'_>) -> Result<Vocab, TokenizerError> {
    let mut vocabulary = Vocab::default();
    for (line, token) in text(file)?.lines().enumerate() {
        let place = || format!("line {}", line + 1);
        if line >= MOST_TOKENS {
            let fault = format!("more than {MOST_TOKENS} tokens");
            return Err(bad(file.path, place(), fault, "no model has so many"));
        }
        if token.contains(['\r', '\0']) {
            // Python takes a carriage return for the end of a line, which shifts all ids.
            let fault = "a carriage return or a zero byte within a token";
            return Err(bad(file.path, place(), fault, FETCH_AGAIN));
        }
        vocabulary.insert(token.trim_end().to_owned(), line as u32);
    }
    Ok(vocabulary)
}
