use std::collections::{BTreeMap, BTreeSet};

use artifacts_declared::{InstanceName, Name, PromptKind};
use artifacts_seam::Secret;
use artifacts_text::is_hidden;
use serde::Deserialize;

use crate::answers_format::AnswersFormat;
use crate::error::Error;
use crate::node::AnswerNode;

/// Holds the values of an answers file, by instance and prompt.
#[derive(Debug, Default)]
pub struct AnswersFile(BTreeMap<String, BTreeMap<String, Secret>>);

impl AnswersFile {
    /// Reads instance → prompt → value, in TOML or JSON. Only JSON begins with a brace.
    ///
    /// # Errors
    /// When it is anything else. Whether the names mean something is asked of [`AnswersFile::check_used`].
    pub fn parse(text: &str) -> Result<Self, Error> {
        let format = if text.trim_start().starts_with('{') { AnswersFormat::Json } else { AnswersFormat::Toml };
        let mut answers = BTreeMap::new();
        for (instance, prompts) in table(read(text, format)?, "the top", "a table for each instance")? {
            let place = quoted(&instance);
            let mut values = BTreeMap::new();
            for (prompt, value) in table(prompts, &place, "a table of prompts and values")? {
                let place = format!("{place}.{}", quoted(&prompt));
                let AnswerNode::Text(mut value) = value else {
                    return Err(Error::Type { place, expected: "a string in quotes", found: value.kind() });
                };
                let value = Secret::new(std::mem::take(&mut *value).into_bytes());
                if values.insert(prompt, value).is_some() {
                    return Err(Error::Twice { place });
                }
            }
            if answers.insert(instance, values).is_some() {
                return Err(Error::Twice { place });
            }
        }
        Ok(Self(answers))
    }

    /// Returns the answer to a prompt. An empty answer to a hidden prompt does not count.
    pub fn get(&self, instance: &InstanceName, prompt: &Name, kind: PromptKind) -> Option<&Secret> {
        let answer = self.0.get(&instance.to_string())?.get(prompt.as_str())?;
        (!is_missing(kind, answer)).then_some(answer)
    }

    /// Rejects answers to unknown prompts: a misspelt one would be asked for, or missed, elsewhere.
    ///
    /// `known` are all prompts of the spec, whether they are asked in this run or not.
    ///
    /// # Errors
    /// If there are unknown ones; the error lists them, and the known prompts.
    pub fn check_used<'a>(&self, known: impl IntoIterator<Item = (&'a InstanceName, &'a Name)>) -> Result<(), Error> {
        let mut all: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
        for (instance, prompt) in known {
            all.entry(instance.to_string()).or_default().insert(prompt.as_str());
        }
        let (mut unknown, mut candidates) = (Vec::new(), BTreeSet::new());
        for (instance, prompts) in &self.0 {
            let Some(asked) = all.get(instance) else {
                unknown.push(format!("instance {}", quoted(instance)));
                candidates.extend(all.keys().map(|instance| quoted(instance)));
                continue;
            };
            for prompt in prompts.keys().filter(|prompt| !asked.contains(prompt.as_str())) {
                unknown.push(format!("prompt {}.{}", quoted(instance), quoted(prompt)));
                candidates.extend(asked.iter().map(|prompt| format!("{}.{}", quoted(instance), quoted(prompt))));
            }
        }
        if unknown.is_empty() {
            return Ok(());
        }
        Err(Error::Unknown { unknown, known: candidates.into_iter().collect() })
    }
}

/// Returns whether an answer to a hidden prompt is empty: who types blind does not see that.
pub(crate) fn is_missing(kind: PromptKind, answer: &Secret) -> bool {
    matches!(kind, PromptKind::Hidden | PromptKind::MultilineHidden) && answer.expose().trim_ascii().is_empty()
}

/// Quotes a key as in TOML, for messages as well.
pub(crate) fn quoted(key: &str) -> String {
    let mut text = String::from("\"");
    for letter in key.chars() {
        match letter {
            '"' | '\\' => text.extend(['\\', letter]),
            letter if is_hidden(letter) => text.push_str(&toml_escape(letter)),
            letter => text.push(letter),
        }
    }
    text.push('"');
    text
}

fn toml_escape(letter: char) -> String {
    format!("\\U{:08X}", u32::from(letter))
}

fn table(node: AnswerNode, place: &str, expected: &'static str) -> Result<Vec<(String, AnswerNode)>, Error> {
    match node {
        AnswerNode::Table(entries) => Ok(entries),
        other => Err(Error::Type { place: place.to_owned(), expected, found: other.kind() }),
    }
}

fn read(text: &str, format: AnswersFormat) -> Result<AnswerNode, Error> {
    match format {
        AnswersFormat::Toml => {
            let read = toml::Deserializer::parse(text).and_then(AnswerNode::deserialize);
            read.map_err(|error| {
                let start = error.span().map_or(0, |span| span.start).min(text.len());
                let before: Vec<&[u8]> = text.as_bytes()[..start].split(|&byte| byte == b'\n').collect();
                let (line, column) = (before.len(), before.last().map_or(0, |line| line.len()) + 1);
                Error::Syntax { format, line, column }
            })
        }
        AnswersFormat::Json => serde_json::from_str(text).map_err(|error| Error::Syntax {
            format,
            line: error.line(),
            column: error.column(),
        }),
    }
}
