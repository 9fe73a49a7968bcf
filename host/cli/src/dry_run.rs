//! What a run would write, without writing it: files, readers, sizes; no secret.

use std::collections::BTreeSet;

use artifacts_flow::{Found, Survey};
use artifacts_plan::Instance;
use artifacts_report::{Report, counted};
use artifacts_spec::InstanceName;

use crate::rooms::Run;

/// Adds to the rows of these instances what would be written.
pub fn describe(report: &mut Report, run: &Run, survey: &Survey, names: &BTreeSet<InstanceName>) {
    for row in &mut report.instances {
        let Some(name) = names.iter().find(|name| name.to_string() == row.name) else { continue };
        if let Some((instance, found)) = run.instances.get(name).zip(survey.found.get(name)) {
            row.notes = lines(instance, found);
        }
    }
}

fn lines(instance: &Instance, found: &Found) -> Vec<String> {
    let secret =
        found.readers.iter().map(|(file, readers)| format!("{file}: secret, {}", counted(readers.len(), "reader")));
    let public = instance.public_files().map(|file| format!("{file}: public"));
    let lying = found.receipt.as_ref().map(|receipt| {
        let sizes = receipt.files.values().chain(receipt.public.values()).map(|stored| stored.size);
        let files = receipt.files.len() + receipt.public.len();
        format!("replaces {} of {}", counted(files, "stored file"), counted(sizes.sum::<u64>(), "byte"))
    });
    secret.chain(public).chain(lying).collect()
}
