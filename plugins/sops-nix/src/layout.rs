use std::collections::BTreeSet;

use artifacts_backend_sdk::{Failure, File, Instance};
use sops_format::{Document, Form, TextForm, refused_key};

use crate::config;

/// Maps declared files to files of the entry.
#[derive(Debug, PartialEq, Eq)]
pub struct Layout(Vec<EntryFile>);

/// Describes one file of the entry.
#[derive(Debug, PartialEq, Eq)]
pub struct EntryFile {
    /// Name of the file in the entry.
    pub name: String,
    pub form: Form,
    /// Declared files whose values it holds, sorted; in the binary form exactly one.
    pub files: Vec<String>,
}

impl Layout {
    /// Returns the layout that the configuration of the targets asks for. A structured file holds the values that are deployed to all
    /// targets; the others are stored in the binary form whatever the format, since a file has one data key and so one set
    /// of recipients.
    ///
    /// # Errors
    /// Of kind `config`: targets disagree, or a name cannot be a key.
    pub fn of(instance: &Instance) -> Result<Self, Failure> {
        let form = form(instance)?;
        let for_all = |file: &File| !file.targets.is_empty() && file.targets.len() == instance.targets.len();
        let (together, alone): (Vec<_>, Vec<_>) =
            instance.files.iter().partition(|file| form != Form::Binary && for_all(file));
        let mut stored: Vec<EntryFile> = alone.into_iter().map(|file| EntryFile::binary(&file.name)).collect();
        if !together.is_empty() {
            let files: Vec<String> = together.into_iter().map(|file| file.name.clone()).collect();
            files.iter().try_for_each(|name| holdable(instance, form, name))?;
            stored.push(EntryFile { name: structured(form), form, files });
        }
        Ok(Self(stored))
    }

    /// Returns the files of the entry.
    pub fn stored(&self) -> &[EntryFile] {
        &self.0
    }

    /// Returns the file of the entry that holds a declared file.
    pub fn of_file(&self, file: &str) -> Option<&EntryFile> {
        self.0.iter().find(|stored| stored.files.iter().any(|held| held == file))
    }
}

/// Describes a file of an entry whose whole text is a value. None is written: another tool's is read, to store its value in another form.
#[derive(Debug, PartialEq, Eq)]
pub struct TextFile {
    /// Name of the file in the entry.
    pub name: String,
    pub form: TextForm,
    /// Declared file that has the text.
    pub file: String,
}

/// Stands for the way into a map in the name of a value that is read, since no name has a slash: `web→token`.
const BELOW: char = '→';

/// Maps declared files to the files that are in an entry, in whatever layout they were stored.
pub struct Stored {
    /// The files of the entry that hold some of them.
    pub files: Vec<EntryFile>,
    /// Those of which each holds one as its text.
    pub texts: Vec<TextFile>,
    /// Those that none holds, and why.
    pub missing: Vec<(String, Failure)>,
}

impl Stored {
    /// Finds these files among those of an entry: each in a file of its own, or all others in the one structured file.
    pub fn in_entry(entry: &[String], names: &[String]) -> Self {
        let is_there = |stored: &String| entry.contains(stored);
        let (mut files, mut texts, mut together) = (Vec::new(), Vec::new(), Vec::new());
        for name in names {
            let alone = EntryFile::binary(name);
            let mut text = [TextForm::Dotenv, TextForm::Ini].into_iter().map(|form| TextFile::new(name, form));
            if is_there(&alone.name) {
                files.push(alone);
            } else if let Some(text) = text.find(|text| is_there(&text.name)) {
                texts.push(text);
            } else {
                together.push(name.clone());
            }
        }
        let mut missing = Vec::new();
        match [Form::Json, Form::Yaml].map(|form| (is_there(&structured(form)), form)) {
            [(true, form), (false, _)] | [(false, _), (true, form)] if !together.is_empty() => {
                files.push(EntryFile { name: structured(form), form, files: together });
            }
            [(both, _), _] => missing.extend(together.into_iter().map(|name| {
                let why = if both { "both structured files are there" } else { "no file of the entry holds it" };
                let failure = Failure::corrupt(format!("`{name}`: {why}"));
                (name, failure)
            })),
        }
        Self { files, texts, missing }
    }
}

impl TextFile {
    fn new(file: &str, form: TextForm) -> Self {
        Self { name: format!("{file}.sops.{}", form.as_str()), form, file: file.to_owned() }
    }
}

/// Returns the name of the file that holds several values.
fn structured(form: Form) -> String {
    format!("secrets.sops.{form}")
}

impl EntryFile {
    /// Returns the file that holds one value alone.
    fn binary(file: &str) -> Self {
        Self { name: format!("{file}.sops"), form: Form::Binary, files: vec![file.to_owned()] }
    }

    /// Returns the files of an entry that hold all of its values in another form; `None` if there are none.
    pub fn others_in(&self, entry: &BTreeSet<String>) -> Option<BTreeSet<String>> {
        let names: Vec<String> = entry.iter().cloned().collect();
        let Stored { files, texts, missing } = Stored::in_entry(&names, &self.files);
        let others = || files.into_iter().map(|stored| stored.name).collect();
        (missing.is_empty() && texts.is_empty() && !self.files.is_empty()).then(others)
    }

    /// Returns the key of a declared file's value.
    pub fn key<'a>(&self, file: &'a str) -> &'a str {
        if self.form == Form::Binary { "data" } else { file }
    }

    /// Returns the keys that lead to the value of this name, of a document that is this file; none where two do.
    pub fn way<'a>(&self, name: &'a str, document: &Document) -> Option<Vec<&'a str>> {
        let own = vec![self.key(name)];
        let below: Vec<&str> = name.split(BELOW).collect();
        match (document.kind(&own).is_some(), self.form != Form::Binary && document.kind(&below).is_some()) {
            (true, true) if own != below => None,
            (false, true) => Some(below),
            _ => Some(own),
        }
    }
}

fn form(instance: &Instance) -> Result<Form, Failure> {
    let mut all = instance.targets.iter().map(|target| Ok((target, config::form(target)?)));
    let Some(first) = all.next() else { return Ok(Form::Binary) };
    let (first, form) = first?;
    for other in all {
        let (target, other) = other?;
        if other != form {
            return Err(Failure::config(format!(
                "`format` differs between the targets of the shared artifact `{}`: {form} for `{}`, {other} for `{}`",
                instance.artifact, first.id.name, target.id.name
            ))
            .hint("set the same artifacts.config.sops-nix.format on all of them"));
        }
    }
    Ok(form)
}

fn holdable(instance: &Instance, form: Form, name: &str) -> Result<(), Failure> {
    match refused_key(name) {
        None => Ok(()),
        Some(why) => {
            Err(Failure::config(format!("`{name}` of `{}` cannot be a key of a {form} file: {why}", instance.artifact))
                .hint("rename the file, or set artifacts.config.sops-nix.format = \"binary\""))
        }
    }
}
