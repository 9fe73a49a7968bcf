//! Readers are shown and agreed to before anything is encrypted to them, and generators before they read a secret.

use artifacts_flow::{Allowed, Asked, Consent, Plaintext, Readings, Survey};
use artifacts_plan::Instance;
use artifacts_report::{Failure, ReaderChange, Reading, Report, recipient_questions};

use crate::args::{AcceptedDigest, Global};
use crate::output::Output;
use crate::rooms::Run;
use crate::{record, terminal};

/// What would have to be accepted for these instances, for the report of a dry run.
pub fn preview<'a>(
    run: &Run,
    report: &mut Report,
    instances: impl Iterator<Item = &'a Instance>,
    survey: &Survey,
    plaintext: Plaintext<'_>,
) -> Result<(), Failure> {
    let asked = Asked::new(&run.readers()?, instances, survey, plaintext);
    report.recipients_digest = asked.digest();
    report.readers = asked.changes;
    Ok(())
}

/// Shows the recipients of these instances that were not accepted yet, asks, and stores the answer. Without anybody to ask, only
/// `--accept-recipients` is a yes. What was asked about comes back with the consent. `shown` were shown already.
pub fn settle<'a>(
    run: &Run,
    global: &Global,
    output: &Output,
    instances: impl Iterator<Item = &'a Instance>,
    survey: &Survey,
    plaintext: Plaintext<'_>,
    shown: &[ReaderChange],
) -> Result<Settled, Failure> {
    let mut known = run.readers()?;
    let asked = Asked::new(&known, instances, survey, plaintext);
    let (changes, digest) = (asked.changes.clone(), asked.digest());
    let mut accepted = true;
    if let Some(digest) = &digest {
        let unshown: Vec<_> = changes.iter().filter(|change| !shown.contains(change)).cloned().collect();
        output.painted(&recipient_questions(&unshown));
        accepted = match accepted_beforehand(&global.accept_recipients, digest) {
            Some(accepted) => accepted,
            None => terminal::confirm(global.no_input, "Encrypt to these recipients?")?.unwrap_or(false),
        };
    }
    if accepted {
        let by = if global.accept_recipients.is_empty() { record::TERMINAL } else { "--accept-recipients" };
        run.log().consent(record::recipients(&changes, by)).map_err(|e| record::failure(&e))?;
    }
    let digest = digest.filter(|_| !accepted);
    Ok(Settled { consent: asked.settle(&mut known, accepted)?, changes, digest })
}

/// What came of the question.
pub struct Settled {
    pub consent: Consent,
    /// What was asked about.
    pub changes: Vec<ReaderChange>,
    /// What stands for it where it was refused.
    pub digest: Option<String>,
}

/// Whether `--accept-recipients` says yes; none when it says nothing. A digest of others is a no: what it stood for is not there.
fn accepted_beforehand(flags: &[AcceptedDigest], digest: &str) -> Option<bool> {
    let accepts = |flag: &AcceptedDigest| match flag {
        AcceptedDigest::All => true,
        AcceptedDigest::Exactly(theirs) => theirs == digest,
    };
    (!flags.is_empty()).then(|| flags.iter().any(accepts))
}

/// Shows which generators want to read secrets for the first time, asks, and remembers the answer. Without anybody to ask, only
/// `--accept-reading` is a yes. What was asked about comes back with what may be read.
pub fn readings(
    run: &Run,
    global: &Global,
    output: &Output,
    asked: Readings,
) -> Result<(Allowed, Vec<Reading>), Failure> {
    let unknown = asked.unknown(run.trust())?;
    let mut agreed = true;
    if !unknown.is_empty() {
        output.painted(&artifacts_report::readings(&unknown));
        agreed = global.accept_reading
            || terminal::confirm(global.no_input, "Let them read these secrets?")?.unwrap_or(false);
    }
    if agreed {
        let by = if global.accept_reading { "--accept-reading" } else { record::TERMINAL };
        run.log().consent(record::read_access(&unknown, by)).map_err(|e| record::failure(&e))?;
    }
    Ok((asked.settle(run.trust(), agreed)?, unknown))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_accepts_what_it_stands_for_and_refuses_everything_else() {
        let exactly = |text: &str| AcceptedDigest::Exactly(text.to_owned());
        assert_eq!(accepted_beforehand(&[], "a"), None, "somebody is asked");
        assert_eq!(accepted_beforehand(&[AcceptedDigest::All], "a"), Some(true));
        assert_eq!(accepted_beforehand(&[exactly("a")], "a"), Some(true));
        assert_eq!(accepted_beforehand(&[exactly("b")], "a"), Some(false));
        assert_eq!(
            accepted_beforehand(&[exactly("b"), exactly("a")], "a"),
            Some(true),
            "one for each question of a run"
        );
    }
}
