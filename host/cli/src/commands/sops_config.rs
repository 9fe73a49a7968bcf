use artifacts_report::Failure;
use clap::Args;
use serde_json::json;

use crate::console::Console;
use crate::context::Context;
use crate::creation_rules::{CreationRule, creation_rules, yaml};
use crate::exit::Exit;
use crate::global::Global;
use crate::selectors::Selectors;
use crate::sops_file;

#[derive(Debug, Args)]
pub struct Options {
    #[command(flatten)]
    selectors: Selectors,
    /// Write the rules into `.sops.yaml`, beside your own, which stay unchanged
    #[arg(long, conflicts_with = "selectors")]
    write: bool,
}

impl Options {
    pub fn run(&self, global: &Global, console: &Console) -> Result<Exit, Failure> {
        let selectors = self.selectors.parsed();
        let context = Context::new(global, console)?;
        let mut run = context.open(&selectors)?;
        let selection = run.select(&selectors);
        let survey = run.survey(&selection).into_survey();
        let rules: Vec<CreationRule> =
            selection.names().iter().flat_map(|name| creation_rules(&mut run, name, &survey)).collect();
        let mut errors: Vec<Failure> = selection.errors().iter().cloned().chain(survey.errors).collect();
        // Rules that are not known are not taken out of the file.
        let written = (self.write && errors.is_empty()).then(|| sops_file::write(run.root(), &rules));
        let written = written.and_then(|written| written.map_err(|failure| errors.push(failure)).ok());
        if console.json() {
            let rule = |rule: &CreationRule| match rule.pgp.as_slice() {
                [] => json!({"path_regex": rule.path_regex, "age": rule.age}),
                pgp => json!({"path_regex": rule.path_regex, "age": rule.age, "pgp": pgp}),
            };
            let rules: Vec<_> = rules.iter().map(rule).collect();
            let mut object = json!({"creation_rules": rules});
            if let Some((file, changed)) = written {
                object["file"] = json!({"path": file.display().to_string(), "changed": changed});
            }
            console.object(object, &errors);
        } else if let Some((_, changed)) = written {
            console.line(if changed { "wrote .sops.yaml" } else { ".sops.yaml is unchanged" });
        } else if !self.write {
            console.line(yaml(&rules).trim_end());
        }
        console.failures(&errors);
        Ok(if errors.is_empty() { Exit::DONE } else { Exit::FAILED })
    }
}
