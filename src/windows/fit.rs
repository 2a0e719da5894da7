//! Whether a tokeniser fits a model, and what its post-processor does to offsets.

use tokenizers::{PostProcessorWrapper, Tokenizer};

use super::frame::Frame;
use super::{TableSizes, WindowError};

/// The most rows an embedding table may have beyond the tokeniser's last id.
///
/// Tables are padded to round sizes for speed (ModernBERT by 88, DeBERTa-v3 by
/// 99); BERT's cased vocabulary is 1,526 short of the uncased one.
const VOCABULARY_PADDING: usize = 1024;

/// Checks that the tokeniser's ids are about as many as the table has rows.
pub(super) fn check_vocabulary(
    origin: &str,
    tokenizer: &Tokenizer,
    vocabulary: usize,
) -> Result<(), WindowError> {
    let last = tokenizer.get_vocab(true).into_values().max();
    let needed = last.map_or(0, |last| last as usize + 1);
    let fault = if needed > vocabulary {
        format!("its highest token id is {}", needed - 1)
    } else if vocabulary - needed > VOCABULARY_PADDING {
        format!("it has {needed} tokens only")
    } else {
        return Ok(());
    };
    Err(WindowError::WrongVocabulary {
        path: origin.to_owned(),
        fault,
        vocabulary,
    })
}

/// Checks on a pair of short texts that question and passage are framed by special tokens
/// and that no id is outside the model's tables; returns the special tokens.
pub(super) fn check_framing(
    origin: &str,
    tokenizer: &Tokenizer,
    tables: TableSizes,
    has_segments: bool,
) -> Result<Frame, WindowError> {
    let unframed = |fault: &str| WindowError::BadFraming {
        path: origin.to_owned(),
        fault: fault.to_owned(),
    };
    let encoding = tokenizer
        .encode_char_offsets(("1", "2"), true)
        .map_err(|source| WindowError::BadTokenizer {
            path: origin.to_owned(),
            source,
        })?;
    let mut parts = encoding.get_sequence_ids();
    // Special tokens repeat; what counts is what follows what.
    parts.dedup();
    if parts != [None, Some(0), None, Some(1), None] {
        return Err(unframed(
            "it does not put special tokens before, between and after question and passage",
        ));
    }
    let beyond = |ids: &[u32], rows: usize| ids.iter().any(|&id| id as usize >= rows);
    if beyond(encoding.get_ids(), tables.words)
        || has_segments && beyond(encoding.get_type_ids(), tables.segments)
    {
        return Err(unframed("it gives ids that the model's tables do not have"));
    }
    Ok(Frame::of(&encoding))
}

/// Whether the post-processor trims white space off all offsets but those of a
/// window's first token, as byte-level ones do that put a space before the text.
///
/// They take that token's space for the one they added, also where a window
/// begins in the middle of a passage (`process_offsets` of the tokenizers library).
pub(super) fn keeps_first_space(post_processor: &PostProcessorWrapper) -> bool {
    match post_processor {
        PostProcessorWrapper::ByteLevel(byte_level) => {
            byte_level.trim_offsets && byte_level.add_prefix_space
        }
        PostProcessorWrapper::Roberta(roberta) => roberta.trim_offsets && roberta.add_prefix_space,
        PostProcessorWrapper::Sequence(sequence) => {
            let processors: &[PostProcessorWrapper] = sequence.as_ref();
            processors.iter().any(keeps_first_space)
        }
        _ => false,
    }
}
