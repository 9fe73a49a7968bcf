use artifacts_report::Failure;
use clap::Args;
use serde_json::json;

use crate::console::Console;
use crate::context::Context;
use crate::creation_rules::{CreationRule, creation_rules, yaml};
use crate::exit::Exit;
use crate::global::Global;
use crate::selectors::Selectors;

#[derive(Debug, Args)]
pub struct Options {
    #[command(flatten)]
    selectors: Selectors,
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
        let errors: Vec<Failure> = selection.errors().iter().cloned().chain(survey.errors).collect();
        if console.json() {
            let rule = |rule: &CreationRule| json!({"path_regex": rule.path_regex, "age": rule.age});
            let rules: Vec<_> = rules.iter().map(rule).collect();
            console.object(json!({"creation_rules": rules}), &errors);
        } else {
            console.line(yaml(&rules).trim_end());
        }
        console.failures(&errors);
        Ok(if errors.is_empty() { Exit::DONE } else { Exit::FAILED })
    }
}
