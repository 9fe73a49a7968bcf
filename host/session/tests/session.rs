//! Components that work, fail, lie and attack: what a call gives, and that one call's trouble stays its own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::missing_panics_doc)]

mod common;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use artifacts_contract::{Component, Grants};
use artifacts_declared::Recipients;
use artifacts_seam::Limits;
use artifacts_seam::{CallError, CheckState, ComponentEvent, EntryFiles, FailureKind};
use artifacts_session::{CallFailed, Serialized};
use common::{
    NOW, Opened, behaving, check_one, everything, files, guest, instance, key, limits, of_file, open, open_within,
    plugin, present, same, secrets, unsealed,
};

fn hostile() -> Opened {
    open(&Component::read(guest("hostile")).unwrap(), &Grants::default())
}

fn with_plaintext() -> Opened {
    open(&Component::read(guest("hostile-plaintext")).unwrap(), &everything())
}

fn serialize(opened: &mut Opened, mode: &str, text: &str) -> Result<Serialized, CallFailed> {
    let key = key();
    let mut config = behaving(&[&key.public], &[("serialize", mode)]);
    config["text"] = text.into();
    let instance = instance("a", &["one", "two"], &config);
    let recipients = same(&instance, &[&key.public]);
    opened.backend.serialize(NOW, instance, EntryFiles::new(), &secrets(&[("one", "1"), ("two", "2")]), &recipients)
}

fn check(opened: &mut Opened, modes: &[(&str, &str)], text: &str) -> Result<artifacts_session::Verified, CallError> {
    let mut config = behaving(&[&key().public], modes);
    config["text"] = text.into();
    check_one(&mut opened.backend, &instance("a", &["one"], &config), EntryFiles::new())
}

fn escaped(error: &CallError) -> bool {
    matches!(error, CallError::Failed(failure) if failure.kind.as_str() == "escaped")
}

#[test]
fn agenix_stores_for_its_recipients_without_the_grant_plaintext() {
    let mut opened = open(&Component::read(plugin("agenix")).unwrap(), &Grants::default());
    let (host, admin) = (key(), key());
    let config = serde_json::json!({"publicHostKey": host.public, "publicUserKeys": [admin.public]});
    let instance = instance("attic", &["env", "token"], &config);
    let absent = check_one(&mut opened.backend, &instance, EntryFiles::new()).unwrap();
    assert_eq!(absent.state, CheckState::Absent);
    assert_eq!(absent.recipients, same(&instance, &[&host.public, &admin.public]));

    let items = secrets(&[("env", "A=1\n"), ("token", "")]);
    let stored =
        opened.backend.serialize(NOW, instance.clone(), EntryFiles::new(), &items, &absent.recipients).unwrap();
    assert_eq!(stored.files.keys().collect::<Vec<_>>(), ["env.age", "token.age"]);
    for (name, plain) in [("env.age", &b"A=1\n"[..]), ("token.age", b"")] {
        assert_eq!(unsealed(&stored.files[name], &host), plain);
        assert_eq!(unsealed(&stored.files[name], &admin), plain);
        let header = artifacts_age::header_hash(&stored.files[name]).unwrap();
        assert_eq!(stored.sealed[&header], [name.strip_suffix(".age").unwrap().to_owned()].into());
    }
    assert_eq!(stored.sealed.len(), 2);
    assert!(!stored.saw_plaintext);
    assert!(present(&check_one(&mut opened.backend, &instance, stored.files.clone())));

    // One item is written again; the other stays as it lies, and what is no longer declared goes.
    let mut entry = stored.files.clone();
    entry.insert("old.age".to_owned(), b"x".to_vec());
    let again = opened.backend.serialize(NOW, instance, entry, &secrets(&[("env", "B")]), &absent.recipients).unwrap();
    assert_eq!(again.files["token.age"], stored.files["token.age"]);
    assert_eq!(unsealed(&again.files["env.age"], &host), b"B");
    assert!(!again.files.contains_key("old.age"));
}

#[test]
fn one_instance_of_a_batch_costs_no_other() {
    let mut opened = hostile();
    let key = key();
    let modes = ["", "trap", "spin", "panic", "exit", "memory", "recurse", "out-of-bounds", "fail", "", "present"];
    let batch: Vec<_> = modes
        .iter()
        .map(|mode| {
            let instance = instance(&format!("i{mode}"), &["one"], &behaving(&[&key.public], &[("check", mode)]));
            (instance, files(&[("one.age", "x")]))
        })
        .collect();
    let checks = opened.backend.check(NOW, batch);
    assert_eq!(checks.answers.len(), modes.len());
    let took = format!("longer than {} s", limits().time);
    for (mode, answer) in modes.iter().zip(&checks.answers) {
        match *mode {
            "" | "present" => assert!(present(answer), "{mode}: {answer:?}"),
            "spin" => assert!(matches!(answer, Err(CallError::Overrun(why)) if why.contains(&took)), "{answer:?}"),
            "memory" => assert!(matches!(answer, Err(CallError::Overrun(why)) if why.contains("memory")), "{answer:?}"),
            "fail" => assert!(matches!(answer, Err(CallError::Failed(_))), "{answer:?}"),
            _ => assert!(matches!(answer, Err(CallError::Broken(_))), "{mode}: {answer:?}"),
        }
    }
    let exit = &checks.answers[4];
    assert!(matches!(exit, Err(CallError::Broken(why)) if why.contains("it exited with status")), "{exit:?}");
}

#[test]
fn each_entry_is_seen_by_its_own_instance_only() {
    let mut opened = hostile();
    let config = behaving(&[&key().public], &[]);
    let of = |name: &str, entry: &[(&str, &str)]| (instance(name, &["one"], &config), files(entry));
    let checks = opened.backend.check(
        NOW,
        vec![of("a", &[("one.age", "x")]), of("b", &[]), of("c", &[("other.age", "x")]), of("d", &[("one.age", "x")])],
    );
    let states: Vec<CheckState> = checks.answers.into_iter().map(|answer| answer.unwrap().state).collect();
    assert_eq!(states, [CheckState::Present, CheckState::Absent, CheckState::Absent, CheckState::Present]);
}

#[test]
fn many_batches_keep_their_order() {
    let mut opened = hostile();
    let config = behaving(&[&key().public], &[]);
    let batch: Vec<_> = (0..700)
        .map(|number| {
            let name = format!("f{number}");
            let entry = if number % 3 == 0 { EntryFiles::new() } else { files(&[(&format!("{name}.age"), "x")]) };
            (instance("a", &[&name], &config), entry)
        })
        .collect();
    let checks = opened.backend.check(NOW, batch);
    assert_eq!(checks.usage.calls, 1400);
    for (number, answer) in checks.answers.iter().enumerate() {
        let answer = answer.as_ref().unwrap();
        assert_eq!(answer.recipients.files().next().unwrap().as_str(), format!("f{number}"));
        assert_eq!(answer.state == CheckState::Absent, number % 3 == 0);
    }
}

#[test]
fn nothing_outside_of_the_entry_is_reached() {
    let mut opened = hostile();
    for mode in [
        "read-outside",
        "list-outside",
        "stat-outside",
        "write-outside",
        "make-folder-outside",
        "rename-in",
        "link-in",
        "remove-outside",
        "environment",
        "stdin",
        "write-entry",
    ] {
        for operation in ["readers", "check"] {
            let answer = check(&mut opened, &[(operation, mode)], "");
            assert!(answer.is_ok(), "{operation} {mode}: {answer:?}");
        }
    }
    for mode in
        ["read-outside", "write-outside", "rename-outside", "rename-in", "link-in", "remove-outside", "through-symlink"]
    {
        let error = serialize(&mut opened, mode, "").err().map(|failed| failed.error);
        assert!(error.is_none(), "{mode}: {error:?}");
    }
}

#[test]
fn an_entry_is_read_only_while_it_is_checked() {
    let mut opened = hostile();
    let config = behaving(&[&key().public], &[("check", "write-entry")]);
    let answer = check_one(&mut opened.backend, &instance("a", &["one"], &config), files(&[("one.age", "x")]));
    assert!(present(&answer), "{answer:?}");
}

#[test]
fn the_host_seals_for_declared_recipients_and_only_while_storing() {
    let mut opened = hostile();
    for operation in ["readers", "check"] {
        let answer = check(&mut opened, &[(operation, "seal")], "");
        assert!(matches!(&answer, Err(CallError::Refused(why)) if why.contains("serialize")), "{answer:?}");
    }
    for mode in ["seal-stranger", "seal-one-more"] {
        let error = serialize(&mut opened, mode, "").unwrap_err().error;
        assert!(
            matches!(&error, CallError::Refused(why) if why.contains("`recipients` did not return")),
            "{mode}: {error:?}"
        );
    }
    for (mode, text, word) in [
        ("seal-nobody", "", "`one` as another file"),
        ("seal-as", "two", "`one` as another file"),
        ("seal-as", "never-declared", "`one` as another file"),
        ("seal-both", "", "`one` as another file"),
        ("seal-own", "", "bytes of its own without the grant `plaintext`"),
    ] {
        let error = serialize(&mut opened, mode, text).unwrap_err().error;
        assert!(matches!(&error, CallError::Refused(why) if why.contains(word)), "{mode} {text}: {error:?}");
    }
    // With the grant it seals what it makes, which is noted for the file that it named.
    let mut opened = with_plaintext();
    let error = serialize(&mut opened, "seal-as", "two").unwrap_err().error;
    assert!(matches!(&error, CallError::Refused(why) if why.contains("as another file")), "{error:?}");
    let stopped = serialize(&mut opened, "seal-own", "").unwrap_err();
    let sealed =
        |event: &ComponentEvent| matches!(event, ComponentEvent::Host { call, error: None, .. } if call == "age.seal");
    assert!(stopped.events.iter().any(sealed), "{stopped:?}");
    assert!(matches!(&stopped.error, CallError::Broken(why) if why.contains("stored `two`")), "{stopped:?}");
}

#[test]
fn every_header_in_a_new_entry_was_sealed_for_it_and_shows() {
    let (one, two) = (key(), key());
    let keys = [one.public.as_str(), two.public.as_str()];
    let shipped =
        artifacts_age::seal(&artifacts_seam::Secret::new(b"x".to_vec()), std::slice::from_ref(&one.public), true)
            .unwrap();
    let mut opened = hostile();
    let mut store = |mode: &str, text: &str, before: EntryFiles| {
        let mut config = behaving(&keys, &[("serialize", mode)]);
        config["text"] = text.into();
        let instance = instance("a", &["one", "two"], &config);
        let recipients = same(&instance, &keys);
        let items = secrets(&[("one", "1"), ("two", "2")]);
        opened.backend.serialize(NOW, instance, before, &items, &recipients)
    };
    let whole = store("", "", EntryFiles::new()).unwrap();
    assert_eq!(whole.sealed.len(), 2);
    let each = store("seal-each", "", EntryFiles::new()).unwrap();
    assert_eq!(each.sealed.len(), 4, "one header for each recipient of each file");
    for (file, plain) in [("one.age", b"1"), ("two.age", b"2")] {
        assert_eq!(unsealed(&whole.files[file], &two), plain);
    }
    let text = String::from_utf8(shipped).unwrap();
    for (mode, text, before, word) in [
        ("seal-first", "", EntryFiles::new(), "no age file of it for exactly its recipients"),
        ("hide", "", EntryFiles::new(), "no age file of it for exactly its recipients"),
        ("all-the-same", "", EntryFiles::new(), "stored `two`"),
        ("store-shipped", text.as_str(), EntryFiles::new(), "neither encrypted in this call"),
        ("move-stored", "one", whole.files.clone(), "neither encrypted in this call"),
    ] {
        let failed = store(mode, text, before).unwrap_err();
        assert!(failed.by_host, "{mode}");
        assert!(matches!(&failed.error, CallError::Broken(why) if why.contains(word)), "{mode}: {failed:?}");
    }
    // What is stored under its own name from before stays.
    let mut before = whole.files.clone();
    before.insert("plan".to_owned(), text.into_bytes());
    assert!(store("", "", before).is_ok());
}

#[test]
fn an_entry_is_one_object_with_two_doors() {
    // Time is no matter here: a machine with much else to do writes four thousand files slowly.
    let limits = Limits { files: 4096, time: 30 * limits().time, ..limits() };
    let mut opened = open_within(limits, &Component::read(guest("hostile")).unwrap(), &Grants::default());
    for mode in ["resource-odd", "resource-both"] {
        let stored = serialize(&mut opened, mode, "");
        assert!(stored.is_ok(), "{mode}: {stored:?}");
    }
    // Two files of its own, and as many more as there may be.
    let stored = serialize(&mut opened, "resource-many", "4094").unwrap();
    assert_eq!(stored.files.len(), 4096);
    let written = |event: &ComponentEvent| matches!(event, ComponentEvent::File { call, path, bytes: 1, error: None, .. } if call.name() == "write" && path == "0");
    assert!(stored.events.iter().any(written), "a call of the resource is on record as that of a file system is");
    let failed = serialize(&mut opened, "resource-many", "4095").unwrap_err().error;
    assert!(matches!(&failed, CallError::Broken(why) if why.contains("more files than the limit")), "{failed:?}");
    let failed = serialize(&mut opened, "resource-big", &(9 << 20).to_string()).unwrap_err().error;
    assert!(!matches!(&failed, CallError::Refused(_)) && !escaped(&failed), "{failed:?}");
    let config = behaving(&[&key().public], &[("check", "resource")]);
    let many: EntryFiles = (0..1000).map(|number| (format!("{number}"), vec![7; number])).collect();
    let answer = check_one(&mut opened.backend, &instance("a", &["1"], &config), many);
    assert!(answer.is_ok(), "{answer:?}");
}

#[test]
fn a_handle_is_of_its_own_type_and_call() {
    let mut opened = hostile();
    let of = |mode: &str, name: &str, entry: EntryFiles| {
        (instance(name, &["one"], &behaving(&[&key().public], &[("check", mode)])), entry)
    };
    for mode in ["forge-writer", "forge-handle", "drop-handle"] {
        let checks = opened.backend.check(NOW, vec![of(mode, "a", EntryFiles::new()), of("", "b", EntryFiles::new())]);
        assert!(matches!(&checks.answers[0], Err(CallError::Broken(_))), "{mode}: {:?}", checks.answers[0]);
        assert!(checks.answers[1].is_ok(), "{mode}");
    }
    // A handle that is kept is gone, or leads to the entry of the call that uses it.
    let checks = opened.backend.check(
        NOW,
        vec![
            of("keep-handle", "a", files(&[("secret-of-a", "x")])),
            of("keep-handle", "b", files(&[("one.age", "x")])),
            of("keep-handle", "c", EntryFiles::new()),
        ],
    );
    for answer in &checks.answers {
        assert!(!matches!(answer, Err(error) if escaped(error)), "{answer:?}");
    }
}

#[test]
fn needs_all_is_typed_and_a_text_is_none() {
    let mut opened = hostile();
    let key = key();
    let instance = instance("a", &["one", "two"], &behaving(&[&key.public], &[("serialize", "needs-all")]));
    let recipients = same(&instance, &[&key.public]);
    let mut store = |items: &[(&str, &str)]| {
        opened.backend.serialize(NOW, instance.clone(), EntryFiles::new(), &secrets(items), &recipients)
    };
    let error = store(&[("one", "1")]).unwrap_err().error;
    assert!(matches!(&error, CallError::Failed(failure) if failure.kind == FailureKind::NeedsAll), "{error:?}");
    assert!(matches!(&error, CallError::Failed(failure) if !failure.message.is_empty()), "{error:?}");
    assert!(store(&[("one", "1"), ("two", "2")]).is_ok());
    for kind in ["needs-all", "no-identity"] {
        let error = serialize(&mut opened, "fail-as", kind).unwrap_err().error;
        let CallError::Failed(failure) = &error else { panic!("{error:?}") };
        assert_eq!(failure.kind, FailureKind::Other(kind.to_owned()));
    }
}

#[test]
fn the_c_example_imports_no_wasi_and_stores() {
    let component = Component::read(guest("in-c")).unwrap();
    assert!(component.imports().iter().all(|name| name.starts_with("artifacts:backend/")), "{:?}", component.imports());
    assert!(!component.uses_files());
    let mut opened = open(&component, &Grants::default());
    let admin = key();
    let instance = instance("a", &["one", "two"], &serde_json::json!({"recipients": [admin.public]}));
    let absent = check_one(&mut opened.backend, &instance, EntryFiles::new()).unwrap();
    assert_eq!(absent.state, CheckState::Absent);
    let items = secrets(&[("one", "1"), ("two", "2")]);
    let stored =
        opened.backend.serialize(NOW, instance.clone(), files(&[("old", "x")]), &items, &absent.recipients).unwrap();
    assert_eq!(stored.files.keys().collect::<Vec<_>>(), ["one.age", "two.age"]);
    assert_eq!(unsealed(&stored.files["two.age"], &admin), b"2");
    assert!(present(&check_one(&mut opened.backend, &instance, stored.files.clone())));
    let mut less = stored.files;
    less.remove("one.age");
    less.insert("extra".to_owned(), Vec::new());
    let stale = check_one(&mut opened.backend, &instance, less).unwrap().state;
    assert!(matches!(&stale, CheckState::Stale(reasons) if reasons.len() == 2), "{stale:?}");
}

#[test]
fn what_is_sealed_and_not_stored_is_not_told() {
    let mut opened = hostile();
    let stored = serialize(&mut opened, "seal-more", "").unwrap();
    let lying: BTreeSet<_> = stored.files.values().flat_map(|bytes| artifacts_age::headers(bytes)).collect();
    assert_eq!(stored.sealed.keys().copied().collect::<BTreeSet<_>>(), lying);
    let seals = |event: &ComponentEvent| matches!(event, ComponentEvent::Host { call, .. } if call == "age.seal");
    assert!(stored.events.iter().any(seals));
}

#[test]
fn a_file_is_not_sealed_to_the_recipients_of_another() {
    let mut opened = hostile();
    let (machine, admin) = (key(), key());
    // The guest seals everything to the machine as well, but `two` is for the admin alone.
    let config = behaving(&[&machine.public], &[("serialize", "seal-each")]);
    let instance = instance("a", &["one", "two"], &config);
    let one = of_file("one", &[&machine.public, &admin.public]);
    let recipients = Recipients::from_iter([one, of_file("two", &[&admin.public])]);
    let result = opened.backend.serialize(
        NOW,
        instance,
        EntryFiles::new(),
        &secrets(&[("one", "1"), ("two", "2")]),
        &recipients,
    );
    let error = result.unwrap_err().error;
    assert!(matches!(&error, CallError::Refused(why) if why.contains("`two`")), "{error:?}");
}

#[test]
fn plaintext_needs_its_grant() {
    let error = serialize(&mut hostile(), "bytes", "").unwrap_err();
    assert!(matches!(&error.error, CallError::Refused(why) if why.contains("plaintext")), "{:?}", error.error);
    assert!(!error.saw_plaintext);
    // Requested and not granted, granted and not requested.
    let mut ungranted = open(&Component::read(guest("hostile-plaintext")).unwrap(), &Grants::default());
    assert!(matches!(serialize(&mut ungranted, "bytes", "").unwrap_err().error, CallError::Refused(_)));
    let mut unrequested = open(&Component::read(guest("hostile")).unwrap(), &everything());
    assert!(matches!(serialize(&mut unrequested, "bytes", "").unwrap_err().error, CallError::Refused(_)));
    let stored = serialize(&mut with_plaintext(), "store-plain", "").unwrap();
    assert!(stored.saw_plaintext);
    assert!(
        stored.events.iter().any(|event| matches!(event, ComponentEvent::Host { call, .. } if call == "secrets.bytes"))
    );
}

#[test]
fn what_is_kept_on_the_target_may_be_in_plain_text() {
    let mut opened = open(&Component::read(plugin("dummy")).unwrap(), &everything());
    let instance = instance("a", &["one"], &serde_json::json!({}));
    let nobody = same(&instance, &[]);
    let long = "correct-horse-battery";
    let stored =
        opened.backend.serialize(NOW, instance, EntryFiles::new(), &secrets(&[("one", long)]), &nobody).unwrap();
    assert_eq!(stored.files["one"], long.as_bytes());
}

#[test]
fn a_secret_in_plain_text_is_not_stored() {
    let long = "correct-horse-battery";
    let key = key();
    let store = |config: &serde_json::Value, value: &str, before: EntryFiles| {
        let mut opened = with_plaintext();
        let instance = instance("a", &["one"], config);
        let recipients = same(&instance, &[&key.public]);
        opened.backend.serialize(NOW, instance, before, &secrets(&[("one", value)]), &recipients)
    };
    let plain = behaving(&[&key.public], &[("serialize", "store-plain")]);
    let refused = store(&plain, long, EntryFiles::new()).unwrap_err();
    assert!(refused.by_host, "{refused:?}");
    let words = "what it stored contains the secret `one` in plain text";
    assert!(matches!(&refused.error, CallError::Broken(why) if why == words), "{refused:?}");
    // A file that stays from before counts as well.
    let sealed = behaving(&[&key.public], &[]);
    assert!(store(&sealed, long, EntryFiles::new()).is_ok());
    let named = behaving(&[&key.public], &[("serialize", "name-secret")]);
    assert!(store(&named, long, EntryFiles::new()).unwrap_err().by_host);
    // Too short to be told from what is there anyway.
    assert!(store(&plain, "hunter2", EntryFiles::new()).is_ok());
    // It was given the same text in the clear.
    let mut told = plain.clone();
    told["text"] = long.into();
    assert!(store(&told, long, EntryFiles::new()).is_ok());
    assert!(store(&plain, &key.public, EntryFiles::new()).is_ok());
}

#[test]
fn what_comes_back_is_flat_clean_and_within_limits() {
    // What is too large takes long to write on a busy machine.
    let patient = Limits { time: 30 * limits().time, ..limits() };
    let mut opened = open_within(patient, &Component::read(guest("hostile")).unwrap(), &Grants::default());
    let cases = [
        ("leave-symlink", "../../../etc/passwd", "symbolic link"),
        ("leave-symlink", "one.age", "symbolic link"),
        ("leave-hardlink", "", "2 links"),
        ("leave-folder", "", "folder"),
        ("leave-nested", "", "folder"),
        ("leave-named", "receipt.json", "belongs to the host"),
        ("leave-named", "public", "belongs to the host"),
        ("leave-named", "Receipt.JSON", "belongs to the host"),
        ("leave-named", ".gitattributes", "git"),
        ("leave-named", "new\nline", "control character"),
        ("leave-named", "d\u{200b}b", "invisible character"),
        ("leave-big", "", "larger than its limit"),
    ];
    for (mode, text, why) in cases {
        let error = serialize(&mut opened, mode, text).unwrap_err().error;
        assert!(matches!(&error, CallError::Broken(words) if words.contains(why)), "{mode} {text:?}: {error:?}");
        // The room is clean for the next one.
        let next = serialize(&mut opened, "", "").unwrap();
        assert_eq!(next.files.len(), 2, "{mode} {text:?}");
    }
}

#[test]
fn a_call_that_fails_gives_no_entry() {
    let mut opened = hostile();
    for mode in ["first-then-fail", "first-then-trap", "fail", "trap", "exit", "exit-well", "spin", "memory", "recurse"]
    {
        let error = serialize(&mut opened, mode, "").unwrap_err().error;
        assert!(!escaped(&error), "{mode}: {error:?}");
    }
    // Neither does one that cannot have stored what it was given.
    for mode in ["nothing", "first-only", "empty-files", "garbage", "wipe"] {
        let error = serialize(&mut opened, mode, "").unwrap_err().error;
        let words = "no age file of it for exactly its recipients";
        assert!(matches!(&error, CallError::Broken(why) if why.contains(words)), "{mode}: {error:?}");
    }
}

#[test]
fn handles_and_bytes_are_bounded() {
    let mut opened = hostile();
    for mode in ["many-secrets", "many-handles", "big-secret"] {
        let error = serialize(&mut opened, mode, "").err().map(|failed| failed.error);
        assert!(matches!(&error, Some(error) if !escaped(error)), "{mode}: {error:?}");
    }
}

#[test]
fn recipients_are_not_believed() {
    let mut opened = hostile();
    for (mode, why) in [
        ("no-file", "expected each declared file once"),
        ("other-file", "never-declared"),
        ("file-twice", "expected each declared file once"),
        ("control", "invalid recipient"),
        ("huge", "100000 recipients"),
        ("other-kind", "the kind plugin; it is x25519"),
        ("label-huge", "a label of 1048576 bytes"),
        ("label-two", "two labels"),
    ] {
        let answer = check(&mut opened, &[("readers", mode)], "");
        assert!(matches!(&answer, Err(CallError::Broken(words)) if words.contains(why)), "{mode}: {answer:?}");
    }
    for (mode, why) in [("nobody", "no recipients"), ("garbage", "invalid recipient `no key at all`")] {
        let answer = check(&mut opened, &[("readers", mode)], "");
        assert!(
            matches!(&answer, Err(CallError::Failed(failure)) if failure.kind.as_str() == "config" && failure.message.contains(why)),
            "{mode}: {answer:?}"
        );
    }
    // A label is no one's identity: that of another admin changes nothing.
    let labeled = check(&mut opened, &[("readers", "label")], "alice").unwrap();
    assert_eq!(labeled.labels.values().collect::<Vec<_>>(), ["alice"]);
    let label = check(&mut opened, &[("readers", "label-control")], "")
        .unwrap()
        .labels
        .into_inner()
        .into_values()
        .next()
        .unwrap();
    assert!(!label.chars().any(char::is_control) && !label.contains('\u{202e}'), "{label}");
    let secret = age::secrecy::ExposeSecret::expose_secret(&key().identity.to_string()).to_owned();
    for mut opened in [opened, with_plaintext()] {
        let answer = check(&mut opened, &[("readers", "named")], &secret);
        assert!(
            matches!(&answer, Err(CallError::Failed(failure)) if failure.message.contains("private key")),
            "{answer:?}"
        );
        assert!(!format!("{answer:?}").contains(&secret));
        for mode in ["twice", "unsorted"] {
            let recipients = check(&mut opened, &[("readers", mode)], "").unwrap().recipients;
            assert_eq!(recipients.of_all_files().count(), 1, "{mode}");
        }
    }
}

#[test]
fn a_stale_state_keeps_its_reasons_within_bounds() {
    let mut opened = hostile();
    let stale = check(&mut opened, &[("check", "stale")], "").unwrap().state;
    assert!(matches!(&stale, CheckState::Stale(reasons) if reasons[0].0 == "files"), "{stale:?}");
    for mode in ["stale-huge", "stale-many"] {
        match check(&mut opened, &[("check", mode)], "").map(|checked| checked.state) {
            Ok(CheckState::Stale(reasons)) => {
                assert!(reasons.len() <= 100 && reasons.iter().all(|(kind, text)| kind.len() + text.len() < 10_000));
            }
            answer => {
                assert!(matches!(answer, Err(CallError::Broken(_) | CallError::Overrun(_))), "{mode}: {answer:?}");
            }
        }
    }
    let CheckState::Stale(reasons) = check(&mut opened, &[("check", "stale-control")], "").unwrap().state else {
        panic!()
    };
    assert!(
        !reasons.iter().any(|(kind, text)| kind.contains('\u{1b}') || text.contains(['\n', '\r', '\u{7}', '\u{202e}']))
    );
}

#[test]
fn words_are_capped_and_escaped() {
    let mut opened = hostile();
    let events = |opened: &mut Opened, mode: &str| {
        let key = key();
        let instance = instance("a", &["one"], &behaving(&[&key.public], &[("check", mode)]));
        opened.backend.check(NOW, vec![(instance, EntryFiles::new())]).events
    };
    let words = |events: &[ComponentEvent]| -> Vec<String> {
        let text = |event: &ComponentEvent| match event {
            ComponentEvent::Log { message, .. } => Some(message.clone()),
            _ => None,
        };
        events.iter().filter_map(text).collect()
    };
    let flood = events(&mut opened, "log-flood");
    let lines = words(&flood);
    assert!(lines.iter().map(String::len).sum::<usize>() <= 64 << 10);
    assert!(lines.len() > 1000);
    let cut = flood.iter().find_map(|event| if let ComponentEvent::Cut(cut) = event { Some(*cut) } else { None });
    assert!(cut.unwrap() >= 100_000 - lines.len() as u64);
    assert!(words(&events(&mut opened, "log-huge"))[0].len() <= (4 << 10) + 4);
    let control = words(&events(&mut opened, "log-control")).remove(0);
    assert!(!control.chars().any(char::is_control) && !control.contains('\u{202e}'), "{control}");
    assert!(control.contains("\\u{1b}[2J"), "{control}");
    let failed = check(&mut opened, &[("check", "fail-control")], "").unwrap_err();
    assert!(matches!(&failed, CallError::Failed(failure) if !failure.message.contains('\u{1b}')), "{failed:?}");
    let huge = check(&mut opened, &[("check", "fail-huge")], "").unwrap_err();
    assert!(format!("{huge:?}").len() < 10_000);
}

#[test]
fn refusals_are_told_in_full_and_ended_where_they_cannot_be() {
    // So much takes its time on a busy machine.
    let patient = Limits { time: 30 * limits().time, ..limits() };
    let mut opened = open_within(patient, &Component::read(guest("hostile")).unwrap(), &Grants::default());
    let mut probe = |times: &str| {
        let mut config = behaving(&[&key().public], &[("check", "probe")]);
        config["text"] = times.into();
        let of = |name| (instance(name, &["one"], &config), EntryFiles::new());
        opened.backend.check(NOW, vec![of("a"), of("b")])
    };
    // Each twice, and far more than is told of what goes well.
    let checks = probe("10000");
    assert!(checks.answers.iter().all(Result::is_ok), "{:?}", checks.answers);
    let mut seen = std::collections::BTreeMap::new();
    for event in &checks.events {
        if let ComponentEvent::File { path, error: Some(_), count, .. } = event {
            *seen.entry(path.as_str()).or_insert(0) += count;
        }
    }
    assert!((0..10_000).all(|number| seen.get(format!("../{number}").as_str()) == Some(&4)), "{}", seen.len());
    let checks = probe("100000");
    for answer in &checks.answers {
        assert!(matches!(answer, Err(CallError::Overrun(why)) if why.contains("too many denied")), "{answer:?}");
    }
}

#[test]
fn what_a_folder_holds_is_recorded_when_it_is_read() {
    let mut opened = hostile();
    let config = behaving(&[&key().public], &[("check", "list")]);
    let entry = files(&[("one.age", "x"), ("two.age", "y")]);
    let checks = opened.backend.check(NOW, vec![(instance("a", &["one"], &config), entry)]);
    for name in ["one.age", "two.age"] {
        let entry = |event: &ComponentEvent| {
            matches!(event, ComponentEvent::File { call, path, error: None, .. }
                if call.name() == "read-directory-entry" && path == name)
        };
        assert!(checks.events.iter().any(entry), "{name}: {:?}", checks.events);
    }
}

#[test]
fn output_is_told_of_failures_only() {
    let mut opened = hostile();
    let outputs = |mode: &str, opened: &mut Opened| -> Vec<String> {
        let mut config = behaving(&[&key().public], &[("check", mode)]);
        config["text"] = "the reason of it".into();
        let checks = opened.backend.check(NOW, vec![(instance("a", &["one"], &config), EntryFiles::new())]);
        let text = |event: ComponentEvent| match event {
            ComponentEvent::Output(text) => Some(text),
            _ => None,
        };
        checks.events.into_iter().filter_map(text).collect()
    };
    assert!(outputs("print-control", &mut opened).is_empty());
    let panic = outputs("panic", &mut opened);
    assert!(panic.iter().any(|text| text.contains("the reason of it")), "{panic:?}");
}

#[test]
fn every_file_system_call_is_recorded_refusals_too() {
    let mut opened = hostile();
    let key = key();
    let config = behaving(&[&key.public], &[("check", "read-outside")]);
    let checks = opened.backend.check(NOW, vec![(instance("a", &["one"], &config), files(&[("one.age", "x")]))]);
    let calls: Vec<(&str, &str, bool)> = checks
        .events
        .iter()
        .filter_map(|event| match event {
            ComponentEvent::File { call, path, error, .. } => Some((call.name(), path.as_str(), error.is_none())),
            _ => None,
        })
        .collect();
    assert!(calls.contains(&("stat-at", "one.age", true)), "{calls:?}");
    assert!(
        calls.iter().any(|(operation, path, fine)| *operation == "open-at" && path.contains("etc/passwd") && !fine)
    );
    assert!(checks.events.contains(&ComponentEvent::Instance("per-machine/web1/a".to_owned())));

    let stored = serialize(&mut opened, "", "").unwrap();
    let size = stored.files["one.age"].len() as u64;
    assert!(
        stored.events.iter().any(|event| matches!(
            event,
            ComponentEvent::File { call, path, error: None, bytes, .. } if call.name() == "write" && path == "one.age" && *bytes == size
        )),
        "{:?}",
        stored.events
    );
    let seals = stored
        .events
        .iter()
        .filter(|event| matches!(event, ComponentEvent::Host { call, error: None, .. } if call == "age.seal"));
    assert_eq!(seals.count(), 2);
}

#[test]
fn a_hanging_call_holds_nobody() {
    let mut opened = hostile();
    let begun = Instant::now();
    let answer = check(&mut opened, &[("check", "sleep")], "");
    assert!(matches!(answer, Err(CallError::Overrun(_))), "{answer:?}");
    assert!(begun.elapsed() < Duration::from_secs(10 * limits().time));
}

#[test]
fn scopes_and_persistence_are_the_hosts_to_judge() {
    let bytes = guest("hostile");
    let mut manifest = Component::read(bytes.clone()).unwrap().manifest().clone();
    manifest.scopes = [artifacts_contract::Scope::Shared].into();
    let component = Component::read(artifacts_contract::annotate(&bytes, &manifest).unwrap()).unwrap();
    let answer = check(&mut open(&component, &Grants::default()), &[("check", "present")], "");
    let not_called = |answer: &Result<_, CallError>, words: &str| matches!(answer, Err(CallError::NotCalled { why, .. }) if why.contains(words));
    assert!(not_called(&answer, "does not store artifacts of a machine"), "{answer:?}");
    let dummy = Component::read(plugin("dummy")).unwrap();
    let answer = check(&mut open(&dummy, &Grants::default()), &[], "");
    assert!(not_called(&answer, "keeps nothing in the storage"), "{answer:?}");
}
