//! Readers are shown and agreed to before anything is encrypted to them, and generators before they read a secret.

use artifacts_flow::{Allowed, Asked, Consent, Plaintext, Readings, Rooms, Survey};
use artifacts_plan::Instance;
use artifacts_report::{Failure, ReaderChange, Reading, reader_changes};

use crate::args::Global;
use crate::output::Output;
use crate::rooms::Run;
use crate::{record, terminal};

/// What would change for these instances.
pub fn changes<'a>(
    run: &Run,
    instances: impl Iterator<Item = &'a Instance>,
    survey: &Survey,
    plaintext: Plaintext<'_>,
) -> Result<Vec<ReaderChange>, Failure> {
    Ok(Asked::new(&run.readers()?, instances, survey, plaintext).changes)
}

/// Shows what changes for these instances, asks, and remembers the answer. Without anybody to ask, only
/// `--accept-readers` is a yes. The changes come back with the consent. `shown` were shown already.
pub fn settle<'a>(
    run: &Run,
    global: &Global,
    output: &Output,
    instances: impl Iterator<Item = &'a Instance>,
    survey: &Survey,
    plaintext: Plaintext<'_>,
    shown: &[ReaderChange],
) -> Result<(Consent, Vec<ReaderChange>), Failure> {
    let mut known = run.readers()?;
    let asked = Asked::new(&known, instances, survey, plaintext);
    let changes = asked.changes.clone();
    let mut agreed = true;
    if !changes.is_empty() {
        let unshown: Vec<_> = changes.iter().filter(|change| !shown.contains(change)).cloned().collect();
        output.painted(&reader_changes(&unshown));
        agreed = global.accept_readers || terminal::confirm(global, "Encrypt to these readers?")?.unwrap_or(false);
    }
    if agreed {
        let by = if global.accept_readers { "--accept-recipients" } else { record::TERMINAL };
        run.log().consent(record::recipients(&changes, by)).map_err(|e| record::failure(&e))?;
    }
    Ok((asked.settle(&mut known, agreed)?, changes))
}

/// Shows which generators want to read secrets for the first time, asks, and remembers the answer. Without anybody to ask, only
/// `--accept-reading` is a yes. What was asked about comes back with what may be read.
pub fn readings(
    run: &Run,
    global: &Global,
    output: &Output,
    rooms: &Rooms<'_>,
    asked: Readings,
) -> Result<(Allowed, Vec<Reading>), Failure> {
    let unknown = asked.unknown(rooms, run.trust())?;
    let mut agreed = true;
    if !unknown.is_empty() {
        output.painted(&artifacts_report::readings(&unknown));
        agreed = global.accept_reading || terminal::confirm(global, "Let them read these secrets?")?.unwrap_or(false);
    }
    if agreed {
        let by = if global.accept_reading { "--accept-reading" } else { record::TERMINAL };
        run.log().consent(record::read_access(&unknown, by)).map_err(|e| record::failure(&e))?;
    }
    Ok((asked.settle(rooms, run.trust(), agreed)?, unknown))
}
