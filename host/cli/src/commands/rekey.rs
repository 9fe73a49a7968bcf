use std::collections::BTreeSet;

use artifacts_declared::{InstanceName, Name};
use artifacts_flow::{Plaintext, Survey, Writers, Writing, stored_readers, unopenable, unretrievable, wants_rekey};
use artifacts_plan::Selector;
use artifacts_report::{Done, Failure, Report, reader_changes};
use clap::Args;

use super::Status;
use crate::args::Global;
use crate::output::Output;
use crate::rooms::{Chosen, Run};
use crate::{consent, dry_run, staged, writing};

#[derive(Debug, Args)]
pub struct Options {
    /// An instance, a prefix of one that ends at a slash, or an artifact; none means all
    #[arg(value_name = "SELECTOR")]
    selectors: Vec<String>,
    /// Encrypt everything anew that is stored, not only what has other readers now
    #[arg(long)]
    all: bool,
    /// Show what would be encrypted anew and to whom, and open and write nothing
    #[arg(long)]
    dry_run: bool,
}

impl Options {
    pub fn run(&self, global: &Global, output: &Output) -> Result<Status, Failure> {
        let selectors: Vec<Selector> = self.selectors.iter().map(Selector::new).collect();
        let run = Run::of(global, output, &selectors)?;
        let chosen = run.choose(&selectors);
        let mut tools = run.tools()?;
        let mut survey = artifacts_flow::survey(&mut tools, &run.instances, &chosen.names);
        let mut names = self.wanted(&chosen, &survey);
        let mut writers = Writers::default();
        // Nothing is written, not even a lock, when there is nothing to do.
        let left = || artifacts_flow::is_unstaged(&tools, run.instances(&chosen.names));
        if !self.dry_run && (!names.is_empty() || left()) {
            writers = Writers::lock(&tools, run.instances(&chosen.names), &tools.storing.clone());
            survey = artifacts_flow::survey(&mut tools, &run.instances, &chosen.names);
            names = self.wanted(&chosen, &survey);
        }
        tools.report_missing_layers();
        let mut faults = Vec::new();
        names.retain(|name| {
            let pair = run.instances.get(name).zip(survey.found.get(name));
            let fault = pair.and_then(|(instance, found)| {
                let fault = unopenable(instance, found).or_else(|| unretrievable(&mut tools, instance));
                let fault = fault.map(|fault| artifacts_flow::helped(&mut tools, instance, fault));
                fault.or_else(|| run.unknown_readers(instance))
            });
            let fit = fault.is_none();
            faults.extend(fault);
            fit
        });
        let changes = stored_readers(run.instances(&names), &survey);
        // Whoever may be asked to agree to them sees them.
        if !(self.dry_run && output.json()) {
            output.painted(&reader_changes(&changes));
        }
        let mut report = run.report(&chosen, &survey);
        report.errors.extend(survey.errors.iter().cloned());
        report.errors.extend(faults);
        if self.dry_run {
            consent::preview(&run, &mut report, run.instances(&names), &survey, Plaintext::Stored)?;
            report.readers = changes;
            dry_run::describe(&mut report, &run, &tools, &survey, &names, Writing::Anew);
            mark(&mut report, &names, Done::WouldRekey);
            return Ok(output.report(&report));
        }
        let settled =
            consent::settle(&run, global, output, run.instances(&names), &survey, Plaintext::Stored, &changes)?;
        let consent = settled.consent;
        (report.readers, report.recipients_digest) = (changes, settled.digest);
        names.retain(|name| {
            let fault = run
                .instances
                .get(name)
                .and_then(|instance| writers.fault(instance, &tools).or_else(|| consent.fault(instance)));
            let fit = fault.is_none();
            report.errors.extend(fault);
            fit
        });
        let mut tell = |name: &InstanceName| output.progress(&format!("rekeyed {name}"));
        let done =
            artifacts_flow::rekey(&mut tools, &run.instances, &survey, &names, &consent, &mut writers, &mut tell);
        Run::note_strays(&mut report, &survey, &done.done);
        note_gone(&mut report, &run, &survey, &done.done);
        survey.rekeyed(&done.done);
        // What else made them stale may have gone with the old slices.
        let stale =
            |name: &&InstanceName| survey.found.get(*name).is_some_and(|found| !found.state.reasons().is_empty());
        let stale: BTreeSet<InstanceName> = done.done.iter().filter(stale).cloned().collect();
        let again = artifacts_flow::survey(&mut tools, &run.instances, &stale);
        survey.found.extend(again.found);
        report.errors.extend(again.errors);
        writing::tell_git(&tools, &mut writers, output);
        report.errors.extend(done.failures);
        report.counts = Some((done.opened, done.written));
        report.update(&survey.states());
        mark(&mut report, &done.done, Done::Rekeyed);
        staged::note(&run, &tools, &mut report);
        Ok(output.report(&report))
    }

    fn wanted(&self, chosen: &Chosen, survey: &Survey) -> BTreeSet<InstanceName> {
        let wants =
            |name: &&InstanceName| survey.found.get(*name).is_some_and(|found| wants_rekey(&found.state, self.all));
        chosen.names.iter().filter(wants).cloned().collect()
    }
}

/// Tells which files went with the old entries: whoever can push can take back a declaration, and nobody was asked.
fn note_gone(report: &mut Report, run: &Run, survey: &Survey, done: &BTreeSet<InstanceName>) {
    for name in done {
        let found = survey.found.get(name).and_then(|found| found.receipt.as_ref());
        let Some((instance, receipt)) = run.instances.get(name).zip(found) else { continue };
        let is_secret = |file: &Name| instance.secret_files().any(|declared| declared == file);
        let is_public = |file: &str| instance.public_files().any(|declared| declared.as_str() == file);
        let secret = receipt.recipients.keys().filter(|file| !is_secret(file)).map(|file| (file.as_str(), "secret"));
        let public = receipt.public.keys().filter(|file| !is_public(file)).map(|file| (file.as_str(), "public file"));
        let note = |(file, kind): (&str, &str)| {
            format!("{file}: gone, since it is no declared {kind} any more; the old entry is in the trash")
        };
        let notes: Vec<String> = secret.chain(public).map(note).collect();
        if let Some(row) = report.instances.iter_mut().find(|row| row.name == name.to_string()) {
            row.notes.extend(notes);
        }
    }
}

fn mark(report: &mut Report, names: &BTreeSet<InstanceName>, done: Done) {
    let names: BTreeSet<String> = names.iter().map(ToString::to_string).collect();
    for row in report.instances.iter_mut().filter(|row| names.contains(&row.name)) {
        row.done = Some(done);
    }
}
