//! Recipients, as a component gives them: believed only after a look.

use std::collections::{BTreeMap, BTreeSet};

use artifacts_age::Sealer;
use artifacts_declared::{Name, Recipients, Shared};
use artifacts_seam::{
    CallError, CheckState, Checked, FailureKind, FileRecipients, KeyKind, LONGEST_KEY, LONGEST_LABEL, MOST_RECIPIENTS,
    RecipientView,
};

use crate::age_failure::age_failure;
use artifacts_contract::Grants;
use artifacts_seam::escaped;
use serde::{Deserialize, Serialize};

/// Holds what a component says of one instance, checked.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Verified {
    /// The recipients of each declared secret file.
    pub recipients: Recipients,
    /// Whose keys they are by the component's word, by key. Escaped, and never identity.
    pub labels: Shared<BTreeMap<String, String>>,
    /// What the component found in the entry.
    pub state: CheckState,
}

/// Checks the recipients that an answer has against the declared files.
///
/// # Errors
/// When a file is missing, foreign or named twice, or when a recipient could not be one.
pub(crate) fn verified(
    declared: &BTreeSet<String>,
    checked: Checked,
    grants: &Grants,
    sealer: &mut Sealer,
) -> Result<Verified, CallError> {
    let mut given = checked.recipients;
    given.sort();
    if !given.iter().map(|of_file| of_file.file.as_str()).eq(declared.iter().map(String::as_str)) {
        let named: Vec<String> = given.iter().take(20).map(|of_file| escaped(&of_file.file, 200)).collect();
        return Err(CallError::Broken(format!(
            "`recipients` returned the files [{}]; expected each declared file once: [{}]",
            named.join(", "),
            declared.iter().map(String::as_str).collect::<Vec<_>>().join(", "),
        )));
    }
    let mut recipients = Recipients::new();
    let mut labels = BTreeMap::new();
    for FileRecipients { file, recipients: of_file } in given {
        plausible(&file, &of_file)?;
        let keys = of_file.iter().map(|recipient| recipient.key.clone()).collect();
        sealable(&file, &keys, grants, sealer)?;
        of_file.into_iter().try_for_each(|recipient| labeled(recipient, &mut labels))?;
        recipients.insert(Name::new(file).map_err(|error| CallError::Broken(error.to_string()))?, keys);
    }
    Ok(Verified { recipients, labels: labels.into(), state: checked.state })
}

fn plausible(file: &str, recipients: &[RecipientView]) -> Result<(), CallError> {
    let odd = |text: &str| text.is_empty() || text.len() > LONGEST_KEY || artifacts_text::has_control(text);
    if recipients.len() > MOST_RECIPIENTS {
        return Err(CallError::Broken(format!("its `recipients` gives {} recipients for `{file}`", recipients.len())));
    }
    match recipients.iter().find(|recipient| odd(&recipient.key)) {
        Some(recipient) => Err(CallError::Broken(format!(
            "`recipients` returned an invalid recipient for `{file}`: `{}`",
            escaped(&recipient.key, 80)
        ))),
        None => Ok(()),
    }
}

/// A backend without the grant `plaintext` can only have the host encrypt, so that every recipient must be one of age's. A
/// private key is refused in any case: recipients are committed.
fn sealable(file: &str, recipients: &BTreeSet<String>, grants: &Grants, sealer: &mut Sealer) -> Result<(), CallError> {
    let fail = |error: &artifacts_age::Error| {
        let mut failure = age_failure(FailureKind::Config, error);
        failure.message = format!("recipients of `{file}`: {}", failure.message);
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

/// Checks type and label of a key that is no private one, and keeps the label.
fn labeled(recipient: RecipientView, labels: &mut BTreeMap<String, String>) -> Result<(), CallError> {
    let RecipientView { key, kind, label } = recipient;
    let is = KeyKind::of(&key);
    if kind != is {
        let (key, is, kind) = (escaped(&key, 80), is.as_str(), kind.as_str());
        return Err(CallError::Broken(format!("its `recipients` gives `{key}` the kind {kind}; it is {is}")));
    }
    let Some(label) = label else { return Ok(()) };
    if label.len() > LONGEST_LABEL {
        let size = label.len();
        return Err(CallError::Broken(format!(
            "its `recipients` gives a label of {size} bytes; expected at most {LONGEST_LABEL}"
        )));
    }
    let label = escaped(&label, 8 * LONGEST_LABEL);
    match labels.insert(key.clone(), label.clone()) {
        Some(other) if other != label => {
            let key = escaped(&key, 80);
            Err(CallError::Broken(format!("its `recipients` gives `{key}` two labels: `{other}` and `{label}`")))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const KEY: &str = "age12p82n7at9dh2e00lt637jvxcqfdun8hffuzpqg5x3un3zp3uzfust6up58";

    fn answer(plaintext: bool, of_file: &[(&str, KeyKind, Option<&str>)]) -> Result<Verified, CallError> {
        let view = |(key, kind, label): &(&str, KeyKind, Option<&str>)| RecipientView {
            key: (*key).to_owned(),
            kind: *kind,
            label: label.map(str::to_owned),
        };
        let recipients = vec![FileRecipients { file: "f".to_owned(), recipients: of_file.iter().map(view).collect() }];
        let checked = Checked { recipients, state: CheckState::Present };
        verified(
            &BTreeSet::from(["f".to_owned()]),
            checked,
            &Grants { plaintext, ..Grants::default() },
            &mut Sealer::default(),
        )
    }

    fn broken(answer: Result<Verified, CallError>) -> String {
        match answer {
            Err(CallError::Broken(why)) => why,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_kind_of_a_key_is_the_hosts_to_tell() {
        assert!(answer(false, &[(KEY, KeyKind::X25519, None)]).is_ok());
        for kind in [KeyKind::SshRsa, KeyKind::Plugin, KeyKind::Other, KeyKind::Pq] {
            let why = broken(answer(false, &[(KEY, kind, None)]));
            assert!(why.contains(kind.as_str()) && why.ends_with("it is x25519"), "{why}");
        }
        for (key, kind) in [
            ("age1tag1qqqq", KeyKind::Tag),
            ("age1tagpq1qqqq", KeyKind::TagPq),
            ("age1pq1qqqq", KeyKind::Pq),
            ("age1yubikey1qqqq", KeyKind::Plugin),
            ("age1yubikey1tag1qqqq", KeyKind::Plugin),
            ("ssh-ed25519 AAAA", KeyKind::SshEd25519),
            ("ssh-rsa AAAA", KeyKind::SshRsa),
            ("85D77543B3D624B63CEA9E6DBC17301B491B3F21", KeyKind::Other),
        ] {
            assert!(answer(true, &[(key, kind, None)]).is_ok(), "{key}");
        }
    }

    #[test]
    fn a_label_is_short_and_escaped_and_one_key_has_one() {
        let of = |label: &str| answer(false, &[(KEY, KeyKind::X25519, Some(label))]);
        assert_eq!(of("alice").unwrap().labels[KEY], "alice");
        let shown = &of("alice\u{1b}[2J\n\u{202e}").unwrap().labels[KEY];
        assert!(!shown.contains(['\u{1b}', '\n', '\u{202e}']), "{shown}");
        assert!(of(&"x".repeat(LONGEST_LABEL)).is_ok());
        let why = broken(of(&"x".repeat(1 << 20)));
        assert!(why.contains("1048576 bytes") && why.len() < 200, "{why}");
        let twice =
            |one, other| answer(false, &[(KEY, KeyKind::X25519, Some(one)), (KEY, KeyKind::X25519, Some(other))]);
        assert!(twice("alice", "alice").is_ok());
        assert!(broken(twice("alice", "bob")).contains("two labels"));
    }
}
