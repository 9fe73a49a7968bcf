use std::collections::BTreeSet;

use artifacts_backend_sdk::{Entry, Failure, Instance, Reason, ReasonKind, State};

use crate::{armor, stored};

/// Returns the state of the entry, without any key: which files exist, and whether each is a complete age file. A
/// wrong MAC or tag needs a key, and shows when the file is decrypted.
///
/// # Errors
/// If the entry cannot be read.
pub fn check(instance: &Instance, entry: &Entry) -> Result<State, Failure> {
    let lying: BTreeSet<String> = entry.names()?.into_iter().collect();
    let declared: BTreeSet<String> = instance.files.iter().map(|file| stored(&file.name)).collect();
    if lying.is_empty() && !declared.is_empty() {
        return Ok(State::Absent);
    }
    let mut reasons = Vec::new();
    for name in declared.difference(&lying) {
        reasons.push(Reason::new(ReasonKind::Files, format!("`{name}` is declared but not stored")));
    }
    for name in lying.difference(&declared) {
        reasons.push(Reason::new(ReasonKind::Files, format!("`{name}` is stored but not declared")));
    }
    for name in declared.intersection(&lying) {
        if let Some(fault) = entry.read(name)?.and_then(|file| armor::fault(&file)) {
            reasons.push(Reason::new(ReasonKind::Format, format!("`{name}` {fault}")));
        }
    }
    Ok(State::stored(reasons))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use artifacts_backend_sdk::{Entry, ReasonKind, State};
    use artifacts_recipients::fixture::instance;

    use super::check;
    use crate::armor::tests::armored;

    fn state(stored: &[(&str, &str)]) -> State {
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in stored {
            std::fs::write(folder.path().join(name), bytes).unwrap();
        }
        check(&instance(vec![], &[("a", true), ("b", true)]), &Entry::open_at(folder.path())).unwrap()
    }

    fn kinds(found: State) -> Vec<(ReasonKind, bool)> {
        let State::Stale(stale) = found else { unreachable!("{found:?}") };
        stale.reasons().map(|reason| (reason.kind, reason.message.contains('`'))).collect()
    }

    #[test]
    fn every_declared_file_and_no_other_is_present() {
        let whole = &armored(40);
        assert_eq!(state(&[("a.age", whole), ("b.age", whole)]), State::Present);
    }

    #[test]
    fn only_an_empty_entry_is_absent() {
        assert_eq!(state(&[]), State::Absent);
        assert_eq!(kinds(state(&[("x", "")])), vec![(ReasonKind::Files, true); 3]);
    }

    #[test]
    fn missing_extra_and_damaged_files_are_stale() {
        let whole = &armored(40);
        assert_eq!(kinds(state(&[("a.age", whole)])), [(ReasonKind::Files, true)]);
        assert_eq!(kinds(state(&[("a.age", whole), ("b.age", whole), ("c.age", whole)])), [(ReasonKind::Files, true)]);
        assert_eq!(kinds(state(&[("a.age", whole), ("b.age", "age-encryption")])), [(ReasonKind::Format, true)]);
        let damaged = whole.replacen("YWdl", "YWd", 1);
        assert_eq!(kinds(state(&[("a.age", whole), ("b.age", &damaged)])), [(ReasonKind::Format, true)]);
    }

    #[test]
    fn nothing_declared_is_not_missing() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(check(&instance(vec![], &[]), &Entry::open_at(folder.path())).unwrap(), State::Present);
    }
}
