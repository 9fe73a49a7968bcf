//! Opening: every kind of identity, passphrases once, plugins once.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use age_core::format::{FileKey, Stanza};
use age_core::secrecy::{ExposeSecret, SecretString};
use artifacts_age::{IdentityError, Keyring, NoPrompter, OpenError, Opener, Plugins, Programs, Prompter, seal};
use artifacts_seam::Secret;
use artifacts_tests::age_plugin;
use artifacts_text::Explain;

/// An ssh host key, and the age recipient that ssh-to-age makes of it.
const HOST: &str = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW\nQyNTUxOQAAACDDgcnjWgP8O8OK9XptUyjJPVg7R4hKpm83xOCxrSBDIAAAAIg3nzlwN585\ncAAAAAtzc2gtZWQyNTUxOQAAACDDgcnjWgP8O8OK9XptUyjJPVg7R4hKpm83xOCxrSBDIA\nAAAECjtiRqnFYLpbKlepqcd5KYJKaOKV4pBvm66QnDZijTDMOByeNaA/w7w4r1em1TKMk9\nWDtHiEqmbzfE4LGtIEMgAAAABGhvc3QB\n-----END OPENSSH PRIVATE KEY-----\n";
const CONVERTED: &str = "age14wyex08057f74ppvtjl5uatpqh36eld8n6a7yld0cdecm9pvkqxqyymewx";

/// Someone who knows one passphrase, counted.
#[derive(Default)]
struct Admin {
    passphrase: Option<&'static str>,
    asked: AtomicUsize,
    questions: Mutex<Vec<String>>,
    read: Mutex<Vec<String>>,
}

impl Admin {
    fn who_knows(passphrase: &'static str) -> Arc<Self> {
        Arc::new(Self { passphrase: Some(passphrase), ..Self::default() })
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

impl Prompter for Admin {
    fn passphrase(&self, what: &str) -> Option<Secret> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.questions.lock().unwrap().push(what.to_owned());
        Some(Secret::new(self.passphrase?.as_bytes().to_vec()))
    }

    fn message(&self, text: &str) {
        self.read.lock().unwrap().push(text.to_owned());
    }

    fn confirm(&self, _: &str, _: &str, _: Option<&str>) -> Option<bool> {
        Some(true)
    }

    fn text(&self, _: &str) -> Option<String> {
        None
    }
}

fn secret(text: &str) -> Secret {
    Secret::new(text.as_bytes().to_vec())
}

fn sealed(recipient: &str) -> Vec<u8> {
    seal(&secret("hunter2"), &[recipient.trim().to_owned()], true).unwrap()
}

fn opener(prompter: Arc<dyn Prompter>, identities: &[&str]) -> Opener {
    let mut opener = Opener::new(prompter, Plugins::default());
    for (index, identity) in identities.iter().enumerate() {
        opener.add(&format!("identity {index}"), &secret(identity)).unwrap();
    }
    opener
}

/// An ssh key, private and public.
fn ssh(kind: &str, passphrase: &str) -> (String, String) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("key");
    let mut keygen = Command::new("ssh-keygen");
    keygen.args(["-q", "-t", kind, "-N", passphrase, "-C", "", "-f"]).arg(&file);
    if kind == "rsa" {
        keygen.args(["-b", "2048"]);
    }
    assert!(keygen.status().expect("ssh-keygen is needed").success());
    (fs::read_to_string(&file).unwrap(), fs::read_to_string(file.with_extension("pub")).unwrap())
}

fn age_pair() -> (String, String) {
    let key = age::x25519::Identity::generate();
    (key.to_string().expose_secret().to_owned(), key.to_public().to_string())
}

fn no_identity(result: Result<Secret, OpenError>) -> (Vec<String>, Vec<String>) {
    match result {
        Err(OpenError::NoIdentity(attempts)) => (attempts.closed, attempts.plugins),
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_kind_of_key_opens_what_is_sealed_to_it_and_nothing_else() {
    let mut pairs = vec![ssh("ed25519", ""), ssh("rsa", ""), age_pair()];
    pairs.push((HOST.to_owned(), CONVERTED.to_owned()));
    for (index, (private, public)) in pairs.iter().enumerate() {
        let file = sealed(public);
        let with_comment = format!("# created by age-keygen\n\n{private}\n");
        let private = if private.starts_with("AGE") { &with_comment } else { private };
        assert_eq!(opener(Arc::new(NoPrompter), &[private]).open(&file).unwrap(), secret("hunter2"), "{index}");
        let (other, _) = age_pair();
        no_identity(opener(Arc::new(NoPrompter), &[&other]).open(&file));
    }
}

#[test]
fn a_passphrase_is_asked_for_once() {
    for kind in ["ed25519", "rsa"] {
        let (private, public) = ssh(kind, "correct horse");
        let admin = Admin::who_knows("correct horse");
        let opener = opener(admin.clone(), &[&private]);
        assert_eq!(admin.asked(), 0, "not before a file needs it");
        for _ in 0..3 {
            assert_eq!(opener.open(&sealed(&public)).unwrap(), secret("hunter2"));
        }
        assert_eq!(admin.asked(), 1, "{kind}");
    }
}

#[test]
fn a_passphrase_is_not_asked_for_what_another_key_opens_or_this_one_cannot() {
    let (private, _) = ssh("rsa", "x");
    let (other, public) = age_pair();
    let admin = Admin::who_knows("x");
    opener(admin.clone(), &[&private, &other]).open(&sealed(&public)).unwrap();
    let (closed, _) = no_identity(opener(admin.clone(), &[&private]).open(&sealed(&public)));
    // It is known by its public half to be another one: nothing was left untried.
    assert_eq!((admin.asked(), closed), (0, Vec::<String>::new()));
}

#[test]
fn a_wrong_passphrase_may_be_corrected_and_a_missing_one_is_told() {
    let (private, public) = ssh("ed25519", "right");
    let admin = Admin::who_knows("wrong");
    let wrong = opener(admin.clone(), &[&private]);
    for _ in 0..2 {
        let (closed, _) = no_identity(wrong.open(&sealed(&public)));
        assert_eq!(closed, ["identity 0: wrong passphrase in 3 attempts"]);
    }
    assert_eq!(admin.asked(), 3, "three tries a run, not a file");
    let questions = admin.questions.lock().unwrap().clone();
    assert_eq!(questions[0], "Passphrase for identity 0");
    assert!(questions[1..].iter().all(|one| one == "Wrong passphrase. Passphrase for identity 0"), "{questions:?}");
    let error = opener(Arc::new(NoPrompter), &[&private]).open(&sealed(&public)).unwrap_err();
    assert_eq!(error.kind(), "no-identity");
    assert!(error.to_string().contains("identity 0: no passphrase was entered"), "{error}");
}

/// Identities in an armored age file.
fn under_passphrase(identities: &str, passphrase: &str) -> String {
    let mut recipient = age::scrypt::Recipient::new(SecretString::from(passphrase.to_owned()));
    // Quick, not strong.
    recipient.set_work_factor(4);
    let encryptor = age::Encryptor::with_recipients(std::iter::once(&recipient as _)).unwrap();
    let mut file = Vec::new();
    let armor = age::armor::ArmoredWriter::wrap_output(&mut file, age::armor::Format::AsciiArmor).unwrap();
    let mut writer = encryptor.wrap_output(armor).unwrap();
    writer.write_all(identities.as_bytes()).unwrap();
    writer.finish().unwrap().finish().unwrap();
    String::from_utf8(file).unwrap()
}

#[test]
fn identities_in_an_age_file_under_a_passphrase() {
    let (private, public) = age_pair();
    let admin = Admin::who_knows("pass");
    let opener = opener(admin.clone(), &[&under_passphrase(&private, "pass")]);
    opener.open(&sealed(&public)).unwrap();
    opener.open(&sealed(&public)).unwrap();
    assert_eq!(admin.asked(), 1);
}

#[test]
fn what_is_no_identity_says_why_and_shows_nothing_of_it() {
    let mut opener = Opener::new(Arc::new(NoPrompter), Plugins::default());
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("k");
    let made = Command::new("ssh-keygen").args(["-q", "-t", "ecdsa", "-N", "", "-f"]).arg(&file).status().unwrap();
    assert!(made.success());
    let ecdsa = fs::read_to_string(&file).unwrap();
    let (_, public) = ssh("ed25519", "");
    let cut = &HOST[..HOST.len() / 2];
    for (text, word) in [
        ("", "empty"),
        ("# only a comment\n", "empty"),
        ("hunter2hunter2", "line 1"),
        ("AGE-SECRET-KEY-1QQQQ", "line 1"),
        (&public, "public key"),
        (&ecdsa, "unsupported SSH key type"),
        (cut, "not an identity"),
    ] {
        let error = opener.add("key.txt", &secret(text)).unwrap_err();
        let message = error.to_string();
        assert!(message.starts_with("key.txt") && message.contains(word), "{message}");
        assert!(!message.contains("hunter2") && !message.contains("QQQQ") && error.hint().is_some());
    }
    assert!(opener.add("key.txt", &Secret::new(vec![0xff])).is_err());
    assert!(opener.is_empty());
}

/// The ways in which an editor, a form or a shell changes a text that stays the same to age and to ssh-keygen.
fn disguises(text: &str) -> Vec<(&'static str, String)> {
    vec![
        ("a blank line at the end", format!("{text}\n\n")),
        ("no line break at the end", text.trim_end().to_owned()),
        ("blank lines before", format!("\n\n{text}")),
        ("CRLF", text.replace('\n', "\r\n")),
        ("a byte-order mark", format!("\u{feff}{text}")),
        ("a byte-order mark and CRLF", format!("\u{feff}{}", text.replace('\n', "\r\n"))),
        ("blanks at the ends of lines", text.replace('\n', " \t\n")),
        ("indented", format!("  {}", text.replace('\n', "\n  "))),
        ("comments", format!("# of the laptop\n{text}\n# end\n")),
    ]
}

#[test]
fn a_key_is_known_in_every_disguise() {
    for (private, public) in [ssh("ed25519", ""), ssh("rsa", ""), age_pair()] {
        for (how, text) in disguises(&private) {
            let opened = opener(Arc::new(NoPrompter), &[&text]).open(&sealed(&public));
            assert_eq!(opened.unwrap(), secret("hunter2"), "{how}: {public}");
        }
    }
    let (private, public) = ssh("ed25519", "correct horse");
    for (how, text) in disguises(&private) {
        let admin = Admin::who_knows("correct horse");
        assert_eq!(opener(admin, &[&text]).open(&sealed(&public)).unwrap(), secret("hunter2"), "{how}");
    }
    let (private, public) = age_pair();
    for (how, text) in disguises(&under_passphrase(&private, "correct horse")) {
        let admin = Admin::who_knows("correct horse");
        assert_eq!(opener(admin, &[&text]).open(&sealed(&public)).unwrap(), secret("hunter2"), "{how}");
    }
    // As a form with narrow lines gives it back.
    let (private, public) = ssh("ed25519", "");
    let (head, rest) = private.split_once('\n').unwrap();
    let (body, foot) = rest.trim_end().rsplit_once('\n').unwrap();
    let body: Vec<char> = body.chars().filter(|char| *char != '\n').collect();
    let narrow: String = body.chunks(40).flat_map(|line| line.iter().copied().chain(['\n'])).collect();
    let text = format!("{head}\n{narrow}{foot}\n");
    assert_eq!(opener(Arc::new(NoPrompter), &[&text]).open(&sealed(&public)).unwrap(), secret("hunter2"));
}

#[test]
fn ssh_keys_in_the_forms_of_openssl_are_known() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("key");
    for form in ["PEM", "PKCS8"] {
        let _ = fs::remove_file(&file);
        let keygen = Command::new("ssh-keygen")
            .args(["-q", "-t", "rsa", "-b", "2048", "-N", "", "-m", form, "-f"])
            .arg(&file)
            .status();
        assert!(keygen.unwrap().success());
        let (private, public) =
            (fs::read_to_string(&file).unwrap(), fs::read_to_string(file.with_extension("pub")).unwrap());
        assert!(!private.contains("OPENSSH"));
        for (how, text) in disguises(&private) {
            assert_eq!(
                opener(Arc::new(NoPrompter), &[&text]).open(&sealed(&public)).unwrap(),
                secret("hunter2"),
                "{form}: {how}"
            );
        }
    }
    // RFC 8410, section 7; to age it is the same key as in OpenSSH's form.
    let key = ssh_key::PrivateKey::from_openssh(HOST).unwrap();
    let mut der = vec![0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
    der.extend(key.key_data().ed25519().unwrap().private.as_ref());
    let pem = |der: &[u8]| {
        let body = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, der);
        format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n")
    };
    for recipient in [CONVERTED, &key.public_key().to_openssh().unwrap()] {
        assert_eq!(opener(Arc::new(NoPrompter), &[&pem(&der)]).open(&sealed(recipient)).unwrap(), secret("hunter2"));
    }
    // Cut anywhere, and with any byte changed, it is no key, or another one.
    for end in 0..der.len() {
        assert!(Opener::new(Arc::new(NoPrompter), Plugins::default()).add("k", &secret(&pem(&der[..end]))).is_err());
    }
    for at in 0..16 {
        let mut other = der.clone();
        other[at] ^= 0x81;
        let _ = Opener::new(Arc::new(NoPrompter), Plugins::default()).add("k", &secret(&pem(&other)));
    }
}

#[test]
fn what_cannot_be_used_affects_only_itself() {
    let (private, public) = age_pair();
    let (ssh_private, ssh_public) = ssh("ed25519", "");
    let (_, other) = age_pair();
    let dir = tempfile::tempdir().unwrap();
    let ecdsa = dir.path().join("ecdsa");
    assert!(
        Command::new("ssh-keygen").args(["-q", "-t", "ecdsa", "-N", "", "-f"]).arg(&ecdsa).status().unwrap().success()
    );
    let ecdsa = fs::read_to_string(&ecdsa).unwrap();
    for (bad, word) in [
        (plugin_identity(), ": needs age plugin `tester`"),
        ("hunter2".to_owned(), ": not an age identity"),
        ("AGE-SECRET-KEY-1QQQQ".to_owned(), ": not an age identity"),
        (other.clone(), "is a public key"),
        (ecdsa, "unsupported SSH key type"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----".to_owned(), "not an identity"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----".to_owned(), "`CERTIFICATE`"),
    ] {
        for text in [format!("{private}\n{bad}\n{ssh_private}"), format!("{bad}\n{ssh_private}{private}\n")] {
            let opener = opener(Arc::new(NoPrompter), &[&text]);
            assert_eq!(opener.open(&sealed(&public)).unwrap(), secret("hunter2"), "{bad}");
            assert_eq!(opener.open(&sealed(&ssh_public)).unwrap(), secret("hunter2"), "{bad}");
            // Where nothing opens it, it may be for this.
            let error = opener.open(&sealed(&other)).unwrap_err();
            let told = error.to_string();
            assert!(told.contains(word) && !told.contains("hunter2") && !told.contains("QQQQ"), "{told}");
            assert!(told.contains("identity 0: not a recipient"), "{told}");
        }
        // The same beside the good key, under a passphrase.
        let admin = Admin::who_knows("pass");
        let file = under_passphrase(&format!("{bad}\n{private}\n"), "pass");
        assert_eq!(opener(admin.clone(), &[&file]).open(&sealed(&public)).unwrap(), secret("hunter2"), "{bad}");
        // And alone there: the passphrase was right.
        let admin = Admin::who_knows("pass");
        let opener = opener(admin.clone(), &[&under_passphrase(&bad, "pass")]);
        let (closed, _) = no_identity(opener.open(&sealed(&public)));
        assert!(admin.asked() == 1 && !closed[0].contains("wrong passphrase"), "{closed:?}");
    }
}

#[test]
fn what_was_tried_and_where_it_was_looked_is_told() {
    let (private, _) = age_pair();
    let (_, public) = age_pair();
    let error = opener(Arc::new(NoPrompter), &[&private]).open(&sealed(&public)).unwrap_err();
    assert_eq!(error.to_string(), "no identity can decrypt it; identity 0: not a recipient");
    let mut nothing = Opener::new(Arc::new(NoPrompter), Plugins::default());
    nothing.searched("/home/a/.ssh/id_rsa".to_owned());
    let error = nothing.open(&sealed(&public)).unwrap_err();
    assert_eq!(error.to_string(), "no identity found; no /home/a/.ssh/id_rsa");
    nothing.leave_out(IdentityError::Kind { name: "/home/a/.ssh/id_rsa".to_owned() });
    assert!(nothing.open(&sealed(&public)).unwrap_err().to_string().contains("unsupported SSH key type"));
}

#[test]
fn a_damaged_file_is_not_a_missing_identity() {
    let (private, public) = age_pair();
    let opener = opener(Arc::new(NoPrompter), &[&private]);
    let file = seal(&secret("hunter2"), &[public], false).unwrap();
    let mut body = file.clone();
    *body.last_mut().unwrap() ^= 1;
    for damaged in [b"".as_slice(), b"hello", &file[..40], &file[..file.len() - 1], &body] {
        let error = opener.open(damaged).unwrap_err();
        assert_eq!(error.kind(), "corrupt", "{error}");
    }
    let mac = file.windows(4).position(|at| at == b"--- ").unwrap() + 6;
    let mut header = file;
    header[mac] = if header[mac] == b'A' { b'B' } else { b'A' };
    assert_eq!(opener.open(&header).unwrap_err().kind(), "corrupt");
}

/// A recipient whose files only the plugin `tester` opens; the key is in the open.
struct Tester;

impl age::Recipient for Tester {
    fn wrap_file_key(&self, key: &FileKey) -> Result<(Vec<Stanza>, HashSet<String>), age::EncryptError> {
        let body = key.expose_secret().to_vec();
        Ok((vec![Stanza { tag: "tester".into(), args: vec!["x".into()], body }], HashSet::new()))
    }
}

fn for_tester(text: &str) -> Vec<u8> {
    let mut file = Vec::new();
    let mut writer =
        age::Encryptor::with_recipients(std::iter::once(&Tester as _)).unwrap().wrap_output(&mut file).unwrap();
    writer.write_all(text.as_bytes()).unwrap();
    writer.finish().unwrap();
    file
}

fn plugin_identity() -> String {
    age_plugin::IDENTITY.to_owned()
}

fn build_plugin(dir: &Path, then: &str) {
    age_plugin::write(dir, then).unwrap();
}

fn plugins(dir: &Path) -> Plugins {
    Plugins {
        allowed: BTreeSet::from(["tester".to_owned()]),
        programs: Programs::new(dir.as_os_str(), Vec::new()),
        environment: vec![("PATH".into(), "/usr/bin:/bin".into()), ("ONLY".into(), "this".into())],
        ..Plugins::default()
    }
}

#[test]
fn a_plugin_is_run_once_for_many_files_and_sees_only_its_own_environment() {
    let dir = tempfile::tempdir().unwrap();
    build_plugin(dir.path(), "");
    let admin = Admin::who_knows("x");
    let mut opener = Opener::new(admin.clone(), plugins(dir.path()));
    opener.add("card", &secret(&plugin_identity())).unwrap();
    let (private, public) = age_pair();
    opener.add("own", &secret(&private)).unwrap();

    let files = [for_tester("one"), sealed(&public), for_tester("two")];
    let ciphertexts: Vec<&[u8]> = files.iter().map(Vec::as_slice).collect();
    let results: Vec<Secret> = opener.open_many(&ciphertexts).into_iter().map(Result::unwrap).collect();
    assert_eq!(results, [secret("one"), secret("hunter2"), secret("two")]);
    assert_eq!(age_plugin::runs(dir.path()), 1);
    assert_eq!(
        *admin.read.lock().unwrap(),
        ["age-plugin-tester decrypts 2 files; it may wait for a PIN or a touch", "touch\\u{1b}[31m it"],
        "what is waited for; what it says is safe on a terminal"
    );

    let seen = fs::read_to_string(dir.path().join("environment")).unwrap();
    let names: BTreeSet<&str> = seen.lines().filter_map(|line| line.split('=').next()).collect();
    assert!(names.is_superset(&BTreeSet::from(["ONLY", "PATH"])));
    assert!(names.is_subset(&BTreeSet::from(["ONLY", "PATH", "PWD", "SHLVL", "_"])), "{seen}");

    opener.open(&sealed(&public)).unwrap();
    assert_eq!(age_plugin::runs(dir.path()), 1, "not run when it is not needed");
}

#[test]
fn identities_of_plugins_may_be_under_a_passphrase_and_are_named_where_they_open_nothing() {
    let dir = tempfile::tempdir().unwrap();
    build_plugin(dir.path(), "");
    let admin = Admin::who_knows("x");
    let mut opener = Opener::new(admin.clone(), plugins(dir.path()));
    opener.add("card", &secret(&under_passphrase(&plugin_identity(), "x"))).unwrap();
    assert_eq!(opener.open(&for_tester("one")).unwrap(), secret("one"));
    let (_, public) = age_pair();
    let error = opener.open(&sealed(&public)).unwrap_err().to_string();
    assert!(error.contains("card, card (age-plugin-tester): not recipients"), "{error}");
    assert_eq!(admin.asked(), 1);
    let denied = Plugins { allowed: BTreeSet::new(), ..plugins(dir.path()) };
    let mut opener = Opener::new(Admin::who_knows("x"), denied);
    opener.add("card", &secret(&under_passphrase(&plugin_identity(), "x"))).unwrap();
    let (closed, _) = no_identity(opener.open(&for_tester("one")));
    assert!(closed[0].contains("`tester`, which is not enabled"), "{closed:?}");
}

#[test]
fn what_a_plugin_decrypted_is_forgotten_and_unlocked_identities_are_not() {
    let folder = tempfile::tempdir().unwrap();
    build_plugin(folder.path(), "");
    let admin = Admin::who_knows("x");
    let mut opener = Opener::new(admin.clone(), plugins(folder.path()));
    opener.add("card", &secret(&plugin_identity())).unwrap();
    let (private, public) = ssh("ed25519", "x");
    opener.add("locked", &secret(&private)).unwrap();
    let ring = Keyring::new(opener);
    let (of_plugin, of_identity) = (for_tester("one"), sealed(&public));
    for asked in 1..=2 {
        assert!(ring.open(&of_plugin).is_err() && ring.is_left_for_plugins(), "it was forgotten");
        assert!(ring.ask_plugins());
        assert_eq!(ring.open(&of_plugin).unwrap().secret, secret("one"));
        assert_eq!(ring.open(&of_identity).unwrap().secret, secret("hunter2"));
        ring.forget_decrypted();
        assert_eq!(age_plugin::runs(folder.path()), asked);
    }
    assert_eq!(admin.asked(), 1, "one passphrase a run");
}

#[test]
fn a_plugin_that_is_not_allowed_or_not_there_is_not_run() {
    let dir = tempfile::tempdir().unwrap();
    build_plugin(dir.path(), "");
    let mut refused = Opener::new(Arc::new(NoPrompter), Plugins { allowed: BTreeSet::new(), ..plugins(dir.path()) });
    let error = refused.add("card", &secret(&plugin_identity())).unwrap_err();
    assert_eq!(error, IdentityError::Plugin { name: "card".into(), plugin: "tester".into() });
    let mut missing =
        Opener::new(Arc::new(NoPrompter), Plugins { programs: Programs::default(), ..plugins(dir.path()) });
    missing.add("card", &secret(&plugin_identity())).unwrap();
    let (_, plugins) = no_identity(missing.open(&for_tester("x")));
    assert_eq!(plugins, ["age-plugin-tester: program not found in PATH"]);
    assert!(!dir.path().join("runs").exists());
}

#[test]
fn a_plugin_that_fails_or_lies_opens_nothing() {
    let wrong_key = "printf -- '-> file-key 0\\n%s\\n' \"$(printf 0123456789abcdef | base64 | tr -d =)\"; read -r; read -r; keys=()";
    for (then, kind, word) in [
        ("exit 1", "no-identity", "it exited too early"),
        ("echo hello", "no-identity", "does not implement"),
        (
            "printf -- '-> error internal\\n%s\\n' \"$(printf 'no card' | base64 | tr -d =)\"; read -r; read -r; keys=()",
            "no-identity",
            "no card",
        ),
        ("keys=()", "no-identity", "no identity can decrypt it"),
        (
            "printf -- '-> file-key 7\\nAAAAAAAAAAAAAAAAAAAAAA\\n'; read -r; read -r; keys=()",
            "no-identity",
            "no identity can decrypt it",
        ),
        ("printf -- '-> file-key 0\\nAAAA\\n'; read -r; read -r; keys=()", "no-identity", "no identity can decrypt it"),
        (wrong_key, "corrupt", "damaged"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        build_plugin(dir.path(), then);
        let mut opener = Opener::new(Arc::new(NoPrompter), plugins(dir.path()));
        opener.add("card", &secret(&plugin_identity())).unwrap();
        let error = opener.open(&for_tester("x")).unwrap_err();
        assert_eq!(error.kind(), kind, "{then}: {error}");
        assert!(error.to_string().contains(word), "{then}: {error}");
    }
}
