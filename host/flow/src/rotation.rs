//! New values for what a recipient could read. Nothing is preselected: a person names it, or answers for each.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;

use artifacts_declared::InstanceName;
use artifacts_plan::{Selector, SelectorError};
use artifacts_report::{ExposedValue, Exposure, Failure, Report};

use crate::failure;
use crate::look::readable::{TheirKeys, readable};
use crate::look::steps::Replaces;
use crate::look::who::keys_of;
use crate::rounds::{generate, preview};
use crate::run::Run;
use crate::tools::{Answer, Question, RunEvent};
use crate::work::compare::compare;
use crate::work::generate::Generate;

/// Says whose values are replaced, and which of them.
#[derive(Debug, Clone, Copy)]
pub struct RotateReadable<'a> {
    /// The recipient: a name that was accepted on this machine, or a key.
    pub who: &'a str,
    /// Which of their values; none where a person answers for each.
    pub selectors: &'a [Selector],
    /// Whether old and current values are decrypted, to tell which are new.
    pub compares: bool,
    /// Whether the question is answered.
    pub yes: bool,
}

impl RotateReadable<'_> {
    /// Lists what the recipient could read, and what would be generated again of it.
    pub fn preview(self, run: &mut Run) -> Report {
        let (exposure, failures) = match self.find(run) {
            Ok(found) => found,
            Err(failure) => return failed(failure),
        };
        let chosen = if self.selectors.is_empty() { Vec::new() } else { named(&exposure) };
        let mut report = match chosen.as_slice() {
            [] => Report { is_preview: true, ..Report::default() },
            chosen => preview(run, chosen, &self.change()),
        };
        report.add_errors(failures);
        Report { exposure: Some(exposure), ..report }
    }

    /// Lists what the recipient could read, and generates what is chosen of it, up to `jobs` generators at once.
    pub fn rotate(self, run: &mut Run, jobs: NonZeroUsize) -> Report {
        let (mut exposure, mut failures) = match self.find(run) {
            Ok(found) => found,
            Err(failure) => return failed(failure),
        };
        let chosen = if self.selectors.is_empty() {
            match ask(run, &mut exposure) {
                Ok(chosen) => chosen,
                Err(failure) => {
                    failures.push(failure);
                    Vec::new()
                }
            }
        } else {
            named(&exposure)
        };
        // No selector would mean everything.
        let mut report = match chosen.as_slice() {
            [] => Report::default(),
            chosen => generate(run, chosen, &self.change(), jobs),
        };
        report.add_errors(failures);
        Report { exposure: Some(exposure), ..report }
    }

    fn change(self) -> Generate {
        Generate { replaces: Replaces::All, only_stored: true, yes: self.yes }
    }

    /// Finds what they could read, of what is selected, and what of that cannot be replaced.
    fn find(self, run: &mut Run) -> Result<(Exposure, Vec<Failure>), Failure> {
        let known = run.tools.recipients()?;
        let keys = keys_of(&known, &run.tools.keys, self.who)?;
        let found = readable(run, TheirKeys::new(keys.iter().cloned()), &known);
        let names = found.names();
        let declared: BTreeSet<InstanceName> =
            names.iter().filter(|name| run.instances.contains_key(*name)).cloned().collect();
        let survey = run.survey_instances(&declared);
        let (gaps, versions) = (found.gaps.clone(), found.comparable());
        let mut values = found.into_values(run, &survey);
        let mut failures = if self.selectors.is_empty() { run.errors() } else { Vec::new() };
        failures.extend(survey.errors.iter().cloned());
        if !self.selectors.is_empty() {
            let (chosen, unclear) = artifacts_plan::select_strictly(&names.iter().collect(), self.selectors);
            values.retain(|value| chosen.contains(&value.name));
            failures.extend(unclear.iter().map(|error| self.unselected(error)));
            let in_full = run.named_in_full(self.selectors);
            for value in &mut values {
                value.is_manual &= !in_full.contains(&value.name);
            }
            failures.extend(values.iter().filter(|value| value.is_recipient).map(|value| self.still(value)));
        }
        if self.compares {
            let chosen = values.iter().filter(|value| value.is_replaceable).map(|value| &value.name);
            let versions = versions.into_iter().filter(|(name, _)| chosen.clone().any(|one| one == name)).collect();
            let (is_new, unread) = compare(&mut run.tools, &run.instances, versions);
            for value in &mut values {
                value.is_new = is_new.get(&value.name).copied();
            }
            failures.extend(unread);
        }
        let shown = |key: &String| artifacts_age::fingerprint(key).unwrap_or_else(|| key.clone());
        let (who, keys) = (self.who.to_owned(), keys.iter().map(shown).collect());
        Ok((Exposure { who, keys, values, gaps, is_shown: false }, failures))
    }

    /// A selector that means nothing of what they could read, or several things.
    fn unselected(self, error: &SelectorError) -> Failure {
        let failure = failure::selector(error);
        match error {
            SelectorError::Unmatched { .. } => {
                let message = format!("nothing that {} could read matches this selector", self.who);
                let lists = || "`--dry-run` without a selector lists what they could read".to_owned();
                Failure { message, hint: Some(failure.hint.unwrap_or_else(lists)), ..failure }
            }
            SelectorError::Ambiguous { .. } => failure,
        }
    }

    /// Who can read the new value as well.
    fn still(self, value: &ExposedValue) -> Failure {
        let why =
            format!("not replaced: {} is still declared as its recipient and could read a new value as well", self.who);
        Failure::new(value.name.to_string(), why)
            .hint(Some("remove the key from the declarations first, then run the command again"))
    }
}

fn failed(failure: Failure) -> Report {
    Report { errors: vec![failure], ..Report::default() }
}

/// Whether a command may replace it.
fn is_offered(value: &ExposedValue) -> bool {
    value.is_open() && !value.is_recipient && !value.is_manual
}

/// Those that were named, as selectors that mean nothing else.
fn named(exposure: &Exposure) -> Vec<Selector> {
    exposure.values.iter().filter(|value| is_offered(value)).map(|value| selector(&value.name)).collect()
}

fn selector(name: &InstanceName) -> Selector {
    Selector::new(name.to_string())
}

/// Shows what they could read, and asks about each value.
fn ask(run: &mut Run, exposure: &mut Exposure) -> Result<Vec<Selector>, Failure> {
    let offered: Vec<ExposedValue> = exposure.values.iter().filter(|value| is_offered(value)).cloned().collect();
    let Some(first) = offered.first() else { return Ok(Vec::new()) };
    let mut chosen = Vec::new();
    for value in &offered {
        if value == first {
            run.tools.operator.notify(&RunEvent::Exposure(exposure));
        }
        match run.tools.operator.confirm(&Question::ReplaceReadable(value))? {
            Answer::Yes { .. } => {
                run.state.replaced.insert(value.name.clone());
                chosen.push(selector(&value.name));
            }
            Answer::No => {}
            Answer::NoOne => {
                return Err(Failure::new(
                    "",
                    "nothing was selected, and no terminal is available to ask about each value",
                )
                .hint(Some("pass selectors of what to replace; `--dry-run` lists what they could read")));
            }
        }
    }
    exposure.is_shown = true;
    Ok(chosen)
}
