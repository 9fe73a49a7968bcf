//! Whether a file is for exactly the declared recipients, as far as that shows without an identity.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeSet;

use age_core::primitives::bech32_encode;
use artifacts_age::{NewKey, is_encrypted_to, seal};
use artifacts_digest::Sha256;
use artifacts_seam::Secret;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD_NO_PAD as BASE64;
use common::Tagged;

const SSH: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOKp8XPqV+YrDnPKy7nK8Nl+gf47zDJPL/yz7O8RT+go";
const OTHER_SSH: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINqEQ74chaQpRW2tpLDVdr5yIdco+G1mRv6YBAZuR0RS";

fn sealed(recipients: &[&str]) -> Vec<u8> {
    let recipients: Vec<String> = recipients.iter().map(ToString::to_string).collect();
    seal(&Secret::new(b"value".to_vec()), &recipients, false).unwrap()
}

fn is_for(file: &[u8], recipients: &[&str]) -> bool {
    is_encrypted_to(file, &recipients.iter().map(ToString::to_string).collect::<BTreeSet<_>>())
}

fn rsa() -> String {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("key");
    let arguments = ["-q", "-t", "rsa", "-b", "2048", "-N", "", "-f"];
    assert!(std::process::Command::new("ssh-keygen").args(arguments).arg(&file).status().unwrap().success());
    std::fs::read_to_string(file.with_extension("pub")).unwrap().trim().to_owned()
}

#[test]
fn a_key_that_has_a_tag_is_told_from_every_other() {
    let ((_, hardware), (_, other)) = (Tagged::new(), Tagged::new());
    let (one, two) = (rsa(), rsa());
    for (own, other) in [(SSH, OTHER_SSH), (hardware.as_str(), other.as_str()), (one.as_str(), two.as_str())] {
        let file = sealed(&[own]);
        assert!(is_for(&file, &[own]), "{own}");
        assert!(!is_for(&file, &[other]), "{other}");
        assert!(!is_for(&file, &[own, other]) && !is_for(&sealed(&[own, other]), &[own]), "{own}");
        assert!(is_for(&sealed(&[own, other]), &[other, own]));
    }
    assert!(is_for(&sealed(&[SSH]), &[&format!("{SSH} root@web1")]), "a comment is no part of a key");
}

#[test]
fn of_keys_without_a_tag_there_are_as_many_as_recipients() {
    let [one, two] = [NewKey::classic().recipient, NewKey::classic().recipient];
    let file = sealed(&[&one, SSH]);
    // That is all that shows.
    assert!(is_for(&file, &[&one, SSH]) && is_for(&file, &[&two, SSH]));
    for others in [&[one.as_str()][..], &[SSH], &[&one, &two, SSH], &[&one, &two], &[&one, OTHER_SSH], &[]] {
        assert!(!is_for(&file, others), "{others:?}");
    }
    let quantum = NewKey::post_quantum().recipient;
    let file = sealed(&[&quantum]);
    assert!(is_for(&file, &[&quantum]) && !is_for(&file, &[&one]) && !is_for(&file, &[&quantum, &quantum[..20]]));
}

#[test]
fn a_yubikey_has_its_tag_and_what_is_unknown_is_for_someone_else() {
    let point = |byte: u8| [vec![2], vec![byte; 32]].concat();
    let key = |byte| bech32_encode(bech32::Hrp::parse("age1yubikey").unwrap(), &point(byte));
    let file = |stanza: &str| format!("age-encryption.org/v1\n-> {stanza}\nbody\n-> x-grease a b\nbody\n--- mac\n");
    let piv = file(&format!("piv-p256 {} AAAA", BASE64.encode(&Sha256::digest(point(7)).0[..4])));
    assert!(is_for(piv.as_bytes(), &[&key(7)]));
    assert!(!is_for(piv.as_bytes(), &[&key(8)]) && !is_for(piv.as_bytes(), &[SSH]));
    for stanza in
        ["piv-p256", "piv-p256 AAAA", "tpm-ecc AAAA", "p256tag", "p256tag AAAA", "p256tag AAAA ä", "", "scrypt x 18"]
    {
        assert!(!is_for(file(stanza).as_bytes(), &[&key(7)]), "{stanza}");
        assert!(!is_for(file(stanza).as_bytes(), &[&Tagged::new().1]), "{stanza}");
    }
}

#[test]
fn what_is_no_age_file_is_for_no_one() {
    for bytes in [&b""[..], b"age-encryption.org/v1\n", b"-> X25519 x\n"] {
        assert!(!is_for(bytes, &[]) && !is_for(bytes, &[SSH]));
    }
}

#[test]
fn all_age_files_in_a_text_count_together() {
    let one = String::from_utf8(artifacts_age::armored(&sealed(&[SSH])).unwrap()).unwrap().replace('\n', "\\n");
    let other = String::from_utf8(artifacts_age::armored(&sealed(&[OTHER_SSH])).unwrap()).unwrap();
    let text = format!("{{\"enc\": \"{one}\"}}\n  enc: |\n{other}");
    assert!(is_for(text.as_bytes(), &[SSH, OTHER_SSH]) && !is_for(text.as_bytes(), &[SSH]));
}
