use std::collections::BTreeSet;
use std::fmt::Write as _;

use artifacts_declared::InstanceName;
use artifacts_flow::{Found, Run};
use artifacts_plan::{Instance, Selector};
use artifacts_report::Failure;
use clap::Args;
use serde_json::json;

use super::Status;
use crate::args::Global;
use crate::context::Context;
use crate::output::Output;

/// What the bundled backend that writes files of sops calls itself.
const SOPS_NIX: &str = "sops-nix";

#[derive(Debug, Args)]
pub struct Options {
    /// An instance, a prefix of one that ends at a slash, or an artifact; none means all
    #[arg(value_name = "SELECTOR")]
    selectors: Vec<String>,
}

/// Who reads the files at a path.
struct Rule {
    path_regex: String,
    age: Vec<String>,
}

impl Options {
    pub fn run(&self, global: &Global, output: &Output) -> Result<Status, Failure> {
        let selectors: Vec<Selector> = self.selectors.iter().map(Selector::new).collect();
        let context = Context::new(global, output)?;
        let mut run = context.open(&selectors)?;
        let selection = run.select(&selectors);
        let survey = run.survey(&selection).into_survey();
        let mut rules = Vec::new();
        for name in selection.names() {
            let storage = storage(&mut run, name);
            if let Some(((storage, found), instance)) =
                storage.zip(survey.found.get(name)).zip(run.instances().get(name))
            {
                rules.extend(of(instance, &storage, found));
            }
        }
        let errors: Vec<Failure> = selection.errors().iter().cloned().chain(survey.errors).collect();
        if output.json() {
            let rule = |rule: &Rule| json!({"path_regex": rule.path_regex, "age": rule.age});
            let rules: Vec<_> = rules.iter().map(rule).collect();
            output.object(json!({"creation_rules": rules}), &errors);
        } else {
            output.line(yaml(&rules).trim_end());
        }
        output.failures(&errors);
        Ok(if errors.is_empty() { Status::DONE } else { Status::FAILED })
    }
}

/// Where the files of sops are, if the instance has some.
fn storage(run: &mut Run, name: &InstanceName) -> Option<String> {
    let (component, storage) = run.backend_of(name)?;
    (component == SOPS_NIX).then_some(storage)
}

/// A rule for what is deployed, structured files among it, after one for each file with recipients of its own: the first that
/// fits counts.
fn of(instance: &Instance, storage: &str, found: &Found) -> Vec<Rule> {
    let folder = escaped(&format!("{storage}/{}", instance.name));
    let deployed: BTreeSet<&str> =
        instance.for_backend.files.iter().filter(|file| file.deploy).map(|file| file.name.as_str()).collect();
    let shared = found.recipients.iter().find(|(file, _)| deployed.contains(file.as_str()));
    let shared = shared.or(found.recipients.iter().next());
    let Some((_, shared)) = shared else { return Vec::new() };
    let own = found.recipients.iter().filter(|(_, of_file)| *of_file != shared);
    let own = own.map(|(file, of_file)| Rule {
        path_regex: format!("^{folder}/{}\\.sops$", escaped(file.as_str())),
        age: of_file.iter().cloned().collect(),
    });
    let rest = Rule {
        path_regex: format!("^{folder}/[^/]+\\.sops(\\.json|\\.yaml)?$"),
        age: shared.iter().cloned().collect(),
    };
    own.chain([rest]).collect()
}

/// Nothing in it means anything but itself.
fn escaped(text: &str) -> String {
    text.chars().fold(String::new(), |mut regex, char| {
        if r"\.+*?()|[]{}^$".contains(char) {
            regex.push('\\');
        }
        regex.push(char);
        regex
    })
}

fn yaml(rules: &[Rule]) -> String {
    if rules.is_empty() {
        return "creation_rules: []\n".to_owned();
    }
    let mut text = "creation_rules:\n".to_owned();
    for rule in rules {
        let regex = rule.path_regex.replace('\'', "''");
        let _ = writeln!(text, "  - path_regex: '{regex}'\n    age: >-\n      {}", rule.age.join(",\n      "));
    }
    text
}
