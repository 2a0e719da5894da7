//! Tokens back to text, as the google decoder's scripts do it.

use tokenizers::{
    Decoder as _, DecoderWrapper, ModelWrapper, NormalizerWrapper, PreTokenizerWrapper, Tokenizer,
};

/// A tokeniser seen from its output.
#[derive(Clone, Copy)]
pub struct Detokenizer<'a> {
    tokenizer: &'a Tokenizer,
    is_word_piece: bool,
    lower_case: bool,
}

impl<'a> Detokenizer<'a> {
    /// Looks up what `tokenizer` is.
    pub fn new(tokenizer: &'a Tokenizer) -> Self {
        Self {
            tokenizer,
            is_word_piece: matches!(tokenizer.get_model(), ModelWrapper::WordPiece(_)),
            lower_case: tokenizer.get_normalizer().is_some_and(lower_cases),
        }
    }

    /// Whether tokens are BERT's: pieces of words, the later ones marked `##`.
    pub fn is_word_piece(&self) -> bool {
        self.is_word_piece
    }

    /// Whether the tokeniser lower-cases text, by its normaliser.
    pub fn lower_case(&self) -> bool {
        self.lower_case
    }

    /// The text of a run of tokens, white space as it comes.
    ///
    /// WordPiece tokens are joined as BERT's script does, which leaves spaces
    /// around punctuation; others as transformers' `convert_tokens_to_string`.
    pub fn text(&self, ids: &[u32]) -> String {
        let tokens = ids.iter().filter_map(|&id| self.tokenizer.id_to_token(id));
        let tokens: Vec<String> = tokens.collect();
        if self.is_word_piece {
            return tokens.join(" ").replace(" ##", "").replace("##", "");
        }
        let joined = tokens.join(" ");
        let decoded = match self.tokenizer.get_decoder() {
            Some(decoder) => decoder.decode(tokens),
            None => match self.tokenizer.get_pre_tokenizer().and_then(decoder_of) {
                Some(decoder) => decoder.decode(tokens),
                None => return joined,
            },
        };
        // What cannot be decoded is looked for in the passage as it is, and not found.
        decoded.unwrap_or(joined)
    }
}

/// The decoder that undoes a pre-tokeniser, for files that name none.
fn decoder_of(pre_tokenizer: &PreTokenizerWrapper) -> Option<DecoderWrapper> {
    match pre_tokenizer {
        PreTokenizerWrapper::ByteLevel(byte_level) => Some(DecoderWrapper::ByteLevel(*byte_level)),
        PreTokenizerWrapper::Metaspace(metaspace) => {
            Some(DecoderWrapper::Metaspace(metaspace.clone()))
        }
        PreTokenizerWrapper::Sequence(parts) => {
            let parts: &[PreTokenizerWrapper] = parts.as_ref();
            parts.iter().find_map(decoder_of)
        }
        _ => None,
    }
}

fn lower_cases(normalizer: &NormalizerWrapper) -> bool {
    match normalizer {
        NormalizerWrapper::BertNormalizer(bert) => bert.lowercase,
        NormalizerWrapper::Lowercase(_) => true,
        NormalizerWrapper::Sequence(parts) => {
            let parts: &[NormalizerWrapper] = parts.as_ref();
            parts.iter().any(lower_cases)
        }
        _ => false,
    }
}

/// Whether the pre-tokeniser writes a space as a part of the byte-level token after it.
pub fn is_byte_level(pre_tokenizer: &PreTokenizerWrapper) -> bool {
    match pre_tokenizer {
        PreTokenizerWrapper::ByteLevel(_) => true,
        PreTokenizerWrapper::Sequence(parts) => {
            let parts: &[PreTokenizerWrapper] = parts.as_ref();
            parts.iter().any(is_byte_level)
        }
        _ => false,
    }
}
