//! What `--dataset D` means, and its files: bundled, a card, a file, or a repository on the hub.

use std::io::Read;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::builder::Builder;
use super::card::{self, WireDatasetSource, card};
use super::hub::{Choice, HubDataset};
use super::{Dataset, DatasetError, DatasetFile, content};
use crate::bundled;
use crate::hash::hex;
use crate::hub::{Hub, HubConfig, Progress, Snapshot};

/// The beginning of names of data sets on the hub.
const HUB_PREFIX: &str = "hf:";

/// Where a data set is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DatasetSource {
    /// In the program itself.
    Bundled,
    /// In a file.
    File(PathBuf),
    /// On the hub.
    Hub(HubDataset),
}

impl DatasetSource {
    /// Reads a data set's name: a card's, `hf:…`, or a file's.
    ///
    /// # Errors
    ///
    /// Fails where the name means nothing.
    pub fn parse(name: &str) -> Result<Self, DatasetError> {
        if let Some(card) = card(name) {
            return Self::of_card(name, card.source);
        }
        if let Some(rest) = name.strip_prefix(HUB_PREFIX) {
            return HubDataset::parse(name, rest).map(Self::Hub);
        }
        let path = Path::new(name);
        if path.exists() {
            return Ok(Self::File(path.to_owned()));
        }
        Err(DatasetError::Unknown {
            name: name.to_owned(),
            cards: card::names().count(),
        })
    }

    /// Reads the name of a data set to be fetched: a card's, or `[hf:]owner/name[:config][:split]`.
    ///
    /// # Errors
    ///
    /// Fails where the name is not of that form.
    pub fn parse_remote(name: &str) -> Result<Self, DatasetError> {
        if let Some(card) = card(name) {
            return Self::of_card(name, card.source);
        }
        let rest = name.strip_prefix(HUB_PREFIX).unwrap_or(name);
        HubDataset::parse(name, rest).map(Self::Hub)
    }

    fn of_card(name: &str, source: WireDatasetSource) -> Result<Self, DatasetError> {
        let WireDatasetSource::Repository {
            repository,
            revision,
            config,
            split,
            subset,
            files,
        } = source
        else {
            return Ok(Self::Bundled);
        };
        let found = HubDataset::parse(name, &format!("{repository}@{revision}"))?;
        Ok(Self::Hub(HubDataset {
            config,
            split: Some(split),
            files,
            subset,
            ..found
        }))
    }
}

/// Fetches the files of a data set, unless they are here already, and says which they are;
/// to `progress` too, where configuration or split were left to be chosen.
///
/// # Errors
///
/// Fails where the repository holds no such configuration or split, or is not to be had.
pub fn pull(
    dataset: &HubDataset,
    offline: bool,
    progress: &dyn Progress,
) -> Result<(Snapshot, Choice), DatasetError> {
    let hub = Hub::new(HubConfig::from_env(offline)?)?;
    let select = |names: &[String]| dataset.choose(names).map(|choice| choice.files);
    let snapshot = hub.snapshot(&dataset.repository, &select, progress)?;
    let names: Vec<String> = snapshot.files.iter().map(|f| f.name.clone()).collect();
    let choice = dataset
        .choose(&names)
        .expect("OK because these files were chosen by the same rule");
    if dataset.config.is_none() || dataset.split.is_none() {
        progress.note(&format!(
            "hf:{}: split {} of configuration {}",
            dataset.repository.id(),
            choice.split,
            choice.config
        ));
    }
    Ok((snapshot, choice))
}

impl Dataset {
    /// Finds a data set by its name, fetching it where it is on the hub and not yet here.
    ///
    /// # Errors
    ///
    /// See [`DatasetError`].
    pub fn open(name: &str, offline: bool, progress: &dyn Progress) -> Result<Self, DatasetError> {
        let mut dataset = match DatasetSource::parse(name)? {
            DatasetSource::Bundled => Self::bundled(),
            DatasetSource::File(path) => Self::read(&path)?,
            DatasetSource::Hub(source) => Self::from_hub(&source, offline, progress)?,
        };
        if let Some(card) = card(name) {
            name.clone_into(&mut dataset.id);
            dataset.language = Some(card.language).filter(|code| code != card::MULTILINGUAL);
            dataset.question_language = card.question_language;
            dataset.protocol = card.protocol.parse().ok();
        }
        Ok(dataset)
    }

    /// The data set that is part of the program.
    pub fn bundled() -> Self {
        let bytes = bundled::DATASET_JSON;
        Self::from_bytes(bundled::DATASET, bundled::DATASET_PATH, bytes.to_vec())
            .expect("OK because a test reads the bundled data set")
    }

    /// Reads a data set from a file of any format.
    ///
    /// # Errors
    ///
    /// See [`DatasetError`]; each names the file and the place.
    pub fn read(path: &Path) -> Result<Self, DatasetError> {
        let origin = path.display().to_string();
        let bytes = read_bytes(path)?;
        let name = path.file_name().unwrap_or(path.as_os_str());
        let mut dataset = Self::from_bytes(&stem(&name.to_string_lossy()), &origin, bytes)?;
        dataset.heed_name(&stem(&name.to_string_lossy()));
        Ok(dataset)
    }

    /// Reads a data set of any format from memory; `origin` names it in messages.
    ///
    /// # Errors
    ///
    /// See [`DatasetError`].
    pub fn from_bytes(id: &str, origin: &str, bytes: Vec<u8>) -> Result<Self, DatasetError> {
        let mut builder = Builder::new(origin);
        let file = DatasetFile::of(id, &bytes);
        content::parse(&mut builder, bytes)?;
        let mut dataset = builder.finish("the data")?;
        id.clone_into(&mut dataset.id);
        dataset.sha256.clone_from(&file.sha256);
        dataset.files = vec![file];
        Ok(dataset)
    }

    /// Takes up what XQuAD's and MLQA's names tell. MLQA's are scored by its
    /// script for the language of the passages, as it asks.
    fn heed_name(&mut self, name: &str) {
        let Some((passages, questions)) = languages_in(name) else {
            return;
        };
        self.language = Some(passages.to_owned());
        self.question_language = questions.map(str::to_owned);
        self.protocol = questions.and_then(|_| format!("mlqa:{passages}").parse().ok());
    }

    fn from_hub(
        source: &HubDataset,
        offline: bool,
        progress: &dyn Progress,
    ) -> Result<Self, DatasetError> {
        let (snapshot, choice) = pull(source, offline, progress)?;
        let repository = source.repository.id();
        let origin = format!("hf:{repository}:{}:{}", choice.config, choice.split);
        let mut builder = Builder::new(&origin).of_subset(source.subset.clone());
        let mut files = Vec::with_capacity(snapshot.files.len());
        for (number, file) in snapshot.files.iter().enumerate() {
            let path = format!("{origin} ({})", file.name);
            builder.continue_with(number, &path);
            let bytes = read_bytes(&file.path)?;
            files.push(DatasetFile::of(&file.name, &bytes));
            content::parse(&mut builder, bytes)?;
        }
        let mut dataset = builder.finish("the data")?;
        dataset.id = format!("{repository}:{}:{}", choice.config, choice.split);
        dataset.sha256 = of_several(&files);
        dataset.files = files;
        dataset.revision = Some(snapshot.commit);
        dataset.heed_name(&choice.config);
        Ok(dataset)
    }
}

impl DatasetFile {
    fn of(name: &str, bytes: &[u8]) -> Self {
        Self {
            name: name.to_owned(),
            bytes: bytes.len() as u64,
            sha256: hex(&Sha256::digest(bytes)),
        }
    }
}

/// One hash for all files: that of the only one, or that of the list of hashes.
fn of_several(files: &[DatasetFile]) -> String {
    if let [file] = files {
        return file.sha256.clone();
    }
    let mut hash = Sha256::new();
    for file in files {
        hash.update(format!("{}\n", file.sha256));
    }
    hex(&hash.finalize())
}

/// Reads a file whole, unless it is larger than any data set.
pub(super) fn read_bytes(path: &Path) -> Result<Vec<u8>, DatasetError> {
    let unreadable = |source| DatasetError::Unreadable {
        path: path.display().to_string(),
        source,
    };
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let expected = file.metadata().map_err(unreadable)?.len();
    let limit = content::LARGEST_DOCUMENT;
    let mut bytes = Vec::new();
    if expected <= limit {
        bytes.reserve(usize::try_from(expected).unwrap_or_default());
        // A device has no length and may have no end.
        let mut limited = file.take(limit + 1);
        limited.read_to_end(&mut bytes).map_err(unreadable)?;
    }
    if expected > limit || bytes.len() as u64 > limit {
        return Err(DatasetError::TooLarge {
            path: path.display().to_string(),
            place: "the file".to_owned(),
            limit: format!("{limit} bytes"),
        });
    }
    Ok(bytes)
}

/// A file's name without its endings.
pub fn stem(name: &str) -> String {
    let endings = [".gz", ".json", ".jsonl", ".parquet"];
    let stem = endings.iter().fold(name, |name, ending| {
        name.strip_suffix(ending).unwrap_or(name)
    });
    if stem.is_empty() { name } else { stem }.to_owned()
}

/// Languages of passages and questions that the names of XQuAD's and MLQA's files and
/// configurations tell: `xquad.de`, `mlqa.de.en`, `test-context-de-question-en`.
fn languages_in(name: &str) -> Option<(&str, Option<&str>)> {
    let is_code = |code: &str| code.len() == 2 && code.bytes().all(|b| b.is_ascii_lowercase());
    if let Some(code) = name.strip_prefix("xquad.") {
        return is_code(code).then_some((code, None));
    }
    let pair = name
        .strip_prefix("mlqa.")
        .and_then(|rest| rest.split_once('.'));
    let (passages, questions) = pair.or_else(|| {
        let (_, rest) = name.split_once("-context-")?;
        rest.split_once("-question-")
    })?;
    (is_code(passages) && is_code(questions)).then_some((passages, Some(questions)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::score::Protocol;

    #[test]
    fn names_tell_languages_and_protocol() {
        let told = |name| {
            let mut dataset = Dataset::default();
            dataset.heed_name(name);
            let protocol = dataset.protocol.map(Protocol::name);
            (dataset.language, dataset.question_language, protocol)
        };
        let some = |code: &str| Some(code.to_owned());
        assert_eq!(told("xquad.de"), (some("de"), None, None));
        let (de, en) = (some("de"), some("en"));
        assert_eq!(told("mlqa.de.en"), (de, en, Some("mlqa:de")));
        let name = "test-context-hi-question-zh";
        assert_eq!(told(name), (some("hi"), some("zh"), Some("mlqa:hi")));
        // No script of MLQA's knows French.
        let name = "test-context-fr-question-en";
        assert_eq!(told(name), (some("fr"), some("en"), None));
        for name in [
            "dev-v1.1",
            "mlqa-translate-test.de",
            "xquad.json",
            "mlqa.de",
        ] {
            assert_eq!(told(name), (None, None, None));
        }
    }

    #[test]
    fn stems_have_no_ending() {
        assert_eq!(stem("NewsQA.jsonl.gz"), "NewsQA");
        assert_eq!(stem("xquad.en.json"), "xquad.en");
        assert_eq!(stem(".json"), ".json");
    }
}
