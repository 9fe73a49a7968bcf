//! A receipt as hostile input.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, UNIX_EPOCH};

use artifacts_declared::{InstanceName, Name, Recipients, TargetId, TargetKind};
use artifacts_store::{
    BackendId, Few, HeaderHash, Hex, MAX_RECEIPT, Receipt, ReceiptError, Schema, Sha256, StoredFile, Time,
};
use proptest::collection::{btree_map, btree_set};
use proptest::option;
use proptest::prelude::*;

use crate::support;

fn text() -> String {
    let mut receipt = support::receipt(support::WEB);
    receipt.generation = Hex([1; 16]);
    receipt.files = Few::from_iter([("env.age".to_owned(), StoredFile::new(b"cipher"))]);
    String::from_utf8(receipt.render()).unwrap()
}

fn refused(text: &str) -> String {
    Receipt::parse(text.as_bytes()).expect_err(text).to_string()
}

#[test]
fn its_form_is_fixed() {
    let expected = r#"{
  "schema": 1,
  "instance": "per-machine/web1/attic",
  "backend": {
    "name": "agenix",
    "version": "0.1.0",
    "sha256": "$$"
  },
  "generated": "2026-09-21T14:13:20Z",
  "generation": "01010101010101010101010101010101",
  "dependencies": {
    "shared/ca": "07070707070707070707070707070707"
  },
  "targets": [
    {
      "kind": "nixos",
      "name": "web1"
    }
  ],
  "recipients": {
    "env": [
      "age1x"
    ]
  },
  "files": {
    "env.age": {
      "size": 6,
      "sha256": "@@"
    }
  },
  "public": {},
  "headers": {
    "env": [
      "%%"
    ]
  }
}
"#;
    let expected = expected
        .replace("$$", &Sha256::digest(b"component").to_string())
        .replace("@@", &Sha256::digest(b"cipher").to_string())
        .replace("%%", &Sha256::digest(b"header").to_string());
    assert_eq!(text(), expected);
}

#[test]
fn what_earlier_versions_wrote_is_still_read() {
    let hash = HeaderHash(Sha256::digest(b"header"));
    let (text, _) = text().split_once("  \"headers\"").map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    let old = Receipt::parse(format!("{text}  \"sealed\": [\"{hash}\"]\n}}\n").as_bytes()).unwrap();
    assert_eq!((old.headers.len(), old.all_headers()), (0, BTreeSet::from([hash])));
    assert_eq!(Receipt::parse(&old.render()), Ok(old));
}

#[test]
fn a_receipt_with_the_keys_of_earlier_versions_is_read_and_written_with_those_of_today() {
    let stored = include_bytes!("files/receipt-with-readers.json");
    let receipt = Receipt::parse(stored).unwrap();
    let text = text();
    assert_eq!(Receipt::parse(text.as_bytes()).unwrap(), receipt);
    assert_eq!(String::from_utf8(receipt.render()).unwrap(), text);
    // Both names of a key at once are two meanings.
    for (from, to) in [
        ("\"generated\"", "\"made\": \"2026-09-21T14:13:20Z\", \"generated\""),
        ("\"recipients\"", "\"readers\": {}, \"recipients\""),
    ] {
        assert!(refused(&text.replace(from, to)).contains("duplicate field"));
    }
}

#[test]
fn hashes_are_sha256() {
    assert_eq!(Sha256::digest(b"abc").to_string(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

#[test]
fn another_schema_is_named_even_when_nothing_else_fits() {
    assert!(refused(&text().replace("\"schema\": 1", "\"schema\": 2")).contains("schema 2"));
    assert!(refused(r#"{"schema": 2, "new": []}"#).contains("schema 2"));
    assert!(refused(r#"{"schema": "1"}"#).contains("schema \"1\""));
    assert!(matches!(Receipt::parse(b"{\"schema\": 1}"), Err(ReceiptError::Shape(_))));
    assert!(refused(&text().replace("  \"schema\": 1,\n", "")).contains("schema"));
}

#[test]
fn whatever_does_not_belong_is_refused() {
    let text = text();
    for (from, to, why) in [
        ("\"public\": {}", "\"public\": {}, \"more\": 1", "unknown field `more`"),
        ("\"size\": 6", "\"size\": 6, \"more\": 1", "unknown field `more`"),
        ("\"size\": 6", "\"size\": -6", "-6"),
        ("\"size\": 6", "\"size\": 6.5", "6.5"),
        ("\"public\": {}", "\"public\": {}, \"public\": {}", "duplicate field"),
        ("\"env\": [", "\"env\": [], \"env\": [", "given twice"),
        ("\"age1x\"", "\"age1x\", \"age1x\"", "given twice"),
        ("\"age1x\"", "\"age1\\u001b[31m\"", "control character"),
        ("\"env.age\"", "\"../env.age\"", "slash"),
        ("\"env.age\"", "\"a\\u0000\"", "control character"),
        ("\"env\"", "\"../env\"", "slash"),
        ("per-machine/web1/attic", "per-machine/../attic", "invalid instance name"),
        ("per-machine/web1/attic", "elsewhere", "invalid instance name"),
        ("shared/ca", "ca", "invalid instance name"),
        ("\"nixos\"", "\"windows\"", "windows"),
        ("0101010101010101", "010101010101010", "32 lower-case hex digits"),
        ("0707", "07AB", "32 lower-case hex digits"),
        ("2026-09-21T14:13:20Z", "yesterday", "expected a time"),
        ("}\n", "}\n}", "trailing characters"),
        ("\"0.1.0\"", "\"0.1.0\\n\"", "control character"),
    ] {
        assert!(text.contains(from));
        let at = text.rfind(from).unwrap();
        let changed = format!("{}{to}{}", &text[..at], &text[at + from.len()..]);
        let found = refused(&changed);
        assert!(found.contains(why), "{to}: {found}");
    }
    for cut in 0..text.trim_end().len() {
        refused(&text[..cut]);
    }
    assert_eq!(Receipt::parse(&vec![b' '; usize::try_from(MAX_RECEIPT).unwrap() + 1]), Err(ReceiptError::TooLarge));
    refused(&"[".repeat(100_000));
    refused(&format!("{{\"schema\":{}", "[".repeat(100_000)));
}

#[test]
fn nothing_is_listed_twice_wherever_it_stands() {
    let (text, hash) = (text(), Sha256::digest(b"header").to_string());
    let file = format!("\"env.age\": {{\"size\": 6, \"sha256\": \"{hash}\"}}, ");
    for (what, more, listed) in [
        ("\"env\": [", "\"env\": [], ".to_owned(), 2),
        ("\"env.age\": {", file, 1),
        ("\"shared/ca\":", "\"shared/ca\": \"07070707070707070707070707070707\", ".to_owned(), 1),
        (&format!("\"{hash}\""), format!("\"{hash}\", "), 1),
        ("{\n      \"kind\"", "{\"kind\": \"nixos\", \"name\": \"web1\"}, ".to_owned(), 1),
    ] {
        let places: Vec<usize> = text.match_indices(what).map(|(at, _)| at).collect();
        assert_eq!(places.len(), listed, "{what}");
        for at in places {
            assert!(refused(&format!("{}{more}{}", &text[..at], &text[at..])).contains("given twice"), "{what}");
        }
    }
}

#[test]
fn in_which_order_something_is_listed_does_not_matter() {
    let mut receipt = Receipt::parse(text().as_bytes()).unwrap();
    let stored = |byte: u8| StoredFile::new(&[byte]);
    receipt.files = Few::from_iter([("a".to_owned(), stored(1)), ("b".to_owned(), stored(2))]);
    let hashes: BTreeSet<HeaderHash> = (0..4).map(|byte: u8| HeaderHash(Sha256::digest([byte]))).collect();
    receipt.headers = Few::from_iter([("env".parse().unwrap(), hashes.iter().copied().collect())]);
    let mut value = serde_json::to_value(&receipt).unwrap();
    value["headers"]["env"].as_array_mut().unwrap().reverse();
    let files = serde_json::to_string(&value["files"]).unwrap();
    let (a, b) = files[1..files.len() - 1].split_once(",\"b\":").unwrap();
    let turned = serde_json::to_string(&value).unwrap().replace(&files, &format!("{{\"b\":{b},{a}}}"));
    assert!(turned.contains("\"files\":{\"b\""), "{turned}");
    assert_eq!(Receipt::parse(turned.as_bytes()), Ok(receipt));
}

#[test]
fn its_layout_is_free() {
    let value: serde_json::Value = serde_json::from_str(&text()).unwrap();
    let compact = serde_json::to_string(&value).unwrap().replace(',', " ,\r\n");
    assert_eq!(Receipt::parse(compact.as_bytes()), Receipt::parse(text().as_bytes()));
}

fn name() -> impl Strategy<Value = Name> {
    "[^/\\p{Cc}]{1,20}".prop_filter_map("a directory", |text| Name::new(text).ok())
}

fn instance() -> impl Strategy<Value = InstanceName> {
    prop_oneof![
        (name(), name()).prop_map(|(target, artifact)| InstanceName::Machine { target, artifact }),
        (name(), name()).prop_map(|(target, artifact)| InstanceName::User { target, artifact }),
        name().prop_map(|artifact| InstanceName::Shared { artifact }),
    ]
}

fn time() -> impl Strategy<Value = Time> {
    (0..253_402_300_800u64).prop_map(|seconds| Time::from(UNIX_EPOCH + Duration::from_secs(seconds)))
}

fn hash() -> impl Strategy<Value = Sha256> {
    any::<[u8; 32]>().prop_map(Hex)
}

fn header() -> impl Strategy<Value = HeaderHash> {
    hash().prop_map(HeaderHash)
}

fn stored() -> impl Strategy<Value = BTreeMap<String, StoredFile>> {
    btree_map(
        name().prop_map(String::from),
        (any::<u64>(), hash()).prop_map(|(size, sha256)| StoredFile { size, sha256 }),
        0..4,
    )
}

fn target() -> impl Strategy<Value = TargetId> {
    let kind = prop_oneof![Just(TargetKind::Nixos), Just(TargetKind::HomeManager), Just(TargetKind::Darwin)];
    (kind, name()).prop_map(|(kind, name)| TargetId { kind, name })
}

fn few<K: Ord, V>(entries: impl IntoIterator<Item = (K, V)>) -> Few<K, V> {
    entries.into_iter().collect()
}

prop_compose! {
    fn any_receipt()(
        (instance, former) in (instance(), btree_set(instance(), 0..3)),
        backend in (name(), "[^\\p{Cc}]{0,20}", hash()),
        (generated, expires) in (time(), option::of(time())),
        generation in any::<[u8; 16]>(),
        dependencies in btree_map(instance(), any::<[u8; 16]>().prop_map(Hex), 0..4),
        validation in option::of(hash()),
        targets in btree_set(target(), 0..4),
        (recipients, labels) in (btree_map(name(), btree_set("[^\\p{Cc}]{0,80}", 0..4), 0..4), btree_map("[^\\p{Cc}]{0,80}", "[^\\p{Cc}]{0,20}", 0..4)),
        (files, public) in (stored(), stored()),
        (headers, headers_without_file) in (btree_map(name(), btree_set(header(), 0..4), 0..4), btree_set(header(), 0..4)),
    ) -> Receipt {
        let (name, version, sha256) = backend;
        let backend = BackendId { name, version, sha256 };
        let recipients = Recipients::from(recipients);
        Receipt { schema: Schema, instance, former, backend, generated, expires, generation: Hex(generation), dependencies, validation, targets: targets.into(), recipients, labels: labels.into(), files: few(files), public: few(public), headers: few(headers.into_iter().map(|(file, headers)| (file, headers.into_iter().collect()))), headers_without_file }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_rendered_is_read_again(receipt in any_receipt()) {
        let text = receipt.render();
        prop_assert_eq!(text.last(), Some(&b'\n'));
        prop_assert_eq!(Receipt::parse(&text), Ok(receipt));
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = Receipt::parse(&bytes);
    }

    #[test]
    fn a_receipt_with_bytes_changed_is_refused_or_well_formed(
        receipt in any_receipt(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut bytes = receipt.render();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        match Receipt::parse(&bytes) {
            Ok(receipt) => prop_assert_eq!(Receipt::parse(&receipt.render()), Ok(receipt)),
            Err(error) => prop_assert!(!error.to_string().chars().any(char::is_control), "{error}"),
        }
    }
}
