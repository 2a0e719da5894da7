//! Tokenisers for checkpoints without tokenizer.json, built from the files that came before it.
//!
//! What is built equals the fast tokeniser that Hugging Face transformers makes of the same
//! files, ids, type ids and offsets alike. Where its versions 4 and 5 differ, this module
//! follows the one that the published tokenizer.json of such checkpoints (and with it the
//! training of the models) agrees with; the places say so.

mod byte_bpe;
pub(super) mod charsmap;
mod error;
mod sentencepiece;
mod sentencepiece_model;
mod settings;
mod special;
mod wordpiece;

use tokenizers::Tokenizer;

pub use error::TokenizerError;
pub(super) use sentencepiece_model::LONGEST_PIECE;

use settings::Settings;

/// The most tokens a vocabulary may have; the largest published one has a million.
const MOST_TOKENS: usize = 2_000_000;

/// A file of a checkpoint.
#[derive(Debug, Clone, Copy)]
pub struct NamedFile<'a> {
    /// Its name in the checkpoint, such as `vocab.txt`.
    pub name: &'a str,
    /// Where it lies, for messages.
    pub path: &'a str,
    /// What it holds.
    pub bytes: &'a [u8],
}

/// A family of tokenisers; each is one class of transformers, or several that are alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    Bert,
    Mpnet,
    Roberta,
    Deberta,
    XlmRoberta,
    Camembert,
    Albert,
    DebertaV2,
    RemBert,
}

impl Family {
    fn required(self) -> &'static [&'static str] {
        match self {
            Self::Bert | Self::Mpnet => &["vocab.txt"],
            Self::Roberta | Self::Deberta => &["vocab.json", "merges.txt"],
            Self::XlmRoberta | Self::Camembert => &["sentencepiece.bpe.model"],
            Self::Albert => &["spiece.model"],
            Self::DebertaV2 => &["spm.model"],
            Self::RemBert => &["sentencepiece.model"],
        }
    }

    /// The family that AutoTokenizer takes: of the class that the checkpoint names, else of its
    /// model_type.
    fn of(model_type: &str, class: Option<&str>) -> Result<Self, TokenizerError> {
        let by_type = Self::of_model_type(model_type)?;
        match class {
            Some(class) => Self::of_class(class),
            None => Ok(by_type),
        }
    }

    fn of_model_type(model_type: &str) -> Result<Self, TokenizerError> {
        let reason = match model_type {
            "bert" | "distilbert" | "electra" | "mobilebert" | "squeezebert" | "ernie"
            | "megatron-bert" => return Ok(Self::Bert),
            "mpnet" => return Ok(Self::Mpnet),
            "roberta" => return Ok(Self::Roberta),
            "deberta" => return Ok(Self::Deberta),
            "xlm-roberta" => return Ok(Self::XlmRoberta),
            "camembert" => return Ok(Self::Camembert),
            "albert" => return Ok(Self::Albert),
            "deberta-v2" => return Ok(Self::DebertaV2),
            "rembert" => return Ok(Self::RemBert),
            "roformer" => {
                "its vocab.txt is of words that the Chinese segmenter jieba finds, which is not built in"
            }
            "modernbert" => "its tokenizer has no form but tokenizer.json",
            _ => "its tokenizer cannot be built from a vocabulary file",
        };
        Err(TokenizerError::NotBuildable {
            what: format!("model_type {}", error::quote(model_type)),
            reason,
        })
    }

    fn of_class(class: &str) -> Result<Self, TokenizerError> {
        let reason = match class.strip_suffix("Fast").unwrap_or(class) {
            "BertTokenizer"
            | "DistilBertTokenizer"
            | "ElectraTokenizer"
            | "MobileBertTokenizer"
            | "SqueezeBertTokenizer" => return Ok(Self::Bert),
            "MPNetTokenizer" => return Ok(Self::Mpnet),
            "RobertaTokenizer" => return Ok(Self::Roberta),
            "DebertaTokenizer" => return Ok(Self::Deberta),
            "XLMRobertaTokenizer" => return Ok(Self::XlmRoberta),
            "CamembertTokenizer" => return Ok(Self::Camembert),
            "AlbertTokenizer" => return Ok(Self::Albert),
            "DebertaV2Tokenizer" => return Ok(Self::DebertaV2),
            "RemBertTokenizer" => return Ok(Self::RemBert),
            "RoFormerTokenizer" => {
                "it splits with the Chinese segmenter jieba, which is not built in"
            }
            "BertJapaneseTokenizer" => {
                "it splits with a Japanese morphological analyser, which is not built in"
            }
            "PreTrainedTokenizer" | "TokenizersBackend" => {
                "this class reads tokenizer.json, which the checkpoint lacks"
            }
            _ => "this class cannot be built from a vocabulary file",
        };
        Err(TokenizerError::NotBuildable {
            what: format!("tokenizer_class {}", error::quote(class)),
            reason,
        })
    }
}

/// Builds the tokeniser of a checkpoint as `AutoTokenizer.from_pretrained` does where
/// there is no tokenizer.json.
///
/// Beside the vocabulary, `files` should hold tokenizer_config.json, special_tokens_map.json,
/// added_tokens.json and config.json, as far as the checkpoint has them; of config.json only
/// `tokenizer_class` is read, which goes before the model_type.
///
/// # Errors
///
/// Fails where no tokeniser of this model_type can be built, a required file is missing, or a
/// file cannot be used.
pub fn build(model_type: &str, files: &[NamedFile<'_>]) -> Result<Tokenizer, TokenizerError> {
    let settings = Settings::read(files)?;
    let family = Family::of(model_type, settings.class())?;
    let required = |name: &'static str| {
        find(files, name).ok_or_else(|| TokenizerError::Missing {
            model_type: model_type.to_owned(),
            name,
        })
    };
    match (family, family.required()) {
        (Family::Bert | Family::Mpnet, &[vocabulary]) => {
            wordpiece::build(family, required(vocabulary)?, &settings)
        }
        (_, &[vocabulary, merges]) => {
            byte_bpe::build(family, required(vocabulary)?, required(merges)?, &settings)
        }
        (_, names) => sentencepiece::build(family, required(names[0])?, &settings),
    }
}

fn find<'a>(files: &[NamedFile<'a>], name: &str) -> Option<NamedFile<'a>> {
    files.iter().find(|file| file.name == name).copied()
}

/// A file's text.
fn text(file: NamedFile<'_>) -> Result<&str, TokenizerError> {
    str::from_utf8(file.bytes).map_err(|source| TokenizerError::NotUtf8 {
        path: file.path.to_owned(),
        at: source.valid_up_to(),
        source,
    })
}
