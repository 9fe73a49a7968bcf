//! The end of an import: the declarations, and the values of what is declared.

use std::collections::BTreeSet;
use std::path::Path;

use artifacts_declared::InstanceName;
use artifacts_flow::{Import, Run, Selection};
use artifacts_plan::InstanceState;
use artifacts_report::{Failure, Report};

use crate::console::Console;
use crate::context::Context;
use crate::exit::Exit;
use crate::import_page;
use crate::import_search::ImportSearch;

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
    let file = file.filter(|_| search.module.is_some());
    if let Some(file) = file {
        import_page::write(search, file)?;
    }
    let mut report = taken(context, search, dry_run)?;
    let is_present = |name: &InstanceName| report.rows.get(name).is_some_and(|row| row.state == InstanceState::Present);
    let removable = if dry_run { BTreeSet::new() } else { search.proposal.replaced(is_present) };
    if console.json() {
        report.import = Some(import_page::json(search, file, &removable));
        return Ok(console.report(&report));
    }
    import_page::show(console, search, file);
    import_page::show_removable(console, &removable);
    let is_printed = search.module.is_some() && file.is_none();
    Ok(if is_printed { console.report_aside(&report) } else { console.report(&report) })
}

/// Takes the values of what is declared. Nothing is opened where nothing is.
fn taken(context: &Context, search: &ImportSearch, dry_run: bool) -> Result<Report, Failure> {
    let sources = search.sources();
    let mut report = Report { is_preview: dry_run, ..Report::default() };
    if !sources.is_empty() {
        let mut run = context.open(&[])?;
        let (selection, import) = run.select_import(sources)?;
        report = values(&mut run, &selection, import, dry_run);
    }
    // One that does not evaluate is known to the run as well.
    let unknown =
        search.failures.iter().filter(|failure| !report.errors.contains(failure)).cloned().collect::<Vec<_>>();
    report.errors.extend(unknown);
    Ok(report)
}

fn values(run: &mut Run, selection: &Selection, import: Import, dry_run: bool) -> Report {
    let surveyed = run.survey(selection);
    if dry_run { surveyed.preview(&import) } else { surveyed.lock(import).agree().import().finish() }
}
