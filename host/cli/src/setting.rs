//! A file that a person gives: everything is asked and locked before the value is.

use std::collections::BTreeSet;

use artifacts_declared::{InstanceName, Name};
use artifacts_flow::{Consent, Plaintext, Survey, Tools, Writers, Writing, unsettable};
use artifacts_plan::Instance;
use artifacts_report::{Done, Failure, Report};
use artifacts_seam::Secret;

use crate::args::Global;
use crate::output::Output;
use crate::rooms::Run;
use crate::{consent, dry_run, staged, writing};

/// One instance, found, locked and agreed to.
pub struct Setting<'a> {
    run: &'a Run,
    output: &'a Output,
    pub instance: &'a Instance,
    file: &'a Name,
    survey: Survey,
    writers: Writers,
    consent: Consent,
}

/// What an instance is now, when one of its files can be set.
pub fn look(run: &Run, tools: &mut Tools, instance: &Instance) -> Result<Survey, Failure> {
    let survey = artifacts_flow::survey(tools, &run.instances, &only(instance));
    let found =
        survey.found.get(&instance.name).ok_or_else(|| Failure::new(instance.name.to_string(), "it is not there"))?;
    match unsettable(instance, found) {
        Some(fault) => {
            let fault = survey.errors.into_iter().next().unwrap_or(fault);
            Err(artifacts_flow::helped(tools, instance, fault))
        }
        None => Ok(survey),
    }
}

/// What setting a file would write, and to whom, whatever its value. `opens` says whether the old one would be opened, to be edited.
pub fn preview(
    run: &Run,
    tools: &mut Tools,
    output: &Output,
    instance: &Instance,
    file: &Name,
    opens: bool,
) -> Result<Report, Failure> {
    let survey = look(run, tools, instance)?;
    if let Some(fault) = unknown_readers(run, instance, file) {
        return Err(fault);
    }
    let mut report = run.rows(std::iter::once(instance), &survey);
    let given = Plaintext::Given { file, opens };
    consent::preview(run, &mut report, std::iter::once(instance), &survey, given)?;
    report.instances.iter_mut().for_each(|row| row.done = Some(Done::WouldSet));
    dry_run::describe(&mut report, run, tools, &survey, &only(instance), Writing::One { file });
    dry_run::show(&report, output);
    Ok(report)
}

/// With a public file nothing is encrypted.
fn unknown_readers(run: &Run, instance: &Instance, file: &Name) -> Option<Failure> {
    run.unknown_readers(instance).filter(|_| instance.secret_files().any(|secret| secret == file))
}

fn only(instance: &Instance) -> BTreeSet<InstanceName> {
    BTreeSet::from([instance.name.clone()])
}

impl<'a> Setting<'a> {
    /// `opens` says whether the file's old value is opened, to be edited.
    pub fn begin(
        run: &'a Run,
        tools: &mut Tools,
        global: &Global,
        output: &'a Output,
        instance: &'a Instance,
        file: &'a Name,
        opens: bool,
    ) -> Result<Self, Failure> {
        look(run, tools, instance)?;
        let writers = Writers::lock(tools, std::iter::once(instance), &tools.storing.clone());
        if let Some(fault) = writers.fault(instance, tools) {
            return Err(fault);
        }
        let survey = look(run, tools, instance)?;
        tools.report_missing_layers();
        if let Some(fault) = unknown_readers(run, instance, file) {
            return Err(fault);
        }
        let settled = consent::settle(
            run,
            global,
            output,
            std::iter::once(instance),
            &survey,
            Plaintext::Given { file, opens },
            &[],
        )?;
        let consent = settled.consent;
        if let Some(fault) = consent.fault(instance) {
            return Err(fault);
        }
        Ok(Self { run, output, instance, file, survey, writers, consent })
    }

    /// Stores the value and tells what became of it.
    pub fn finish(mut self, tools: &mut Tools, value: Secret) -> Result<Report, Failure> {
        let Self { instance, file, survey, consent, writers, .. } = &mut self;
        let others = survey.found.values().map(|found| artifacts_flow::others(instance, found, file));
        let gone: Vec<String> = others.flat_map(|others| others.gone).collect();
        let changes = artifacts_flow::set(tools, instance, survey, consent, writers, file, value)?;
        let name = instance.name.to_string();
        for change in &changes {
            self.output.painted(&change.diff(&name));
        }
        writing::tell_git(tools, &mut self.writers, self.output);
        let survey = artifacts_flow::survey(tools, &self.run.instances, &only(self.instance));
        let mut report = self.run.rows(std::iter::once(self.instance), &survey);
        report.errors.extend(survey.errors);
        Run::note_strays(&mut report, &self.survey, &only(self.instance));
        staged::note(self.run, tools, &mut report);
        for row in &mut report.instances {
            row.done = Some(Done::Set);
            row.files.clone_from(&changes);
            row.notes.extend(gone.iter().map(|name| format!("{name}: gone, since it is no declared secret any more")));
        }
        self.run.note_dependents(tools, &mut report, &only(self.instance), &BTreeSet::new());
        Ok(report)
    }
}
