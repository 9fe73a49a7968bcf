//! What bundled components answered to `check`: within a run, no one asks twice about the same. Who only looks keeps the answers for the
//! next run as well.
//!
//! The key of an answer is what it is made of: the component, what it may do and use, the day, the instance as it is declared, and the
//! bytes that are stored. A changed file has another key, whatever its times say. That a component's answer depends on nothing
//! else is known of the bundled ones alone: one component instance answers for a whole batch.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use artifacts_contract::Grants;
use artifacts_declared::{Equals, Shared};
use artifacts_digest::{Hasher, Sha256};
use artifacts_seam::{ComponentEvent, EntryFiles, InstanceView, Limits, frame};
use serde::{Deserialize, Serialize};

use crate::Verified;
use crate::kept_files::KeptFiles;

/// Seconds of a day.
const DAY: u64 = 24 * 60 * 60;

/// Names an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MemoKey([u8; 32]);

/// Holds answers: those of this run, and where a file keeps them, those of the day.
#[derive(Default)]
pub struct CheckMemo {
    file: Option<KeptAnswers>,
    by_key: BTreeMap<MemoKey, Shared<Verified>>,
    /// Equal answers are held once: those about one machine mostly are.
    equals: Equals<Shared<Verified>>,
}

/// The file with the answers for one checkout.
struct KeptAnswers {
    folder: KeptFiles,
    name: String,
    day: u64,
    is_read: bool,
    is_changed: bool,
}

impl CheckMemo {
    /// Begins with the answers of the day for the checkout at this path, in a folder of this user. A folder that cannot be trusted has none,
    /// and keeps none.
    pub fn open(folder: &Path, checkout: &Path, now: u64) -> Self {
        let name = format!("checks-{}", Sha256::digest(checkout.as_os_str().as_encoded_bytes()));
        let file = KeptFiles::open(folder);
        let file = file.map(|folder| KeptAnswers { folder, name, day: now / DAY, is_read: false, is_changed: false });
        Self { file, ..Self::default() }
    }

    /// Returns the key of an answer: to a component with these grants and limits, about an instance with these files.
    pub fn key(
        component: &Sha256,
        (grants, limits): (&Grants, &Limits),
        (instance, files): (&InstanceView, &EntryFiles),
    ) -> Option<MemoKey> {
        let mut hasher = Hasher::new();
        hasher.update_part(component.0);
        hasher.update_part(&frame::encode(&(grants, limits)).ok()?);
        hasher.update_part(&frame::encode(instance).ok()?);
        for (name, bytes) in files {
            hasher.update_part(name.as_bytes());
            hasher.update_part(bytes);
        }
        Some(MemoKey(hasher.finish().0))
    }

    /// Returns the answer of this key, if there is one.
    pub fn get(&mut self, key: &MemoKey) -> Option<Verified> {
        self.by_key().get(key).map(|answer| Verified::clone(answer))
    }

    /// Keeps an answer.
    pub fn put(&mut self, key: MemoKey, answer: Verified) {
        let answer = self.equals.share(answer.into());
        self.by_key().insert(key, answer);
        self.file.iter_mut().for_each(|file| file.is_changed = true);
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
        let Some(file) = self.file.as_mut().filter(|file| file.is_changed) else { return };
        file.is_changed = false;
        // Equal answers are written once.
        let answers: BTreeSet<&Verified> = self.by_key.values().map(|answer| &**answer).collect();
        let numbers: BTreeMap<&Verified, usize> =
            (0..).zip(&answers).map(|(number, answer)| (*answer, number)).collect();
        let by_key: BTreeMap<&MemoKey, usize> =
            self.by_key.iter().filter_map(|(key, answer)| Some((key, *numbers.get(&**answer)?))).collect();
        if let Ok(bytes) = frame::encode(&(VERSION, file.day, &answers, by_key)) {
            file.folder.put(&file.name, &bytes);
        }
    }

    /// The answers, those of the file among them.
    fn by_key(&mut self) -> &mut BTreeMap<MemoKey, Shared<Verified>> {
        if let Some(file) = self.file.as_mut().filter(|file| !file.is_read) {
            file.is_read = true;
            self.by_key = file.read().unwrap_or_default();
        }
        &mut self.by_key
    }
}

/// The version of the answers: of this program, which judged them. The number behind it changes with what [`Verified`] holds and with how
/// an answer is judged.
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "-2");

impl KeptAnswers {
    /// Answers of another day or of another version of this program do not count.
    fn read(&self) -> Option<BTreeMap<MemoKey, Shared<Verified>>> {
        let bytes = self.folder.get(&self.name)?;
        let message = frame::read(&mut bytes.as_slice(), frame::LARGEST).ok()??;
        let (version, day, answers, by_key): (String, u64, Vec<Shared<Verified>>, BTreeMap<MemoKey, usize>) =
            frame::decode(&message).ok()?;
        if version != VERSION || day != self.day {
            return None;
        }
        by_key.into_iter().map(|(key, number)| Some((key, answers.get(number)?.clone()))).collect()
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
        let files = |name: &str, bytes: &str| EntryFiles::from([(name.to_owned(), bytes.as_bytes().to_vec())]);
        let (a, b, renamed) = (files("f", "a"), files("f", "b"), files("g", "a"));
        let (x, y) = (view("shared/x"), view("shared/y"));
        let keys = [
            CheckMemo::key(&one, (&none, &limits), (&x, &a)),
            CheckMemo::key(&other, (&none, &limits), (&x, &a)),
            CheckMemo::key(&one, (&all, &limits), (&x, &a)),
            CheckMemo::key(&one, (&none, &less), (&x, &a)),
            CheckMemo::key(&one, (&none, &limits), (&y, &a)),
            CheckMemo::key(&one, (&none, &limits), (&x, &b)),
            CheckMemo::key(&one, (&none, &limits), (&x, &renamed)),
            CheckMemo::key(&one, (&none, &limits), (&x, &EntryFiles::new())),
        ];
        let different: std::collections::BTreeSet<_> = keys.iter().map(|key| key.unwrap()).collect();
        assert_eq!(different.len(), keys.len());
        assert_eq!(keys[0], CheckMemo::key(&one, (&none, &limits), (&x, &a)));
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
        let mut both = open("/one", DAY);
        assert_eq!((both.get(&key), both.get(&other)), (Some(answer()), Some(answer())));
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
