use std::collections::BTreeMap;
use std::sync::Arc;

use artifacts_declared::{InstanceName, Name};
use artifacts_seam::Secret;
use artifacts_text::is_hidden;
use serde::Deserialize;

use crate::answers_format::AnswersFormat;
use crate::error::Error;
use crate::node::AnswerNode;

/// Holds the values of an answers file, by instance and prompt.
#[derive(Debug, Default)]
pub struct AnswersFile {
    values: BTreeMap<String, BTreeMap<String, Secret>>,
    /// What is wrong with it, and with the answers of which instance.
    faults: Vec<(String, Arc<Error>)>,
}

/// Reports what is wrong with an answers file. No message contains a value.
#[derive(Debug)]
pub struct AnswerFault {
    /// The instance whose answers are wrong; none where no instance is meant.
    pub instance: Option<InstanceName>,
    /// What is wrong with them.
    pub error: Arc<Error>,
}

impl AnswersFile {
    /// Reads instance → prompt → value, in TOML or JSON. Only JSON begins with a brace.
    ///
    /// # Errors
    /// When it is in neither format, or no table. Whether the names mean something, and the values are answers, is asked of
    /// [`AnswersFile::faults`].
    pub fn parse(text: &str) -> Result<Self, Error> {
        let format = if text.trim_start().starts_with('{') { AnswersFormat::Json } else { AnswersFormat::Toml };
        let mut file = Self::default();
        for (instance, prompts) in table(read(text, format)?, "the top", "a table for each instance")? {
            if file.values.contains_key(&instance) {
                let place = quoted(&instance);
                file.faults.push((instance, Error::Twice { place }.into()));
                continue;
            }
            let values = file.take(&instance, prompts);
            file.values.insert(instance, values);
        }
        Ok(file)
    }

    /// Takes the answers of one instance, and notes what is wrong with them.
    fn take(&mut self, instance: &str, prompts: AnswerNode) -> BTreeMap<String, Secret> {
        let mut values = BTreeMap::new();
        let place = quoted(instance);
        let prompts = table(prompts, &place, "a table of prompts and values").unwrap_or_else(|error| {
            self.faults.push((instance.to_owned(), error.into()));
            Vec::new()
        });
        for (prompt, value) in prompts {
            let place = format!("{place}.{}", quoted(&prompt));
            let error = match value {
                AnswerNode::Text(mut value) => {
                    let value = Secret::new(std::mem::take(&mut *value).into_bytes());
                    values.insert(prompt, value).is_some().then_some(Error::Twice { place })
                }
                other => Some(Error::Type { place, expected: "a string in quotes", found: other.kind() }),
            };
            self.faults.extend(error.map(|error| (instance.to_owned(), error.into())));
        }
        values
    }

    /// Returns the answer to a prompt. One that is blank does not count where a value is required.
    pub fn get(&self, instance: &InstanceName, prompt: &Name, is_required: bool) -> Option<&Secret> {
        let answer = self.values.get(&instance.to_string())?.get(prompt.as_str())?;
        (!(is_required && is_blank(answer))).then_some(answer)
    }

    /// Returns all that is wrong with it: values that are none, blank answers to prompts that require a value, and answers to unknown
    /// prompts, since a misspelt one would be asked for, or missed, elsewhere.
    ///
    /// `known` are all prompts of the spec, whether they are asked in this run or not, each with whether it requires a value. None where
    /// they are not known yet: then no prompt is unknown.
    pub fn faults(&self, known: Option<&[(&InstanceName, &Name, bool)]>) -> Vec<AnswerFault> {
        let fault = |(instance, error): (&str, Arc<Error>)| AnswerFault { instance: instance.parse().ok(), error };
        let mut faults: Vec<AnswerFault> =
            self.faults.iter().map(|(instance, error)| fault((instance, error.clone()))).collect();
        let Some(known) = known else { return faults };
        let mut all: BTreeMap<String, BTreeMap<&str, bool>> = BTreeMap::new();
        for (instance, prompt, is_required) in known {
            all.entry(instance.to_string()).or_default().insert(prompt.as_str(), *is_required);
        }
        let strangers = self.values.keys().filter(|instance| !all.contains_key(*instance));
        let unknown: Vec<String> = strangers.map(|instance| format!("instance {}", quoted(instance))).collect();
        if !unknown.is_empty() {
            let known = all.keys().map(|instance| quoted(instance)).collect();
            faults.push(AnswerFault { instance: None, error: Error::Unknown { unknown, known }.into() });
        }
        for (instance, prompts) in &self.values {
            let Some(asked) = all.get(instance) else { continue };
            let place = |prompt: &str| format!("{}.{}", quoted(instance), quoted(prompt));
            let unknown = prompts.keys().filter(|prompt| !asked.contains_key(prompt.as_str()));
            let unknown: Vec<String> = unknown.map(|prompt| format!("prompt {}", place(prompt))).collect();
            if !unknown.is_empty() {
                let known = asked.keys().map(|prompt| place(prompt)).collect();
                faults.push(fault((instance, Error::Unknown { unknown, known }.into())));
            }
            let is_required = |prompt: &String| asked.get(prompt.as_str()).is_some_and(|is_required| *is_required);
            let blank = prompts.iter().filter(|(prompt, value)| is_required(prompt) && is_blank(value));
            let places: Vec<String> = blank.map(|(prompt, _)| place(prompt)).collect();
            if !places.is_empty() {
                faults.push(fault((instance, Error::Blank { places }.into())));
            }
        }
        faults
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
