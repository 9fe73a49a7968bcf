//! The age headers in a new entry: who encrypted them, and for whom.

use std::collections::{BTreeMap, BTreeSet};

use artifacts_age::headers;
use artifacts_declared::Recipients;
use artifacts_digest::HeaderHash;
use artifacts_seam::EntryFiles;

/// The age headers in each stored file.
pub(crate) type StoredHeaders = BTreeMap<String, BTreeSet<HeaderHash>>;

/// Finds the age headers of an entry.
pub(crate) fn stored_headers(files: &EntryFiles) -> StoredHeaders {
    files.iter().map(|(name, bytes)| (name.clone(), headers(bytes))).collect()
}

/// What the host encrypted in one call, by the header.
#[derive(Default)]
pub(crate) struct SealedHeaders(BTreeMap<HeaderHash, Sealed>);

struct Sealed {
    files: BTreeSet<String>,
    recipients: BTreeSet<String>,
}

impl SealedHeaders {
    pub(crate) fn add(&mut self, header: HeaderHash, files: Vec<String>, recipients: Vec<String>) {
        let sealed = Sealed { files: files.into_iter().collect(), recipients: recipients.into_iter().collect() };
        self.0.insert(header, sealed);
    }

    /// The files that each of these headers is for.
    pub(crate) fn files_in(self, stored: &StoredHeaders) -> BTreeMap<HeaderHash, BTreeSet<String>> {
        let stored: BTreeSet<&HeaderHash> = stored.values().flatten().collect();
        let stored = self.0.into_iter().filter(|(header, _)| stored.contains(header));
        stored.map(|(header, sealed)| (header, sealed.files)).collect()
    }

    /// What is wrong with a new entry, without a word of the component's: a header in it that is neither of this call nor was in
    /// the same stored file before, or a file of these, whose plaintext the component did not take, that is not under headers for
    /// exactly its recipients. `stored` has the headers of the new entry.
    pub(crate) fn fault(
        &self,
        before: &EntryFiles,
        after: &EntryFiles,
        stored: &StoredHeaders,
        unread: &[&str],
        recipients: &Recipients,
    ) -> Option<String> {
        let mut found = BTreeSet::new();
        for (name, now) in stored {
            let old = before.get(name);
            if old == after.get(name) {
                continue;
            }
            let old = old.map(|bytes| headers(bytes)).unwrap_or_default();
            if now.iter().any(|header| !self.0.contains_key(header) && !old.contains(header)) {
                return Some(
                    "what it stored has an age file that was neither encrypted in this call nor in the same stored file before"
                        .to_owned(),
                );
            }
            found.extend(now);
        }
        let covered = self.covered(&found);
        let uncovered = unread.iter().find(|file| !is_covered(file, &covered, recipients))?;
        Some(format!(
            "it says that it stored `{uncovered}`, but the entry has no age file of it for exactly its recipients"
        ))
    }

    /// To whom each file is encrypted by these headers.
    fn covered(&self, found: &BTreeSet<HeaderHash>) -> BTreeMap<&str, BTreeSet<&String>> {
        let mut covered: BTreeMap<&str, BTreeSet<&String>> = BTreeMap::new();
        for (_, sealed) in self.0.iter().filter(|(header, _)| found.contains(*header)) {
            for file in &sealed.files {
                covered.entry(file).or_default().extend(&sealed.recipients);
            }
        }
        covered
    }
}

/// Whether a file is encrypted to all of its recipients. None is for anyone else.
fn is_covered(file: &str, covered: &BTreeMap<&str, BTreeSet<&String>>, recipients: &Recipients) -> bool {
    let (Some(all), Some(covered)) = (recipients.get(file), covered.get(file)) else { return false };
    !all.is_empty() && all.len() == covered.len() && all.iter().all(|one| covered.contains(one))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use artifacts_age::{Sealer, header_hash};

    use super::*;

    struct Case {
        keys: [String; 2],
        sealed: SealedHeaders,
    }

    impl Case {
        fn new() -> Self {
            let key = || age::x25519::Identity::generate().to_public().to_string();
            Self { keys: [key(), key()], sealed: SealedHeaders::default() }
        }

        /// An armored age file for these files, to all or one.
        fn seal(&mut self, files: &[&str], to: &[usize]) -> String {
            let keys: Vec<String> = to.iter().map(|at| self.keys[*at].clone()).collect();
            let file = Sealer::default().seal(b"x", &keys, true).unwrap();
            self.sealed.add(file.header_hash, files.iter().map(ToString::to_string).collect(), keys);
            String::from_utf8(file.file).unwrap()
        }

        fn fault(&self, before: &[(&str, &str)], after: &[(&str, &str)], unread: &[&str]) -> Option<String> {
            let files = |files: &[(&str, &str)]| -> EntryFiles {
                files.iter().map(|(name, bytes)| ((*name).to_owned(), bytes.as_bytes().to_vec())).collect()
            };
            let both = self.keys.iter().cloned().collect();
            let one = [self.keys[0].clone()].into();
            let recipients = Recipients::from_iter([
                ("a".parse().unwrap(), both),
                ("b".parse().unwrap(), self.keys.iter().cloned().collect()),
                ("one".parse().unwrap(), one),
            ]);
            let after = files(after);
            self.sealed.fault(&files(before), &after, &stored_headers(&after), unread, &recipients)
        }
    }

    #[test]
    fn a_file_is_under_one_header_or_one_for_each_recipient() {
        let mut case = Case::new();
        let (whole, first, second) = (case.seal(&["a"], &[0, 1]), case.seal(&["a"], &[0]), case.seal(&["a"], &[1]));
        let (both, one) = (case.seal(&["a", "b"], &[0, 1]), case.seal(&["one"], &[0]));
        let split = format!("{first}{second}");
        for (stored, unread, fine) in [
            (whole.as_str(), &["a"][..], true),
            (&split, &["a"], true),
            (&first, &["a"], false),
            (&both, &["a", "b"], true),
            (&both, &["a", "one"], false),
            (&one, &["one"], true),
            (&one, &["a"], false),
            ("nothing", &["a"], false),
            ("nothing", &[], true),
            (&whole, &["never-declared"], false),
        ] {
            let fault = case.fault(&[], &[("stored", stored)], unread);
            assert_eq!(fault.is_none(), fine, "{unread:?}: {fault:?}");
        }
    }

    #[test]
    fn headers_show_in_texts_as_json_and_yaml_have_them() {
        let mut case = Case::new();
        let whole = case.seal(&["a"], &[0, 1]);
        let json = serde_json::json!({"a": whole}).to_string();
        let yaml = format!("sops:\n  enc: |\n    {}\n", whole.trim_end().replace('\n', "\n    "));
        assert_eq!(case.fault(&[], &[("x.json", &json)], &["a"]), None);
        assert_eq!(case.fault(&[], &[("x.yaml", &yaml)], &["a"]), None);
        let hidden = whole.replace('A', "B");
        assert!(case.fault(&[], &[("x.hex", &hidden)], &["a"]).unwrap().contains("`a`"));
    }

    #[test]
    fn a_header_is_of_this_call_or_was_in_the_same_stored_file() {
        let mut case = Case::new();
        let other = String::from_utf8(Sealer::default().seal(b"y", &case.keys, true).unwrap().file).unwrap();
        let new = case.seal(&["a"], &[0, 1]);
        assert!(case.fault(&[], &[("x", &other)], &[]).is_some());
        assert!(case.fault(&[("y", &other)], &[("x", &other)], &[]).is_some());
        assert_eq!(case.fault(&[("x", &other)], &[("x", &other)], &[]), None);
        assert_eq!(case.fault(&[("x", &other)], &[("x", &format!("{other}{new}"))], &["a"]), None);
        // What stays does not count for what was given.
        let header = header_hash(other.as_bytes()).unwrap();
        let keys = case.keys.to_vec();
        case.sealed.add(header, vec!["a".to_owned()], keys);
        assert!(case.fault(&[("x", &other)], &[("x", &other)], &["a"]).is_some());
    }
}
