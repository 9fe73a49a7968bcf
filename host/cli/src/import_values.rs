//! The end of an import: the declarations, and the values of what is declared.

use std::collections::BTreeSet;
use std::path::Path;

use artifacts_declared::InstanceName;
use artifacts_flow::{Import, Run, Selection};
use artifacts_report::{Failure, Report};

use crate::console::Console;
use crate::context::Context;
use crate::exit::Exit;
use crate::import_page;
use crate::import_search::ImportSearch;
use crate::stored_options::StoredOptions;

/// Writes or prints what is not declared, and takes the values of what is declared and absent.
///
/// # Errors
/// When the declarations cannot be written, or no run can begin.
pub fn finish(
    context: &Context,
    console: &Console,
    search: &ImportSearch,
    file: Option<&Path>,
    dry_run: bool,
) -> Result<Exit, Failure> {
    let wanted = file.filter(|_| search.module.is_some());
    let file = wanted.filter(|_| search.failures.is_empty());
    if let Some(file) = file {
        import_page::write(search, file)?;
    }
    let (mut report, held) = taken(context, search, dry_run)?;
    report.errors.extend(wanted.filter(|_| file.is_none()).map(unwritten));
    let stored = if dry_run { StoredOptions::default() } else { StoredOptions::new(&search.proposal, &report, &held) };
    if console.json() {
        report.import = Some(import_page::json(search, file, &stored));
        return Ok(console.report(&report));
    }
    import_page::show(console, search, file);
    import_page::show_stored(console, &stored);
    let is_printed = search.module.is_some() && file.is_none();
    Ok(if is_printed { console.report_aside(&report) } else { console.report(&report) })
}

/// Why a module is printed and not written: whose key a key is cannot be told while a target is unknown.
fn unwritten(file: &Path) -> Failure {
    let why =
        "not written, only printed: what could not be evaluated or read may change whose keys and secrets these are";
    Failure::new(file.display().to_string(), why).hint(Some("run the command again once the other errors are mended"))
}

/// Takes the values of what is declared, and returns the instances that have old files as they are. Nothing is opened where nothing is.
fn taken(context: &Context, search: &ImportSearch, dry_run: bool) -> Result<(Report, BTreeSet<InstanceName>), Failure> {
    let sources = search.sources();
    let mut report = Report { is_preview: dry_run, ..Report::default() };
    let mut held = BTreeSet::new();
    let by_hand = search.proposal.by_hand();
    if !sources.is_empty() || !by_hand.is_empty() {
        let mut run = context.open(&[])?;
        let (selection, import) = run.select_import(sources, by_hand)?;
        report = values(&mut run, &selection, import.clone(), dry_run);
        held = run.holds(&import);
    }
    // One that does not evaluate is known to the run as well.
    let unknown =
        search.failures.iter().filter(|failure| !report.errors.contains(failure)).cloned().collect::<Vec<_>>();
    report.errors.extend(unknown);
    Ok((report, held))
}

fn values(run: &mut Run, selection: &Selection, import: Import, dry_run: bool) -> Report {
    let surveyed = run.survey(selection);
    if dry_run { surveyed.preview(&import) } else { surveyed.lock(import).agree().import().finish() }
}
