//! Nothing is encrypted to anyone whom the admin has not agreed to.

use std::collections::{BTreeMap, BTreeSet};

use artifacts_declared::{InstanceName, Name, Recipients};
use artifacts_digest::Sha256;
use artifacts_plan::Instance;
use artifacts_report::{EVERYONE, Failure, RecipientChange};
use artifacts_store::{HeaderHash, Receipt};
use artifacts_trust::{AcceptedRecipients, InstanceConsent, NewLabels};

use super::ticket::Allows;
use crate::failure;
use crate::look::names::Names;
use crate::look::rekeyable::is_moved;
use crate::look::survey::{Survey, SurveyedInstance};

/// Whom these instances may be encrypted to: what is not in here is not written.
#[derive(Debug, Default)]
pub struct Consent {
    /// None where nothing is encrypted.
    agreed: BTreeMap<InstanceName, Option<Recipients>>,
    /// Who joins each instance once it is stored.
    pub(super) joining: BTreeMap<String, Recipients>,
}

/// What is to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteKind<'a> {
    /// All files are generated now.
    New,
    /// What was stored is opened and encrypted again, unless an earlier run did that and did not finish.
    Stored,
    /// One file, given by a person.
    Given {
        /// Which.
        file: &'a Name,
        /// Whether its old value is opened, to be edited.
        opens: bool,
    },
    /// Values of another tool's files, which may be taken unchanged.
    Imported(&'a BTreeMap<InstanceName, ImportKind>),
}

/// How an instance is imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportKind {
    /// The headers of files that may be taken unchanged.
    pub headers: BTreeSet<HeaderHash>,
    /// Whether its values are encrypted to the declared recipients.
    pub encrypts: bool,
}

/// Where the plaintext of what is encrypted comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PlaintextOrigin {
    /// From a generator or a person, now.
    New,
    /// Some of it was stored before, here or by another tool.
    Stored,
}

impl WriteKind<'_> {
    /// None when nothing is encrypted: a public file is given, and secret ones stay as they are stored.
    fn source(self, instance: &Instance, found: &SurveyedInstance) -> Option<PlaintextOrigin> {
        match self {
            Self::New => Some(PlaintextOrigin::New),
            Self::Imported(all) => {
                // Others stored it, for whom they chose.
                all.get(&instance.name).is_some_and(|it| it.encrypts).then_some(PlaintextOrigin::Stored)
            }
            Self::Stored => (!is_moved(found)).then_some(PlaintextOrigin::Stored),
            Self::Given { file, .. } if instance.public_files().any(|public| public == file) => {
                // With the first value, secret files that need none are stored empty.
                let begins = found.fingerprint.is_none() && instance.secret_files().next().is_some();
                begins.then_some(PlaintextOrigin::New)
            }
            Self::Given { file, opens } => {
                // OtherFiles that are stored may have to be opened, too.
                let opens = opens || instance.secret_files().any(|name| name != file);
                Some(if found.fingerprint.is_some() && opens { PlaintextOrigin::Stored } else { PlaintextOrigin::New })
            }
        }
    }

    /// Whether a public file gets a value that was not there before.
    fn publishes(self, public: &Name) -> bool {
        match self {
            Self::New | Self::Imported(_) => true,
            Self::Stored => false,
            Self::Given { file, .. } => file == public,
        }
    }

    /// What a ticket allows of what was accepted of an instance.
    pub(super) fn allows(self, instance: &Instance, consent: &Consent) -> Result<Allows, Failure> {
        let allows = consent.allows(instance)?;
        let Self::Imported(all) = self else { return Ok(allows) };
        let headers = all.get(&instance.name).map(|it| it.headers.clone()).unwrap_or_default();
        let to = if let Allows::To(recipients) = allows { Some(recipients) } else { None };
        Ok(Allows::Import { headers, to })
    }
}

/// Recipients that were asked about, before the answer.
pub struct RecipientQuestions {
    sought: BTreeMap<InstanceName, ConsentItem>,
    /// Where they are not what was agreed to.
    pub changes: Vec<RecipientChange>,
    /// Who has a name from an earlier yes.
    named: BTreeSet<String>,
}

/// What is to be agreed to of one instance.
struct ConsentItem {
    /// Its targets.
    targets: BTreeSet<String>,
    /// Whom its files are encrypted to; none when nothing is encrypted.
    sealed: Option<Recipients>,
    /// Files that were secret and are in plain text from now on.
    published: BTreeSet<String>,
}

impl RecipientQuestions {
    /// Compares the recipients of what is to be written with what is remembered. See `before` for the rule.
    pub fn new<'a>(
        known: &AcceptedRecipients,
        instances: impl Iterator<Item = &'a Instance>,
        survey: &Survey,
        plaintext: WriteKind<'_>,
    ) -> Self {
        let named = known.named().cloned().collect();
        let mut asked = Self { sought: BTreeMap::new(), changes: Vec::new(), named };
        for instance in instances {
            let Some(found) = survey.found.get(&instance.name) else { continue };
            let label = instance.name.to_string();
            // What was accepted for a value holds for it under its new name.
            let stored_for = found.former.as_ref().map_or_else(|| label.clone(), ToString::to_string);
            let published = published(known, instance, found.receipt.as_deref(), plaintext);
            let mut sought = ConsentItem {
                targets: targets(instance),
                sealed: None,
                published: published.iter().map(|change| change.file.clone()).collect(),
            };
            if let Some(source) = plaintext.source(instance, found) {
                let files = found.recipients.clone();
                let before = before(known, &stored_for, &sought.targets, &files, source);
                let agreed = known.instance(&stored_for);
                let targets = agreed.map_or(&sought.targets, |agreed: &InstanceConsent| &agreed.targets);
                let is_first = known.for_targets(targets).is_empty();
                for (file, after) in &files {
                    let unused = agreed.and_then(|agreed| agreed.unused(file.as_str()));
                    let mut before = before.get(file.as_str()).cloned().unwrap_or_default();
                    // Who never joined does not leave.
                    before.retain(|key| after.contains(key) || !unused.is_some_and(|unused| unused.contains(key)));
                    if before != *after {
                        let (instance, file, after) = (label.clone(), file.to_string(), after.clone());
                        asked.changes.push(RecipientChange { instance, file, before, after, is_first });
                    }
                }
                asked.changes.extend(survey.other_recipients(instance));
                sought.sealed = Some(files);
            }
            asked.changes.extend(published);
            asked.sought.insert(instance.name.clone(), sought);
        }
        asked
    }

    /// The SHA-256, in hex, of exactly what would be accepted: instances, files and recipients. None when there is nothing.
    pub fn digest(&self) -> Option<String> {
        digest(&self.changes)
    }

    /// Returns the instances that are asked about.
    pub fn asked(&self) -> BTreeSet<InstanceName> {
        let changed: BTreeSet<&str> = self.changes.iter().map(|change| change.instance.as_str()).collect();
        self.sought.keys().filter(|name| changed.contains(name.to_string().as_str())).cloned().collect()
    }

    /// Returns the labels of those who join by a yes, and of those who were accepted before.
    pub(crate) fn labels(&self, names: &Names<'_>, is_yes: bool) -> NewLabels {
        let joined: BTreeSet<&String> =
            self.changes.iter().filter(|_| is_yes).flat_map(|change| change.after.difference(&change.before)).collect();
        let asked = self.asked();
        let settled = self.sought.iter().filter(|(name, _)| is_yes || !asked.contains(*name));
        let all: BTreeSet<&String> =
            settled.flat_map(|(_, item)| item.sealed.iter().flat_map(Recipients::of_all_files)).collect();
        let labeled = |keys: &mut dyn Iterator<Item = &String>| {
            keys.filter_map(|key| Some((key.clone(), names.label(key)?))).collect()
        };
        let still = |key: &String| Some((key.clone(), names.current(key)?));
        // It is of use only for the names of those who join.
        let all_keys = self.named.iter().filter(|_| !joined.is_empty());
        NewLabels {
            known: labeled(&mut all.into_iter().filter(|key| !joined.contains(key))),
            joined: labeled(&mut joined.iter().copied()),
            still: all_keys.filter_map(still).collect(),
        }
    }

    /// Stores what is accepted: everything, or all but the changes.
    ///
    /// # Errors
    /// When it cannot be stored; then nothing is accepted.
    pub fn settle(
        self,
        known: &mut AcceptedRecipients,
        changes_too: bool,
        labels: &NewLabels,
    ) -> Result<Consent, Failure> {
        let mut consent = Consent::default();
        let mut remembered = BTreeMap::new();
        let mut asked = BTreeSet::new();
        let changed: BTreeSet<&str> = self.changes.iter().map(|change| change.instance.as_str()).collect();
        for (name, sought) in self.sought {
            let label = name.to_string();
            if changed.contains(label.as_str()) {
                if !changes_too {
                    continue;
                }
                asked.insert(label.clone());
            }
            let before = known.instance(&label);
            let mut agreed = before.cloned().unwrap_or_default();
            if let Some(files) = &sought.sealed {
                agreed.encrypt_to(sought.targets, files.clone());
            }
            sought.published.iter().for_each(|file| agreed.make_public(file));
            let joining = agreed.joined_since(before);
            if !joining.is_empty() {
                consent.joining.insert(label.clone(), joining);
            }
            if before.is_some() || !agreed.files.is_empty() || !sought.published.is_empty() {
                remembered.insert(label, agreed);
            }
            consent.agreed.insert(name, sought.sealed);
        }
        known.accept(remembered, &asked, labels).map_err(|e| Failure::about("recipients", e))?;
        Ok(consent)
    }
}

impl Consent {
    /// Returns what may be encrypted of an instance.
    ///
    /// # Errors
    /// When its recipients were not accepted.
    pub(super) fn allows(&self, instance: &Instance) -> Result<Allows, Failure> {
        match self.agreed.get(&instance.name) {
            Some(Some(recipients)) => Ok(Allows::To(recipients.clone())),
            Some(None) => Ok(Allows::Nothing),
            None => Err(failure::not_accepted(instance)),
        }
    }
}

/// The SHA-256, in hex, of these files and who they would have as recipients. None when there is nothing.
pub(super) fn digest(changes: &[RecipientChange]) -> Option<String> {
    let mut sets: Vec<_> = changes.iter().map(|it| (&it.instance, &it.file, &it.after)).collect();
    sets.sort();
    (!sets.is_empty()).then(|| Sha256::digest(serde_json::json!(sets).to_string()).to_string())
}

fn targets(instance: &Instance) -> BTreeSet<String> {
    instance.targets.iter().map(|target| format!("{}/{}", target.kind.as_str(), target.name)).collect()
}

/// The recipients that were accepted, by file, with which those that are sought are compared. Empty on first use.
///
/// What was stored goes to the recipients that were accepted for that very file, and to no others. What is new goes to recipients that
/// were accepted last for secrets of its targets; those of an instance that is known are also its own.
fn before(
    known: &AcceptedRecipients,
    name: &str,
    targets: &BTreeSet<String>,
    sought: &Recipients,
    source: PlaintextOrigin,
) -> Recipients {
    let remembered = known.instance(name);
    let files = remembered.map(|agreed| &agreed.files);
    let stored = |file: &Name| files.and_then(|files| files.get(file.as_str())).cloned();
    if source == PlaintextOrigin::Stored {
        return sought.files().map(|file| (file.clone(), stored(file).unwrap_or_default())).collect();
    }
    let mut theirs = known.for_targets(remembered.map_or(targets, |agreed| &agreed.targets));
    if let Some(files) = files {
        let own: BTreeSet<&str> = files.of_all_files().map(String::as_str).collect();
        theirs.retain(|recipient| own.contains(recipient));
    }
    let accepted = |recipients: &BTreeSet<String>| {
        recipients.iter().filter(|recipient| theirs.contains(recipient.as_str())).cloned().collect()
    };
    let before =
        |(file, now): (&Name, &BTreeSet<String>)| (file.clone(), accepted(stored(file).as_ref().unwrap_or(now)));
    sought.iter().map(before).collect()
}

/// Files that were secret and are declared public: whatever is made or given for them now would be stored for everyone. That
/// they were is known from what was agreed to here, or else from the receipt, which anyone who pushes can write.
fn published(
    known: &AcceptedRecipients,
    instance: &Instance,
    receipt: Option<&Receipt>,
    plaintext: WriteKind<'_>,
) -> Vec<RecipientChange> {
    let label = instance.name.to_string();
    let agreed = known.instance(&label);
    let change = |file: &Name| {
        let last = agreed.and_then(|agreed| agreed.last(file.as_str()));
        let mut before = last.or_else(|| receipt?.recipients.get(file.as_str()))?.clone();
        // A receipt that claims it would hide the change.
        before.remove(EVERYONE);
        Some(RecipientChange {
            instance: label.clone(),
            file: file.to_string(),
            before,
            after: BTreeSet::from([EVERYONE.to_owned()]),
            is_first: false,
        })
    };
    let asked_before = |file: &Name| agreed.is_some_and(|agreed| agreed.is_public(file.as_str()));
    let files = instance.public_files().filter(|file| plaintext.publishes(file) && !asked_before(file));
    files.filter_map(change).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use artifacts_trust::Checkout;

    use super::*;

    fn by_file(files: &[(&str, &[&str])]) -> Recipients {
        let set = |recipients: &[&str]| recipients.iter().map(ToString::to_string).collect();
        files.iter().map(|(file, recipients)| (file.parse().unwrap(), set(recipients))).collect()
    }

    fn one(target: &str) -> BTreeSet<String> {
        BTreeSet::from([target.to_owned()])
    }

    /// `per-machine/web1/a` with these files.
    fn instance(files: &str) -> Instance {
        let spec = format!(
            r#"{{"schema": 1, "backends": {{}}, "targets": [{{"kind": "nixos", "name": "web1", "config": {{}}, "artifacts": {{
            "a": {{"backend": "agenix", "files": {files}, "generator": {{"path": "/g"}}}}}}}}]}}"#
        );
        let resolved = artifacts_plan::instances(&artifacts_declared::parse(&spec).unwrap(), None);
        resolved.instances.into_values().next().unwrap()
    }

    /// A survey that found it so.
    fn found(instance: &Instance, recipients: &[(&str, &[&str])]) -> Survey {
        let found = SurveyedInstance {
            state: artifacts_plan::InstanceState::Present,
            recipients: by_file(recipients),
            labels: BTreeMap::new().into(),
            receipt: None,
            fingerprint: None,
            elsewhere: None,
            former: None,
            strays: Vec::new(),
        };
        Survey { found: BTreeMap::from([(instance.name.clone(), found)]), ..Survey::default() }
    }

    /// That of an entry.
    fn fingerprint() -> artifacts_store::Fingerprint {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("secrets/shared/a")).unwrap();
        std::fs::write(dir.path().join("secrets/shared/a/f"), "").unwrap();
        let storage = artifacts_store::Storage::open(&artifacts_store::Root::open(dir.path()).unwrap(), "secrets");
        storage.unwrap().read(&"shared/a".parse().unwrap()).unwrap().unwrap().fingerprint()
    }

    /// How many recipients would have to be accepted.
    fn joined(
        known: &AcceptedRecipients,
        name: &str,
        target: &str,
        sought: &Recipients,
        source: PlaintextOrigin,
    ) -> usize {
        let before = before(known, name, &one(target), sought, source);
        sought.iter().map(|(file, after)| after.difference(before.get(file.as_str()).unwrap()).count()).sum()
    }

    fn accepted(known: &mut AcceptedRecipients, name: &str, target: &str, files: &Recipients) {
        let mut agreed = known.instance(name).cloned().unwrap_or_default();
        agreed.encrypt_to(one(target), files.clone());
        known.accept(BTreeMap::from([(name.to_owned(), agreed)]), &one(name), &NewLabels::default()).unwrap();
    }

    #[test]
    fn what_is_given_opens_what_else_is_stored_and_nothing_is_encrypted_for_a_public_file() {
        use PlaintextOrigin::{New, Stored};
        let (secret, two) = (r#"{"f": {}}"#, r#"{"f": {}, "g": {}}"#);
        let (public, both) = (r#"{"f": {"secret": false}}"#, r#"{"f": {"secret": false}, "g": {}}"#);
        let other = r#"{"f": {}, "g": {"secret": false}}"#;
        for (files, opens, absent, stored) in [
            (secret, false, Some(New), Some(New)),
            (secret, true, Some(New), Some(Stored)),
            (two, false, Some(New), Some(Stored)),
            (two, true, Some(New), Some(Stored)),
            (other, false, Some(New), Some(New)),
            (public, false, None, None),
            (public, true, None, None),
            // The first value of an artifact stores its secret files empty.
            (both, false, Some(New), None),
        ] {
            let given = WriteKind::Given { file: &Name::new("f").unwrap(), opens };
            let instance = instance(files);
            let sources = [None, Some(fingerprint())].map(|fingerprint| {
                let found = found(&instance, &[]).found.remove(&instance.name).unwrap();
                given.source(&instance, &SurveyedInstance { fingerprint, ..found })
            });
            assert_eq!(sources, [absent, stored], "{files} {opens}");
        }
    }

    #[test]
    fn what_was_stored_has_the_readers_that_were_agreed_to_for_that_very_file_and_no_others() {
        let dir = tempfile::tempdir().unwrap();
        let mut known = AcceptedRecipients::open(dir.path(), Checkout::at_path("/one")).unwrap();
        accepted(&mut known, "per-machine/web1/a", "nixos/web1", &by_file(&[("env", &["web1", "admin"])]));
        let evil = by_file(&[("x", &["evil"])]);
        for source in [PlaintextOrigin::New, PlaintextOrigin::Stored] {
            let unknown = joined(&known, "per-machine/evil/x", "nixos/evil", &evil, source);
            assert_eq!(unknown, 1, "the first use of a target's recipients is asked about, {source:?}");
        }
        let other = by_file(&[("env", &["web1", "evil"])]);
        assert_eq!(joined(&known, "per-machine/web1/b", "nixos/web1", &other, PlaintextOrigin::New), 1);
        assert_eq!(joined(&known, "per-machine/web1/b", "nixos/web1", &other, PlaintextOrigin::Stored), 2);
        let more = by_file(&[("env", &["web1", "admin"]), ("key", &["web1", "admin"])]);
        assert_eq!(joined(&known, "per-machine/web1/a", "nixos/web1", &more, PlaintextOrigin::New), 0);
        let stored = joined(&known, "per-machine/web1/a", "nixos/web1", &more, PlaintextOrigin::Stored);
        assert_eq!(stored, 2, "nobody agreed about `key`");
    }

    #[test]
    fn who_was_removed_since_is_asked_about_wherever_they_come_back() {
        let dir = tempfile::tempdir().unwrap();
        let mut known = AcceptedRecipients::open(dir.path(), Checkout::at_path("/one")).unwrap();
        let [old, new] = [&["web1", "gone"][..], &["web1"]].map(|readers| by_file(&[("env", readers)]));
        accepted(&mut known, "per-machine/web1/dropped", "nixos/web1", &old);
        accepted(&mut known, "per-machine/web1/kept", "nixos/web1", &old);
        accepted(&mut known, "per-machine/web1/kept", "nixos/web1", &new);
        for name in ["dropped", "kept", "new"].map(|name| format!("per-machine/web1/{name}")) {
            assert_eq!(joined(&known, &name, "nixos/web1", &old, PlaintextOrigin::New), 1, "{name}");
            assert_eq!(joined(&known, &name, "nixos/web1", &new, PlaintextOrigin::New), 0, "{name}");
        }
        accepted(&mut known, "per-machine/web1/dropped", "nixos/web1", &old);
        assert_eq!(
            joined(&known, "per-machine/web1/dropped", "nixos/web1", &old, PlaintextOrigin::New),
            0,
            "after a yes"
        );
    }

    #[test]
    fn a_digest_stands_for_exactly_these_instances_files_and_recipients() {
        let dir = tempfile::tempdir().unwrap();
        let known = AcceptedRecipients::open(dir.path(), Checkout::at_path("/one")).unwrap();
        let digest = |files: &str, recipients: &[(&str, &[&str])]| {
            let instance = instance(files);
            RecipientQuestions::new(&known, [&instance].into_iter(), &found(&instance, recipients), WriteKind::New)
                .digest()
        };
        let one = digest(r#"{"f": {}}"#, &[("f", &["k1", "k2"])]);
        assert_eq!(one, digest(r#"{"f": {}}"#, &[("f", &["k2", "k1"])]));
        let others = [
            digest(r#"{"f": {}}"#, &[("f", &["k1"])]),
            digest(r#"{"f": {}}"#, &[("f", &["k1", "k2", "k3"])]),
            digest(r#"{"g": {}}"#, &[("g", &["k1", "k2"])]),
            digest(r#"{"f": {}, "g": {}}"#, &[("f", &["k1"]), ("g", &["k2"])]),
            digest(r#"{"f": {}}"#, &[("f", &[])]),
        ];
        assert!(others.iter().all(|other| *other != one), "{others:?}");
        assert_eq!(others[4], None, "who encrypts to nobody is asked nothing");
    }

    #[test]
    fn what_was_secret_is_asked_about_until_somebody_agrees_that_it_lies_in_plain_text() {
        let dir = tempfile::tempdir().unwrap();
        let mut known = AcceptedRecipients::open(dir.path(), Checkout::at_path("/one")).unwrap();
        let both: &[(&str, &[&str])] = &[("one", &["k"]), ("two", &["k"])];
        let secret = instance(r#"{"one": {}, "two": {}}"#);
        let asked = RecipientQuestions::new(&known, [&secret].into_iter(), &found(&secret, both), WriteKind::New);
        asked.settle(&mut known, true, &NewLabels::default()).unwrap();

        let public = instance(r#"{"one": {}, "two": {"secret": false}}"#);
        let survey = found(&public, &both[..1]);
        let [one, two] = ["one", "two"].map(|name| Name::new(name).unwrap());
        let given = |file| WriteKind::Given { file, opens: false };
        let asks = |known: &AcceptedRecipients, plaintext| {
            let asked = RecipientQuestions::new(known, [&public].into_iter(), &survey, plaintext);
            asked.changes.iter().map(|change| change.file.clone()).collect::<Vec<_>>()
        };
        // Whatever is written of it, the question stays.
        for plaintext in [WriteKind::Stored, given(&one), WriteKind::Stored] {
            assert!(asks(&known, plaintext).is_empty());
            let asked = RecipientQuestions::new(&known, [&public].into_iter(), &survey, plaintext);
            asked.settle(&mut known, true, &NewLabels::default()).unwrap();
            assert_eq!(asks(&known, WriteKind::New), ["two"]);
            assert_eq!(asks(&known, given(&two)), ["two"]);
        }
        let refused = RecipientQuestions::new(&known, [&public].into_iter(), &survey, given(&two))
            .settle(&mut known, false, &NewLabels::default())
            .unwrap();
        assert!(refused.allows(&public).is_err());
        assert_eq!(asks(&known, given(&two)), ["two"], "that was a no");
        RecipientQuestions::new(&known, [&public].into_iter(), &survey, given(&two))
            .settle(&mut known, true, &NewLabels::default())
            .unwrap();
        assert!(asks(&known, given(&two)).is_empty() && asks(&known, WriteKind::New).is_empty());
        assert_eq!(
            known.instance("per-machine/web1/a").unwrap().files.files().count(),
            1,
            "the recipients of `one` did not change"
        );
    }

    #[test]
    fn nothing_is_written_for_readers_that_are_not_those_that_were_agreed_to() {
        let instance = &instance(r#"{"f": {}}"#);
        let read_by = |recipients: &[&str]| SurveyedInstance {
            state: artifacts_plan::InstanceState::Absent,
            recipients: by_file(&[("f", recipients)]),
            labels: BTreeMap::new().into(),
            receipt: None,
            fingerprint: None,
            elsewhere: None,
            former: None,
            strays: Vec::new(),
        };
        let dir = tempfile::tempdir().unwrap();
        let mut known = AcceptedRecipients::open(dir.path(), Checkout::at_path("/one")).unwrap();
        let survey =
            Survey { found: BTreeMap::from([(instance.name.clone(), read_by(&["web1"]))]), ..Survey::default() };
        let asked = || {
            RecipientQuestions::new(
                &AcceptedRecipients::open(dir.path(), Checkout::at_path("/one")).unwrap(),
                std::iter::once(instance),
                &survey,
                WriteKind::New,
            )
        };
        let consent = asked().settle(&mut known, false, &NewLabels::default()).unwrap();
        assert!(consent.allows(instance).is_err(), "that was a no");
        let consent = asked().settle(&mut known, true, &NewLabels::default()).unwrap();
        let allows = consent.allows(instance).unwrap();
        assert!(allows.covers(&by_file(&[("f", &["web1"])])));
        for others in [&["web1", "evil"][..], &["evil"], &[]] {
            assert!(!allows.covers(&by_file(&[("f", others)])), "{others:?}");
        }
        let refused = Consent::default().allows(instance).unwrap_err();
        assert_eq!(refused.message, "its recipients were not accepted");
    }
}
