use artifacts_flow::{Orphan, orphans, prune};
use artifacts_plan::Selector;
use artifacts_report::{Done, Failure, Removed, Report, removed};
use artifacts_text::{agreeing, counted};
use clap::Args;

use super::Status;
use crate::args::Global;
use crate::output::Output;
use crate::rooms::Run;
use crate::terminal;

#[derive(Debug, Args)]
pub struct Options {
    /// Only slices of these: an instance, a prefix that ends at a slash, or an artifact
    #[arg(value_name = "SELECTOR")]
    selectors: Vec<String>,
    /// Show what would be trashed, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

impl Options {
    pub fn run(&self, global: &Global, output: &Output) -> Result<Status, Failure> {
        let run = Run::begin(global, output)?;
        let tools = run.tools()?;
        let owners = run.owners()?;
        let mut found = orphans(&tools, &owners, &run.instances)?;
        for odd in &found.odd {
            output.warning(&format!("{odd}; it is left alone"), None);
        }
        if !found.kept.is_empty() {
            let kept = found.kept.len();
            let (are, them) = (agreeing(kept, "is", "are"), agreeing(kept, "it", "them"));
            let slices = counted(kept, "slice");
            output.note(&format!("{slices} {are} kept: a target that did not evaluate may own {them}"));
        }
        let mut report = Report { errors: run.failures(), ..Report::default() };
        let selectors: Vec<Selector> = self.selectors.iter().map(Selector::new).collect();
        let idle = selectors.iter().filter(|s| !found.found.iter().any(|orphan| s.matches(&orphan.name)));
        report.errors.extend(idle.map(|s| Failure::new(s.to_string(), "no slice without an owner is named so")));
        if !selectors.is_empty() {
            found.found.retain(|orphan| selectors.iter().any(|s| s.matches(&orphan.name)));
        }
        let all_owned = found.found.is_empty() && found.kept.is_empty() && selectors.is_empty();
        if all_owned && !output.json() {
            output.line("every slice has an owner");
        }
        if self.dry_run || found.found.is_empty() {
            report.removed = rows(&found.found, Done::WouldRemove);
            return Ok(finish(output, &report));
        }
        if !self.agreed(global, output, &found.found)? {
            output.note("nothing was removed");
            return Ok(finish(output, &report));
        }
        let (moved, failures) = prune(&tools, &found.found, &tools.storing.clone());
        report.errors.extend(failures);
        report.removed = moved.iter().map(|(orphan, trash)| row(orphan, Done::Removed, Some(trash))).collect();
        Ok(finish(output, &report))
    }

    fn agreed(&self, global: &Global, output: &Output, found: &[Orphan]) -> Result<bool, Failure> {
        if self.yes {
            return Ok(true);
        }
        output.painted(&removed(&rows(found, Done::WouldRemove)));
        terminal::confirm(global.no_input, "Move these to the trash?")?.ok_or_else(|| {
            Failure::new("", "there is nobody to ask whether these slices may be removed")
                .hint(Some("`--dry-run` shows them; `--yes` removes them without asking"))
        })
    }
}

fn finish(output: &Output, report: &Report) -> Status {
    if !output.json() && !report.removed.is_empty() {
        output.line(removed(&report.removed).trim_end());
    }
    output.report(report)
}

fn rows(found: &[Orphan], done: Done) -> Vec<Removed> {
    found.iter().map(|orphan| row(orphan, done, None)).collect()
}

fn row(orphan: &Orphan, done: Done, trash: Option<&String>) -> Removed {
    Removed {
        name: orphan.name.to_string(),
        storage: orphan.storage.clone(),
        backend: orphan.backend.clone(),
        size: orphan.size,
        contents: orphan.contents.clone(),
        done,
        trash: trash.cloned(),
    }
}
