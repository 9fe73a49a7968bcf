//! Keys that stay in a file, of which only its backend knows.

use artifacts_seam::{Checked, FileRecipients, KeyKind, RecipientView};

use crate::bindings::storage::{Reason, ReasonKind, Stale, State};

/// Takes a component's answers together. A key that stays in a file is one of its recipients, and no reason for the entry to be stale.
pub(crate) fn checked(mut recipients: Vec<FileRecipients>, state: State) -> Checked {
    let State::Stale(Stale { first, rest, attrs }) = state else { return Checked { recipients, state: state.into() } };
    let reasons = std::iter::once(first).chain(rest).filter(|reason| !take(&mut recipients, reason));
    let mut reasons = reasons.collect::<Vec<_>>().into_iter();
    let state = match reasons.next() {
        None => State::Present,
        Some(first) => State::Stale(Stale { first, rest: reasons.collect(), attrs }),
    };
    Checked { recipients, state: state.into() }
}

/// Whether the reason is about a key that stays in one of the files, which has it then.
fn take(recipients: &mut [FileRecipients], reason: &Reason) -> bool {
    let attr = |name: &str| reason.attrs.iter().find(|(key, _)| key == name).map(|(_, value)| value);
    let (Some(file), Some(key), ReasonKind::Recipients) = (attr("file"), attr("kept"), reason.kind) else {
        return false;
    };
    let Some(of_file) = recipients.iter_mut().find(|of_file| of_file.file == *file) else { return false };
    if of_file.recipients.iter().all(|recipient| recipient.key != *key) {
        of_file.recipients.push(RecipientView { key: key.clone(), kind: KeyKind::Other, label: None });
    }
    true
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use artifacts_seam::CheckState;

    use super::*;

    fn reason(kind: ReasonKind, attrs: &[(&str, &str)]) -> Reason {
        let attrs = attrs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Reason { kind, message: "m".to_owned(), attrs }
    }

    fn of(reasons: Vec<Reason>) -> (Vec<String>, CheckState) {
        let mut reasons = reasons.into_iter();
        let first = reasons.next().unwrap();
        let files = vec![FileRecipients { file: "f".to_owned(), recipients: Vec::new() }];
        let stale = State::Stale(Stale { first, rest: reasons.collect(), attrs: Vec::new() });
        let Checked { recipients, state } = checked(files, stale);
        (recipients[0].recipients.iter().map(|one| one.key.clone()).collect(), state)
    }

    #[test]
    fn a_key_that_stays_is_a_recipient_and_no_reason() {
        let kept = || reason(ReasonKind::Recipients, &[("file", "f"), ("kept", "pgp A")]);
        assert_eq!(of(vec![kept(), kept()]), (vec!["pgp A".to_owned()], CheckState::Present));
        let (keys, state) = of(vec![kept(), reason(ReasonKind::Format, &[])]);
        let left = CheckState::Stale(vec![("format".to_owned(), "m".to_owned())]);
        assert_eq!((keys, state), (vec!["pgp A".to_owned()], left));
    }

    #[test]
    fn what_is_about_no_file_of_these_stays_a_reason() {
        for other in [
            reason(ReasonKind::Recipients, &[]),
            reason(ReasonKind::Recipients, &[("kept", "pgp A")]),
            reason(ReasonKind::Recipients, &[("file", "g"), ("kept", "pgp A")]),
            reason(ReasonKind::Files, &[("file", "f"), ("kept", "pgp A")]),
        ] {
            let (keys, state) = of(vec![other]);
            assert!(keys.is_empty() && matches!(state, CheckState::Stale(_)), "{state:?}");
        }
    }
}
