use std::collections::BTreeSet;

use artifacts_backend_sdk::{Failure, File, Instance};
use sops_format::{Form, refused_key};

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

/// Maps declared files to the files that are in an entry, in whatever layout they were stored.
pub struct Stored {
    /// The files of the entry that hold some of them.
    pub files: Vec<EntryFile>,
    /// Those that none holds, and why.
    pub missing: Vec<(String, Failure)>,
}

impl Stored {
    /// Finds these files among those of an entry: each in a file of its own, or all others in the one structured file.
    pub fn in_entry(entry: &[String], names: &[String]) -> Self {
        let is_there = |stored: &String| entry.contains(stored);
        let (alone, together): (Vec<_>, Vec<_>) =
            names.iter().cloned().partition(|name| is_there(&EntryFile::binary(name).name));
        let mut files: Vec<EntryFile> = alone.iter().map(|name| EntryFile::binary(name)).collect();
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
        Self { files, missing }
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
        let Stored { files, missing } = Stored::in_entry(&names, &self.files);
        let others = || files.into_iter().map(|stored| stored.name).collect();
        (missing.is_empty() && !self.files.is_empty()).then(others)
    }

    /// Returns the key of a declared file's value.
    pub fn key<'a>(&self, file: &'a str) -> &'a str {
        if self.form == Form::Binary { "data" } else { file }
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
