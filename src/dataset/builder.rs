//! What every format goes through: the checks of passages, questions and answers.

use std::collections::HashMap;

use super::characters::CharacterIndex;
use super::{Dataset, DatasetError, GoldAnswer, Passage, Place, Question};
use crate::python;

/// A question as a format hands it over.
pub(super) struct RawQuestion {
    pub(super) id: String,
    pub(super) text: String,
    /// Text and offset in code points, where the file gives one.
    pub(super) answers: Vec<(String, Option<i64>)>,
    pub(super) language: Option<String>,
}

/// Collects a data set's content, whatever format it comes in.
pub(super) struct Builder {
    dataset: Dataset,
    /// The file being read, for messages.
    path: String,
    /// The rows that are read, by their column `subset`; all where there is none.
    pub(super) subset: Option<String>,
    /// Its index among the files of the data set.
    file: usize,
    /// The file and place of each id.
    seen: HashMap<String, (usize, Place)>,
    /// Passages by title and text, and articles by title, of formats that repeat both.
    passages: HashMap<(Option<String>, String), usize>,
    articles: HashMap<String, usize>,
}

impl Builder {
    /// Begins a data set that is read from `path`.
    pub(super) fn new(path: &str) -> Self {
        Self {
            dataset: Dataset {
                origin: path.to_owned(),
                ..Dataset::default()
            },
            path: path.to_owned(),
            subset: None,
            file: 0,
            seen: HashMap::new(),
            passages: HashMap::new(),
            articles: HashMap::new(),
        }
    }

    /// Leaves out the rows of other subsets.
    pub(super) fn of_subset(self, subset: Option<String>) -> Self {
        Self { subset, ..self }
    }

    /// Goes on with file `number`, from 0, of the same data set.
    pub(super) fn continue_with(&mut self, number: usize, path: &str) {
        self.file = number;
        path.clone_into(&mut self.path);
    }

    /// The file being read.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// A new article; several may have the same title.
    pub(super) fn add_article(&mut self, title: Option<String>) -> usize {
        self.dataset.articles.push(title.unwrap_or_default());
        self.dataset.articles.len() - 1
    }

    /// A new passage; `at` names it in messages.
    ///
    /// # Errors
    ///
    /// Fails where it holds nothing but white space.
    pub(super) fn add_passage(
        &mut self,
        article: usize,
        text: String,
        at: impl FnOnce() -> String,
    ) -> Result<usize, DatasetError> {
        if text.chars().all(python::is_space) {
            let fault = "the passage is empty; remove it or give it its text";
            return Err(self.unusable(at(), fault.to_owned()));
        }
        self.dataset.passages.push(Passage { text, article });
        Ok(self.dataset.passages.len() - 1)
    }

    /// The passage of that title and text, made where it is new: for formats
    /// that repeat the passage with every question. A passage without a title
    /// is an article of its own.
    ///
    /// # Errors
    ///
    /// As [`Self::add_passage`].
    pub(super) fn passage(
        &mut self,
        title: Option<&str>,
        text: String,
        at: impl FnOnce() -> String,
    ) -> Result<usize, DatasetError> {
        let key = (title.map(str::to_owned), text);
        if let Some(&known) = self.passages.get(&key) {
            return Ok(known);
        }
        let known = title.and_then(|title| self.articles.get(title).copied());
        let article = known.unwrap_or_else(|| self.add_article(title.map(str::to_owned)));
        if let Some(title) = title {
            self.articles.insert(title.to_owned(), article);
        }
        let passage = self.add_passage(article, key.1.clone(), at)?;
        self.passages.insert(key, passage);
        Ok(passage)
    }

    /// A question of `passage`.
    ///
    /// # Errors
    ///
    /// Fails where it is empty or its id is taken.
    pub(super) fn add_question(
        &mut self,
        place: Place,
        passage: usize,
        raw: RawQuestion,
    ) -> Result<(), DatasetError> {
        if raw.text.chars().all(python::is_space) {
            let fault = format!(
                "the question \"{}\" is empty; remove it or give it its text",
                raw.id
            );
            return Err(self.unusable(place.field("question"), fault));
        }
        if let Some((file, first)) = self.seen.insert(raw.id.clone(), (self.file, place)) {
            let of_file = match file {
                file if file == self.file => String::new(),
                file => format!(" of file {}", file + 1),
            };
            let fault = format!(
                "the question id \"{}\" is already used at {first}{of_file}; ids must be unique",
                raw.id
            );
            return Err(self.unusable(place.field("id"), fault));
        }
        let characters = CharacterIndex::new(&self.dataset.passages[passage].text);
        let mut misplaced_answers = 0;
        let mut answers = Vec::with_capacity(raw.answers.len());
        for (text, given) in raw.answers {
            let start = given.and_then(|start| usize::try_from(start).ok());
            let start = start.filter(|&start| characters.has_at(start, &text));
            // A file without offsets can be scored, so only a wrong one is worth a word.
            misplaced_answers += usize::from(given.is_some() && start.is_none());
            answers.push(GoldAnswer { text, start });
        }
        self.dataset.has_unanswerable |= answers.is_empty();
        self.dataset.questions.push(Question {
            id: raw.id,
            text: raw.text,
            passage,
            answers,
            language: raw.language,
            misplaced_answers,
            file: self.file,
            place,
        });
        Ok(())
    }

    /// A fault at `place` of the file being read.
    pub(super) fn unusable(&self, place: String, fault: String) -> DatasetError {
        DatasetError::Unusable {
            path: self.path.clone(),
            place,
            fault,
        }
    }

    /// The data set, which must hold a question; `place` is where they should be.
    ///
    /// # Errors
    ///
    /// Fails where it holds none.
    pub(super) fn finish(self, place: &str) -> Result<Dataset, DatasetError> {
        if self.dataset.questions.is_empty() {
            let fault = "the data set holds no question";
            return Err(self.unusable(place.to_owned(), fault.to_owned()));
        }
        Ok(self.dataset)
    }
}
