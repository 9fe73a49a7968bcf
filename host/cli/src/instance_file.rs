//! One file of one instance, as a person names it.

use artifacts_declared::{InstanceName, Name};
use artifacts_flow::Run;
use artifacts_plan::{Instance, Selector, SelectorError, SelectorKind, SelectorMeaning};
use artifacts_report::Failure;
use artifacts_text::{listed, shell_word};
use clap::Args;

/// `INSTANCE FILE`, `INSTANCE/FILE`, or `INSTANCE` alone if it has one file.
#[derive(Debug, Clone, Args)]
pub struct InstanceFile {
    /// Instance, or artifact with one instance; INSTANCE/FILE also works
    #[arg(value_name = "INSTANCE")]
    instance: String,
    /// File of the instance [default: its only file]
    #[arg(value_name = "FILE")]
    file: Option<String>,
}

/// What a command does with the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileUse {
    /// It is read.
    Read,
    /// It is replaced, so that a name with two meanings is an error.
    Replace,
}

/// A file, or why there is none.
type Found = Result<(InstanceName, Name), Vec<Failure>>;

impl InstanceFile {
    /// Takes one word for it.
    pub fn named(word: &str) -> Self {
        Self { instance: word.to_owned(), file: None }
    }

    /// What is to be evaluated for it.
    pub fn selectors(&self, of: FileUse) -> Vec<Selector> {
        let other = self.split().filter(|_| of == FileUse::Replace).map(|(instance, _)| instance);
        [self.instance.as_str()].into_iter().chain(other).map(Selector::new).collect()
    }

    /// What the person means. The name of an instance comes before INSTANCE/FILE.
    pub fn resolve(&self, run: &Run, of: FileUse) -> Found {
        if let Some(file) = &self.file {
            return file_of(one(run, &self.instance, of)?, file);
        }
        let as_file = self.split().and_then(|(instance, file)| {
            let meaning = run.meaning(&Selector::new(instance), false).ok()?;
            let is_one = matches!(meaning.kind, SelectorKind::Instance | SelectorKind::Artifact);
            is_one.then(|| one(run, instance, of).and_then(|instance| file_of(instance, file)))
        });
        match (run.meaning(&Selector::new(self.instance.as_str()), of == FileUse::Replace), as_file) {
            (Ok(meaning), Some(Ok((other, file)))) if of == FileUse::Replace => {
                Err(vec![self.ambiguous(&meaning, &other, &file)])
            }
            (Err(SelectorError::Unmatched { .. }), Some(found)) => found,
            _ => self.only_file(one(run, &self.instance, of)?),
        }
    }

    /// The parts of INSTANCE/FILE.
    fn split(&self) -> Option<(&str, &str)> {
        self.instance.rsplit_once('/').filter(|_| self.file.is_none())
    }

    fn only_file(&self, instance: &Instance) -> Found {
        let files: Vec<&Name> = instance.artifact.files.keys().collect();
        if let [only] = files.as_slice() {
            return Ok((instance.name.clone(), (*only).clone()));
        }
        let fault = Failure::new(self.instance.clone(), "no file specified");
        Err(vec![fault.hint(Some(format!("pass INSTANCE FILE; its files: {}", names(instance))))])
    }

    fn ambiguous(&self, meaning: &SelectorMeaning, other: &InstanceName, file: &Name) -> Failure {
        let instance = meaning.names.first().map(ToString::to_string).unwrap_or_default();
        let file_form = format!("{} {}", shell_word(&other.to_string()), shell_word(file.as_str()));
        let hint = format!("pass `{} FILE` for the artifact, or `{file_form}` for the file", shell_word(&instance));
        Failure::new(self.instance.clone(), "names an artifact and a file of another one").hint(Some(hint))
    }
}

/// The one instance that a selector means.
fn one<'a>(run: &'a Run, text: &str, of: FileUse) -> Result<&'a Instance, Vec<Failure>> {
    let selector = [Selector::new(text)];
    let errors = || match of {
        FileUse::Read => run.select(&selector).errors().to_vec(),
        FileUse::Replace => run.select_strictly(&selector).errors().to_vec(),
    };
    let meaning = run.meaning(&selector[0], of == FileUse::Replace).map_err(|_| errors())?;
    let names: Vec<String> = meaning.names.iter().map(ToString::to_string).collect();
    match (meaning.names.first(), names.len()) {
        (Some(name), 1) if of == FileUse::Replace && meaning.kind != SelectorKind::Instance && run.is_in_part() => {
            Err(errors().into_iter().chain([may_be_another(text, name)]).collect())
        }
        (Some(name), 1) => run.instances().get(name).ok_or_else(errors),
        (_, count) => {
            let fault = Failure::new(text, format!("matches {count} instances: {}", listed(&names)));
            Err(vec![fault.hint(Some("pass one of these names"))])
        }
    }
}

/// Says that a target that did not evaluate may have an artifact of this name, too.
fn may_be_another(text: &str, name: &InstanceName) -> Failure {
    let fault = Failure::new(text, "may name several artifacts: not all targets were evaluated");
    fault.hint(Some(format!("to replace a file of this one, pass `{}`", shell_word(&name.to_string()))))
}

fn file_of(instance: &Instance, file: &str) -> Found {
    let known = instance.artifact.files.get_key_value(file);
    known.map(|(file, _)| (instance.name.clone(), file.clone())).ok_or_else(|| {
        let fault = Failure::new(instance.name.to_string(), format!("no file `{file}`"));
        vec![fault.hint(Some(format!("its files: {}", names(instance))))]
    })
}

fn names(instance: &Instance) -> String {
    instance.artifact.files.keys().map(Name::as_str).collect::<Vec<_>>().join(", ")
}
