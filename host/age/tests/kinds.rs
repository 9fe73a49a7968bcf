//! Recipients of every kind: each is encrypted to, and what is of no kind of age's own goes to its plugin.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::missing_panics_doc)]

mod common;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use age_core::primitives::bech32_encode;
use artifacts_age::{Error, NewKey, NoPrompter, PluginRun, Plugins, RecipientPlugins, Sealer, header_hash, recipients};
use artifacts_seam::Secret;
use artifacts_tests::age_plugin;
use common::{Tagged, open_with, opener, plugins, secret};

fn with_plugin(dir: &Path) -> RecipientPlugins {
    RecipientPlugins::new(plugins(dir), || Arc::new(NoPrompter))
}

#[test]
fn a_tag_is_of_no_plugin_and_its_key_decrypts() {
    let (private, public) = Tagged::new();
    let other = NewKey::classic();
    let file = Sealer::default().seal(b"hunter2", &[other.recipient.clone(), public], true).unwrap().file;
    assert_eq!(open_with(&private, &file), b"hunter2");
    assert_eq!(opener(&[other.expose()], Plugins::default()).open(&file).unwrap(), secret("hunter2"));
}

#[test]
fn a_post_quantum_file_is_decrypted_by_its_own_identity_only() {
    let (own, stranger) = (NewKey::post_quantum(), NewKey::post_quantum());
    let recipients = [NewKey::post_quantum().recipient, own.recipient.clone()];
    let file = Sealer::default().seal(b"hunter2", &recipients, false).unwrap().file;
    assert_eq!(opener(&[own.expose()], Plugins::default()).open(&file).unwrap(), secret("hunter2"));
    assert!(opener(&[stranger.expose()], Plugins::default()).open(&file).is_err());
}

#[test]
fn post_quantum_recipients_are_not_mixed_with_others() {
    let dir = tempfile::tempdir().unwrap();
    age_plugin::write(dir.path(), "").unwrap();
    let (pq, classic) = (NewKey::post_quantum().recipient, NewKey::classic().recipient);
    let mut sealer = Sealer::new(with_plugin(dir.path()));
    for mixed in [[pq.clone(), classic], [age_plugin::RECIPIENT.to_owned(), pq.clone()]] {
        assert_eq!(sealer.seal(b"x", &mixed, true), Err(Error::Mixed), "{mixed:?}");
    }
    age_plugin::write(dir.path(), "tell 'labels postquantum' ''").unwrap();
    let mut sealer = Sealer::new(with_plugin(dir.path()));
    assert!(sealer.seal(b"x", &[age_plugin::RECIPIENT.to_owned(), pq], true).is_ok(), "a plugin says what it is");
}

#[test]
fn a_thousand_files_are_encrypted_by_a_plugin_that_is_started_once() {
    let dir = tempfile::tempdir().unwrap();
    age_plugin::write(dir.path(), "").unwrap();
    let key = NewKey::classic();
    let both = BTreeSet::from([age_plugin::RECIPIENT.to_owned(), key.recipient.clone()]);
    let plugin = with_plugin(dir.path());
    plugin.check(&both).unwrap();
    plugin.expect(std::iter::repeat_n(&both, 1000));
    let mut sealer = Sealer::new(plugin.clone());
    let list: Vec<String> = both.into_iter().collect();
    let values: Vec<String> = (0..1000).map(|number| format!("secret {number}")).collect();
    let files: Vec<Vec<u8>> =
        values.iter().map(|value| sealer.seal(value.as_bytes(), &list, true).unwrap().file).collect();
    assert_eq!(age_plugin::runs(dir.path()), 1);
    let program = dir.path().canonicalize().unwrap().join("age-plugin-tester");
    assert_eq!(plugin.take_runs(), [PluginRun { plugin: "tester".to_owned(), program }]);
    assert_eq!(plugin.take_runs(), []);

    let hashes: BTreeSet<_> = files.iter().map(|file| header_hash(file).unwrap()).collect();
    assert_eq!(hashes.len(), 1000, "each has a key of its own");
    assert_eq!(recipients(&files[0], []), 2);
    let (own, card) = (opener(&[key.expose()], Plugins::default()), [age_plugin::IDENTITY]);
    let card = opener(&card, plugins(dir.path()));
    let few: Vec<&[u8]> = files.iter().step_by(100).map(Vec::as_slice).collect();
    for opened in [own.open_many(&few), card.open_many(&few)] {
        let expected: Vec<Secret> = values.iter().step_by(100).map(|value| secret(value)).collect();
        assert_eq!(opened.into_iter().map(Result::unwrap).collect::<Vec<_>>(), expected);
    }
    // What was not expected is encrypted as well.
    sealer.seal(b"one more", &list, true).unwrap();
    assert_eq!(age_plugin::runs(dir.path()), 3);
}

#[test]
fn a_plugin_that_may_not_run_or_fails_encrypts_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let own = [age_plugin::RECIPIENT.to_owned()];
    let missing = with_plugin(dir.path());
    assert!(matches!(missing.check(&own), Err(Error::NoProgram { plugin, .. }) if plugin == "tester"));
    age_plugin::write(dir.path(), "").unwrap();
    let denied = RecipientPlugins::default();
    assert!(matches!(denied.check(&own), Err(Error::NotEnabled { plugin, .. }) if plugin == "tester"));
    assert!(Sealer::new(denied).seal(b"x", &own, true).is_err());
    assert_eq!(age_plugin::runs(dir.path()), 0);
    for (then, word) in [
        ("exit 1", "it exited too early"),
        ("keys=()", "to 0 of 1 recipients"),
        ("tell 'recipient-stanza 0 x-grease' ''; keys=()", "to 0 of 1 recipients"),
        ("tell 'recipient-stanza 0 scrypt c2FsdA 18' ''", "belongs nowhere"),
        ("tell 'error recipient 0' \"$(text 'no such card')\"", "no such card"),
        ("tell 'recipient-stanza 7 tester' ''", "belongs nowhere"),
        ("tell labels ''; tell labels ''", "labels twice"),
    ] {
        age_plugin::write(dir.path(), then).unwrap();
        let error = Sealer::new(with_plugin(dir.path())).seal(b"x", &own, true).unwrap_err().to_string();
        assert!(error.starts_with("age-plugin-tester: ") && error.contains(word), "{then}: {error}");
    }
}

#[test]
fn a_plugin_that_leaves_out_a_recipient_encrypts_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let other = bech32_encode(bech32::Hrp::parse("age1tester").unwrap(), b"other");
    let both = [age_plugin::RECIPIENT.to_owned(), other];
    age_plugin::write(dir.path(), "").unwrap();
    let file = Sealer::new(with_plugin(dir.path())).seal(b"x", &both, true).unwrap().file;
    assert_eq!(recipients(&file, []), 2);
    age_plugin::write(dir.path(), "recipients=1").unwrap();
    let error = Sealer::new(with_plugin(dir.path())).seal(b"x", &both, true).unwrap_err().to_string();
    assert!(error.contains("it encrypted to 1 of 2 recipients"), "{error}");
}

/// The directory of the age crate's own sources, which have its test vectors.
fn age_sources() -> PathBuf {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let arguments = ["metadata", "--format-version", "1", "--offline", "--locked", "--filter-platform", &platform];
    let metadata = Command::new(cargo).args(arguments).output().unwrap();
    assert!(metadata.status.success(), "{}", String::from_utf8_lossy(&metadata.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&metadata.stdout).unwrap();
    let age = metadata["packages"].as_array().unwrap().iter().find(|package| package["name"] == "age").unwrap();
    Path::new(age["manifest_path"].as_str().unwrap()).parent().unwrap().to_owned()
}

/// What rage wrote in its beginning is still read by the age crate, and blanks before an armor are not: its own tests expect that.
const OTHERWISE: [&str; 3] = ["stanza_missing_body", "stanza_missing_final_line", "armor_whitespace_outside"];

/// The format of the vectors is that of `c2sp.org/CCTV/age`: lines of what is expected, an empty one, and the file.
#[test]
fn the_test_vectors_of_the_age_crate_are_decrypted_or_refused_as_they_say() {
    let (mut tried, mut wrong) = (0, Vec::new());
    for vector in std::fs::read_dir(age_sources().join("tests/testdata/testkit")).unwrap() {
        let path = vector.unwrap().path();
        let content = std::fs::read(&path).unwrap();
        let end = content.windows(2).position(|pair| pair == b"\n\n").unwrap();
        let (about, file) = (String::from_utf8(content[..end].to_vec()).unwrap(), &content[end + 2..]);
        let said = |name: &str| about.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        let Some(identity) = said("identity").filter(|_| said("compressed").is_none()) else { continue };
        tried += 1;
        let opened = opener(&[identity], Plugins::default()).open(file);
        let expected = said("payload").filter(|_| said("expect") == Some("success"));
        let found = opened.as_ref().ok().map(|plain| artifacts_digest::Sha256::digest(plain.expose()).to_string());
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if found.as_deref() != expected && !OTHERWISE.contains(&name.as_str()) {
            wrong.push((name, opened));
        }
    }
    assert!(tried > 50 && wrong.is_empty(), "{tried}: {wrong:?}");
}

#[test]
fn the_recipients_of_the_age_crates_tests_are_encrypted_to() {
    for (file, prefix) in [("tag.rs", "age1tag1"), ("tagpq.rs", "age1tagpq1")] {
        let source = std::fs::read_to_string(age_sources().join("src/native").join(file)).unwrap();
        let recipient = source.split('"').find(|text| text.starts_with(prefix)).unwrap().to_owned();
        Sealer::default().seal(b"x", std::slice::from_ref(&recipient), false).unwrap();
        let cut = recipient[..recipient.len() - 1].to_owned();
        assert!(matches!(Sealer::default().seal(b"x", &[cut], false), Err(Error::Recipient { .. })), "{prefix}");
    }
}
