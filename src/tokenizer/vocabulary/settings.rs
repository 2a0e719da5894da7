//! What the JSON files beside a vocabulary say, as `from_pretrained` of transformers reads them.

use serde_json::{Map, Value};
use tokenizers::AddedToken;

use super::error::{bad, quote};
use super::{NamedFile, TokenizerError, find};

const CLASS: &str = "tokenizer_class";
const ADDED: &str = "added_tokens_decoder";
/// The two names of one list: the first is of version 5, the second of version 4.
const EXTRA: [&str; 2] = ["extra_special_tokens", "additional_special_tokens"];

/// The roles that transformers has names for, in the order in which it adds their tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Bos,
    Eos,
    Unk,
    Sep,
    Pad,
    Cls,
    Mask,
}

impl Role {
    pub(super) const ALL: [Self; 7] = [
        Self::Bos,
        Self::Eos,
        Self::Unk,
        Self::Sep,
        Self::Pad,
        Self::Cls,
        Self::Mask,
    ];

    /// The field that names the role's token.
    pub(super) fn field(self) -> &'static str {
        match self {
            Self::Bos => "bos_token",
            Self::Eos => "eos_token",
            Self::Unk => "unk_token",
            Self::Sep => "sep_token",
            Self::Pad => "pad_token",
            Self::Cls => "cls_token",
            Self::Mask => "mask_token",
        }
    }
}

/// A JSON file that holds an object; an empty one where the file is not there.
struct Object<'f> {
    path: &'f str,
    fields: Map<String, Value>,
}

impl<'f> Object<'f> {
    fn read(files: &[NamedFile<'f>], name: &'static str) -> Result<Option<Self>, TokenizerError> {
        let Some(file) = find(files, name) else {
            return Ok(None);
        };
        let fields = super::byte_bpe::parse_json(file, "a JSON object")?;
        Ok(Some(Self {
            path: file.path,
            fields,
        }))
    }

    /// A field; null counts as not set.
    fn get(&self, field: &str) -> Option<&Value> {
        self.fields.get(field).filter(|value| !value.is_null())
    }

    fn wrong(&self, field: &str, wanted: &str, found: &Value) -> TokenizerError {
        let found = quote(&found.to_string());
        let fault = format!("{found} is not {wanted}");
        bad(
            self.path,
            format!("field {field}"),
            fault,
            "correct the field",
        )
    }

    fn text(&self, field: &str) -> Result<Option<&str>, TokenizerError> {
        let value = self.get(field);
        value
            .map(|value| {
                value
                    .as_str()
                    .ok_or_else(|| self.wrong(field, "a text", value))
            })
            .transpose()
    }

    fn flag(&self, field: &str) -> Result<Option<bool>, TokenizerError> {
        let value = self.get(field);
        value
            .map(|value| {
                value
                    .as_bool()
                    .ok_or_else(|| self.wrong(field, "true or false", value))
            })
            .transpose()
    }

    /// A token: its text, or an object of the text and how it is matched.
    fn token(&self, field: &str, value: &Value, stated: Stated) -> Result<Token, TokenizerError> {
        const WANTED: &str = "a token (a text, or an object with a text \"content\")";
        let wrong = || self.wrong(field, WANTED, value);
        if let Value::String(content) = value {
            return Ok(Token {
                added: AddedToken::from(content.clone(), true),
                plain: true,
            });
        }
        let fields = value.as_object().ok_or_else(wrong)?;
        let content = fields.get("content").and_then(Value::as_str);
        let flag = |name: &str, default: bool| match fields.get(name) {
            None | Some(Value::Null) => Ok(default),
            Some(value) => value.as_bool().ok_or_else(wrong),
        };
        let special = match stated {
            Stated::Special => true,
            Stated::AsWritten => flag("special", false)?,
        };
        let added = AddedToken::from(content.ok_or_else(wrong)?, special)
            .single_word(flag("single_word", false)?)
            .lstrip(flag("lstrip", false)?)
            .rstrip(flag("rstrip", false)?)
            .normalized(flag("normalized", !special)?);
        Ok(Token {
            added,
            plain: false,
        })
    }

    /// Tokens of the lists of further special tokens.
    fn extra(&self) -> Result<Vec<AddedToken>, TokenizerError> {
        let mut tokens = Vec::new();
        for field in EXTRA {
            let values: Vec<&Value> = match self.get(field) {
                None => continue,
                Some(Value::Array(values)) => values.iter().collect(),
                Some(Value::Object(values)) => values.values().collect(),
                Some(value) => return Err(self.wrong(field, "a list of tokens", value)),
            };
            for value in values {
                tokens.push(self.token(field, value, Stated::Special)?.added);
            }
        }
        Ok(tokens)
    }

    fn id(&self, place: &str, value: Option<u64>, found: &Value) -> Result<u32, TokenizerError> {
        value
            .and_then(|id| u32::try_from(id).ok())
            .ok_or_else(|| self.wrong(place, "a token id", found))
    }
}

/// Whether the place where a token stands makes it a special one.
#[derive(Clone, Copy)]
enum Stated {
    Special,
    AsWritten,
}

/// A token that a file names.
pub(super) struct Token {
    pub(super) added: AddedToken,
    /// Whether only the text was given, so that the class decides how it is matched.
    pub(super) plain: bool,
}

/// A token that a file gives an id.
pub(super) struct Declared<'f> {
    pub(super) path: &'f str,
    pub(super) id: u32,
    pub(super) added: AddedToken,
}

/// What the JSON files beside the vocabulary say.
pub(super) struct Settings<'f> {
    config: Option<Object<'f>>,
    /// Not read where tokenizer_config.json has `added_tokens_decoder`, which replaced it.
    special_map: Option<Object<'f>>,
    /// The class named by tokenizer_config.json, else by config.json.
    class: Option<String>,
    /// The tokens with ids, in the order of these.
    pub(super) declared: Vec<Declared<'f>>,
    /// Special tokens without a role.
    pub(super) extra: Vec<AddedToken>,
}

impl<'f> Settings<'f> {
    pub(super) fn read(files: &[NamedFile<'f>]) -> Result<Self, TokenizerError> {
        let config = Object::read(files, "tokenizer_config.json")?;
        let model = Object::read(files, "config.json")?;
        let mut class = None;
        for object in [&config, &model].into_iter().flatten() {
            class = class.or(object.text(CLASS)?.map(str::to_owned));
        }
        let replaced = config
            .as_ref()
            .is_some_and(|config| config.get(ADDED).is_some());
        let special_map = if replaced {
            None
        } else {
            Object::read(files, "special_tokens_map.json")?
        };
        let mut settings = Self {
            config,
            special_map,
            class,
            declared: Vec::new(),
            extra: Vec::new(),
        };
        let objects = [&settings.config, &settings.special_map];
        let mut extra = Vec::new();
        for object in objects.into_iter().flatten() {
            extra.extend(object.extra()?);
        }
        settings.extra = extra;
        settings.declared = if replaced {
            settings.declared_in_config()?
        } else {
            settings.declared_beside(files)?
        };
        settings.declared.sort_by_key(|declared| declared.id);
        Ok(settings)
    }

    /// The class that the checkpoint names.
    pub(super) fn class(&self) -> Option<&str> {
        self.class.as_deref()
    }

    /// A switch of tokenizer_config.json; none where it is not set.
    pub(super) fn flag(&self, field: &str) -> Result<Option<bool>, TokenizerError> {
        match &self.config {
            Some(config) => config.flag(field),
            None => Ok(None),
        }
    }

    /// The token that the files name for a role.
    pub(super) fn named(&self, role: Role) -> Result<Option<Token>, TokenizerError> {
        let field = role.field();
        // special_tokens_map.json goes before tokenizer_config.json where it is read at all.
        let objects = [&self.special_map, &self.config].into_iter().flatten();
        for object in objects {
            if let Some(value) = object.get(field) {
                return object.token(field, value, Stated::Special).map(Some);
            }
        }
        Ok(None)
    }

    /// The tokens of `added_tokens_decoder`: ids to tokens.
    fn declared_in_config(&self) -> Result<Vec<Declared<'f>>, TokenizerError> {
        let Some(config) = &self.config else {
            return Ok(Vec::new());
        };
        let tokens = match config.get(ADDED) {
            None => return Ok(Vec::new()),
            Some(Value::Object(tokens)) => tokens,
            Some(value) => return Err(config.wrong(ADDED, "an object of ids and tokens", value)),
        };
        let declare = |(id, value): (&String, &Value)| {
            let place = format!("{ADDED}.{}", quote(id));
            Ok(Declared {
                path: config.path,
                id: config.id(&place, id.parse().ok(), &Value::from(id.clone()))?,
                added: config.token(&place, value, Stated::AsWritten)?.added,
            })
        };
        tokens.iter().map(declare).collect()
    }

    /// The tokens of added_tokens.json: tokens to ids. Special are those that a file names so.
    fn declared_beside(
        &self,
        files: &[NamedFile<'f>],
    ) -> Result<Vec<Declared<'f>>, TokenizerError> {
        let Some(object) = Object::read(files, "added_tokens.json")? else {
            return Ok(Vec::new());
        };
        let mut special: Vec<String> = Vec::new();
        for role in Role::ALL {
            special.extend(self.named(role)?.map(|token| token.added.content));
        }
        special.extend(self.extra.iter().map(|token| token.content.clone()));
        let declare = |(content, value): (&String, &Value)| {
            Ok(Declared {
                path: object.path,
                id: object.id(&quote(content), value.as_u64(), value)?,
                added: AddedToken::from(content.clone(), special.contains(content)),
            })
        };
        object.fields.iter().map(declare).collect()
    }
}
