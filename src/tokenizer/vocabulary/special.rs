//! Special tokens: which there are, how they frame a pair, and how they are found in a text.

use tokenizers::processors::template::{SpecialToken, TemplateProcessing};
use tokenizers::{AddedToken, Model, Tokenizer};

use super::error::{bad, quote, refused};
use super::settings::{Role, Settings};
use super::{Family, MOST_TOKENS, TokenizerError};

/// The special tokens of a tokeniser, role by role.
pub(super) struct SpecialTokens {
    /// In the order of [`Role::ALL`].
    tokens: [Option<AddedToken>; 7],
}

/// What a class of transformers calls its special tokens where no file says.
fn default_name(family: Family, role: Role) -> Option<&'static str> {
    let bracketed = match role {
        Role::Cls | Role::Bos => "[CLS]",
        Role::Sep | Role::Eos => "[SEP]",
        Role::Unk => "[UNK]",
        Role::Pad => "[PAD]",
        Role::Mask => "[MASK]",
    };
    let angled = match role {
        Role::Cls | Role::Bos => "<s>",
        Role::Sep | Role::Eos => "</s>",
        Role::Unk => "<unk>",
        Role::Pad => "<pad>",
        Role::Mask => "<mask>",
    };
    match (family, role) {
        (Family::Bert, Role::Bos | Role::Eos) => None,
        (Family::Albert | Family::RemBert, Role::Unk | Role::Pad) | (Family::XlmRoberta, _) => {
            Some(angled)
        }
        (Family::Mpnet, Role::Unk) => Some(bracketed),
        (Family::Roberta | Family::Camembert | Family::Mpnet, _) => Some(angled),
        _ => Some(bracketed),
    }
}

/// How a class of transformers matches a special token of which only the text is given.
fn as_class(family: Family, role: Role, token: AddedToken) -> AddedToken {
    // These classes let the mask take the space before it, so that it stands for a word. Of
    // version 5, only some still do; the published tokenizer.json files of all of them do.
    let takes_space = role == Role::Mask && !matches!(family, Family::Bert | Family::DebertaV2);
    token.lstrip(takes_space)
}

impl SpecialTokens {
    pub(super) fn of(family: Family, settings: &Settings<'_>) -> Result<Self, TokenizerError> {
        let mut tokens = [const { None }; 7];
        for role in Role::ALL {
            let token = match settings.named(role)? {
                Some(token) if token.plain => Some(as_class(family, role, token.added)),
                Some(token) => Some(token.added),
                None => default_name(family, role)
                    .map(|name| as_class(family, role, AddedToken::from(name, true))),
            };
            tokens[role as usize] = token;
        }
        Ok(Self { tokens })
    }

    /// The token of a role that the family has a name for.
    pub(super) fn name(&self, role: Role) -> &str {
        self.tokens[role as usize]
            .as_ref()
            .map_or("", |token| token.content.as_str())
    }

    /// Adds what is to be found in a text as one token, in the order of transformers: the
    /// vocabulary file's own, those with ids, those with a role, and the others.
    ///
    /// # Errors
    ///
    /// Fails where a token gets another id than a file gives it, which transformers does not
    /// notice, or one that another token has.
    pub(super) fn add_to(
        self,
        tokenizer: &mut Tokenizer,
        path: &str,
        own: Vec<AddedToken>,
        settings: &Settings<'_>,
    ) -> Result<(), TokenizerError> {
        let is_declared = |token: &AddedToken| {
            let mut declared = settings.declared.iter();
            declared.any(|declared| declared.added.content == token.content)
        };
        let has_role = |token: &AddedToken| {
            let mut named = self.tokens.iter().flatten();
            named.any(|named| named.content == token.content)
        };
        let extra = settings.extra.iter();
        let extra = extra.filter(|token| !is_declared(token) && !has_role(token));
        let mut all = own;
        all.extend(settings.declared.iter().map(|declared| {
            let special = declared.added.special || has_role(&declared.added);
            declared.added.clone().special(special)
        }));
        let named = self.tokens.iter().flatten();
        all.extend(
            named
                .filter(|token| !is_declared(token))
                .cloned()
                .map(|token| token.special(true)),
        );
        all.extend(extra.cloned());
        all.retain(|token| !token.content.is_empty());

        let known = tokenizer.get_model().get_vocab_size();
        if known + all.len() > MOST_TOKENS {
            let fault = format!("{} tokens", known + all.len());
            return Err(bad(path, "whole file", fault, "no model has so many"));
        }
        let contents: Vec<String> = all.iter().map(|token| token.content.clone()).collect();
        tokenizer
            .add_tokens(all)
            .map_err(refused(path, "added tokens"))?;
        for content in contents {
            let new = tokenizer.get_model().token_to_id(&content).is_none();
            let id = tokenizer.token_to_id(&content).filter(|_| new);
            let taken = id.and_then(|id| tokenizer.get_model().id_to_token(id));
            if let (Some(id), Some(other)) = (id, taken) {
                let fault = format!(
                    "the added token {} gets the id {id}, which {} has",
                    quote(&content),
                    quote(&other)
                );
                return Err(bad(
                    path,
                    "whole file",
                    fault,
                    "number the tokens without gaps and doubles",
                ));
            }
        }
        for declared in &settings.declared {
            let content = &declared.added.content;
            let id = tokenizer.token_to_id(content);
            if id.is_some_and(|id| id != declared.id) {
                let fault = format!(
                    "its id is {} here, and {} by the vocabulary in {path}",
                    declared.id,
                    id.unwrap_or_default()
                );
                let place = format!("added token {}", quote(content));
                let remedy = "take both files from one checkpoint";
                return Err(bad(declared.path, place, fault, remedy));
            }
        }
        if settings.flag("split_special_tokens")? == Some(true) {
            tokenizer.set_encode_special_tokens(true);
        }
        Ok(())
    }
}

/// The id of a token that the tokeniser cannot do without.
///
/// # Errors
///
/// Fails where neither the vocabulary nor the added tokens have it: transformers would give it
/// a new id, which the model has no row for.
pub(super) fn needed_id(
    tokenizer: &Tokenizer,
    path: &str,
    settings: &Settings<'_>,
    role: Role,
    token: &str,
) -> Result<u32, TokenizerError> {
    let declared = || {
        settings
            .declared
            .iter()
            .any(|known| known.added.content == token)
    };
    tokenizer
        .token_to_id(token)
        .filter(|_| declared() || tokenizer.get_model().token_to_id(token).is_some())
        .ok_or_else(|| missing(path, role, token))
}

/// The error for a special token that a vocabulary lacks.
pub(super) fn missing(path: &str, role: Role, token: &str) -> TokenizerError {
    let fault = format!(
        "the {} {} is not in the vocabulary",
        role.field(),
        quote(token)
    );
    let remedy =
        "name the token in special_tokens_map.json, or take the vocabulary of the checkpoint";
    bad(path, "whole file", fault, remedy)
}

/// How a pair is framed, with type ids.
#[derive(Debug, Clone, Copy)]
pub(super) enum Framing {
    /// `[CLS] A [SEP] B [SEP]`, of types 0 and 1.
    OneSeparator,
    /// `<s> A </s> </s> B </s>`, of types 0 and 1.
    TwoSeparators,
    /// `<s> A </s> </s> B </s>`, of type 0 throughout.
    TwoSeparatorsOneType,
}

/// The post-processor that frames a text or a pair.
pub(super) fn template(
    framing: Framing,
    (first, first_id): (&str, u32),
    (separator, separator_id): (&str, u32),
) -> TemplateProcessing {
    let pair = match framing {
        Framing::OneSeparator => "first:0 $A:0 separator:0 $B:1 separator:1",
        Framing::TwoSeparators => "first:0 $A:0 separator:0 separator:0 $B:1 separator:1",
        Framing::TwoSeparatorsOneType => "first:0 $A:0 separator:0 separator:0 $B:0 separator:0",
    };
    // The template's own names, as a token may hold spaces and colons.
    let named = |name: &str, id: u32, token: &str| {
        SpecialToken::new(name.to_owned(), vec![id], vec![token.to_owned()])
            .expect("OK because there is one id and one token")
    };
    TemplateProcessing::builder()
        .try_single("first:0 $A:0 separator:0")
        .expect("OK because the template is well formed")
        .try_pair(pair)
        .expect("OK because the template is well formed")
        .special_tokens(vec![
            named("first", first_id, first),
            named("separator", separator_id, separator),
        ])
        .build()
        .expect("OK because both names of the template are among the special tokens")
}
