//! The recipients that the admin accepted last, like known hosts.
//!
//! The repository declares who may decrypt what, and anyone who can push to it can declare it. What was accepted is stored outside
//! of it, one file for each root of a repository, so that a key that was slipped in shows before anything is encrypted to it.
//! Nothing in a checkout is evidence of it, and the last accepted set counts, not all that were ever accepted.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use artifacts_declared::{Label, Name, Recipients};
use artifacts_digest::Sha256;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};

use crate::accepted_labels::{AcceptedLabels, NewLabels};
use crate::state_dir::StateDir;
use crate::{Checkout, CheckoutId, Error};

/// Directory of these files, below the state directory.
const DIR: &str = "recipients";

/// What is lost if such a file is removed.
const LOST: &str = "the recipients of this repository are asked about again";

/// Version of such a file.
const SCHEMA: u64 = 2;

/// Directory of the files of version 1, one for each path of a root.
const DIR_BY_PATH: &str = "readers";

/// Version of those files.
const SCHEMA_BY_PATH: u64 = 1;

/// Holds the recipients that were accepted in one repository.
#[derive(Debug, Clone)]
pub struct AcceptedRecipients {
    dir: StateDir,
    by_path: StateDir,
    checkout: Checkout,
    stored_file: AcceptedRecipientsFile,
    /// Whether the file holds all of it.
    stored: bool,
}

/// Holds what was accepted for one instance.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InstanceConsent {
    /// Targets of the instance, as `kind/name`.
    pub targets: BTreeSet<String>,
    /// Recipients of each secret file.
    #[serde(deserialize_with = "of_valid_names")]
    pub files: Recipients,
    /// Former recipients of files that are not encrypted any more. They only show that the file was secret.
    #[serde(
        default,
        alias = "once",
        skip_serializing_if = "Recipients::is_empty",
        deserialize_with = "of_valid_names"
    )]
    former: Recipients,
    /// Files that were secret and may be stored in plain text.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    public: BTreeSet<String>,
    /// Those of the recipients of each file to whom nothing was encrypted since they were accepted.
    #[serde(default, skip_serializing_if = "Recipients::is_empty", deserialize_with = "of_valid_names")]
    unused: Recipients,
}

impl InstanceConsent {
    /// Records that the instance's files are encrypted to these recipients, and no other file is encrypted.
    pub fn encrypt_to(&mut self, targets: BTreeSet<String>, files: Recipients) {
        let before = std::mem::replace(&mut self.files, files);
        self.former.extend(before);
        self.former.retain(|file| !self.files.contains(file.as_str()));
        self.public.retain(|file| !self.files.contains(file));
        self.unused = Recipients::new();
        self.targets = targets;
    }

    /// Returns the recipients of a file to whom nothing was encrypted since they were accepted: they did not join.
    pub fn unused(&self, file: &str) -> Option<&BTreeSet<String>> {
        self.unused.get(file)
    }

    /// Returns the recipients of a file to whom it was encrypted since they were accepted.
    pub fn joined(&self, file: &str) -> impl Iterator<Item = &String> {
        let unused = self.unused(file);
        let is_used = move |key: &&String| unused.is_none_or(|unused| !unused.contains(*key));
        self.files.get(file).into_iter().flatten().filter(is_used)
    }

    /// Returns the recipients of each file that join by this consent, or by an earlier one of which nothing came.
    pub fn joined_since(&self, before: Option<&Self>) -> Recipients {
        let of = |(file, after): (&Name, &BTreeSet<String>)| {
            let name = file.as_str();
            let is_new = |key: &&String| {
                let had = before.and_then(|before| before.files.get(name)).is_some_and(|had| had.contains(*key));
                !had || before.and_then(|before| before.unused(name)).is_some_and(|unused| unused.contains(*key))
            };
            let joined: BTreeSet<String> = after.iter().filter(is_new).cloned().collect();
            (!joined.is_empty()).then(|| (file.clone(), joined))
        };
        self.files.iter().filter_map(of).collect()
    }

    /// Records that a file may be stored in plain text.
    pub fn make_public(&mut self, file: &str) {
        self.public.insert(file.to_owned());
    }

    /// Returns whether a file was accepted to be stored in plain text.
    pub fn is_public(&self, file: &str) -> bool {
        self.public.contains(file)
    }

    /// Returns the recipients of a file, or its former ones.
    pub fn last(&self, file: &str) -> Option<&BTreeSet<String>> {
        self.files.get(file).or_else(|| self.former.get(file))
    }
}

/// Represents the content of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AcceptedRecipientsFile {
    schema: u64,
    /// Path at which it was accepted last, for people who look for it.
    checkout: String,
    /// Recipients of the secrets that exactly these targets share.
    #[serde(default)]
    targets: Vec<TargetRecipients>,
    instances: BTreeMap<String, InstanceConsent>,
    /// Labels under which recipients were accepted.
    #[serde(default, skip_serializing_if = "AcceptedLabels::is_empty")]
    labels: AcceptedLabels,
    /// What was taken over from files of version 1.
    #[serde(default, skip_serializing_if = "Carried::is_empty")]
    carried: Carried,
}

/// Holds the recipients that were accepted last for a set of targets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TargetRecipients {
    targets: BTreeSet<String>,
    recipients: BTreeSet<String>,
}

/// Describes what was taken over of files by path.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Carried {
    /// Names of those files.
    files: BTreeSet<String>,
    /// Instances that only those files know.
    instances: BTreeSet<String>,
    /// Instances about which two of them disagreed, so that neither counts.
    disputed: BTreeSet<String>,
}

/// Represents the content of a file of version 1.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AcceptedRecipientsFileByPath {
    schema: u64,
    #[serde(rename = "checkout")]
    _checkout: String,
    instances: BTreeMap<String, InstanceConsent>,
}

impl AcceptedRecipients {
    /// Reads what was accepted for a checkout from the state directory. What earlier versions stored for its paths counts, as far as
    /// these agree. Writes nothing.
    ///
    /// # Errors
    /// When it cannot be read, or another user could have written it.
    pub fn open(state: impl Into<PathBuf>, checkout: Checkout) -> Result<Self, Error> {
        let state = state.into();
        let dir = StateDir::new(state.join(DIR));
        let mut recipients = Self {
            dir,
            by_path: StateDir::new(state.join(DIR_BY_PATH)),
            checkout,
            stored_file: AcceptedRecipientsFile::default(),
            stored: false,
        };
        recipients.load(recipients.checkout.id()?.as_ref())?;
        Ok(recipients)
    }

    /// Returns the checkout that this is about.
    pub fn checkout(&self) -> &Checkout {
        &self.checkout
    }

    /// Returns what was accepted for an instance.
    pub fn instance(&self, instance: &str) -> Option<&InstanceConsent> {
        self.stored_file.instances.get(instance)
    }

    /// Returns the recipients that were accepted last for secrets of exactly these targets; if none were, those of
    /// each of the targets. The set is empty on first use.
    pub fn for_targets(&self, targets: &BTreeSet<String>) -> BTreeSet<&str> {
        if let Some(recipients) = self.stored_file.for_targets(targets) {
            return recipients;
        }
        let each = targets.iter().filter_map(|target| self.stored_file.for_targets(&BTreeSet::from([target.clone()])));
        each.flatten().collect()
    }

    /// Returns the label under which a recipient was accepted.
    pub fn label(&self, key: &str) -> Option<Label> {
        self.stored_file.labels.of(key)
    }

    /// Returns the recipients that were accepted last under a name, if the one that is sought is not among them.
    pub fn others_named(&self, name: &str, is_sought: impl Fn(&str) -> bool) -> BTreeSet<&str> {
        self.stored_file.labels.others(name, is_sought)
    }

    /// Returns every recipient that was ever accepted under a name: a key that another one replaced is still theirs.
    pub fn ever_named(&self, name: &str) -> BTreeSet<&str> {
        self.stored_file.labels.ever(name)
    }

    /// Returns the names under which recipients were accepted.
    pub fn accepted_names(&self) -> impl Iterator<Item = &str> {
        self.stored_file.labels.names()
    }

    /// Returns what was accepted for each instance.
    pub fn instances(&self) -> impl Iterator<Item = (&str, &InstanceConsent)> {
        self.stored_file.instances.iter().map(|(name, consent)| (name.as_str(), consent))
    }

    /// Returns every recipient that was accepted under a name.
    pub fn named(&self) -> impl Iterator<Item = &String> {
        self.stored_file.labels.keys()
    }

    /// Stores what holds for these instances from now on, in place of what was accepted for them before. `asked` are those that were
    /// shown and accepted just now; of the others nothing is new.
    ///
    /// # Errors
    /// When it cannot be written, or another user could write there.
    pub fn accept(
        &mut self,
        instances: BTreeMap<String, InstanceConsent>,
        asked: &BTreeSet<String>,
        labels: &NewLabels,
    ) -> Result<(), Error> {
        if self.stored
            && asked.is_empty()
            && !self.stored_file.labels.learn_from(labels)
            && instances.iter().all(|(name, agreed)| self.stored_file.instances.get(name) == Some(agreed))
        {
            return Ok(());
        }
        if instances.is_empty() && self.stored_file.instances.is_empty() {
            return Ok(());
        }
        let id = self.checkout.id_or_new()?;
        // Two runs over two storages of one checkout lose nothing of each other.
        let _held = self.dir.lock("lock")?;
        self.load(Some(&id))?;
        self.stored_file.accept(instances, asked);
        self.stored_file.labels.accept(labels);
        self.write(&id)
    }

    /// Records that nothing was encrypted to these recipients, by instance, since they were accepted: who is declared no more did not
    /// leave.
    ///
    /// # Errors
    /// When it cannot be written, or another user could write there.
    pub fn leave_unused(&mut self, joined: BTreeMap<String, Recipients>) -> Result<(), Error> {
        let Some(id) = self.checkout.id()?.filter(|_| !joined.is_empty()) else { return Ok(()) };
        let _held = self.dir.lock("lock")?;
        self.load(Some(&id))?;
        for (name, unused) in joined {
            if let Some(agreed) = self.stored_file.instances.get_mut(&name) {
                agreed.unused = unused;
            }
        }
        self.write(&id)
    }

    fn write(&mut self, id: &CheckoutId) -> Result<(), Error> {
        self.stored_file.checkout = self.checkout.root().display().to_string();
        let mut text = serde_json::to_vec_pretty(&self.stored_file).unwrap_or_default();
        text.push(b'\n');
        self.dir.write(&file_name(id), &text)?;
        self.stored = true;
        Ok(())
    }

    fn load(&mut self, id: Option<&CheckoutId>) -> Result<(), Error> {
        let stored = match id {
            Some(id) => read(&self.dir, &file_name(id), LOST, |file: &AcceptedRecipientsFile| file.schema == SCHEMA)?,
            None => None,
        };
        self.stored = stored.is_some();
        self.stored_file =
            stored.unwrap_or_else(|| AcceptedRecipientsFile { schema: SCHEMA, ..AcceptedRecipientsFile::default() });
        for path in self.checkout.paths() {
            let name = file_name_by_path(&path);
            if self.stored_file.carried.files.contains(&name) {
                continue;
            }
            let lost = "what an earlier version of this program stored for this working tree is asked about again";
            let found =
                read(&self.by_path, &name, lost, |file: &AcceptedRecipientsFileByPath| file.schema == SCHEMA_BY_PATH)?;
            if let Some(found) = found {
                self.stored_file.carry(name, found.instances);
                self.stored = false;
            }
        }
        Ok(())
    }
}

impl AcceptedRecipientsFile {
    fn for_targets(&self, targets: &BTreeSet<String>) -> Option<BTreeSet<&str>> {
        if let Some(stored) = self.targets.iter().find(|stored| stored.targets == *targets) {
            return Some(stored.recipients.iter().map(String::as_str).collect());
        }
        let carried = self.instances.iter().filter(|(name, _)| self.carried.instances.contains(*name));
        let mut carried = carried.filter(|(_, agreed)| agreed.targets == *targets).peekable();
        carried.peek()?;
        Some(carried.flat_map(|(_, agreed)| agreed.files.of_all_files()).map(String::as_str).collect())
    }

    /// Stores consents. A recipient that was removed from a file of a target is not accepted for the target's next
    /// secret either, and an added one is.
    fn accept(&mut self, instances: BTreeMap<String, InstanceConsent>, asked: &BTreeSet<String>) {
        let mut new: BTreeMap<BTreeSet<String>, BTreeSet<String>> = BTreeMap::new();
        for agreed in instances.values() {
            let known = || self.for_targets(&agreed.targets).into_iter().flatten().map(str::to_owned).collect();
            new.entry(agreed.targets.clone()).or_insert_with(known);
        }
        for removed in [true, false] {
            for (name, agreed) in &instances {
                let before = self.instances.get(name).filter(|before| before.targets == agreed.targets);
                let Some(recipients) = new.get_mut(&agreed.targets) else { continue };
                for (file, after) in &agreed.files {
                    let before = before.and_then(|before| before.files.get(file.as_str()));
                    let had = |one: &String| before.is_some_and(|before| before.contains(one));
                    if removed {
                        recipients.retain(|one| after.contains(one) || !had(one));
                    } else {
                        recipients.extend(after.iter().filter(|one| asked.contains(name) || !had(one)).cloned());
                    }
                }
            }
        }
        self.targets.retain(|stored| !new.contains_key(&stored.targets));
        self.targets.extend(new.into_iter().map(|(targets, recipients)| TargetRecipients { targets, recipients }));
        self.targets.sort_by(|one, other| one.targets.cmp(&other.targets));
        for (name, agreed) in instances {
            if self.instances.get(&name) != Some(&agreed) {
                self.carried.instances.remove(&name);
                self.instances.insert(name, agreed);
            }
        }
    }

    /// Takes over a file of version 1. Where two files disagree about an instance, neither counts; what was accepted
    /// since then counts in any case.
    fn carry(&mut self, file: String, instances: BTreeMap<String, InstanceConsent>) {
        self.carried.files.insert(file);
        for (name, agreed) in instances {
            match self.instances.get(&name) {
                None if !self.carried.disputed.contains(&name) => {
                    self.carried.instances.insert(name.clone());
                    self.instances.insert(name, agreed);
                }
                Some(known) if *known != agreed && self.carried.instances.remove(&name) => {
                    self.instances.remove(&name);
                    self.carried.disputed.insert(name);
                }
                _ => {}
            }
        }
    }
}

impl Carried {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

fn file_name(id: &CheckoutId) -> String {
    format!("{id}.json")
}

fn file_name_by_path(path: &Path) -> String {
    format!("{}.json", Sha256::digest(path.as_os_str().as_bytes()))
}

/// Reads recipients by file. An earlier version took file names that this one refuses, such as those with invisible characters: no
/// file can be declared under them any more, so nothing is lost without them.
fn of_valid_names<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Recipients, D::Error> {
    let by_file = BTreeMap::<String, BTreeSet<String>>::deserialize(deserializer)?;
    Ok(by_file.into_iter().filter_map(|(file, recipients)| Some((Name::new(file).ok()?, recipients))).collect())
}

fn read<T: DeserializeOwned>(
    dir: &StateDir,
    name: &str,
    lost: &'static str,
    known: impl Fn(&T) -> bool,
) -> Result<Option<T>, Error> {
    let Some(text) = dir.read(name)? else { return Ok(None) };
    let damaged = |why: String| Error::Damaged { path: dir.at(name), why, lost };
    let stored_file: T = serde_json::from_slice(&text).map_err(|error| damaged(error.to_string()))?;
    if known(&stored_file) { Ok(Some(stored_file)) } else { Err(damaged("another version wrote it".to_owned())) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use artifacts_text::Explain as _;

    use super::*;

    fn set(words: &[&str]) -> BTreeSet<String> {
        words.iter().map(ToString::to_string).collect()
    }

    fn only(file: &str, recipients: &[&str]) -> Recipients {
        Recipients::from_iter([(file.parse().unwrap(), set(recipients))])
    }

    fn agreed(targets: &[&str], recipients: &[&str]) -> InstanceConsent {
        let mut agreed = InstanceConsent::default();
        agreed.encrypt_to(set(targets), only("f", recipients));
        agreed
    }

    fn open(state: &Path, root: &str) -> AcceptedRecipients {
        AcceptedRecipients::open(state, Checkout::at_path(root)).unwrap()
    }

    fn accept(recipients: &mut AcceptedRecipients, instances: &[(&str, InstanceConsent)]) {
        let instances: BTreeMap<_, _> =
            instances.iter().map(|(name, agreed)| ((*name).to_owned(), agreed.clone())).collect();
        let asked = instances.keys().cloned().collect();
        recipients.accept(instances, &asked, &NewLabels::default()).unwrap();
    }

    /// A repository with two working trees, as git lays it out.
    fn repository() -> (tempfile::TempDir, PathBuf, [Checkout; 2]) {
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path().canonicalize().unwrap();
        let common = top.join("main/.git");
        fs::create_dir_all(common.join("worktrees/wt")).unwrap();
        fs::create_dir(top.join("wt")).unwrap();
        fs::write(common.join("worktrees/wt/gitdir"), top.join("wt/.git").as_os_str().as_bytes()).unwrap();
        let checkouts = ["main", "wt"].map(|tree| Checkout::in_repository(top.join(tree), &top.join(tree), &common));
        (dir, top.join("state"), checkouts)
    }

    /// A file as earlier versions wrote it for a path.
    fn by_path(state: &Path, root: &Path, instances: &str) {
        let dir = state.join("readers");
        fs::create_dir_all(&dir).unwrap();
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o700)).unwrap();
        let text = format!(r#"{{"schema": 1, "checkout": "{}", "instances": {instances}}}"#, root.display());
        fs::write(dir.join(file_name_by_path(root)), text).unwrap();
    }

    #[test]
    fn what_was_accepted_is_known_to_the_next_run_of_that_root_alone() {
        let dir = tempfile::tempdir().unwrap();
        let mut recipients = open(dir.path(), "/one");
        assert_eq!(recipients.instance("shared/a"), None);
        accept(&mut recipients, &[("shared/a", agreed(&["web1"], &["k1", "k2"]))]);
        assert_eq!(open(dir.path(), "/one").instance("shared/a").unwrap().files.get("f"), Some(&set(&["k1", "k2"])));
        assert_eq!(open(dir.path(), "/two").instance("shared/a"), None);
    }

    #[test]
    fn it_is_known_in_each_working_tree_of_the_repository() {
        let (_dir, state, [main, linked]) = repository();
        let mut recipients = AcceptedRecipients::open(&state, main.clone()).unwrap();
        assert_eq!(main.id().unwrap(), None, "opening writes nothing");
        accept(&mut recipients, &[("shared/a", agreed(&["web1"], &["k1"]))]);
        let elsewhere = AcceptedRecipients::open(&state, linked).unwrap();
        assert_eq!(elsewhere.instance("shared/a").unwrap().files.get("f"), Some(&set(&["k1"])));
        assert_eq!(fs::read_dir(state.join("recipients")).unwrap().count(), 2, "one file and a lock");
    }

    #[test]
    fn a_file_of_this_version_is_read_with_the_key_of_an_earlier_one_as_well() {
        let file: AcceptedRecipientsFile =
            serde_json::from_str(include_str!("../tests/files/recipients.json")).unwrap();
        assert_eq!(file.for_targets(&set(&["nixos/web1"])), Some(BTreeSet::from(["age1admin", "age1web1"])));
        let [a, b] = ["per-machine/web1/a", "shared/b"].map(|name| &file.instances[name]);
        assert_eq!((a.last("g"), a.is_public("p")), (Some(&set(&["age1gone"])), true));
        assert_eq!((b.files.get("f"), b.last("h")), (Some(&set(&["age1admin"])), Some(&set(&["age1gone"]))));
        assert_eq!(file.carried.disputed, set(&["shared/c"]));
    }

    #[test]
    fn a_file_name_that_is_no_longer_valid_does_not_damage_the_rest() {
        let (_folder, state, [main, _]) = repository();
        let a = r#""a": {"targets": ["web1"], "files": {"f": ["k1"], "f\u200bg": ["k2"]}, "once": {"-x": ["k0"], "g": ["k0"]}}"#;
        by_path(&state, main.root(), &format!("{{{a}}}"));
        let mut recipients = AcceptedRecipients::open(&state, main.clone()).unwrap();
        let a = recipients.instance("a").unwrap();
        assert_eq!((a.files.files().count(), a.last("f"), a.last("g")), (1, Some(&set(&["k1"])), Some(&set(&["k0"]))));
        accept(&mut recipients, &[("b", agreed(&["web1"], &["k1"]))]);
        assert!(AcceptedRecipients::open(&state, main).unwrap().instance("a").is_some());
    }

    #[test]
    fn what_was_stored_by_path_is_carried_over() {
        let (_dir, state, [main, linked]) = repository();
        let a = r#""a": {"targets": ["web1"], "files": {"f": ["k1"]}, "once": {"g": ["k0"]}, "public": ["p"]}"#;
        by_path(&state, main.root(), &format!("{{{a}}}"));
        for checkout in [&main, &linked] {
            let recipients = AcceptedRecipients::open(&state, checkout.clone()).unwrap();
            let a = recipients.instance("a").unwrap();
            assert_eq!(
                (a.files.get("f"), a.last("g"), a.is_public("p")),
                (Some(&set(&["k1"])), Some(&set(&["k0"])), true)
            );
            assert_eq!(recipients.for_targets(&set(&["web1"])), BTreeSet::from(["k1"]));
        }
        let mut recipients = AcceptedRecipients::open(&state, linked).unwrap();
        accept(&mut recipients, &[("a", agreed(&["web1"], &["k2"])), ("b", agreed(&["web1"], &["k3"]))]);
        let recipients = AcceptedRecipients::open(&state, main).unwrap();
        assert_eq!(
            recipients.instance("a").unwrap().files.get("f"),
            Some(&set(&["k2"])),
            "what was accepted since counts"
        );
        assert_eq!(recipients.for_targets(&set(&["web1"])), BTreeSet::from(["k2", "k3"]));
    }

    #[test]
    fn nothing_is_carried_over_that_a_link_in_place_of_a_working_tree_leads_to() {
        let (_dir, state, [main, linked]) = repository();
        let other = main.root().with_file_name("other");
        fs::create_dir(&other).unwrap();
        by_path(&state, &other, r#"{"a": {"targets": ["web1"], "files": {"f": ["evil"]}}}"#);
        fs::remove_dir_all(linked.root()).unwrap();
        std::os::unix::fs::symlink(&other, linked.root()).unwrap();
        let recipients = AcceptedRecipients::open(&state, main).unwrap();
        assert_eq!(recipients.instance("a"), None);
        assert!(recipients.for_targets(&set(&["web1"])).is_empty());
    }

    #[test]
    fn where_two_paths_of_a_repository_disagree_neither_is_carried_over() {
        let (_dir, state, [main, linked]) = repository();
        let instance = |key: &str| format!(r#"{{"targets": ["web1"], "files": {{"f": ["{key}"]}}}}"#);
        by_path(&state, main.root(), &format!(r#"{{"a": {}, "b": {}}}"#, instance("k1"), instance("k1")));
        by_path(&state, linked.root(), &format!(r#"{{"a": {}, "c": {}}}"#, instance("evil"), instance("k1")));
        for checkout in [&main, &linked] {
            let recipients = AcceptedRecipients::open(&state, checkout.clone()).unwrap();
            assert_eq!(
                (recipients.instance("a"), recipients.instance("b").is_some(), recipients.instance("c").is_some()),
                (None, true, true)
            );
            assert_eq!(recipients.for_targets(&set(&["web1"])), BTreeSet::from(["k1"]));
        }
        // That does not depend on who writes first, nor on whether the other working tree is still there.
        accept(&mut AcceptedRecipients::open(&state, main.clone()).unwrap(), &[("d", agreed(&["web1"], &["k1"]))]);
        fs::remove_dir_all(linked.root()).unwrap();
        let mut recipients = AcceptedRecipients::open(&state, main.clone()).unwrap();
        assert_eq!(recipients.instance("a"), None);
        accept(&mut recipients, &[("a", agreed(&["web1"], &["k2"]))]);
        fs::create_dir(linked.root()).unwrap();
        assert_eq!(
            AcceptedRecipients::open(&state, linked).unwrap().instance("a").unwrap().files.get("f"),
            Some(&set(&["k2"]))
        );
    }

    #[test]
    fn a_target_s_recipients_are_those_that_were_accepted_last() {
        let dir = tempfile::tempdir().unwrap();
        let mut recipients = open(dir.path(), "/one");
        assert!(recipients.for_targets(&set(&["web1"])).is_empty(), "first use");
        accept(
            &mut recipients,
            &[("a", agreed(&["web1"], &["k1", "gone"])), ("b", agreed(&["web1"], &["k1", "gone"]))],
        );
        assert_eq!(recipients.for_targets(&set(&["web1"])), BTreeSet::from(["k1", "gone"]));
        // `a` is not declared any more, and no one asks about it again.
        accept(&mut recipients, &[("b", agreed(&["web1"], &["k1", "new"]))]);
        let recipients = open(dir.path(), "/one");
        assert_eq!(recipients.for_targets(&set(&["web1"])), BTreeSet::from(["k1", "new"]));
    }

    #[test]
    fn what_is_written_unasked_brings_nobody_back() {
        let dir = tempfile::tempdir().unwrap();
        let mut recipients = open(dir.path(), "/one");
        let [old, new] = [agreed(&["web1"], &["k1", "gone"]), agreed(&["web1"], &["k1"])];
        accept(&mut recipients, &[("a", old.clone()), ("b", old.clone())]);
        accept(&mut recipients, &[("b", new)]);
        recipients
            .accept(BTreeMap::from([("a".to_owned(), old.clone())]), &BTreeSet::new(), &NewLabels::default())
            .unwrap();
        assert_eq!(recipients.for_targets(&set(&["web1"])), BTreeSet::from(["k1"]));
        accept(&mut recipients, &[("a", old)]);
        assert_eq!(recipients.for_targets(&set(&["web1"])), BTreeSet::from(["k1", "gone"]), "but a yes does");
    }

    #[test]
    fn an_instance_with_fewer_recipients_takes_none_from_its_target() {
        let dir = tempfile::tempdir().unwrap();
        let mut recipients = open(dir.path(), "/one");
        accept(&mut recipients, &[("a", agreed(&["web1"], &["k1", "k2"])), ("b", agreed(&["web1"], &["k2"]))]);
        assert_eq!(recipients.for_targets(&set(&["web1"])), BTreeSet::from(["k1", "k2"]));
    }

    #[test]
    fn what_several_targets_share_gives_none_of_them_the_others_keys() {
        let dir = tempfile::tempdir().unwrap();
        let mut recipients = open(dir.path(), "/one");
        let both = &["web1", "web2"];
        accept(&mut recipients, &[("s", agreed(both, &["k1", "k2"])), ("a", agreed(&["web1"], &["k1"]))]);
        assert_eq!(recipients.for_targets(&set(&["web1"])), BTreeSet::from(["k1"]));
        assert!(recipients.for_targets(&set(&["web2"])).is_empty());
        assert_eq!(recipients.for_targets(&set(both)), BTreeSet::from(["k1", "k2"]));
        accept(&mut recipients, &[("c", agreed(&["web3"], &["k3"]))]);
        assert_eq!(recipients.for_targets(&set(&["web1", "web2", "web3"])), BTreeSet::from(["k1", "k3"]));
    }

    #[test]
    fn what_was_secret_stays_known_until_it_may_be_public() {
        let mut it = agreed(&["web1"], &["k1"]);
        for _ in 0..2 {
            it.encrypt_to(set(&["web1"]), only("g", &["k2"]));
            assert_eq!((it.last("f"), it.is_public("f")), (Some(&set(&["k1"])), false));
        }
        it.make_public("f");
        assert!(it.is_public("f"));
        it.encrypt_to(set(&["web1"]), only("f", &["k3"]));
        assert_eq!((it.last("f"), it.is_public("f")), (Some(&set(&["k3"])), false), "it is secret again");
        assert_eq!((it.last("g"), it.last("h")), (Some(&set(&["k2"])), None));
        assert_eq!(serde_json::from_str::<InstanceConsent>(&serde_json::to_string(&it).unwrap()).unwrap(), it);
    }

    #[test]
    fn a_file_without_labels_is_read_and_learns_them() {
        let (_dir, state, [main, _]) = repository();
        let mut recipients = AcceptedRecipients::open(&state, main.clone()).unwrap();
        accept(&mut recipients, &[("a", agreed(&["web1"], &["k1"]))]);
        let path = state.join("recipients").join(file_name(&main.id().unwrap().unwrap()));
        assert!(!fs::read_to_string(&path).unwrap().contains("labels"), "as this file was before");
        let alice = Label::Declared(set(&["alice"]));
        let known = BTreeMap::from([("k1".to_owned(), alice.clone())]);
        let mut recipients = AcceptedRecipients::open(&state, main.clone()).unwrap();
        assert_eq!(recipients.label("k1"), None);
        let unchanged = || BTreeMap::from([("a".to_owned(), agreed(&["web1"], &["k1"]))]);
        let labels = NewLabels { known, ..NewLabels::default() };
        recipients.accept(unchanged(), &BTreeSet::new(), &labels).unwrap();
        let recipients = AcceptedRecipients::open(&state, main).unwrap();
        assert_eq!(recipients.label("k1"), Some(alice.clone()));
        assert_eq!(recipients.others_named("alice", |key| key == "evil"), BTreeSet::from(["k1"]));
        assert!(recipients.others_named("alice", |key| key == "k1").is_empty());
    }

    #[test]
    fn who_was_accepted_and_got_nothing_is_known_until_something_is_encrypted_to_them() {
        let dir = tempfile::tempdir().unwrap();
        let [old, new] = [&["k1"][..], &["k1", "k2"]].map(|keys| agreed(&["web1"], keys));
        let joined = || new.joined_since(Some(&old));
        assert_eq!((joined(), old.joined_since(Some(&new))), (only("f", &["k2"]), Recipients::new()));
        let mut recipients = open(dir.path(), "/one");
        accept(&mut recipients, &[("a", old.clone())]);
        accept(&mut recipients, &[("a", new.clone())]);
        recipients.leave_unused(BTreeMap::from([("a".to_owned(), joined()), ("gone".to_owned(), joined())])).unwrap();
        let mut recipients = open(dir.path(), "/one");
        let a = recipients.instance("a").unwrap().clone();
        assert_eq!((a.files.get("f"), a.unused("f")), (Some(&set(&["k1", "k2"])), Some(&set(&["k2"]))));
        assert_eq!(new.joined_since(Some(&a)), only("f", &["k2"]), "another try that may come to nothing, too");
        accept(&mut recipients, &[("a", new.clone())]);
        assert_eq!(open(dir.path(), "/one").instance("a").unwrap().unused("f"), None);
    }

    #[test]
    fn two_runs_lose_nothing_of_each_other() {
        let dir = tempfile::tempdir().unwrap();
        let (mut one, mut other) = (open(dir.path(), "/one"), open(dir.path(), "/one"));
        accept(&mut one, &[("a", agreed(&["web1"], &["k1"]))]);
        accept(&mut other, &[("b", agreed(&["web1"], &["k2"]))]);
        let recipients = open(dir.path(), "/one");
        assert!(recipients.instance("a").is_some() && recipients.instance("b").is_some());
        assert_eq!(recipients.for_targets(&set(&["web1"])), BTreeSet::from(["k1", "k2"]));
    }

    #[test]
    fn a_file_that_is_torn_or_foreign_is_an_error_that_names_it_and_what_is_lost() {
        let dir = tempfile::tempdir().unwrap();
        accept(&mut open(dir.path(), "/one"), &[("a", agreed(&[], &["k1"]))]);
        let id = Checkout::at_path("/one").id().unwrap().unwrap();
        let paths = [
            dir.path().join("recipients").join(file_name(&id)),
            dir.path().join("readers").join(file_name_by_path(Path::new("/one"))),
        ];
        by_path(dir.path(), Path::new("/one"), "{}");
        for path in paths {
            let good = fs::read(&path).unwrap();
            let foreign = br#"{"schema": 3, "checkout": "", "instances": {}}"#;
            for text in [b"", &good[..good.len() / 2], b"{}", foreign, b"[1]", b"\xff"] {
                fs::write(&path, text).unwrap();
                let error = AcceptedRecipients::open(dir.path(), Checkout::at_path("/one")).unwrap_err();
                assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
                assert!(error.hint().unwrap().contains("asked about again"), "{error}");
            }
            fs::write(&path, good).unwrap();
        }
        assert!(open(dir.path(), "/one").instance("a").is_some());
    }
}
