//! What a run would write, without writing it: files, readers, sizes, what is public; no secret.

use std::collections::{BTreeMap, BTreeSet};

use artifacts_declared::InstanceName;
use artifacts_flow::{Found, Survey, Tools, Writing, changes};
use artifacts_report::Report;
use artifacts_text::counted;

use crate::output::Output;
use crate::rooms::Run;

/// Adds to the rows of these instances what would be written.
pub fn describe(
    report: &mut Report,
    run: &Run,
    tools: &Tools,
    survey: &Survey,
    names: &BTreeSet<InstanceName>,
    writing: Writing<'_>,
) {
    let names: BTreeMap<String, &InstanceName> = names.iter().map(|name| (name.to_string(), name)).collect();
    for row in &mut report.instances {
        let Some(name) = names.get(&row.name).copied() else { continue };
        if let Some((instance, found)) = run.instances.get(name).zip(survey.found.get(name)) {
            row.files = changes(tools, instance, found, writing);
            if !matches!(writing, Writing::One { .. }) {
                row.notes.extend(replaced(found));
            }
        }
    }
}

/// Shows who would read what, and what would change in public files. Programs find it in the report.
pub fn show(report: &Report, output: &Output) {
    if !output.json() {
        output.painted(&report.preview());
    }
}

fn replaced(found: &Found) -> Option<String> {
    let receipt = found.receipt.as_ref()?;
    let sizes = receipt.files.values().chain(receipt.public.values()).map(|stored| stored.size);
    let files = receipt.files.len() + receipt.public.len();
    Some(format!("replaces {} of {}", counted(files, "stored file"), counted(sizes.sum::<u64>(), "byte")))
}
