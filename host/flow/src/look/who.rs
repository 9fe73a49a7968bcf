//! Whom a person means: by the names under which this machine accepted recipients, never by what a checkout calls them.

use std::collections::BTreeSet;

use artifacts_declared::without_comment;
use artifacts_plan::suggestion;
use artifacts_report::Failure;
use artifacts_trust::AcceptedRecipients;

use crate::declared_keys::DeclaredKeys;

/// Returns the keys of a recipient: of a name all that were ever accepted under it, of a key itself.
///
/// # Errors
/// When it is no key, and nothing was accepted under this name.
pub(crate) fn keys_of(
    known: &AcceptedRecipients,
    declared: &DeclaredKeys,
    who: &str,
) -> Result<BTreeSet<String>, Failure> {
    let named: BTreeSet<String> = known.ever_named(who).into_iter().map(str::to_owned).collect();
    if !named.is_empty() {
        return Ok(named);
    }
    let key = without_comment(who);
    if is_key(&key) {
        return Ok(BTreeSet::from([key]));
    }
    let hint = if declared.is_name(who) {
        "the name is declared, but what a checkout says is no proof: pass the public key itself".to_owned()
    } else if let Some(meant) = suggestion(who, known.accepted_names()) {
        format!("did you mean `{meant}`? Otherwise pass the public key itself")
    } else {
        "pass a name under which this machine accepted a recipient, or the public key itself".to_owned()
    };
    Err(Failure::new(who, "no recipient was accepted under this name on this machine").hint(Some(hint)))
}

fn is_key(text: &str) -> bool {
    let is_age = text.starts_with("age1") && text.len() > "age1".len();
    let is_clean = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_+.".contains(&byte));
    (is_age && is_clean) || artifacts_age::fingerprint(text).is_some()
}
