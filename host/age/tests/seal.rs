//! What is sealed opens again, and nothing is sealed to what is no recipient.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::missing_panics_doc)]

use std::io::Read;

use age::secrecy::ExposeSecret;
use artifacts_age::{Error, Sealer, header_hash, headers, seal};
use artifacts_seam::Secret;
use artifacts_text::Explain;
use proptest::prelude::*;

const SSH_ED25519: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHsKLqeplhpW+uObz5dvMgjz1OxfM/XXUB+VHtZ6isGN alice@rust";
const SSH_RSA: &str = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQCZM8KX+RVagFYUF5rZ4SOfC4YOBA0kzS3nboDoG/fT+LXs3Ld7wpISkDUE/UqIl0VCCatHHuuFeV+FswFCUUjMYr/RqDxQBaH8/YAcRgNyemreFZak1IT+kYBnHvwZgHRe5PJob2cTtuKejZYBRz6GgrFxnEw8UzOJ4oC5JDV7c8p0eC1ooUHM8cDQrhXRUnSAwwvs2vff10Ej5i5XPfJwEyPQhn0Cc0Z52PC4vcnHBq541J7AIg138bxDe9e4F7wqSqeE3ZQ+tmOJbgpAIdovO1kTfcvmNXtqLYD14++2Ebq3AAtmNXsva1PC+48xE6SooSf6TWfy7JYnQjmfJCIj bob";

fn key() -> (age::x25519::Identity, String) {
    let identity = age::x25519::Identity::generate();
    let public = identity.to_public().to_string();
    (identity, public)
}

fn open(file: &[u8], identity: &age::x25519::Identity) -> Vec<u8> {
    let reader = age::Decryptor::new_buffered(age::armor::ArmoredReader::new(file)).unwrap();
    let mut plain = Vec::new();
    reader.decrypt(std::iter::once(identity as &dyn age::Identity)).unwrap().read_to_end(&mut plain).unwrap();
    plain
}

fn error(recipient: &str) -> Error {
    seal(&Secret::new(b"x".to_vec()), &[recipient.to_owned()], true).expect_err(recipient)
}

#[test]
fn every_reader_opens_it_and_no_one_else() {
    let (first, second, stranger) = (key(), key(), key());
    for armor in [true, false] {
        let file = seal(
            &Secret::new(b"hunter2".to_vec()),
            &[first.1.clone(), SSH_ED25519.into(), SSH_RSA.into(), second.1.clone()],
            armor,
        )
        .unwrap();
        assert_eq!(file.starts_with(b"-----BEGIN AGE ENCRYPTED FILE-----\n"), armor);
        assert_eq!(open(&file, &first.0), b"hunter2");
        assert_eq!(open(&file, &second.0), b"hunter2");
        let reader = age::Decryptor::new_buffered(age::armor::ArmoredReader::new(&file[..])).unwrap();
        assert!(reader.decrypt(std::iter::once(&stranger.0 as &dyn age::Identity)).is_err());
    }
}

#[test]
fn the_header_hash_is_the_same_armored_or_not_and_other_for_each_file() {
    let (_, public) = key();
    let mut sealer = Sealer::default();
    let armored = sealer.seal(b"x", std::slice::from_ref(&public), true).unwrap();
    let mut binary = Vec::new();
    age::armor::ArmoredReader::new(&armored.file[..]).read_to_end(&mut binary).unwrap();
    assert_eq!(header_hash(&armored.file).unwrap(), armored.header_hash);
    assert_eq!(header_hash(&binary).unwrap(), armored.header_hash);
    // The payload is not part of it.
    *binary.last_mut().unwrap() ^= 1;
    assert_eq!(header_hash(&binary).unwrap(), armored.header_hash);
    assert_ne!(sealer.seal(b"x", &[public], true).unwrap().header_hash, armored.header_hash);
}

#[test]
fn each_file_of_a_text_has_its_header_however_large_the_one_before_it_is() {
    let (_, public) = key();
    let mut sealer = Sealer::default();
    for size in [0, 100, 9_000, 100_000] {
        let [first, second] =
            [size, 1].map(|size| sealer.seal(&vec![0; size], std::slice::from_ref(&public), true).unwrap());
        let text = [first.file, second.file].concat();
        let both = std::collections::BTreeSet::from([first.header_hash, second.header_hash]);
        assert_eq!(artifacts_age::headers(&text), both, "{size}");
    }
}

#[test]
fn those_who_read_are_counted_and_chaff_is_not() {
    let keys: Vec<String> = (0..3).map(|_| key().1).collect();
    for count in 1..=3 {
        let file = seal(&Secret::new(Vec::new()), &keys[..count], true).unwrap();
        let text = String::from_utf8(file.clone()).unwrap().replace('\n', "\\n");
        assert_eq!(artifacts_age::recipients(&file, []), count);
        assert_eq!(artifacts_age::recipients(format!("{text} {text}").as_bytes(), []), 2 * count);
    }
    assert_eq!(artifacts_age::recipients(b"-> none", []), 0);
}

#[test]
fn both_forms_of_an_ssh_key_are_counted_once() {
    let ssh = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOKp8XPqV+YrDnPKy7nK8Nl+gf47zDJPL/yz7O8RT+go".to_owned();
    let other = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINqEQ74chaQpRW2tpLDVdr5yIdco+G1mRv6YBAZuR0RS".to_owned();
    let converted = artifacts_age::recipient_of_ssh(&ssh).unwrap();
    let sealed = |keys: &[&String]| -> Vec<u8> {
        let one = |key: &&String| seal(&Secret::new(Vec::new()), std::slice::from_ref(*key), true).unwrap();
        keys.iter().flat_map(one).collect()
    };
    for (keys, count) in [
        (&[&converted, &ssh][..], 1),
        (&[&converted], 1),
        (&[&converted, &other], 2),
        (&[&converted, &ssh, &ssh], 2),
        (&[&converted, &ssh, &other], 2),
    ] {
        assert_eq!(artifacts_age::recipients(&sealed(keys), [&ssh]), count, "{keys:?}");
    }
}

#[test]
fn a_header_cut_anywhere_has_no_hash() {
    let (_, public) = key();
    let file = seal(&Secret::new(Vec::new()), &[public], false).unwrap();
    let header = file.windows(5).position(|part| part == b"\n--- ").unwrap() + 1;
    let end = header + file[header..].iter().position(|byte| *byte == b'\n').unwrap() + 1;
    for length in 0..end {
        assert!(header_hash(&file[..length]).is_err(), "{length}");
    }
    assert!(header_hash(&file[..end]).is_ok());
}

#[test]
fn what_is_no_recipient_is_named() {
    let message = error("age1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq").to_string();
    assert!(message.contains("`age1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq…`"), "{message}");
    for text in
        ["", "hello", "ssh-dss AAAA", "ssh-ed25519", "ssh-ed25519 !!!!", "age1", "AGE1QQ", "age1tag1qq", "age1pq1qq"]
    {
        let error = error(text);
        assert!(matches!(error, Error::Recipient { .. }), "{text}: {error}");
        assert!(error.hint().is_some());
    }
    let message = error("age1\u{1b}[2J").to_string();
    assert!(message.contains("control character") && !message.contains('\u{1b}'), "{message}");
}

#[test]
fn a_key_that_only_signs_is_refused_with_what_to_use_instead() {
    for (text, instead) in [
        ("sk-ssh-ed25519@openssh.com AAAA", "age-plugin-fido2-hmac"),
        ("sk-ecdsa-sha2-nistp256@openssh.com AAAA", "age-plugin-yubikey"),
        ("ecdsa-sha2-nistp256 AAAA", "age-plugin-se"),
    ] {
        let error = error(text);
        assert!(error.hint().unwrap().contains(instead), "{text}: {error}");
    }
}

#[test]
fn a_private_key_is_not_repeated() {
    let secret = age::x25519::Identity::generate().to_string().expose_secret().to_owned();
    for text in [secret.clone(), secret.to_lowercase()] {
        let error = error(&text);
        assert_eq!(error, Error::PrivateKey);
        assert!(!error.to_string().contains(&text));
    }
}

#[test]
fn nothing_is_sealed_to_nobody() {
    assert_eq!(seal(&Secret::new(b"x".to_vec()), &[], true), Err(Error::NoRecipient));
}

proptest! {
    #[test]
    fn any_text_is_a_recipient_or_an_error(text in "(age1|ssh-ed25519 |ssh-rsa |)\\PC{0,80}") {
        let _ = Sealer::default().accepts(&text);
    }

    #[test]
    fn any_bytes_have_a_header_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(header_hash(&bytes).is_err());
    }

    #[test]
    fn any_secret_comes_back(plain in proptest::collection::vec(any::<u8>(), 0..5000)) {
        let (identity, public) = key();
        let file = seal(&Secret::new(plain.clone()), &[public], true).unwrap();
        prop_assert_eq!(open(&file, &identity), plain);
    }
}

#[test]
fn the_headers_of_age_files_are_found_whole_and_inside_of_texts() {
    let files: Vec<String> = (0..2)
        .map(|_| String::from_utf8(seal(&Secret::new(b"x".to_vec()), &[key().1], true).unwrap()).unwrap())
        .collect();
    let both: Vec<_> = files.iter().map(|file| header_hash(file.as_bytes()).unwrap()).collect();
    let binary = seal(&Secret::new(b"x".to_vec()), &[key().1], false).unwrap();
    assert_eq!(headers(&binary), [header_hash(&binary).unwrap()].into());
    assert_eq!(headers(files[0].as_bytes()), [both[0]].into());
    let json = format!("{{\"one\": {:?}, \"two\": {:?}}}", files[0], files[1].replace('\n', "\r\n"));
    let yaml =
        format!("a: |\n    {}\nb: 1\nc: |\n  {}", files[0].replace('\n', "\n    "), files[1].replace('\n', "\n  "));
    for text in [json, yaml] {
        assert_eq!(headers(text.as_bytes()), both.iter().copied().collect(), "{text}");
    }
    // What is damaged has none, and hides no other.
    let damaged = format!("{}\n{}", files[0].replacen("YWdl", "YWxl", 1), files[1]);
    assert_eq!(headers(damaged.as_bytes()), [both[1]].into());
    assert!(headers(b"-----BEGIN AGE ENCRYPTED FILE----- and no end").is_empty());
}
