//! Readers, as a component gives them: believed only after a look.

use std::collections::BTreeSet;

use artifacts_age::Sealer;
use artifacts_seam::{CallError, Checked, FailureKind, InstanceView};

use crate::age_failure::age_failure;
use artifacts_contract::Grants;
use artifacts_seam::escaped;

/// For each file the public recipients that it is encrypted to.
pub type Readers = Vec<(String, Vec<String>)>;

/// Recipients of one file, and bytes of one recipient.
const MOST: usize = 10_000;
const LONGEST: usize = 16 << 10;

/// The answer with its readers checked against the declared files and brought into order.
///
/// # Errors
/// When a file is missing, foreign or named twice, or when a recipient could not be one.
pub(crate) fn verified(
    instance: &InstanceView,
    checked: Checked,
    grants: &Grants,
    sealer: &mut Sealer,
) -> Result<Checked, CallError> {
    let declared: BTreeSet<&str> = instance.files.iter().map(|file| file.name.as_str()).collect();
    let mut readers = checked.readers;
    readers.sort();
    if !readers.iter().map(|(name, _)| name.as_str()).eq(declared.iter().copied()) {
        let named: Vec<String> = readers.iter().take(20).map(|(name, _)| escaped(name, 200)).collect();
        return Err(CallError::Broken(format!(
            "its `readers` names the files [{}]; expected each declared file once: [{}]",
            named.join(", "),
            declared.into_iter().collect::<Vec<_>>().join(", "),
        )));
    }
    for (file, recipients) in &mut readers {
        recipients.sort();
        recipients.dedup();
        plausible(file, recipients)?;
        sealable(file, recipients, grants, sealer)?;
    }
    Ok(Checked { readers, state: checked.state })
}

fn plausible(file: &str, recipients: &[String]) -> Result<(), CallError> {
    let odd = |text: &&String| text.is_empty() || text.len() > LONGEST || artifacts_text::has_control(text);
    if recipients.len() > MOST {
        return Err(CallError::Broken(format!("its `readers` gives {} recipients for `{file}`", recipients.len())));
    }
    match recipients.iter().find(odd) {
        Some(text) => Err(CallError::Broken(format!(
            "its `readers` gives `{}` for `{file}`, which is no recipient",
            escaped(text, 80)
        ))),
        None => Ok(()),
    }
}

/// A backend without the grant `plaintext` can only have the host encrypt, so that every recipient must be one of age's. A
/// private key is refused in any case: readers are committed.
fn sealable(file: &str, recipients: &[String], grants: &Grants, sealer: &mut Sealer) -> Result<(), CallError> {
    let fail = |error: &artifacts_age::Error| {
        let mut failure = age_failure(FailureKind::Config, error);
        failure.message = format!("readers of `{file}`: {}", failure.message);
        Err(CallError::Failed(failure))
    };
    if recipients.is_empty() && !grants.plaintext {
        return fail(&artifacts_age::Error::NoRecipient);
    }
    for recipient in recipients {
        match sealer.accepts(recipient) {
            Ok(()) => {}
            Err(error @ artifacts_age::Error::PrivateKey) => return fail(&error),
            Err(_) if grants.plaintext => {}
            Err(error) => return fail(&error),
        }
    }
    Ok(())
}
