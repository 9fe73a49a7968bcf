//! Reading back: what was stored comes back, and no component has anything opened but what the host sealed for its instance.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::missing_panics_doc, clippy::result_large_err)]

#[path = "../../session/tests/common/mod.rs"]
mod common;

use std::collections::BTreeSet;
use std::sync::Arc;

use artifacts_age::{Keyring, NoPrompter, Opener, Plugins, header_sha256};
use artifacts_contract::{Component, Grants, annotate, effective};
use artifacts_seam::{CallError, ComponentEvent, EntryFiles, FailureKind, InstanceView, Secret};
use artifacts_session::{CallFailed, Openable, Retrieved, Serialized, WorkerSession, WorkerStart};
use common::{Key, Opened, behaving, everything, guest, instance, key, limits, open, plugin, same, secrets};

fn with_identities(bytes: &[u8]) -> Component {
    let mut manifest = Component::read(bytes.to_owned()).unwrap().manifest().clone();
    manifest.requests.identities = true;
    Component::read(annotate(bytes, &manifest).unwrap()).unwrap()
}

fn keyring(key: &Key) -> Keyring {
    let text = age::secrecy::ExposeSecret::expose_secret(&key.identity.to_string()).to_owned();
    let mut opener = Opener::new(Arc::new(NoPrompter), Plugins::default());
    opener.add("the admin's", &Secret::new(text.into_bytes())).unwrap();
    Keyring::new(opener)
}

/// An armored age file that no instance has.
fn sealed_for(reader: &Key, text: &str) -> String {
    let value = Secret::new(text.as_bytes().to_vec());
    String::from_utf8(artifacts_age::seal(&value, std::slice::from_ref(&reader.public), true).unwrap()).unwrap()
}

/// The headers in a slice, each for the file whose name its own bears.
fn openable(stored: &Serialized) -> Openable {
    let of = |(name, bytes): (&String, &Vec<u8>)| {
        let file = BTreeSet::from([name.rsplit_once('.').unwrap().0.to_owned()]);
        artifacts_age::headers(bytes).into_iter().map(|header| (header, file.clone())).collect::<Vec<_>>()
    };
    stored.files.iter().flat_map(of).collect()
}

/// A stored slice and the headers in it.
struct Stored {
    instance: InstanceView,
    slice: EntryFiles,
    sealed: Openable,
    admin: Key,
}

impl Stored {
    fn by(backend: &mut WorkerSession, config: impl Fn(&Key) -> serde_json::Value) -> Self {
        let admin = key();
        let instance = instance("a", &["one", "two"], &config(&admin));
        let recipients = same(&instance, &[&admin.public]);
        let items = secrets(&[("one", "first"), ("two", "second\n")]);
        let stored = backend.serialize(instance.clone(), EntryFiles::new(), &items, &recipients).unwrap();
        Self { instance, sealed: openable(&stored), slice: stored.files, admin }
    }

    /// What comes back when the guest behaves in this way.
    fn retrieve(&mut self, backend: &mut WorkerSession, mode: &str, text: &str) -> Result<Retrieved, CallFailed> {
        let mut config = behaving(&[&self.admin.public], &[("retrieve", mode)]);
        config["text"] = text.into();
        self.instance.targets[0].config = config.to_string();
        let names = ["one".to_owned()];
        backend.retrieve(self.instance.clone(), &self.slice, &names, &self.sealed, &mut keyring(&self.admin))
    }
}

fn hostile() -> Opened {
    open(&with_identities(&guest("hostile")), &everything())
}

fn stored(backend: &mut WorkerSession) -> Stored {
    Stored::by(backend, |admin| behaving(&[&admin.public], &[]))
}

fn refused(result: Result<Retrieved, CallFailed>) -> CallFailed {
    let failed = result.unwrap_err();
    assert!(matches!(&failed.error, CallError::Refused(_)), "{failed:?}");
    let last = failed.openings.last().unwrap();
    assert_eq!((last.error, last.identity.as_ref()), (Some("denied"), None), "{failed:?}");
    failed
}

#[test]
fn what_was_stored_comes_back_in_process_and_in_a_worker() {
    let worker = WorkerStart::default().program(env!("CARGO_BIN_EXE_artifacts-precompile"));
    for name in ["agenix", "sops-nix"] {
        let component = Component::read(plugin(name)).unwrap();
        let grants = effective(&component.manifest().requests, &everything());
        let mut opened = open(&component, &grants);
        let mut in_worker = WorkerSession::open(&component, grants, limits(), &worker).unwrap();
        for backend in [&mut opened.backend, &mut in_worker] {
            let stored = Stored::by(backend, |admin| serde_json::json!({"publicHostKey": admin.public}));
            let names = ["one".to_owned(), "two".to_owned()];
            let mut keys = keyring(&stored.admin);
            let back = backend.retrieve(stored.instance.clone(), &stored.slice, &names, &stored.sealed, &mut keys);
            let back = back.unwrap();
            let texts: Vec<(&str, &[u8])> = back.secrets.iter().map(|(n, s)| (n.as_str(), s.expose())).collect();
            assert_eq!(texts, [("one", &b"first"[..]), ("two", b"second\n")]);
            assert_eq!(back.saw_plaintext, name == "sops-nix", "the bytes of a data key are a plaintext");
            assert_eq!(back.openings.len(), 2);
            for opening in &back.openings {
                assert!(stored.sealed.contains_key(opening.header.as_ref().unwrap()));
                assert_eq!((opening.identity.as_deref(), opening.error), (Some("age"), None));
                assert_eq!(opening.file.is_some(), name == "agenix");
            }
            // Someone else's key opens nothing.
            let failed = backend.retrieve(stored.instance, &stored.slice, &names, &stored.sealed, &mut keyring(&key()));
            let failed = failed.unwrap_err();
            assert!(
                matches!(&failed.error, CallError::Failed(failure) if failure.kind == FailureKind::NoIdentity),
                "{failed:?}"
            );
            assert_eq!(failed.openings.len(), 2, "all are asked for before one counts");
        }
    }
}

#[test]
fn a_stanza_of_another_instance_is_not_opened() {
    let mut opened = hostile();
    let backend = &mut opened.backend;
    let mut mine = stored(backend);
    // The other one is sealed to the same admin, whose key would open it.
    let theirs = sealed_for(&mine.admin, "theirs");
    let header = header_sha256(theirs.as_bytes()).unwrap();
    // Shipped with the component or its configuration.
    let failed = refused(mine.retrieve(backend, "open-shipped", &theirs));
    assert_eq!(failed.openings[0].header.as_ref(), Some(&header));
    assert!(
        failed.events.iter().any(|event| matches!(event, ComponentEvent::Host { error: Some(_), .. })),
        "{failed:?}"
    );
    // Planted into the slice, as a file of its own or in the place of one.
    mine.slice.insert("planted".to_owned(), theirs.clone().into_bytes());
    let failed = refused(mine.retrieve(backend, "open-planted", "planted"));
    assert_eq!(failed.openings[0].file.as_deref(), Some("planted"));
    let own = mine.slice.insert("one.age".to_owned(), theirs.clone().into_bytes()).unwrap();
    refused(mine.retrieve(backend, "", ""));
    mine.slice.insert("one.age".to_owned(), own.clone());
    // After its own, so that it could hope for a door left open.
    let failed = refused(mine.retrieve(backend, "open-in-between", &theirs));
    assert_eq!(failed.openings.len(), 2);
    assert_eq!(failed.openings[0].error, None);
    assert_eq!(mine.retrieve(backend, "", "").unwrap().secrets["one"].expose(), b"first");
}

#[test]
fn only_headers_of_the_files_that_were_asked_for_are_opened() {
    let mut opened = hostile();
    let mut mine = stored(&mut opened.backend);
    refused(mine.retrieve(&mut opened.backend, "open-others", "two"));
    assert_eq!(mine.retrieve(&mut opened.backend, "open-others", "one").unwrap().secrets["one"].expose(), b"first");
}

#[test]
fn each_file_comes_back_from_its_own() {
    let mut opened = hostile();
    let mut mine = stored(&mut opened.backend);
    mine.instance.targets[0].config = behaving(&[&mine.admin.public], &[("retrieve", "swap")]).to_string();
    let names = ["one".to_owned(), "two".to_owned()];
    let mut both = |sealed: &Openable| {
        opened.backend.retrieve(mine.instance.clone(), &mine.slice, &names, sealed, &mut keyring(&mine.admin))
    };
    let failed = both(&mine.sealed).unwrap_err();
    let swapped = |why: &String| why.contains("for `one` what was encrypted for another file");
    assert!(matches!(&failed.error, CallError::Broken(why) if swapped(why)), "{failed:?}");
    // What is encrypted for several comes back for each of them.
    let all = BTreeSet::from(names.clone());
    let shared = mine.sealed.keys().map(|header| (header.clone(), all.clone())).collect();
    assert_eq!(both(&shared).unwrap().secrets["one"].expose(), b"second\n");
}

#[test]
fn a_stanza_of_an_earlier_making_is_not_opened() {
    let mut opened = hostile();
    let backend = &mut opened.backend;
    let mut earlier = stored(backend);
    let now = stored(backend);
    // The earlier slice is back, with today's receipt.
    earlier.sealed = now.sealed;
    refused(earlier.retrieve(backend, "", ""));
    // And without a receipt nothing is.
    earlier.sealed = Openable::new();
    refused(earlier.retrieve(backend, "", ""));
}

#[test]
fn nothing_is_opened_without_the_grant() {
    // Granted and not requested, requested and not granted.
    let asks = with_identities(&guest("hostile"));
    for (component, granted) in [(Component::read(guest("hostile")).unwrap(), everything()), (asks, Grants::default())]
    {
        let mut opened = open(&component, &granted);
        let mut mine = stored(&mut opened.backend);
        let failed = refused(mine.retrieve(&mut opened.backend, "", ""));
        assert!(matches!(&failed.error, CallError::Refused(why) if why.contains("`identities`")), "{failed:?}");
    }
}

#[test]
fn nothing_is_opened_but_while_retrieving() {
    let mut opened = hostile();
    let mine = stored(&mut opened.backend);
    let own = sealed_for(&mine.admin, "x");
    for operation in ["readers", "check", "serialize"] {
        let mut config = behaving(&[&mine.admin.public], &[(operation, "open")]);
        config["text"] = own.as_str().into();
        let instance = instance("a", &["one"], &config);
        let error = if operation == "serialize" {
            let recipients = same(&instance, &[&mine.admin.public]);
            let items = secrets(&[("one", "1")]);
            opened.backend.serialize(instance, EntryFiles::new(), &items, &recipients).unwrap_err().error
        } else {
            common::check_one(&mut opened.backend, &instance, EntryFiles::new()).unwrap_err()
        };
        assert!(matches!(&error, CallError::Refused(why) if why.contains("outside of `retrieve`")), "{error:?}");
    }
    // And nothing is sealed while retrieving.
    let mut mine = mine;
    let failed = mine.retrieve(&mut opened.backend, "seal", "").unwrap_err();
    assert!(matches!(&failed.error, CallError::Refused(why) if why.contains("`serialize`")), "{failed:?}");
}

#[test]
fn what_was_opened_stays_with_the_host_without_the_grant_plaintext() {
    let mut opened = hostile();
    let mut mine = stored(&mut opened.backend);
    let failed = mine.retrieve(&mut opened.backend, "bytes", "").unwrap_err();
    assert!(matches!(&failed.error, CallError::Refused(why) if why.contains("`plaintext`")), "{failed:?}");
    assert!(!failed.saw_plaintext);
}

#[test]
fn exactly_what_was_asked_for_comes_back() {
    let mut opened = hostile();
    let backend = &mut opened.backend;
    let mut mine = stored(backend);
    for (mode, why) in [
        ("nothing", "it did not give `one`"),
        ("twice", "it gave `one` twice"),
        ("others", "`never-declared`, which nobody asked for"),
        ("made-up", "made up `one` without the grant `plaintext`"),
        ("trap", "it crashed"),
    ] {
        let failed = mine.retrieve(backend, mode, "").unwrap_err();
        assert!(matches!(&failed.error, CallError::Broken(said) if said.contains(why)), "{mode}: {failed:?}");
    }
    // What no one asked for is not even opened.
    refused(mine.retrieve(backend, "all-files", ""));
    let failed = mine.retrieve(backend, "ask-on", "").unwrap_err();
    assert!(matches!(&failed.error, CallError::Refused(why) if why.contains("too many")), "{:?}", failed.error);
}

#[test]
fn a_header_that_could_hold_a_plaintext_is_not_recorded() {
    let mut opened = open(&with_identities(&guest("hostile-plaintext")), &everything());
    let mut mine = stored(&mut opened.backend);
    let failed = mine.retrieve(&mut opened.backend, "bytes", "").unwrap_err();
    assert!(failed.saw_plaintext);
    let own = sealed_for(&mine.admin, "x");
    let failed = refused(mine.retrieve(&mut opened.backend, "bytes-then-open", &own));
    assert!(failed.openings[0].header.is_some());
    assert_eq!(failed.openings[1].header, None);
}

#[test]
fn a_component_that_does_not_read_back_says_so() {
    let mut opened = open(&Component::read(guest("bundle")).unwrap(), &everything());
    let instance = instance("a", &["one"], &serde_json::json!({"recipients": [key().public]}));
    let mut keys = keyring(&key());
    let result =
        opened.backend.retrieve(instance, &EntryFiles::new(), &["one".to_owned()], &Openable::new(), &mut keys);
    let error = result.unwrap_err().error;
    assert!(matches!(&error, CallError::Failed(failure) if failure.kind == FailureKind::Unsupported), "{error:?}");
}
