//! Recipients, as a component gives them: believed only after a look.

use std::collections::BTreeSet;

use artifacts_age::Sealer;
use artifacts_declared::{Name, Recipients};
use artifacts_seam::{CallError, CheckState, Checked, FailureKind, InstanceView};

use crate::age_failure::age_failure;
use artifacts_contract::Grants;
use artifacts_seam::escaped;

/// Holds what a component says of one instance, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// The recipients of each declared secret file.
    pub recipients: Recipients,
    /// What the component found in the entry.
    pub state: CheckState,
}

/// Recipients of one file, and bytes of one recipient.
const MOST: usize = 10_000;
const LONGEST: usize = 16 << 10;

/// Checks the recipients that an answer has against the declared files.
///
/// # Errors
/// When a file is missing, foreign or named twice, or when a recipient could not be one.
pub(crate) fn verified(
    instance: &InstanceView,
    checked: Checked,
    grants: &Grants,
    sealer: &mut Sealer,
) -> Result<Verified, CallError> {
    let declared: BTreeSet<&str> = instance.files.iter().map(|file| file.name.as_str()).collect();
    let mut given = checked.readers;
    given.sort();
    if !given.iter().map(|(name, _)| name.as_str()).eq(declared.iter().copied()) {
        let named: Vec<String> = given.iter().take(20).map(|(name, _)| escaped(name, 200)).collect();
        return Err(CallError::Broken(format!(
            "its `readers` names the files [{}]; expected each declared file once: [{}]",
            named.join(", "),
            declared.into_iter().collect::<Vec<_>>().join(", "),
        )));
    }
    let mut recipients = Recipients::new();
    for (file, of_file) in given {
        let of_file: BTreeSet<String> = of_file.into_iter().collect();
        plausible(&file, &of_file)?;
        sealable(&file, &of_file, grants, sealer)?;
        recipients.insert(Name::new(file).map_err(|error| CallError::Broken(error.to_string()))?, of_file);
    }
    Ok(Verified { recipients, state: checked.state })
}

fn plausible(file: &str, recipients: &BTreeSet<String>) -> Result<(), CallError> {
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
/// private key is refused in any case: recipients are committed.
fn sealable(file: &str, recipients: &BTreeSet<String>, grants: &Grants, sealer: &mut Sealer) -> Result<(), CallError> {
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
