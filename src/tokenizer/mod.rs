//! A model's files to the tokeniser that its windows are cut with.

pub mod detokenizer;
pub mod vocabulary;
mod whole;

use serde::Deserialize;
use tokenizers::normalizers::BertNormalizer;
use tokenizers::{NormalizerWrapper, Tokenizer};

use crate::json;
use crate::models::files::ModelFile;
use crate::windows::WindowError;
use vocabulary::NamedFile;

/// The tokeniser as one file.
const WHOLE: &str = "tokenizer.json";

/// What says how the tokeniser is used.
const SETTINGS: &str = "tokenizer_config.json";

/// A tokeniser, and what its other files say of its use.
pub struct TokenizerSource {
    /// The file it was read or built from, for messages.
    pub path: String,
    /// The tokeniser.
    pub tokenizer: Tokenizer,
    /// Whether the model is given the segment ids.
    pub gives_segments: bool,
}

/// The fields of tokenizer_config.json that change the result even where there is a tokenizer.json.
#[derive(Deserialize)]
struct WireSettings {
    model_input_names: Option<Vec<String>>,
    tokenizer_class: Option<String>,
    do_lower_case: Option<bool>,
    strip_accents: Option<bool>,
    tokenize_chinese_chars: Option<bool>,
}

impl WireSettings {
    /// Whether the tokeniser is of a class that sets its normaliser by these
    /// fields, whatever tokenizer.json says: BERT's and those made of it.
    fn sets_normalizer(&self, architecture: &str) -> bool {
        let class = self.tokenizer_class.as_deref();
        match class.map(|class| class.strip_suffix("Fast").unwrap_or(class)) {
            Some(class) => [
                "BertTokenizer",
                "DistilBertTokenizer",
                "ElectraTokenizer",
                "MobileBertTokenizer",
                "MPNetTokenizer",
                "SqueezeBertTokenizer",
            ]
            .contains(&class),
            None => [
                "bert",
                "distilbert",
                "electra",
                "ernie",
                "megatron-bert",
                "mobilebert",
                "mpnet",
                "squeezebert",
            ]
            .contains(&architecture),
        }
    }

    /// Sets what these fields say of BERT's normaliser, with the defaults of its class.
    fn apply(&self, architecture: &str, tokenizer: &mut Tokenizer) -> tokenizers::Result<()> {
        if let Some(NormalizerWrapper::BertNormalizer(found)) = tokenizer.get_normalizer()
            && self.sets_normalizer(architecture)
        {
            let normalizer = BertNormalizer::new(
                found.clean_text,
                self.tokenize_chinese_chars.unwrap_or(true),
                self.strip_accents,
                self.do_lower_case.unwrap_or(true),
            );
            tokenizer.with_normalizer(Some(normalizer))?;
        }
        Ok(())
    }
}

/// Reads a tokenizer.json, or builds a tokeniser from the vocabulary files.
///
/// # Errors
///
/// Fails where a file cannot be used.
pub fn read(
    architecture: &str,
    config: &ModelFile,
    files: &[ModelFile],
) -> Result<TokenizerSource, WindowError> {
    let named = |name: &str| files.iter().find(|file| file.name == name);
    let whole = named(WHOLE);
    let mut source = match whole {
        Some(file) => from_json(&file.path, &file.bytes)?,
        None => build(architecture, config, files)?,
    };
    if let Some(file) = named(SETTINGS) {
        let settings: WireSettings =
            json::read(&file.bytes).map_err(|fault| WindowError::BadTokenizerSettings {
                path: file.path.clone(),
                place: fault.place,
                source: fault.source,
            })?;
        // A tokeniser that was built has them already.
        if whole.is_some() {
            let applied = settings.apply(architecture, &mut source.tokenizer);
            applied.map_err(|source| WindowError::BadTokenizer {
                path: file.path.clone(),
                source,
            })?;
        }
        let inputs = settings.model_input_names;
        source.gives_segments =
            inputs.is_none_or(|inputs| inputs.iter().any(|input| input == "token_type_ids"));
    }
    Ok(source)
}

/// Reads a tokenizer.json; `path` names it in messages.
///
/// # Errors
///
/// Fails where it cannot be read as a tokeniser.
pub fn from_json(path: &str, bytes: &[u8]) -> Result<TokenizerSource, WindowError> {
    whole::check(bytes).map_err(|fault| WindowError::UnusableTokenizer {
        path: path.to_owned(),
        fault,
    })?;
    let tokenizer = Tokenizer::from_bytes(bytes).map_err(|source| WindowError::BadTokenizer {
        path: path.to_owned(),
        source,
    })?;
    Ok(TokenizerSource {
        path: path.to_owned(),
        tokenizer,
        gives_segments: true,
    })
}

/// Builds a tokeniser from vocabulary files.
fn build(
    architecture: &str,
    config: &ModelFile,
    files: &[ModelFile],
) -> Result<TokenizerSource, WindowError> {
    let named: Vec<_> = files
        .iter()
        .chain([config])
        .map(|file| NamedFile {
            name: &file.name,
            path: &file.path,
            bytes: &file.bytes,
        })
        .collect();
    Ok(TokenizerSource {
        path: files
            .first()
            .map_or(String::new(), |file| file.path.clone()),
        tokenizer: vocabulary::build(architecture, &named)?,
        gives_segments: true,
    })
}
