//! Reading back: what was stored comes back, and no component has anything opened but what the host sealed for its instance.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::missing_panics_doc)]

#[path = "../../session/tests/common/mod.rs"]
mod common;

use std::collections::BTreeSet;
use std::sync::Arc;

use artifacts_age::{Keyring, NoPrompter, Opener, Plugins, header_hash};
use artifacts_contract::{Component, Grants, annotate, effective};
use artifacts_seam::{CallError, ComponentEvent, EntryFiles, FailureKind, InstanceView, Secret};
use artifacts_session::{CallFailed, Openable, Retrieved, Serialized, WorkerSession, WorkerStart};
use common::{Key, NOW, Opened, behaving, everything, guest, instance, key, limits, open, plugin, same, secrets};

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

/// The headers in a entry, each for the file whose name its own bears.
fn openable(stored: &Serialized) -> Openable {
    let of = |(name, bytes): (&String, &Vec<u8>)| {
        let file = BTreeSet::from([name.rsplit_once('.').unwrap().0.to_owned()]);
        artifacts_age::headers(bytes).into_iter().map(|header| (header, file.clone())).collect::<Vec<_>>()
    };
    stored.files.iter().flat_map(of).collect()
}

/// What the hostile guest is to do, as it stores that.
fn plan(config: &serde_json::Value) -> Vec<u8> {
    config.to_string().bytes().flat_map(|byte| format!("{byte:02x}").into_bytes()).collect()
}

/// A stored entry and the headers in it.
struct Stored {
    instance: InstanceView,
    entry: EntryFiles,
    sealed: Openable,
    admin: Key,
}

impl Stored {
    fn by(backend: &mut WorkerSession, config: impl Fn(&Key) -> serde_json::Value) -> Self {
        let admin = key();
        let instance = instance("a", &["one", "two"], &config(&admin));
        let recipients = same(&instance, &[&admin.public]);
        let items = secrets(&[("one", "first"), ("two", "second\n")]);
        let stored = backend.serialize(NOW, instance.clone(), EntryFiles::new(), &items, &recipients).unwrap();
        Self { instance, sealed: openable(&stored), entry: stored.files, admin }
    }

    /// What comes back when the guest behaves in this way.
    fn retrieve(&mut self, backend: &mut WorkerSession, mode: &str, text: &str) -> Result<Retrieved, CallFailed> {
        let mut config = behaving(&[&self.admin.public], &[("retrieve", mode)]);
        config["text"] = text.into();
        self.entry.insert("plan".to_owned(), plan(&config));
        let names = ["one".to_owned()];
        backend.retrieve(NOW, self.instance.clone(), &self.entry, &names, &self.sealed, &keyring(&self.admin))
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
            let keys = keyring(&stored.admin);
            let back = backend.retrieve(NOW, stored.instance.clone(), &stored.entry, &names, &stored.sealed, &keys);
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
            let failed =
                backend.retrieve(NOW, stored.instance, &stored.entry, &names, &stored.sealed, &keyring(&key()));
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
    let header = header_hash(theirs.as_bytes()).unwrap();
    // Shipped with the component or its configuration.
    let failed = refused(mine.retrieve(backend, "open-shipped", &theirs));
    assert_eq!(failed.openings[0].header.as_ref(), Some(&header));
    assert!(
        failed.events.iter().any(|event| matches!(event, ComponentEvent::Host { error: Some(_), .. })),
        "{failed:?}"
    );
    // Planted into the entry, as a file of its own or in the place of one.
    mine.entry.insert("planted".to_owned(), theirs.clone().into_bytes());
    let failed = refused(mine.retrieve(backend, "open-planted", "planted"));
    assert_eq!(failed.openings[0].file.as_deref(), Some("planted"));
    let own = mine.entry.insert("one.age".to_owned(), theirs.clone().into_bytes()).unwrap();
    refused(mine.retrieve(backend, "", ""));
    mine.entry.insert("one.age".to_owned(), own.clone());
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
    mine.entry.insert("plan".to_owned(), plan(&behaving(&[&mine.admin.public], &[("retrieve", "swap")])));
    let names = ["one".to_owned(), "two".to_owned()];
    let mut both = |sealed: &Openable| {
        opened.backend.retrieve(NOW, mine.instance.clone(), &mine.entry, &names, sealed, &keyring(&mine.admin))
    };
    let failed = both(&mine.sealed).unwrap_err();
    let swapped = |why: &String| why.contains("for `one` what was encrypted for another file");
    assert!(matches!(&failed.error, CallError::Broken(why) if swapped(why)), "{failed:?}");
    // What is encrypted for several comes back for each of them.
    let all = BTreeSet::from(names.clone());
    let shared = mine.sealed.keys().map(|header| (*header, all.clone())).collect();
    assert_eq!(both(&shared).unwrap().secrets["one"].expose(), b"second\n");
}

#[test]
fn a_stanza_of_an_earlier_making_is_not_opened() {
    let mut opened = hostile();
    let backend = &mut opened.backend;
    let mut earlier = stored(backend);
    let now = stored(backend);
    // The earlier entry is back, with today's receipt.
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
            opened.backend.serialize(NOW, instance, EntryFiles::new(), &items, &recipients).unwrap_err().error
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
        ("nothing", "it did not answer for `one`"),
        ("twice", "it answered for `one` twice"),
        ("twice-failed", "it answered for `one` twice"),
        ("others", "it answered for `never-declared`, which it was not asked for"),
        ("others-failed", "it answered for `never-declared`, which it was not asked for"),
        ("made-up", "made up `one` without the grant `plaintext`"),
        ("trap", "it crashed"),
    ] {
        let failed = mine.retrieve(backend, mode, "").unwrap_err();
        assert!(matches!(&failed.error, CallError::Broken(said) if said.contains(why)), "{mode}: {failed:?}");
    }
    let failed = mine.retrieve(backend, "fail-as-a-whole", "").unwrap_err();
    assert!(matches!(&failed.error, CallError::Failed(failure) if failure.kind == FailureKind::Corrupt), "{failed:?}");
    // What no one asked for is not even opened.
    refused(mine.retrieve(backend, "named-file", "two"));
    let failed = mine.retrieve(backend, "ask-on", "").unwrap_err();
    assert!(
        matches!(&failed.error, CallError::Refused(why) if why.contains("the limit of calls")),
        "{:?}",
        failed.error
    );
}

#[test]
fn that_no_identity_opens_it_is_typed_and_in_the_hosts_words() {
    let mut opened = hostile();
    let mut mine = stored(&mut opened.backend);
    let kind = |failed: &CallFailed| match &failed.error {
        CallError::Failed(failure) => (failure.kind.clone(), failure.message.clone()),
        other => panic!("{other:?}"),
    };
    let claimed = kind(&mine.retrieve(&mut opened.backend, "claim-no-identity", "").unwrap_err());
    assert_eq!(claimed, (FailureKind::NoIdentity, "no identity can decrypt it".to_owned()));
    let text = kind(&mine.retrieve(&mut opened.backend, "fail-no-identity", "").unwrap_err());
    assert_eq!(text, (FailureKind::Other("no-identity".to_owned()), "says who".to_owned()));
    mine.admin = key();
    let honest = kind(&mine.retrieve(&mut opened.backend, "", "").unwrap_err());
    assert_eq!(honest.0, FailureKind::NoIdentity);
    assert!(honest.1.starts_with("no identity can decrypt it"), "{honest:?}");
}

#[test]
fn an_entry_is_read_without_the_configuration_that_it_was_stored_with() {
    for (name, formats) in [("agenix", &[""][..]), ("sops-nix", &["binary", "json", "yaml"])] {
        let component = Component::read(plugin(name)).unwrap();
        let grants = effective(&component.manifest().requests, &everything());
        let mut opened = open(&component, &grants);
        for format in formats {
            let mut stored = Stored::by(&mut opened.backend, |admin| {
                let mut config = serde_json::json!({"publicHostKey": admin.public});
                if !format.is_empty() {
                    config["format"] = (*format).into();
                }
                config
            });
            // One header for each stored file, and for what is in it.
            let all = BTreeSet::from(["one".to_owned(), "two".to_owned()]);
            if stored.entry.len() == 1 {
                stored.sealed.values_mut().for_each(|files| files.clone_from(&all));
            }
            stored.instance.targets[0].config = "no configuration at all".into();
            let (names, keys) = (Vec::from_iter(all), keyring(&stored.admin));
            let back = opened.backend.retrieve(NOW, stored.instance, &stored.entry, &names, &stored.sealed, &keys);
            assert_eq!(back.unwrap().secrets["two"].expose(), b"second\n", "{name} {format}");
        }
    }
}

/// An entry as the backends stored it under contract 0.1.0, with the identity that decrypts it.
struct OldEntry {
    files: EntryFiles,
    admin: Key,
}

impl OldEntry {
    fn read(name: &str) -> Self {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/entries/{name}.json"));
        let entry: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let bytes =
            |(name, text): (&String, &serde_json::Value)| (name.clone(), text.as_str().unwrap().as_bytes().to_vec());
        let identity: age::x25519::Identity = entry["identity"].as_str().unwrap().parse().unwrap();
        let public = identity.to_public().to_string();
        Self { files: entry["files"].as_object().unwrap().iter().map(bytes).collect(), admin: Key { identity, public } }
    }

    /// The headers in it, each for the file whose name its own bears, or for both.
    fn openable(&self) -> Openable {
        let of = |(name, bytes): (&String, &Vec<u8>)| {
            let own = name.split('.').next().filter(|own| ["one", "two"].contains(own));
            let files: BTreeSet<String> =
                own.map_or_else(|| vec!["one", "two"], |own| vec![own]).into_iter().map(str::to_owned).collect();
            artifacts_age::headers(bytes).into_iter().map(|header| (header, files.clone())).collect::<Vec<_>>()
        };
        self.files.iter().flat_map(of).collect()
    }
}

#[test]
fn an_entry_of_contract_0_1_is_present_read_and_written() {
    for (name, format) in [("agenix", ""), ("sops-nix", "binary"), ("sops-nix", "json"), ("sops-nix", "yaml")] {
        let old = OldEntry::read([name, format].join("-").trim_end_matches('-'));
        let component = Component::read(plugin(name)).unwrap();
        let grants = effective(&component.manifest().requests, &everything());
        let mut opened = open(&component, &grants);
        let mut config = serde_json::json!({"publicHostKey": old.admin.public});
        if !format.is_empty() {
            config["format"] = format.into();
        }
        let instance = instance("a", &["one", "two"], &config);
        let checked = common::check_one(&mut opened.backend, &instance, old.files.clone());
        assert!(common::present(&checked), "{name} {format}: {checked:?}");
        let names = ["one".to_owned(), "two".to_owned()];
        let keys = keyring(&old.admin);
        let back = opened.backend.retrieve(NOW, instance.clone(), &old.files, &names, &old.openable(), &keys).unwrap();
        assert_eq!(back.secrets["one"].expose(), b"first", "{name} {format}");
        assert_eq!(back.secrets["two"].expose(), b"second\n", "{name} {format}");
        // One of two: the other stays to the byte, or all are needed.
        let recipients = same(&instance, &[&old.admin.public]);
        let written =
            opened.backend.serialize(NOW, instance, old.files.clone(), &secrets(&[("one", "new")]), &recipients);
        match written {
            Ok(written) => {
                let kept = old.files.keys().find(|stored| stored.starts_with("two.")).unwrap();
                assert_eq!(written.files[kept], old.files[kept], "{name} {format}");
                assert!(old.files.keys().eq(written.files.keys()), "{name} {format}");
            }
            Err(failed) => {
                let typed =
                    matches!(&failed.error, CallError::Failed(failure) if failure.kind == FailureKind::NeedsAll);
                assert!(typed && old.files.len() == 1, "{name} {format}: {failed:?}");
            }
        }
    }
}

#[test]
fn the_c_example_reads_back_from_memory() {
    let component = with_identities(&guest("in-c"));
    let worker = WorkerStart::default().program(env!("CARGO_BIN_EXE_artifacts-precompile"));
    let grants = effective(&component.manifest().requests, &everything());
    let mut backend = WorkerSession::open(&component, grants, limits(), &worker).unwrap();
    let stored = Stored::by(&mut backend, |admin| serde_json::json!({"recipients": [admin.public]}));
    let names = ["one".to_owned(), "two".to_owned()];
    let read = |backend: &mut WorkerSession, entry: &EntryFiles, keys: &Key| {
        backend.retrieve(NOW, stored.instance.clone(), entry, &names, &stored.sealed, &keyring(keys))
    };
    let back = read(&mut backend, &stored.entry, &stored.admin).unwrap();
    assert_eq!(back.secrets["one"].expose(), b"first");
    let kind = |failed: CallFailed| match failed.error {
        CallError::Failed(failure) => failure.kind,
        other => panic!("{other:?}"),
    };
    assert_eq!(kind(read(&mut backend, &stored.entry, &key()).unwrap_err()), FailureKind::NoIdentity);
    let mut less = stored.entry.clone();
    less.remove("two.age");
    assert_eq!(kind(read(&mut backend, &less, &stored.admin).unwrap_err()), FailureKind::Corrupt);
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
    let keys = keyring(&key());
    let result =
        opened.backend.retrieve(NOW, instance, &EntryFiles::new(), &["one".to_owned()], &Openable::new(), &keys);
    let error = result.unwrap_err().error;
    assert!(
        matches!(&error, CallError::NotCalled { why, .. } if why.contains("cannot read secrets back")),
        "{error:?}"
    );
}
