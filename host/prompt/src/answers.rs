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
        let answers = [instance.to_string(), instance.short()].iter().find_map(|key| self.values.get(key))?;
        let answer = answers.get(prompt.as_str())?;
        (!(is_required && is_blank(answer))).then_some(answer)
    }

    /// Returns all that is wrong with it: values that are none, blank answers to prompts that require a value, and answers to unknown
    /// prompts, since a misspelt one would be asked for, or missed, elsewhere.
    ///
    /// `known` are the prompts of the spec, whether they are asked in this run or not, each with whether it requires a value. Unless
    /// they are all, no prompt is unknown.
    pub fn faults(&self, known: &[(&InstanceName, &Name, bool)], are_all: bool) -> Vec<AnswerFault> {
        let mut all: BTreeMap<&InstanceName, Asked<'_>> = BTreeMap::new();
        for (instance, prompt, is_required) in known {
            all.entry(instance).or_default().insert(prompt.as_str(), *is_required);
        }
        let meanings = meanings(all.keys().copied());
        let meant = |key: &str| meanings.get(key).map(Vec::as_slice).unwrap_or_default();
        let fault = |(key, error): (&str, Arc<Error>)| {
            let instance = meant(key).first().map_or_else(|| key.parse().ok(), |name| Some((*name).clone()));
            AnswerFault { instance, error }
        };
        let mut faults: Vec<AnswerFault> = self.faults.iter().map(|(key, error)| fault((key, error.clone()))).collect();
        let strangers = self.values.keys().filter(|key| are_all && meant(key).is_empty());
        let unknown: Vec<String> = strangers.map(|key| format!("instance {}", quoted(key))).collect();
        if !unknown.is_empty() {
            let known = all.keys().map(|instance| quoted(&instance.to_string())).collect();
            faults.push(AnswerFault { instance: None, error: Error::Unknown { unknown, known }.into() });
        }
        for (key, prompts) in &self.values {
            faults.extend(self.unclear(key, meant(key)));
            let [instance] = meant(key) else { continue };
            let Some(asked) = all.get(instance) else { continue };
            let errors =
                unknown_prompts(key, prompts, asked).filter(|_| are_all).into_iter().chain(blank(key, prompts, asked));
            faults.extend(errors.map(|error| fault((key, error.into()))));
        }
        faults
    }

    /// Returns what is wrong with a key that names several instances, or one that is named in full as well.
    fn unclear(&self, key: &str, meant: &[&InstanceName]) -> Vec<AnswerFault> {
        let is_twice = |name: &InstanceName| name.to_string() != key && self.values.contains_key(&name.to_string());
        let error = match meant {
            [name] if is_twice(name) => Error::Twice { place: quoted(key) },
            [] | [_] => return Vec::new(),
            names => Error::Ambiguous {
                place: quoted(key),
                names: names.iter().map(|name| quoted(&name.to_string())).collect(),
            },
        };
        let error = Arc::new(error);
        let of = |name: &&InstanceName| AnswerFault { instance: Some((*name).clone()), error: Arc::clone(&error) };
        meant.iter().map(of).collect()
    }
}

/// Maps the prompts of an instance to whether they require a value.
type Asked<'a> = BTreeMap<&'a str, bool>;

fn unknown_prompts(key: &str, answers: &BTreeMap<String, Secret>, asked: &Asked<'_>) -> Option<Error> {
    let unknown = answers.keys().filter(|prompt| !asked.contains_key(prompt.as_str()));
    let unknown: Vec<String> = unknown.map(|prompt| format!("prompt {}", place(key, prompt))).collect();
    let known = asked.keys().map(|prompt| place(key, prompt)).collect();
    (!unknown.is_empty()).then_some(Error::Unknown { unknown, known })
}

fn blank(key: &str, answers: &BTreeMap<String, Secret>, asked: &Asked<'_>) -> Option<Error> {
    let is_required = |prompt: &String| asked.get(prompt.as_str()).is_some_and(|is_required| *is_required);
    let blank = answers.iter().filter(|(prompt, value)| is_required(prompt) && is_blank(value));
    let places: Vec<String> = blank.map(|(prompt, _)| place(key, prompt)).collect();
    (!places.is_empty()).then_some(Error::Blank { places })
}

fn place(key: &str, prompt: &str) -> String {
    format!("{}.{}", quoted(key), quoted(prompt))
}

/// Returns the instances that each key means: one by its full name, else those whose short name it is.
fn meanings<'a>(instances: impl Iterator<Item = &'a InstanceName> + Clone) -> BTreeMap<String, Vec<&'a InstanceName>> {
    let mut meanings: BTreeMap<String, Vec<&InstanceName>> = BTreeMap::new();
    for instance in instances.clone() {
        meanings.entry(instance.short()).or_default().push(instance);
    }
    meanings.extend(instances.map(|instance| (instance.to_string(), vec![instance])));
    meanings
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
