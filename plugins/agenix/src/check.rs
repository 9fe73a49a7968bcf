use std::collections::BTreeSet;

use artifacts_backend_sdk::{Failure, Instance, Slice, State};

use crate::stored;

/// How an armored age file begins.
const ARMOR: &[u8] = b"-----BEGIN AGE ENCRYPTED FILE-----";

/// What lies in the slice, told without any key: which files, and whether each begins as an age file.
///
/// # Errors
/// When the slice cannot be read.
pub fn check(instance: &Instance, slice: &Slice) -> Result<State, Failure> {
    let lying: BTreeSet<String> = slice.names()?.into_iter().collect();
    let declared: BTreeSet<String> = instance.files.iter().map(|file| stored(&file.name)).collect();
    if lying.is_empty() && !declared.is_empty() {
        return Ok(State::Absent);
    }
    let mut reasons = Vec::new();
    for name in declared.difference(&lying) {
        reasons.push(("files".to_owned(), format!("`{name}` is declared and not there")));
    }
    for name in lying.difference(&declared) {
        reasons.push(("files".to_owned(), format!("`{name}` is there and not declared")));
    }
    for name in declared.intersection(&lying) {
        if slice.begins_with(name, ARMOR)? != Some(true) {
            reasons.push(("format".to_owned(), format!("`{name}` does not begin as an armored age file")));
        }
    }
    Ok(if reasons.is_empty() { State::Present } else { State::Stale(reasons) })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use artifacts_backend_sdk::{Slice, State};
    use artifacts_readers::fixture::instance;

    use super::{ARMOR, check};

    fn state(stored: &[(&str, &[u8])]) -> State {
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in stored {
            std::fs::write(folder.path().join(name), bytes).unwrap();
        }
        check(&instance(vec![], &[("a", true), ("b", true)]), &Slice::at(folder.path())).unwrap()
    }

    fn kinds(state: State) -> Vec<(String, bool)> {
        let State::Stale(reasons) = state else { unreachable!("{state:?}") };
        reasons.into_iter().map(|(kind, sentence)| (kind, sentence.contains('`'))).collect()
    }

    #[test]
    fn every_declared_file_and_no_other_is_present() {
        assert_eq!(state(&[("a.age", ARMOR), ("b.age", ARMOR)]), State::Present);
    }

    #[test]
    fn only_an_empty_slice_is_absent() {
        assert_eq!(state(&[]), State::Absent);
        assert_eq!(kinds(state(&[("x", b"")])), vec![("files".to_owned(), true); 3]);
    }

    #[test]
    fn missing_extra_and_malformed_files_are_stale() {
        assert_eq!(kinds(state(&[("a.age", ARMOR)])), [("files".to_owned(), true)]);
        assert_eq!(kinds(state(&[("a.age", ARMOR), ("b.age", ARMOR), ("c.age", ARMOR)])), [("files".to_owned(), true)]);
        assert_eq!(kinds(state(&[("a.age", ARMOR), ("b.age", b"age-encryption")])), [("format".to_owned(), true)]);
    }

    #[test]
    fn nothing_declared_is_not_missing() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(check(&instance(vec![], &[]), &Slice::at(folder.path())).unwrap(), State::Present);
    }
}
