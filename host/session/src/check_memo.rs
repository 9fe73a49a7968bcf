//! What bundled components answered to `check`: within a run, no one asks twice about the same. Who only looks keeps the answers for the
//! next run as well, and which entries it read.
//!
//! The key of an answer is what it is made of: the component, what it may do and use, the day, the instance as it is declared, and the
//! digests of what is stored. A changed file has another key. That a component's answer depends on nothing else is known of the bundled
//! ones alone: one component instance answers for a whole batch.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use artifacts_contract::Grants;
use artifacts_declared::{Equals, Shared};
use artifacts_digest::{Hasher, Sha256};
use artifacts_seam::{ComponentEvent, InstanceView, Limits, frame};
use serde::{Deserialize, Serialize};

use crate::Verified;
use crate::kept_files::KeptFiles;

/// Seconds of a day.
const DAY: u64 = 24 * 60 * 60;

/// Names an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MemoKey([u8; 32]);

/// Stands for whose answers they are: a component's, with its grants and limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyTerms(Sha256);

/// Holds what reading an entry showed that was as its receipt says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenEntry {
    /// Its fingerprint.
    pub fingerprint: [u8; 32],
    /// The hashes of the age headers in its files, with the names of these.
    pub headers: Box<[(Box<str>, [u8; 32])]>,
}

/// Holds answers, and the entries that were read: those of this run, and where a file keeps them, those of the day.
#[derive(Default)]
pub struct CheckMemo {
    keeping: Keeping,
    by_key: BTreeMap<MemoKey, Shared<Verified>>,
    by_stamp: BTreeMap<[u8; 32], SeenEntry>,
    /// Equal answers are held once: those about one machine mostly are.
    equals: Equals<Shared<Verified>>,
}

/// How long something is kept.
#[derive(Default)]
enum Keeping {
    /// For a run that may look again.
    #[default]
    Run,
    /// Not at all: the run looks once.
    Nothing,
    /// For the day: the run looks once, and so does the next one.
    Day(KeptAnswers),
}

/// The file with the answers for one checkout.
struct KeptAnswers {
    folder: KeptFiles,
    name: String,
    day: u64,
    is_changed: bool,
}

impl CheckMemo {
    /// Keeps nothing, for a run that looks once.
    pub fn unused() -> Self {
        Self { keeping: Keeping::Nothing, ..Self::default() }
    }

    /// Begins with the answers of the day for the checkout at this path, in a folder of this user, for a run that looks once. A folder that
    /// cannot be trusted has none, and keeps none.
    pub fn open(folder: &Path, checkout: &Path, now: u64) -> Self {
        let name = format!("checks-{}", Sha256::digest(checkout.as_os_str().as_encoded_bytes()));
        let Some(folder) = KeptFiles::open(folder) else { return Self::unused() };
        let file = KeptAnswers { folder, name, day: now / DAY, is_changed: false };
        let memo = file.read().unwrap_or_default();
        Self { keeping: Keeping::Day(file), ..memo }
    }

    /// Returns whether anything is to be kept.
    pub fn is_used(&self) -> bool {
        !matches!(self.keeping, Keeping::Nothing)
    }

    /// Returns whether it is of a run that looks once.
    pub fn is_of_look(&self) -> bool {
        !matches!(self.keeping, Keeping::Run)
    }

    /// Returns what the answers of a component with these grants and limits have in their keys; `None` if they cannot be encoded.
    pub fn terms(component: &Sha256, grants: &Grants, limits: &Limits) -> Option<KeyTerms> {
        let mut hasher = Hasher::new();
        hasher.update_part(component.0);
        hasher.update_part(&frame::encode(&(grants, limits)).ok()?);
        Some(KeyTerms(hasher.finish()))
    }

    /// Returns the key of an answer on these terms, about an instance with files of these digests; `None` if it cannot be encoded.
    pub fn key<'f>(
        terms: &KeyTerms,
        instance: &InstanceView,
        files: impl IntoIterator<Item = (&'f String, Sha256)>,
    ) -> Option<MemoKey> {
        let mut hasher = Hasher::new();
        hasher.update(terms.0.0);
        let mut encoded = Vec::new();
        frame::append(&mut encoded, instance).ok()?;
        hasher.update_part(&encoded);
        for (name, digest) in files {
            hasher.update_part(name);
            hasher.update(digest.0);
        }
        Some(MemoKey(hasher.finish().0))
    }

    /// Returns the answer of this key, if there is one.
    pub fn get(&self, key: &MemoKey) -> Option<Verified> {
        self.by_key.get(key).map(|answer| Verified::clone(answer))
    }

    /// Returns whether there is an answer of this key.
    pub fn has(&self, key: &MemoKey) -> bool {
        self.by_key.contains_key(key)
    }

    /// Keeps an answer.
    pub fn put(&mut self, key: MemoKey, answer: Verified) {
        let answer = self.equals.share(answer.into());
        self.by_key.insert(key, answer);
        self.change();
    }

    /// Returns whether the next run is to find what this one keeps.
    pub fn is_kept(&self) -> bool {
        matches!(self.keeping, Keeping::Day(_))
    }

    /// Returns whether it is known of any entry what reading it showed.
    pub fn has_seen(&self) -> bool {
        !self.by_stamp.is_empty()
    }

    /// Returns what reading an entry showed when it had this stamp.
    pub fn seen(&self, stamp: &Sha256) -> Option<&SeenEntry> {
        self.by_stamp.get(&stamp.0)
    }

    /// Keeps what reading an entry showed that had this stamp before.
    pub fn see(&mut self, stamp: Sha256, seen: SeenEntry) {
        self.by_stamp.insert(stamp.0, seen);
        self.change();
    }

    fn change(&mut self) {
        if let Keeping::Day(file) = &mut self.keeping {
            file.is_changed = true;
        }
    }

    /// Returns whether answers may be kept of which this happened meanwhile: nothing that someone has to be told each time.
    pub fn is_quiet(events: &[ComponentEvent]) -> bool {
        let quiet = |event: &ComponentEvent| {
            matches!(event, ComponentEvent::Instance(_) | ComponentEvent::File { error: None, .. })
        };
        events.iter().all(quiet)
    }

    /// Writes the answers, if there are new ones and a file for them. That it cannot be done is no matter.
    pub fn save(&mut self) {
        let Keeping::Day(file) = &mut self.keeping else { return };
        if !std::mem::take(&mut file.is_changed) {
            return;
        }
        // Equal answers are written once.
        let answers: BTreeSet<&Verified> = self.by_key.values().map(|answer| &**answer).collect();
        let numbers: BTreeMap<&Verified, usize> =
            (0..).zip(&answers).map(|(number, answer)| (*answer, number)).collect();
        let by_key: BTreeMap<&MemoKey, usize> =
            self.by_key.iter().filter_map(|(key, answer)| Some((key, *numbers.get(&**answer)?))).collect();
        if let Ok(bytes) = frame::encode(&(VERSION, file.day, &answers, (by_key, &self.by_stamp))) {
            file.folder.put(&file.name, &bytes);
        }
    }
}

/// The version of the answers: of this program, which judged them. The number behind it changes with what [`Verified`] and [`SeenEntry`]
/// hold, and with how an answer is judged.
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "-3");

/// What the file holds besides the answers: which of them has each key, and the entries that were read.
type Kept = (BTreeMap<MemoKey, usize>, BTreeMap<[u8; 32], SeenEntry>);

impl KeptAnswers {
    /// Answers of another day or of another version of this program do not count.
    fn read(&self) -> Option<CheckMemo> {
        let bytes = self.folder.get(&self.name)?;
        let message = frame::read(&mut bytes.as_slice(), frame::LARGEST).ok()??;
        let (version, day, answers, (by_key, by_stamp)): (String, u64, Vec<Shared<Verified>>, Kept) =
            frame::decode(&message).ok()?;
        if version != VERSION || day != self.day {
            return None;
        }
        let by_key = by_key.into_iter().map(|(key, number)| Some((key, answers.get(number)?.clone())));
        Some(CheckMemo { by_key: by_key.collect::<Option<_>>()?, by_stamp, ..CheckMemo::default() })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::os::unix::fs::PermissionsExt as _;

    use artifacts_declared::Recipients;
    use artifacts_seam::CheckState;

    use super::*;

    fn view(name: &str) -> InstanceView {
        let (targets, files, attrs) = (Vec::new(), Vec::new(), Vec::new());
        InstanceView { name: name.to_owned(), artifact: "a".to_owned(), shared: true, targets, files, attrs }
    }

    fn answer() -> Verified {
        Verified { recipients: Recipients::new(), labels: BTreeMap::new().into(), state: CheckState::Absent }
    }

    #[test]
    fn each_part_of_the_key_counts() {
        let (one, other) = (Sha256::digest("one"), Sha256::digest("other"));
        let (none, limits) = (Grants::default(), Limits::default());
        let all = Grants { plaintext: true, ..Grants::default() };
        let less = Limits { time: 1, ..limits };
        let (x, y, file, renamed) = (view("shared/x"), view("shared/y"), "f".to_owned(), "g".to_owned());
        let terms = |component, grants, limits| CheckMemo::terms(component, grants, limits).unwrap();
        let usual = terms(&one, &none, &limits);
        let keys = [
            CheckMemo::key(&usual, &x, [(&file, one)]),
            CheckMemo::key(&terms(&other, &none, &limits), &x, [(&file, one)]),
            CheckMemo::key(&terms(&one, &all, &limits), &x, [(&file, one)]),
            CheckMemo::key(&terms(&one, &none, &less), &x, [(&file, one)]),
            CheckMemo::key(&usual, &y, [(&file, one)]),
            CheckMemo::key(&usual, &x, [(&file, other)]),
            CheckMemo::key(&usual, &x, [(&renamed, one)]),
            CheckMemo::key(&usual, &x, []),
        ];
        let different: BTreeSet<_> = keys.iter().map(|key| key.unwrap()).collect();
        assert_eq!(different.len(), keys.len());
        assert_eq!(keys[0], CheckMemo::key(&terms(&one, &none, &limits), &x, [(&file, one)]));
    }

    #[test]
    fn an_answer_is_kept_for_the_day_and_for_its_checkout() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
        let open = |checkout: &str, now| CheckMemo::open(dir.path(), Path::new(checkout), now);
        let key = MemoKey([7; 32]);
        let mut memo = open("/one", DAY);
        assert_eq!(memo.get(&key), None);
        memo.put(key, answer());
        memo.save();
        assert_eq!(open("/one", 2 * DAY - 1).get(&key), Some(answer()));
        assert_eq!(open("/one", 2 * DAY).get(&key), None);
        assert_eq!(open("/other", DAY).get(&key), None);
        let (mut again, other) = (open("/one", DAY), MemoKey([8; 32]));
        again.put(other, answer());
        again.save();
        let both = open("/one", DAY);
        assert_eq!((both.get(&key), both.get(&other)), (Some(answer()), Some(answer())));
    }

    #[test]
    fn what_was_read_is_kept_like_an_answer() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
        let open = |now| CheckMemo::open(dir.path(), Path::new("/one"), now);
        let (stamp, other) = (Sha256::digest("one"), Sha256::digest("other"));
        let seen = SeenEntry { fingerprint: [1; 32], headers: [("f.age".into(), [2; 32])].into() };
        let mut memo = open(DAY);
        memo.see(stamp, seen.clone());
        memo.save();
        assert_eq!((open(DAY).seen(&stamp), open(DAY).seen(&other)), (Some(&seen), None));
        assert_eq!(open(2 * DAY).seen(&stamp), None);
        assert!(memo.is_kept() && !CheckMemo::default().is_kept());
    }

    #[test]
    fn without_a_file_an_answer_is_kept_for_the_run() {
        let mut memo = CheckMemo::default();
        let key = MemoKey([7; 32]);
        memo.put(key, answer());
        memo.save();
        assert_eq!((memo.get(&key), memo.get(&MemoKey([8; 32]))), (Some(answer()), None));
    }

    #[test]
    fn what_someone_has_to_be_told_is_told_each_time() {
        assert!(CheckMemo::is_quiet(&[ComponentEvent::Instance("a".to_owned())]));
        assert!(!CheckMemo::is_quiet(&[ComponentEvent::Cut(1)]));
        assert!(!CheckMemo::is_quiet(&[ComponentEvent::Output("x".to_owned())]));
    }
}
