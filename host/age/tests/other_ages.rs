//! What is encrypted here is decrypted by other implementations of age and the other way round, for each kind of key.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

mod common;

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::Command;

use artifacts_age::{NewKey, Plugins, RecipientPlugins, Sealer};
use artifacts_tests::tpm::Tpm;
use artifacts_tests::{age_plugin, other_ages};
use common::{Tagged, open_with, opener, plugins, secret};

/// Longer than a chunk of the payload.
fn plain() -> String {
    "hunter2\n".repeat(10_000)
}

fn sealed(recipients: &[&str], armor: bool) -> Vec<u8> {
    let recipients: Vec<String> = recipients.iter().map(ToString::to_string).collect();
    Sealer::default().seal(plain().as_bytes(), &recipients, armor).unwrap().file
}

type Made = Result<Vec<u8>, String>;

/// Another age that encrypts to recipients, and decrypts with a file of identities.
struct Other {
    encrypt: fn(&Path, &[&str]) -> Made,
    decrypt: fn(&Path, &Path, &[u8]) -> Made,
}

/// Of the directory the plugins are used.
fn newest() -> Other {
    let encrypt = |dir: &Path, recipients: &[&str]| {
        let arguments: Vec<&OsStr> = recipients.iter().flat_map(|one| [OsStr::new("-r"), OsStr::new(*one)]).collect();
        other_ages::newest("age", &arguments, dir, plain().as_bytes()).map_err(|error| error.to_string())
    };
    let decrypt = |dir: &Path, identity: &Path, file: &[u8]| {
        other_ages::newest("age", &[OsStr::new("-d"), OsStr::new("-i"), identity.as_os_str()], dir, file)
            .map_err(|error| error.to_string())
    };
    Other { encrypt, decrypt }
}

fn javascript() -> Other {
    let encrypt = |_: &Path, recipients: &[&str]| {
        other_ages::javascript(&[&["encrypt"], recipients].concat(), plain().as_bytes())
            .map_err(|error| error.to_string())
    };
    let decrypt = |_: &Path, identity: &Path, file: &[u8]| {
        let text = fs::read_to_string(identity).map_err(|error| error.to_string())?;
        other_ages::javascript(&["decrypt", text.trim()], file).map_err(|error| error.to_string())
    };
    Other { encrypt, decrypt }
}

/// Encrypts in both, with this key and another one of its kind, and decrypts in both.
fn both_ways(other: &Other, identity: &str, recipient: &str, beside: &str) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("identity");
    fs::write(&file, identity).unwrap();
    Command::new("chmod").arg("600").arg(&file).status().unwrap();
    for armor in [true, false] {
        let theirs = (other.decrypt)(dir.path(), &file, &sealed(&[beside, recipient], armor)).unwrap();
        assert_eq!(theirs, plain().as_bytes(), "{recipient} {armor}");
    }
    let file = (other.encrypt)(dir.path(), &[beside, recipient]).unwrap();
    assert_eq!(opener(&[identity], Plugins::default()).open(&file).unwrap(), secret(&plain()), "{recipient}");
}

#[test]
fn keys_of_age_of_either_kind() {
    for other in [newest(), javascript()] {
        for new in [NewKey::classic, NewKey::post_quantum] {
            let (key, beside) = (new(), new());
            both_ways(&other, key.expose(), &key.recipient, &beside.recipient);
        }
    }
}

#[test]
fn keys_that_others_generate() {
    let none = Path::new("/nowhere");
    for pq in [&[][..], &[OsStr::new("-pq")]] {
        let file = String::from_utf8(other_ages::newest("age-keygen", pq, none, b"").unwrap()).unwrap();
        let recipient = file.lines().find_map(|line| line.strip_prefix("# public key: ")).unwrap();
        both_ways(&newest(), &file, recipient, recipient);
    }
    for kind in [&["keygen"][..], &["keygen", "hybrid"]] {
        let text = String::from_utf8(other_ages::javascript(kind, b"").unwrap()).unwrap();
        let (identity, recipient) = text.trim().split_once('\n').unwrap();
        both_ways(&javascript(), identity, recipient, recipient);
    }
}

#[test]
fn keys_of_ssh() {
    for kind in ["ed25519", "rsa"] {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("key");
        let mut keygen = Command::new("ssh-keygen");
        keygen.args(["-q", "-t", kind, "-N", "", "-C", "", "-f"]).arg(&file);
        assert!(keygen.status().unwrap().success());
        let public = fs::read_to_string(file.with_extension("pub")).unwrap();
        both_ways(&newest(), &fs::read_to_string(&file).unwrap(), public.trim(), &NewKey::classic().recipient);
    }
}

/// Where the key is in hardware, others encrypt as this program does.
#[test]
fn tags() {
    let (private, public) = Tagged::new();
    let beside = NewKey::classic().recipient;
    for other in [newest(), javascript()] {
        let file = (other.encrypt)(Path::new("/nowhere"), &[&beside, &public]).unwrap();
        assert_eq!(open_with(&private, &file), plain().as_bytes());
    }
    assert_eq!(open_with(&private, &sealed(&[&beside, &public], false)), plain().as_bytes());
}

#[test]
fn plugins_of_recipients_and_identities() {
    let dir = tempfile::tempdir().unwrap();
    age_plugin::write(dir.path(), "").unwrap();
    let card = dir.path().join("card");
    fs::write(&card, age_plugin::IDENTITY).unwrap();
    let key = NewKey::classic();
    let mut sealer =
        Sealer::new(RecipientPlugins::new(plugins(dir.path()), || std::sync::Arc::new(artifacts_age::NoPrompter)));
    let recipients = [age_plugin::RECIPIENT.to_owned(), key.recipient.clone()];
    let ours = sealer.seal(plain().as_bytes(), &recipients, true).unwrap().file;
    let newest = newest();
    assert_eq!((newest.decrypt)(dir.path(), &card, &ours).unwrap(), plain().as_bytes());
    let file = dir.path().join("key");
    fs::write(&file, key.expose()).unwrap();
    assert_eq!((newest.decrypt)(dir.path(), &file, &ours).unwrap(), plain().as_bytes());
    let theirs = (newest.encrypt)(dir.path(), &[age_plugin::RECIPIENT, &key.recipient]).unwrap();
    for (identity, plugins) in [(age_plugin::IDENTITY, plugins(dir.path())), (key.expose(), Plugins::default())] {
        assert_eq!(opener(&[identity], plugins).open(&theirs).unwrap(), secret(&plain()));
    }
}

/// Without the plugin it is encrypted, with it decrypted.
#[test]
fn a_key_in_a_tpm() {
    let tpm = Tpm::start().unwrap();
    let (identity, recipient) = tpm.generate().unwrap();
    assert!(recipient.starts_with("age1tag1"), "{identity}");
    let beside = NewKey::classic().recipient;
    let card = tpm.plugin().join("card");
    fs::write(&card, &identity).unwrap();
    let ours = sealed(&[&beside, &recipient], true);
    let theirs = (newest().encrypt)(tpm.plugin(), &[&beside, &recipient]).unwrap();
    let mut allowed = plugins(tpm.plugin());
    allowed.allowed.insert("tpm".to_owned());
    let opened = opener(&[&identity], allowed).open_many(&[&ours, &theirs]);
    assert_eq!(opened.into_iter().map(Result::unwrap).collect::<Vec<_>>(), [secret(&plain()), secret(&plain())]);
    assert_eq!((newest().decrypt)(tpm.plugin(), &card, &ours).unwrap(), plain().as_bytes());
}

#[test]
fn what_is_not_mixed_here_is_not_mixed_there() {
    let (classic, post_quantum) = (NewKey::classic().recipient, NewKey::post_quantum().recipient);
    assert!((newest().encrypt)(Path::new("/nowhere"), &[&classic, &post_quantum]).is_err());
}
