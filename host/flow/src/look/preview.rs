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
                row.replaces = replaced(found);
                row.sentences.extend(row.replaces.map(|(files, bytes)| {
                    format!("replaces {} of {}", counted(files, "stored file"), counted(bytes, "byte"))
                }));
            }
        }
    }
}

/// How many stored files there are, and their bytes.
fn replaced(found: &SurveyedInstance) -> Option<(usize, u64)> {
    let receipt = found.receipt.as_ref()?;
    let sizes = receipt.files.values().chain(receipt.public.values()).map(|stored| stored.size);
    let files = receipt.files.len() + receipt.public.len();
    Some((files, sizes.sum()))
}
