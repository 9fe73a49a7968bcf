//! One file of one instance, as a person names it.

use std::collections::BTreeSet;

use artifacts_declared::{InstanceName, Name};
use artifacts_flow::Run;
use artifacts_plan::Selector;
use artifacts_report::Failure;
use clap::Args;

/// `INSTANCE FILE`, or `INSTANCE/FILE`.
#[derive(Debug, Clone, Args)]
pub struct InstanceFile {
    /// Instance, or artifact with one instance; INSTANCE/FILE also works
    #[arg(value_name = "INSTANCE")]
    instance: String,
    /// File of the instance
    #[arg(value_name = "FILE")]
    file: Option<String>,
}

impl InstanceFile {
    /// Takes one word for it.
    pub fn named(word: &str) -> Self {
        Self { instance: word.to_owned(), file: None }
    }

    /// What is to be evaluated for it.
    pub fn selector(&self) -> Selector {
        Selector::new(self.instance.as_str())
    }

    /// Whether an instance is named, and no file.
    fn is_instance(&self, run: &Run) -> bool {
        run.instances().keys().any(|name| name.to_string() == self.instance)
    }

    /// What the person means.
    pub fn resolve(&self, run: &Run) -> Result<(InstanceName, Name), Vec<Failure>> {
        let (instance, file) = match (&self.file, self.instance.rsplit_once('/')) {
            (Some(file), _) => (self.instance.as_str(), file.as_str()),
            (None, Some((instance, file))) if !self.is_instance(run) || is_known(run, instance) => (instance, file),
            (None, _) => {
                let fault = Failure::new(self.instance.clone(), "no file specified");
                let chosen = run.select(&[self.selector()]);
                let files: BTreeSet<&str> = chosen
                    .names()
                    .iter()
                    .filter_map(|name| run.instances().get(name))
                    .flat_map(|one| one.artifact.files.keys().map(Name::as_str))
                    .collect();
                let has = if files.is_empty() {
                    String::new()
                } else {
                    format!("; its files: {}", files.into_iter().collect::<Vec<_>>().join(", "))
                };
                return Err(vec![fault.hint(Some(format!("pass INSTANCE FILE, or INSTANCE/FILE{has}")))]);
            }
        };
        let chosen = run.select(&[Selector::new(instance)]);
        let (first, second) = {
            let mut found = chosen.names().iter().filter_map(|name| run.instances().get(name));
            (found.next(), found.next())
        };
        match (first, second) {
            (Some(_), Some(_)) => {
                let names: Vec<String> = chosen.names().iter().map(ToString::to_string).collect();
                let fault = Failure::new(instance, format!("matches {} instances: {}", names.len(), names.join(", ")));
                Err(vec![fault.hint(Some("pass one of these names"))])
            }
            (Some(one), None) => {
                one.artifact.files.get_key_value(file).map(|(name, _)| (one.name.clone(), name.clone())).ok_or_else(
                    || {
                        let known: Vec<&str> = one.artifact.files.keys().map(Name::as_str).collect();
                        let fault = Failure::new(one.name.to_string(), format!("no file `{file}`"));
                        vec![fault.hint(Some(format!("its files: {}", known.join(", "))))]
                    },
                )
            }
            (None, _) => Err(chosen.errors().to_vec()),
        }
    }
}

/// Whether this is the name of an artifact: `shared/ca` could be the file `ca` of an artifact `shared`.
fn is_known(run: &Run, instance: &str) -> bool {
    run.instances().keys().any(|name| Selector::new(instance).names(name))
}
