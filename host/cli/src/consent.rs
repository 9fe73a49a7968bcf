//! Readers are shown and agreed to before anything is encrypted to them.

use artifacts_flow::{Asked, Consent, Survey};
use artifacts_plan::Instance;
use artifacts_report::{Failure, ReaderChange, reader_changes};

use crate::args::Global;
use crate::output::Output;
use crate::rooms::Run;
use crate::terminal;

/// What would change for these instances.
pub fn changes<'a>(
    run: &Run,
    instances: impl Iterator<Item = &'a Instance>,
    survey: &Survey,
) -> Result<Vec<ReaderChange>, Failure> {
    Ok(Asked::new(&run.readers()?, instances, survey).changes)
}

/// Shows what changes for these instances, asks, and remembers the answer. Without anybody to ask, only
/// `--accept-readers` is a yes. The changes come back with the consent. `shown` were shown already.
pub fn settle<'a>(
    run: &Run,
    global: &Global,
    output: &Output,
    instances: impl Iterator<Item = &'a Instance>,
    survey: &Survey,
    shown: &[ReaderChange],
) -> Result<(Consent, Vec<ReaderChange>), Failure> {
    let mut known = run.readers()?;
    let asked = Asked::new(&known, instances, survey);
    let changes = asked.changes.clone();
    let mut agreed = true;
    if !changes.is_empty() {
        if changes != shown {
            output.painted(&reader_changes(&changes));
        }
        agreed = global.accept_readers || terminal::confirm(global, "Encrypt to these readers?")?.unwrap_or(false);
    }
    Ok((asked.settle(&mut known, agreed)?, changes))
}
