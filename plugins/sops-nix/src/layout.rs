use artifacts_backend_sdk::{Failure, Instance};
use sops_format::{Form, refused_key};

use crate::config;

/// Which file of the slice holds what.
#[derive(Debug, PartialEq, Eq)]
pub struct Layout(Vec<EntryFile>);

/// One file of the slice.
#[derive(Debug, PartialEq, Eq)]
pub struct EntryFile {
    /// Its name there.
    pub name: String,
    pub form: Form,
    /// The declared files whose values it holds, sorted. In the binary form it is one.
    pub files: Vec<String>,
}

impl Layout {
    /// What the targets' configuration asks for. A structured file is for those who read what is deployed; what is not, is
    /// stored in the binary form whatever the format, since a file has one data key and so one set of readers.
    ///
    /// # Errors
    /// Of kind `config`: targets disagree, or a name cannot be a key.
    pub fn of(instance: &Instance) -> Result<Self, Failure> {
        let form = form(instance)?;
        let structured = |deploy| deploy && form != Form::Binary;
        let (together, alone): (Vec<_>, Vec<_>) = instance.files.iter().partition(|file| structured(file.deploy));
        let mut stored: Vec<EntryFile> = alone
            .into_iter()
            .map(|file| EntryFile {
                name: format!("{}.sops", file.name),
                form: Form::Binary,
                files: vec![file.name.clone()],
            })
            .collect();
        if !together.is_empty() {
            let files: Vec<String> = together.into_iter().map(|file| file.name.clone()).collect();
            files.iter().try_for_each(|name| holdable(instance, form, name))?;
            stored.push(EntryFile { name: format!("secrets.sops.{form}"), form, files });
        }
        Ok(Self(stored))
    }

    /// The files of the slice.
    pub fn stored(&self) -> &[EntryFile] {
        &self.0
    }

    /// Where a declared file is.
    pub fn of_file(&self, file: &str) -> Option<&EntryFile> {
        self.0.iter().find(|stored| stored.files.iter().any(|held| held == file))
    }
}

impl EntryFile {
    /// The key that a declared file's value has in it.
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
                "`{}` is shared, and its targets disagree about `format`: {form} for `{}`, {other} for `{}`",
                instance.artifact, first.name, target.name
            ))
            .hint("Set the same artifacts.config.sops-nix.format on all of them."));
        }
    }
    Ok(form)
}

fn holdable(instance: &Instance, form: Form, name: &str) -> Result<(), Failure> {
    match refused_key(name) {
        None => Ok(()),
        Some(why) => {
            Err(Failure::config(format!("`{name}` of `{}` cannot be a key of a {form} file: {why}", instance.artifact))
                .hint("Rename the file, or set artifacts.config.sops-nix.format = \"binary\"."))
        }
    }
}
