//! Environment variables, read as the Python library reads them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::error::{HubError, on_path};
use super::token::Token;

/// The variables, with Python's ways of reading them.
pub(super) struct Environment<'a> {
    pub(super) lookup: &'a dyn Fn(&str) -> Option<String>,
}

impl Environment<'_> {
    pub(super) fn get(&self, name: &str) -> Option<String> {
        (self.lookup)(name).filter(|value| !value.trim().is_empty())
    }

    pub(super) fn is_true(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| {
            ["1", "true", "yes", "on"]
                .iter()
                .any(|word| value.trim().eq_ignore_ascii_case(word))
        })
    }

    pub(super) fn seconds(&self, name: &'static str) -> Result<Option<Duration>, HubError> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        value
            .trim()
            .parse::<f64>()
            .ok()
            .filter(|seconds| *seconds > 0.0 && *seconds <= 86_400.0)
            .map(|seconds| Some(Duration::from_secs_f64(seconds)))
            .ok_or_else(|| HubError::Setting {
                name,
                reason: format!(
                    "`{}` is no number of seconds between 0 and 86400",
                    value.escape_debug()
                ),
            })
    }

    /// The user's own folder, as Python's `expanduser` finds it.
    fn user_home(&self) -> Option<String> {
        let name = if cfg!(windows) { "USERPROFILE" } else { "HOME" };
        self.get(name).or_else(|| self.get("HOME"))
    }

    /// A variable that holds a path: `~` and `$NAME` expanded.
    pub(super) fn path(&self, name: &str) -> Option<PathBuf> {
        self.get(name)
            .map(|value| PathBuf::from(self.expand(&value)))
    }

    /// `$HF_HOME`, by default `~/.cache/huggingface`.
    pub(super) fn hub_home(&self) -> Result<PathBuf, HubError> {
        if let Some(home) = self.path("HF_HOME") {
            return Ok(home);
        }
        if let Some(cache) = self.path("XDG_CACHE_HOME") {
            return Ok(cache.join("huggingface"));
        }
        let home = self.user_home().ok_or_else(|| HubError::Setting {
            name: "HOME",
            reason: "not set, so there is no place for the cache; set HF_HOME to a folder"
                .to_owned(),
        })?;
        Ok(Path::new(&home).join(".cache").join("huggingface"))
    }

    /// Python's `expandvars(expanduser(text))`; what is unknown stays as it is, as there. `~name`
    /// (another user's folder) stays too: looking it up needs the system's password database.
    fn expand(&self, text: &str) -> String {
        let text = match (text.strip_prefix('~'), self.user_home()) {
            (Some(rest), Some(home))
                if rest.is_empty() || rest.starts_with('/') || rest.starts_with('\\') =>
            {
                format!("{}{rest}", home.trim_end_matches('/'))
            }
            _ => text.to_owned(),
        };
        let mut out = String::with_capacity(text.len());
        let mut rest = text.as_str();
        while let Some(dollar) = rest.find('$') {
            out.push_str(&rest[..dollar]);
            rest = &rest[dollar..];
            let (name, length) = variable_name(rest);
            match self.get(name) {
                Some(value) if !name.is_empty() => out.push_str(&value),
                _ => out.push_str(&rest[..length]),
            }
            rest = &rest[length..];
        }
        out.push_str(rest);
        out
    }

    pub(super) fn token(&self, home: &Path) -> Result<Option<Token>, HubError> {
        for name in ["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"] {
            if let Some(value) = self.get(name) {
                return Token::parse(&value);
            }
        }
        let path = self
            .path("HF_TOKEN_PATH")
            .unwrap_or_else(|| home.join("token"));
        match std::fs::read_to_string(&path) {
            Ok(text) => Token::parse(&text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(on_path("read the token file", &path)(error)),
        }
    }
}

/// The variable's name at the start of `text`, which starts with `$`, and the length of the whole
/// reference: `$NAME` or `${NAME}`.
fn variable_name(text: &str) -> (&str, usize) {
    let after = &text[1..];
    if let Some(braced) = after.strip_prefix('{')
        && let Some(end) = braced.find('}')
    {
        return (&braced[..end], end + 3);
    }
    let end = after
        .find(|character: char| !character.is_ascii_alphanumeric() && character != '_')
        .unwrap_or(after.len());
    (&after[..end], end + 1)
}
