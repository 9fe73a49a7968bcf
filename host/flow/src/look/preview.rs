//! What a run would write, without writing it: files, recipients, sizes, what is public; no secret.

use artifacts_declared::InstanceName;
use artifacts_report::RowAction;
use artifacts_text::counted;

use super::changes::{Writing, changes};
use super::survey::SurveyedInstance;
use crate::chain::Base;

/// Adds to the rows of the steps what would be written.
pub(crate) fn describe(base: &mut Base<'_>, writing: Writing<'_>, done: impl Fn(&InstanceName) -> RowAction) {
    for name in &base.progress.names() {
        let Some(row) = base.report.rows.get_mut(name) else { continue };
        if let Some((instance, found)) = base.run.instances.get(name).zip(base.survey.found.get(name)) {
            row.done = Some(done(name));
            row.files = changes(&base.run.tools, instance, found, writing);
            if !matches!(writing, Writing::One { .. }) {
                row.notes.extend(replaced(found));
            }
        }
    }
    let accepted = base.run.tools.recipients().ok();
    base.name(&[], accepted.as_ref());
}

fn replaced(found: &SurveyedInstance) -> Option<String> {
    let receipt = found.receipt.as_ref()?;
    let sizes = receipt.files.values().chain(receipt.public.values()).map(|stored| stored.size);
    let files = receipt.files.len() + receipt.public.len();
    Some(format!("replaces {} of {}", counted(files, "stored file"), counted(sizes.sum::<u64>(), "byte")))
}
