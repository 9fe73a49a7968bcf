use std::collections::{BTreeMap, BTreeSet};

use artifacts_declared::{InstanceName, Name};
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
    /// When it is anything else. Whether the names mean something is asked of [`AnswersFile::check`].
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

    /// Returns the answer to a prompt. One that is blank does not count where a value is required.
    pub fn get(&self, instance: &InstanceName, prompt: &Name, is_required: bool) -> Option<&Secret> {
        let answer = self.0.get(&instance.to_string())?.get(prompt.as_str())?;
        (!(is_required && is_blank(answer))).then_some(answer)
    }

    /// Rejects answers to unknown prompts: a misspelt one would be asked for, or missed, elsewhere. Rejects blank answers to
    /// prompts that require a value.
    ///
    /// `known` are all prompts of the spec, whether they are asked in this run or not, each with whether it requires a value.
    ///
    /// # Errors
    /// If there are unknown ones; the error lists them, and the known prompts. If there are blank ones; the error lists them.
    pub fn check<'a>(&self, known: impl IntoIterator<Item = (&'a InstanceName, &'a Name, bool)>) -> Result<(), Error> {
        let mut all: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
        let mut blank = Vec::new();
        for (instance, prompt, is_required) in known {
            let is_blank = is_required && self.get(instance, prompt, false).is_some_and(is_blank);
            let instance = instance.to_string();
            blank.extend(is_blank.then(|| format!("{}.{}", quoted(&instance), quoted(prompt.as_str()))));
            all.entry(instance).or_default().insert(prompt.as_str());
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
        if !unknown.is_empty() {
            return Err(Error::Unknown { unknown, known: candidates.into_iter().collect() });
        }
        if blank.is_empty() { Ok(()) } else { Err(Error::Blank { places: blank }) }
    }
}

/// Returns whether a value has nothing but white space: who types blind does not see that.
pub fn is_blank(value: &Secret) -> bool {
    value.expose().trim_ascii().is_empty()
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
