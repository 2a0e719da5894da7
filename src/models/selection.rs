//! Which files of a directory or repository a run needs.

use super::files::WeightFormat;

/// The configuration, which every model has.
pub const CONFIG: &str = "config.json";

/// The tokeniser as one file.
const TOKENIZER: &str = "tokenizer.json";

/// Vocabularies that a tokeniser can be built from: all files of a row are needed.
const VOCABULARIES: [&[&str]; 6] = [
    &["vocab.txt"],
    &["vocab.json", "merges.txt"],
    &["sentencepiece.bpe.model"],
    &["spiece.model"],
    &["spm.model"],
    &["sentencepiece.model"],
];

/// Files that change how a tokeniser is built or used, where they exist.
const TOKENIZER_SETTINGS: [&str; 3] = [
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
];

/// The files of one model.
#[derive(Debug, PartialEq, Eq)]
pub struct Selection {
    /// Of the tokeniser.
    pub tokenizer: Vec<String>,
    /// How the weights are laid out.
    pub format: WeightFormat,
    /// Which tensor is in which file, where there are several.
    pub index: Option<String>,
    /// The weights.
    pub weights: Vec<String>,
}

impl Selection {
    /// All names, the configuration's too.
    pub fn names(self) -> Vec<String> {
        let mut names = vec![CONFIG.to_owned()];
        names.extend(self.tokenizer);
        names.extend(self.index);
        names.extend(self.weights);
        names
    }
}

/// Chooses among the `names` of a directory or repository.
///
/// # Errors
///
/// Says what is missing.
pub fn select(names: &[String]) -> Result<Selection, String> {
    let has = |name: &str| names.iter().any(|known| known == name);
    if !has(CONFIG) {
        return Err(format!("no {CONFIG}; is it a model?"));
    }
    let mut tokenizer: Vec<String> = if has(TOKENIZER) {
        vec![TOKENIZER.to_owned()]
    } else {
        let complete = VOCABULARIES
            .iter()
            .filter(|files| files.iter().all(|&file| has(file)));
        complete
            .copied()
            .flatten()
            .map(|&file| file.to_owned())
            .collect()
    };
    if tokenizer.is_empty() {
        let known: Vec<String> = VOCABULARIES.iter().map(|files| files.join(" + ")).collect();
        return Err(format!(
            "no {TOKENIZER} and nothing to build one from ({})",
            known.join(", ")
        ));
    }
    let settings = TOKENIZER_SETTINGS.into_iter().filter(|name| has(name));
    tokenizer.extend(settings.map(str::to_owned));
    let (format, index, weights) = weights(names)?;
    Ok(Selection {
        tokenizer,
        format,
        index,
        weights,
    })
}

type Weights = (WeightFormat, Option<String>, Vec<String>);

/// One whole file before several, safetensors before PyTorch's.
fn weights(names: &[String]) -> Result<Weights, String> {
    let has = |name: &str| names.iter().any(|known| known == name);
    for (stem, ending, format) in [
        ("model", "safetensors", WeightFormat::Safetensors),
        ("pytorch_model", "bin", WeightFormat::Torch),
    ] {
        let whole = format!("{stem}.{ending}");
        if has(&whole) {
            return Ok((format, None, vec![whole]));
        }
        let index = format!("{whole}.index.json");
        if has(&index) {
            let mut shards: Vec<String> = names
                .iter()
                .filter(|name| is_shard(name, stem, ending))
                .cloned()
                .collect();
            shards.sort_unstable();
            return Ok((format, Some(index), shards));
        }
    }
    Err("no model.safetensors or pytorch_model.bin, whole or in parts with an index".to_owned())
}

/// Whether `name` is `STEM-00001-of-00002.ENDING`.
fn is_shard(name: &str, stem: &str, ending: &str) -> bool {
    let numbers = name
        .strip_prefix(stem)
        .and_then(|rest| rest.strip_suffix(ending))
        .and_then(|rest| {
            rest.strip_prefix('-')?
                .strip_suffix('.')?
                .split_once("-of-")
        });
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    numbers.is_some_and(|(part, of)| is_number(part) && is_number(of))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(names: &[&str]) -> Result<Vec<String>, String> {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        select(&names).map(Selection::names)
    }

    #[test]
    fn whole_files_come_first_and_safetensors_before_pytorch() {
        let found = chosen(&[
            "vocab.txt",
            "pytorch_model.bin",
            "config.json",
            "tokenizer.json",
            "model.safetensors",
            "model.safetensors.index.json",
            "tf_model.h5",
        ]);
        assert_eq!(
            found.unwrap(),
            ["config.json", "tokenizer.json", "model.safetensors"]
        );
    }

    #[test]
    fn parts_come_with_their_index_in_order() {
        let found = chosen(&[
            "pytorch_model-00002-of-00002.bin",
            "pytorch_model-00001-of-00002.bin",
            "pytorch_model.bin.index.json",
            "pytorch_model-x-of-00002.bin",
            "config.json",
            "vocab.json",
            "merges.txt",
            "tokenizer_config.json",
        ]);
        assert_eq!(
            found.unwrap(),
            [
                "config.json",
                "vocab.json",
                "merges.txt",
                "tokenizer_config.json",
                "pytorch_model.bin.index.json",
                "pytorch_model-00001-of-00002.bin",
                "pytorch_model-00002-of-00002.bin",
            ]
        );
    }

    #[test]
    fn what_is_missing_is_named() {
        for (names, says) in [
            (
                vec!["tokenizer.json", "model.safetensors"],
                "no config.json",
            ),
            (
                vec!["config.json", "model.safetensors"],
                "no tokenizer.json",
            ),
            (
                vec!["config.json", "vocab.json", "model.safetensors"],
                "no tokenizer.json",
            ),
            (
                vec!["config.json", "vocab.txt", "tf_model.h5"],
                "no model.safetensors",
            ),
        ] {
            let fault = chosen(&names).unwrap_err();
            assert!(fault.contains(says), "{fault}");
        }
    }
}
