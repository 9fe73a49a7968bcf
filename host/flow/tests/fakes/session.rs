//! A backend that keeps recipients and value of each file as text, and misbehaves when it is told to.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

use artifacts_age::Keyring;
use artifacts_contract::{ConfigSchema, Grants};
use artifacts_flow::{RetrieveCall, SerializeCall, Session, Terms};
use artifacts_seam::Limits;
use artifacts_seam::{
    BackendFailure, CallContext, CallError, CheckState, ComponentEvent, EntryFiles, FailureKind, InstanceView,
    SandboxLayer, Secret, SecretFile, Usage,
};
use artifacts_session::{CallFailed, Checks, DecryptAttempt, Decrypted, Retrieved, Serialized, Verified};

/// What a call does instead of what it should.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Misbehavior {
    /// It fails, in its own words.
    Fail,
    /// It gives nothing.
    BeSilent,
    /// It claims what is not so.
    Lie,
}

/// Stands for the targets that a file is deployed to, each a recipient by its name.
pub const TARGETS: &str = "targets";

/// What the backend knows and did.
#[allow(clippy::struct_excessive_bools, reason = "each is true or not by itself")]
pub struct World {
    /// Whom files are encrypted to; for all the same but for [`TARGETS`].
    pub recipients: Vec<String>,
    /// Whom the files of single instances are encrypted to instead.
    pub own_recipients: BTreeMap<String, Vec<String>>,
    /// Whose they are, by its word.
    pub labels: BTreeMap<String, String>,
    /// Every call: the operation, and the instances.
    pub calls: Vec<String>,
    /// What which call does instead, counted from 1.
    pub misbehave: BTreeMap<usize, Misbehavior>,
    /// Instances of which no call succeeds.
    pub broken: BTreeSet<String>,
    /// Whether it is granted to see plaintext.
    pub sees_plaintext: bool,
    /// Whether it reads secrets back.
    pub retrieves: bool,
    /// Whether it has the host encrypt: beside each file an age file of its own then.
    pub seals: bool,
    /// How many age files there are so far.
    pub sealed: usize,
    /// Instances of which it rejects from then on what it wrote.
    pub spoils: BTreeSet<String>,
    spoiled: BTreeSet<String>,
    /// Whether it is one of the program's own: what these answered is believed for the run.
    pub bundled: bool,
    /// Whether it decrypts with the admin's identities.
    pub uses_identities: bool,
    /// Whether it writes all files of an instance or none.
    pub needs_all: bool,
    /// What happens in every check.
    pub events: Vec<ComponentEvent>,
    /// Done at every call.
    pub hook: Option<Box<dyn Fn()>>,
    /// The schema of a target's configuration.
    pub config: serde_json::Value,
    /// What its worker lacks from the next call on.
    pub missing: Vec<SandboxLayer>,
    /// Who reads secrets back; anyone where this is none.
    pub identity: Option<String>,
    /// Encrypted files of other tools, by their bytes.
    pub others: Rc<RefCell<BTreeMap<Vec<u8>, OtherFile>>>,
}

/// What a file of another tool holds.
#[derive(Debug, Clone)]
pub struct OtherFile {
    /// Who decrypts it, joined by commas.
    pub to: String,
    /// Its values by key; the only one has the key `data`.
    pub values: BTreeMap<String, Vec<u8>>,
}

impl Default for World {
    fn default() -> Self {
        Self {
            recipients: vec!["admin".to_owned(), "host".to_owned()],
            own_recipients: BTreeMap::new(),
            labels: BTreeMap::new(),
            calls: Vec::new(),
            misbehave: BTreeMap::new(),
            broken: BTreeSet::new(),
            sees_plaintext: false,
            retrieves: true,
            seals: false,
            sealed: 0,
            spoils: BTreeSet::new(),
            spoiled: BTreeSet::new(),
            bundled: false,
            uses_identities: false,
            needs_all: false,
            events: Vec::new(),
            hook: None,
            config: serde_json::json!({}),
            missing: Vec::new(),
            identity: None,
            others: Rc::default(),
        }
    }
}

impl World {
    pub fn terms(&self) -> Terms {
        Terms {
            component: "fake".to_owned(),
            version: "1.0.0".to_owned(),
            sha256: artifacts_digest::Sha256::digest("component"),
            bundled: self.bundled,
            retrieves: self.retrieves,
            requests_plaintext: true,
            grants: Grants { plaintext: self.sees_plaintext, identities: self.uses_identities },
            limits: Limits::default(),
            config: Arc::new(ConfigSchema::new(self.config.as_object().unwrap()).unwrap()),
        }
    }

    pub fn recipients(&mut self, names: &[&str]) {
        self.recipients = names.iter().map(ToString::to_string).collect();
    }

    fn recipients_of(&self, instance: &str) -> &[String] {
        self.own_recipients.get(instance).unwrap_or(&self.recipients)
    }

    /// Calls of this operation so far.
    pub fn count(&self, operation: &str) -> usize {
        self.calls.iter().filter(|call| call.starts_with(operation)).count()
    }

    fn begin(&mut self, operation: &str, names: &[String]) -> Option<Misbehavior> {
        if let Some(hook) = &self.hook {
            hook();
        }
        self.calls.push(format!("{operation} {}", names.join(" ")));
        let broken = names.len() == 1 && names.iter().any(|name| self.broken.contains(name));
        self.misbehave.get(&self.calls.len()).copied().or(broken.then_some(Misbehavior::Fail))
    }
}

/// A backend whose files end in its name.
pub struct FakeSession {
    world: Rc<RefCell<World>>,
    others: Rc<RefCell<BTreeMap<Vec<u8>, OtherFile>>>,
    ending: &'static str,
    missing: Vec<SandboxLayer>,
}

impl FakeSession {
    pub fn new(world: &Rc<RefCell<World>>, ending: &'static str) -> Self {
        let others = Rc::clone(&world.borrow().others);
        Self { world: Rc::clone(world), others, ending, missing: Vec::new() }
    }

    /// A file in an entry, by whom it can be read and its value. It takes files of other tools as well.
    fn stored(&self, files: &EntryFiles, name: &str) -> Option<(String, Vec<u8>)> {
        let others = self.others.borrow();
        let own = |stored: String, key: &str| {
            let file = others.get(files.get(&stored)?)?;
            Some((file.to.clone(), file.values.get(key)?.clone()))
        };
        let binary = own(format!("{name}.{}", self.ending), "data");
        let text = || ["dotenv", "ini"].iter().find_map(|form| own(format!("{name}.{}.{form}", self.ending), "data"));
        let together = || Some(format!("secrets.{}.yaml", self.ending)).and_then(|stored| own(stored, name));
        if let Some(found) = binary.or_else(text).or_else(together) {
            return Some(found);
        }
        let text = files.get(&format!("{name}.{}", self.ending))?;
        let end = text.iter().position(|byte| *byte == b'\n')?;
        Some((String::from_utf8_lossy(&text[..end]).into_owned(), text[end + 1..].to_vec()))
    }
}

/// The age file of this number.
pub fn age_file(number: usize) -> Vec<u8> {
    format!("age-encryption.org/v1\n-> fake {number}\n--- fake\n").into_bytes()
}

fn failed() -> CallError {
    CallError::Failed(BackendFailure { kind: FailureKind::Internal, message: "it would not".to_owned(), hint: None })
}

fn no_identity() -> CallError {
    let message = "no identity matches; it has none".to_owned();
    CallError::Failed(BackendFailure { kind: FailureKind::NoIdentity, message, hint: None })
}

impl FakeSession {
    fn serialize_one(&mut self, call: SerializeCall<'_>) -> Result<Serialized, CallFailed> {
        let mut world = self.world.borrow_mut();
        self.missing.extend(std::mem::take(&mut world.missing));
        let misbehavior = world.begin("serialize", std::slice::from_ref(&call.instance.name));
        if world.needs_all && call.secrets.len() < call.instance.files.len() {
            let message = "all files are needed".to_owned();
            return Err(CallError::Failed(BackendFailure { kind: FailureKind::NeedsAll, message, hint: None }).into());
        }
        let (mut files, mut sealed) = (call.files, BTreeMap::new());
        for (name, value) in call.secrets {
            let recipients = call.recipients.get(name).map(|all| all.iter().cloned().collect::<Vec<_>>().join(","));
            let mut text = format!("{}\n", recipients.unwrap_or_default()).into_bytes();
            text.extend_from_slice(value.expose());
            files.insert(format!("{name}.{}", self.ending), text);
            if world.seals {
                world.sealed += 1;
                let file = age_file(world.sealed);
                sealed.extend(artifacts_age::headers(&file).into_iter().map(|header| (header, [name.clone()].into())));
                files.insert(format!("{name}.age"), file);
            }
        }
        let spoils = world.spoils.contains(&call.instance.name).then(|| call.instance.name.clone());
        world.spoiled.extend(spoils);
        match misbehavior {
            Some(Misbehavior::Fail) => return Err(failed().into()),
            Some(Misbehavior::BeSilent) => files.clear(),
            Some(Misbehavior::Lie) => {
                files = EntryFiles::from([(format!("other.{}", self.ending), b"mallory\n".to_vec())]);
            }
            None => {}
        }
        Ok(Serialized { files, sealed, events: Vec::new(), usage: Usage::default(), saw_plaintext: true })
    }

    fn retrieve_one(&mut self, call: &RetrieveCall<'_>) -> Result<Retrieved, CallFailed> {
        let mut world = self.world.borrow_mut();
        self.missing.extend(std::mem::take(&mut world.missing));
        let misbehavior = world.begin("retrieve", std::slice::from_ref(&call.instance.name));
        let mut secrets = BTreeMap::new();
        for name in call.names {
            match (misbehavior, self.stored(call.files, name)) {
                (None, Some((to, _)))
                    if world.identity.as_ref().is_some_and(|who| !to.split(',').any(|one| one == who)) =>
                {
                    return Err(no_identity().into());
                }
                (None, Some((_, value))) => secrets.insert(name.clone(), Secret::new(value)),
                (Some(Misbehavior::Lie), _) => secrets.insert(name.clone(), Secret::new(b"another".to_vec())),
                _ => return Err(failed().into()),
            };
        }
        let headers = call.files.values().flat_map(|bytes| artifacts_age::headers(bytes));
        let headers: Vec<_> = headers.collect();
        if headers.iter().any(|header| !call.openable.contains_key(header)) {
            return Err(failed().into());
        }
        let opening = |header| DecryptAttempt { header: Some(header), file: None, identity: None, error: None };
        Ok(Retrieved {
            secrets,
            openings: headers.into_iter().map(opening).collect(),
            decrypted: Decrypted::new(),
            events: Vec::new(),
            usage: Usage::default(),
            saw_plaintext: true,
        })
    }
}

impl Session for FakeSession {
    fn check(&mut self, _: CallContext, batch: Vec<(InstanceView, EntryFiles)>) -> Checks {
        let mut world = self.world.borrow_mut();
        self.missing.extend(std::mem::take(&mut world.missing));
        let names: Vec<String> = batch.iter().map(|(instance, _)| instance.name.clone()).collect();
        let misbehavior = world.begin("check", &names);
        let answer = |(instance, files): (InstanceView, EntryFiles)| {
            let recipients = match misbehavior {
                Some(Misbehavior::Fail) => return Err(failed()),
                Some(Misbehavior::BeSilent) => return Err(CallError::Broken("it gave no answer".to_owned())),
                Some(Misbehavior::Lie) => BTreeSet::from(["mallory".to_owned()]),
                None => world.recipients_of(&instance.name).iter().cloned().collect(),
            };
            let name = |file: &SecretFile| file.name.parse().unwrap();
            let of = |file: &SecretFile| {
                let targets = || file.targets.iter().map(|target| target.name.clone()).collect::<Vec<_>>();
                let keys = |key: &String| if key == TARGETS { targets() } else { vec![key.clone()] };
                recipients.iter().flat_map(keys).collect()
            };
            let recipients = instance.files.iter().map(|file| (name(file), of(file))).collect();
            let is_whole = instance.files.iter().all(|file| self.stored(&files, &file.name).is_some())
                && !world.spoiled.contains(&instance.name);
            let state = match (files.is_empty(), is_whole) {
                (true, _) => CheckState::Absent,
                (false, true) => CheckState::Present,
                (false, false) => CheckState::Stale(vec![("files".to_owned(), "a file is missing".to_owned())]),
            };
            Ok(Verified { recipients, labels: world.labels.clone().into(), state })
        };
        let answers = batch.into_iter().map(answer).collect();
        Checks { answers, events: world.events.clone(), usage: Usage::default() }
    }

    fn serialize(&mut self, _: CallContext, calls: Vec<SerializeCall<'_>>) -> Vec<Result<Serialized, CallFailed>> {
        calls.into_iter().map(|call| self.serialize_one(call)).collect()
    }

    fn retrieve(
        &mut self,
        _: CallContext,
        calls: Vec<RetrieveCall<'_>>,
        _: &Keyring,
    ) -> Vec<Result<Retrieved, CallFailed>> {
        calls.into_iter().map(|call| self.retrieve_one(&call)).collect()
    }

    fn missing_layers(&self) -> Vec<SandboxLayer> {
        self.missing.clone()
    }
}
