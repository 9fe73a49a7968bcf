//! The backend on the machine that builds it: a real folder, sealing and opening made up so that it shows who can read.
#![allow(clippy::unwrap_used, clippy::unnecessary_wraps)]

use artifacts_backend_sdk::{Entry, Failure, Instance, OpenError, ReasonKind, Recipients, SerializeError, State};
use artifacts_recipients::fixture::{ALICE, BOB, HOST, instance, keys, target};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sops_format::{LeafValue, recipient_of_ssh};
use tempfile::TempDir;

use crate::layout::Layout;
use crate::{check, config, retrieve, serialize};

const RSA: &str = "ssh-rsa AAAAB3NzaC1yc2E=";
const NOW: i64 = 1_700_000_000;

/// "Sealed" to each reader: the reader's name with the key.
fn seal(_: &[String], key: &[u8; 32], readers: &[&str]) -> Result<Vec<String>, Failure> {
    let sealed = |reader: &&str| {
        let body = STANDARD.encode([reader.as_bytes(), b"\n", key].concat());
        format!("-----BEGIN AGE ENCRYPTED FILE-----\n{body}\n-----END AGE ENCRYPTED FILE-----\n")
    };
    Ok(readers.iter().map(sealed).collect())
}

/// Opens what was "sealed" to this reader.
fn open_as(reader: &str) -> impl FnMut(&str) -> Result<Vec<u8>, OpenError> {
    move |enc| {
        let body = STANDARD.decode(enc.lines().nth(1).unwrap()).unwrap();
        let mine = [reader.as_bytes(), b"\n"].concat();
        let key = body.strip_prefix(mine.as_slice());
        key.map(<[u8]>::to_vec).ok_or(OpenError::NoIdentity)
    }
}

/// Opens nothing.
fn nothing(_: &str) -> Result<Vec<u8>, OpenError> {
    Err(OpenError::NoIdentity)
}

struct Case {
    folder: TempDir,
    instance: Instance,
}

impl Case {
    /// One machine, in a format, with files by name and whether they are deployed.
    fn new(format: &str, files: &[(&str, bool)]) -> Self {
        let config =
            format!(r#"{{"publicHostKey":"{HOST} root@web1","publicUserKeys":["{ALICE}"],"format":"{format}"}}"#);
        Self { folder: tempfile::tempdir().unwrap(), instance: instance(vec![target("nixos", "web1", &config)], files) }
    }

    fn entry(&self) -> Entry {
        Entry::open_at(self.folder.path())
    }

    fn layout(&self) -> Layout {
        Layout::of(&self.instance).unwrap()
    }

    fn serialize(&self, values: &[(&str, &[u8])]) -> Result<(), SerializeError> {
        let values: Vec<LeafValue> = values.iter().map(|(name, bytes)| LeafValue::new(*name, *bytes)).collect();
        let recipients = config::stanzas(&self.instance).unwrap();
        self.write(&recipients, &values, NOW, nothing)
    }

    /// Writes the same for values that this reader read.
    fn again(&self, reader: &str, values: &[(&str, &[u8])]) -> Result<(), SerializeError> {
        let values: Vec<LeafValue> = values.iter().map(|(name, bytes)| LeafValue::new(*name, *bytes)).collect();
        let recipients = config::stanzas(&self.instance).unwrap();
        self.write(&recipients, &values, NOW + 1, open_as(reader))
    }

    fn write(
        &self,
        recipients: &Recipients,
        values: &[LeafValue],
        now: i64,
        mut open: impl FnMut(&str) -> Result<Vec<u8>, OpenError>,
    ) -> Result<(), SerializeError> {
        let names: Vec<String> = values.iter().map(|value| value.key.clone()).collect();
        let (layout, entry) = (self.layout(), self.entry());
        let of_others = serialize::kept_keys(&layout, recipients, &names, &entry, |enc| open(enc).map(drop))?;
        serialize::serialize(&layout, recipients, values, &of_others, &entry, now, (seal, open))
    }

    fn check(&self) -> State {
        check::check(&self.layout(), &self.entry()).unwrap()
    }

    fn stale(&self) -> Vec<(ReasonKind, String)> {
        match self.check() {
            State::Stale(stale) => stale.reasons().map(|reason| (reason.kind, reason.message.clone())).collect(),
            other => unreachable!("{other:?}"),
        }
    }

    /// What comes back, sorted, if all of it does; otherwise the first error.
    fn retrieve(&self, reader: &str, names: &[&str]) -> Result<Vec<(String, Vec<u8>)>, OpenError> {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let mut answers = retrieve::retrieve(&names, &self.entry(), open_as(reader)).unwrap();
        answers.sort_by(|(one, _), (other, _)| one.cmp(other));
        let mut sorted = names;
        sorted.sort();
        assert!(answers.iter().map(|(name, _)| name).eq(&sorted), "each is answered for once");
        answers.into_iter().map(|(name, value)| Ok((name, value?.bytes.to_vec()))).collect()
    }

    fn put(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.folder.path().join(name), bytes).unwrap();
    }

    fn get(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.folder.path().join(name)).unwrap()
    }
}

#[test]
fn what_is_stored_is_present_and_read_back_by_each_reader() {
    for (format, stored) in [
        ("binary", vec!["a.sops", "b.sops", "root.sops"]),
        ("json", vec!["root.sops", "secrets.sops.json"]),
        ("yaml", vec!["root.sops", "secrets.sops.yaml"]),
    ] {
        let case = Case::new(format, &[("a", true), ("b", true), ("root", false)]);
        assert_eq!(case.check(), State::Absent);
        case.serialize(&[("a", b"1\n"), ("b", b""), ("root", b"\xff\0")]).unwrap();
        assert_eq!(case.check(), State::Present, "{format}");
        assert_eq!(case.entry().names().unwrap(), stored);

        let machine = recipient_of_ssh(HOST).unwrap();
        let deployed = [("a".to_owned(), b"1\n".to_vec()), ("b".to_owned(), vec![])];
        assert_eq!(case.retrieve(&machine, &["a", "b"]).unwrap(), deployed, "{format}");
        assert_eq!(case.retrieve(ALICE, &["b"]).unwrap(), deployed[1..]);
        assert_eq!(case.retrieve(ALICE, &["root"]).unwrap(), [("root".to_owned(), b"\xff\0".to_vec())]);
        assert!(matches!(case.retrieve(&machine, &["root"]), Err(OpenError::NoIdentity)), "{format}");
        assert!(matches!(case.retrieve(BOB, &["a"]), Err(OpenError::NoIdentity)));
    }
}

#[test]
fn readers_are_what_an_age_key_of_the_target_opens() {
    let case = Case::new("binary", &[("a", true), ("b", false)]);
    let mut both = vec![recipient_of_ssh(HOST).unwrap(), ALICE.to_owned()];
    both.sort();
    let recipients = keys(config::recipients(&case.instance).unwrap());
    assert_eq!(recipients, [("a".to_owned(), both), ("b".to_owned(), vec![ALICE.to_owned()])]);
}

#[test]
fn a_converted_key_has_a_stanza_in_each_of_its_forms() {
    let case = Case::new("binary", &[("a", true), ("b", false)]);
    case.serialize(&[("a", b"1"), ("b", b"2")]).unwrap();
    let of = |name: &str| -> Vec<String> {
        let document = sops_format::Document::parse(sops_format::Form::Binary, &case.get(name)).unwrap();
        document.stanzas().iter().map(|stanza| stanza.recipient.clone()).collect()
    };
    let machine = recipient_of_ssh(HOST).unwrap();
    let mut both = vec![ALICE.to_owned(), HOST.to_owned(), machine.clone()];
    both.sort();
    let mut stanzas = of("a.sops");
    stanzas.sort();
    assert_eq!(stanzas, both);
    assert_eq!(of("b.sops"), [ALICE]);
    for reader in [HOST, &machine, ALICE] {
        assert_eq!(case.retrieve(reader, &["a"]).unwrap()[0].1, b"1", "{reader}");
    }
}

#[test]
fn what_has_the_converted_form_only_is_present_and_gets_the_other_one_when_it_is_written() {
    let case = Case::new("binary", &[("a", true)]);
    let before = config::recipients(&case.instance).unwrap();
    let value = [LeafValue::new("a", *b"1")];
    case.write(&before, &value, NOW, nothing).unwrap();
    assert_eq!(case.check(), State::Present);
    assert!(matches!(case.retrieve(HOST, &["a"]), Err(OpenError::NoIdentity)));
    case.serialize(&[("a", b"1")]).unwrap();
    assert_eq!(case.retrieve(HOST, &["a"]).unwrap()[0].1, b"1");
}

fn recipients(kind: &str, config: &str) -> Result<Vec<String>, Failure> {
    let recipients = keys(config::recipients(&instance(vec![target(kind, "x", config)], &[("a", true)]))?);
    Ok(recipients.into_iter().flat_map(|(_, recipients)| recipients).collect())
}

#[test]
fn a_target_whose_only_key_is_rsa_is_told() {
    let admin = recipients("nixos", &format!(r#"{{"publicHostKey":"{HOST}","publicUserKeys":["{RSA}"]}}"#)).unwrap();
    assert!(admin.contains(&RSA.to_owned()), "an admin may have one");
    recipients("home-manager", &format!(r#"{{"publicUserKeys":["{RSA}","{ALICE}"]}}"#)).unwrap();
    for (kind, config) in [
        ("nixos", format!(r#"{{"publicHostKey":"{RSA}","publicUserKeys":["{ALICE}"]}}"#)),
        ("home-manager", format!(r#"{{"publicUserKeys":["{RSA}"]}}"#)),
    ] {
        let failure = recipients(kind, &config).unwrap_err();
        assert_eq!(failure.kind, "config");
        assert!(failure.message.contains("`x`") && failure.message.contains("rsa"), "{}", failure.message);
    }
}

#[test]
fn a_key_that_cannot_be_converted_is_named() {
    let failure = recipients("nixos", r#"{"publicHostKey":"ssh-ed25519 AAAA"}"#).unwrap_err();
    assert_eq!(failure.kind, "config");
    assert!(failure.message.starts_with("nixos `x`: `publicHostKey` cannot be converted"), "{}", failure.message);
}

#[test]
fn what_is_not_given_again_stays_to_the_byte_and_what_is_gets_a_new_data_key() {
    let case = Case::new("binary", &[("a", true), ("b", true)]);
    case.serialize(&[("a", b"1"), ("b", b"2")]).unwrap();
    let (a, b) = (case.get("a.sops"), case.get("b.sops"));
    case.serialize(&[("b", b"2")]).unwrap();
    assert_eq!(case.get("a.sops"), a);
    let stanza = |file: &[u8]| {
        String::from_utf8(file.to_vec()).unwrap().lines().find(|line| line.contains("enc")).map(str::to_owned)
    };
    assert_ne!(stanza(&case.get("b.sops")), stanza(&b));
}

#[test]
fn a_structured_file_is_written_as_a_whole_or_not_at_all() {
    let case = Case::new("yaml", &[("a", true), ("b", true)]);
    case.serialize(&[("a", b"1"), ("b", b"2")]).unwrap();
    let before = case.get("secrets.sops.yaml");
    assert!(matches!(case.serialize(&[("b", b"3")]), Err(SerializeError::NeedsAll)));
    case.serialize(&[]).unwrap();
    assert_eq!(case.get("secrets.sops.yaml"), before);
}

#[test]
fn what_is_no_longer_declared_goes() {
    let case = Case::new("binary", &[("a", true)]);
    case.put("old.sops", b"x");
    case.put("a.age", b"of another backend");
    case.serialize(&[("a", b"1")]).unwrap();
    assert_eq!(case.entry().names().unwrap(), ["a.sops"]);
}

#[test]
fn what_is_structurally_broken_is_stale_without_a_key() {
    let case = Case::new("binary", &[("a", true), ("b", true)]);
    case.serialize(&[("a", b"1"), ("b", b"2")]).unwrap();
    let whole = case.get("a.sops");
    let text = String::from_utf8(whole.clone()).unwrap();
    for (what, bytes) in [
        ("empty", b"".to_vec()),
        ("no JSON", b"hello".to_vec()),
        ("cut short", whole[..whole.len() / 2].to_vec()),
        ("no metadata", b"{\"data\": \"\"}".to_vec()),
        ("no readable entry", text.replace("\"age\"", "\"pgp\"").into_bytes()),
        ("a value in the clear", text.replacen("ENC[", "[", 1).into_bytes()),
    ] {
        case.put("a.sops", &bytes);
        let reasons = case.stale();
        assert_eq!(reasons.len(), 1, "{what}");
        assert_eq!(reasons[0].0, ReasonKind::Format, "{what}");
        assert!(reasons[0].1.starts_with("`a.sops`: "), "{what}: {}", reasons[0].1);
        assert_eq!(failed(case.retrieve(ALICE, &["a"])).kind, "corrupt", "{what}");
    }
}

/// Makes another value of one.
type Edit = Box<dyn Fn(&str) -> String>;

/// `secrets.sops.yaml` with another value at a key.
fn with_value(case: &Case, key: &str, value: impl Fn(&str) -> String) {
    let text = String::from_utf8(case.get("secrets.sops.yaml")).unwrap();
    let line = text.lines().find(|line| line.starts_with(&format!("\"{key}\": "))).unwrap();
    let old = line.split_once(": ").unwrap().1;
    case.put("secrets.sops.yaml", text.replacen(old, &value(old), 1).as_bytes());
}

#[test]
fn a_value_that_is_no_string_is_stale_and_is_not_read() {
    let typed = |kind: &'static str| move |old: &str| old.replace("type:str", &format!("type:{kind}"));
    let values: [(Edit, &str); 13] = [
        (Box::new(typed("int")), "a number; put it in quotes"),
        (Box::new(typed("float")), "a number; put it in quotes"),
        (Box::new(typed("bool")), "a boolean; put it in quotes"),
        (Box::new(typed("time")), "a time; put it in quotes"),
        (Box::new(typed("bytes")), "binary data; expected a string"),
        (Box::new(typed("comment")), "a comment; expected a string"),
        (Box::new(|_| "null".to_owned()), "null; expected a string"),
        (Box::new(|_| String::new()), "null; expected a string"),
        (Box::new(|old| format!("[\"{old}\"]")), "an array; expected a string"),
        (Box::new(|_| "[]".to_owned()), "an array; expected a string"),
        (Box::new(|old| format!("{{b: \"{old}\"}}")), "a map; expected a string"),
        (Box::new(|_| "{}".to_owned()), "a map; expected a string"),
        (Box::new(|_| "{pin: null}".to_owned()), "a map; expected a string"),
    ];
    for (value, what) in values {
        let case = Case::new("yaml", &[("pin", true), ("t", true)]);
        case.serialize(&[("pin", b"83"), ("t", b"x")]).unwrap();
        with_value(&case, "pin", value);
        let sentence = format!("`secrets.sops.yaml`: the value of `pin` is {what}");
        assert_eq!(case.stale(), [(ReasonKind::Format, sentence.clone())]);
        let failure = failed(case.retrieve(ALICE, &["pin"]));
        assert_eq!(failure.kind, "corrupt");
        assert_eq!(failure.message, sentence);
    }
    let case = Case::new("binary", &[("pin", true)]);
    case.serialize(&[("pin", b"83")]).unwrap();
    let text = String::from_utf8(case.get("pin.sops")).unwrap().replacen("type:str", "type:int", 1);
    case.put("pin.sops", text.as_bytes());
    let sentence = "`pin.sops`: the value of `data` is a number; put it in quotes";
    assert_eq!(case.stale(), [(ReasonKind::Format, sentence.to_owned())]);
    assert_eq!(failed(case.retrieve(ALICE, &["pin"])).message, sentence);
}

#[test]
fn a_value_in_the_clear_is_stale_whatever_the_rule_of_the_file_says() {
    let case = Case::new("yaml", &[("pin", true), ("t", true)]);
    case.serialize(&[("pin", b"83"), ("t", b"x")]).unwrap();
    with_value(&case, "pin", |_| "plain".to_owned());
    let text = String::from_utf8(case.get("secrets.sops.yaml")).unwrap();
    let text = text.replace("unencrypted_suffix: _unencrypted", "unencrypted_regex: ^pin$");
    case.put("secrets.sops.yaml", text.as_bytes());
    let sentence = "`secrets.sops.yaml`: the value of `pin` is not encrypted";
    assert_eq!(case.stale(), [(ReasonKind::Format, sentence.to_owned())]);
}

#[test]
fn recipients_of_other_services_are_named() {
    let add = |case: &Case, field: &str, value: serde_json::Value| {
        let mut json: serde_json::Value = serde_json::from_slice(&case.get("a.sops")).unwrap();
        json["sops"][field] = value;
        case.put("a.sops", &serde_json::to_vec(&json).unwrap());
    };
    let time = "2024-01-01T00:00:00Z";
    for (field, value, name) in [
        ("pgp", serde_json::json!([{"created_at": time, "enc": "x", "fp": "85D77543"}]), "pgp 85D77543"),
        ("kms", serde_json::json!([{"arn": "arn:aws:x", "created_at": time, "enc": "x"}]), "kms arn:aws:x"),
        (
            "azure_kv",
            serde_json::json!([{"vault_url": "https://v", "name": "n", "version": "1", "created_at": time, "enc": "x"}]),
            "azure_kv n https://v 1",
        ),
        (
            "hc_vault",
            serde_json::json!([{"vault_address": "https://h", "engine_path": "e", "key_name": "k", "enc": "x"}]),
            "hc_vault e k https://h",
        ),
        ("of_2030", serde_json::json!([{"id": 7, "enc": "x"}, "k"]), "of_2030 7"),
        ("pgp", serde_json::json!([{}]), "pgp without a name"),
    ] {
        let case = Case::new("binary", &[("a", true)]);
        case.serialize(&[("a", b"1")]).unwrap();
        add(&case, field, value);
        let reasons = case.stale();
        assert_eq!(reasons[0].0, ReasonKind::Recipients);
        assert_eq!(reasons[0].1, format!("`a.sops` is also encrypted to the recipient {name}"));
        let State::Stale(stale) = case.check() else { unreachable!() };
        assert_eq!(stale.first.kept, Some(("a".to_owned(), name.to_owned())));
        assert_eq!(case.retrieve(ALICE, &["a"]).unwrap()[0].1, b"1", "it is as readable as before");
    }
    // In a key group as well, beside which the list above it counts, too.
    let case = Case::new("binary", &[("a", true)]);
    case.serialize(&[("a", b"1")]).unwrap();
    let age = serde_json::from_slice::<serde_json::Value>(&case.get("a.sops")).unwrap()["sops"]["age"].clone();
    add(&case, "key_groups", serde_json::json!([{"age": age, "pgp": [{"fp": "inner", "enc": "x"}]}]));
    add(&case, "pgp", serde_json::json!([{"fp": "outer", "enc": "x"}]));
    let reasons = case.stale();
    assert_eq!(reasons.len(), 2, "{reasons:?}");
    assert!(
        reasons[0].1.contains("recipient pgp inner") && reasons[1].1.contains("recipient pgp outer"),
        "{reasons:?}"
    );
}

/// Adds a PGP recipient to a stored file, in its form.
fn add_pgp(case: &Case, name: &str) {
    let text = String::from_utf8(case.get(name)).unwrap();
    let text = if std::path::Path::new(name).extension().is_some_and(|form| form == "yaml") {
        text.replace("sops:\n", "sops:\n    pgp:\n        - created_at: \"2024-01-01T00:00:00Z\"\n          enc: |\n            -----BEGIN PGP MESSAGE-----\n            x\n          fp: 85D77543\n")
    } else {
        let mut json: serde_json::Value = serde_json::from_str(&text).unwrap();
        json["sops"]["pgp"] = serde_json::json!([{"created_at": "2024-01-01T00:00:00Z", "enc": "-----BEGIN PGP MESSAGE-----\nx\n", "fp": "85D77543"}]);
        serde_json::to_string(&json).unwrap()
    };
    case.put(name, text.as_bytes());
}

/// The data key of a stored file, as this reader has it.
fn data_key(case: &Case, name: &str, form: sops_format::Form, reader: &str) -> Vec<u8> {
    let document = sops_format::Document::parse(form, &case.get(name)).unwrap();
    document.stanzas().iter().find_map(|stanza| open_as(reader)(&stanza.enc).ok()).unwrap()
}

#[test]
fn who_is_not_of_age_stays_while_values_stay_and_no_one_leaves() {
    use sops_format::Form;
    for (format, name, form) in [
        ("binary", "a.sops", Form::Binary),
        ("json", "secrets.sops.json", Form::Json),
        ("yaml", "secrets.sops.yaml", Form::Yaml),
    ] {
        let mut case = Case::new(format, &[("a", true)]);
        case.serialize(&[("a", b"1")]).unwrap();
        add_pgp(&case, name);
        let key = data_key(&case, name, form, ALICE);
        // One more of age: all have the same data key.
        let config =
            format!(r#"{{"publicHostKey":"{HOST}","publicUserKeys":["{ALICE}","{BOB}"],"format":"{format}"}}"#);
        case.instance = instance(vec![target("nixos", "web1", &config)], &[("a", true)]);
        case.again(ALICE, &[("a", b"1")]).unwrap();
        for reader in [ALICE, BOB, &recipient_of_ssh(HOST).unwrap()] {
            assert_eq!(data_key(&case, name, form, reader), key, "{format}");
            assert_eq!(case.retrieve(reader, &["a"]).unwrap()[0].1, b"1");
        }
        assert_eq!(
            case.stale(),
            [(ReasonKind::Recipients, format!("`{name}` is also encrypted to the recipient pgp 85D77543"))]
        );
        let text = String::from_utf8(case.get(name)).unwrap();
        assert!(text.contains(r"-----BEGIN PGP MESSAGE-----\nx\n"), "{text}");
        // What needs a new data key is not written.
        let before = case.get(name);
        let refused = |result| match result {
            Err(SerializeError::Failed(failure)) => (failure.kind, failure.message, failure.hint.unwrap()),
            other => unreachable!("{other:?}"),
        };
        for result in
            [case.again(ALICE, &[("a", b"2")]), case.serialize(&[("a", b"2")]), case.serialize(&[("a", b"1")])]
        {
            let (kind, message, hint) = refused(result);
            let expected = "a value is new: that takes a new data key, which cannot be encrypted to pgp 85D77543 here";
            assert_eq!((kind.as_str(), message), ("unsupported", format!("`{name}`: {expected}")));
            assert!(hint.contains("`sops edit FILE`") && hint.contains("`sops rotate`"), "{hint}");
        }
        let config = config.replace(&format!(r#""{ALICE}","#), "");
        case.instance = instance(vec![target("nixos", "web1", &config)], &[("a", true)]);
        let (_, message, hint) = refused(case.again(BOB, &[("a", b"1")]));
        assert!(
            message.contains(&format!("{ALICE} is to be removed")) && message.contains("pgp 85D77543"),
            "{message}"
        );
        assert!(hint.contains("`sops updatekeys FILE`, then `sops rotate --in-place FILE`"), "{hint}");
        assert_eq!(case.get(name), before);
    }
}

#[test]
fn a_file_that_is_not_read_for_its_recipients_is_not_replaced() {
    let case = Case::new("binary", &[("a", true)]);
    case.serialize(&[("a", b"1")]).unwrap();
    let mut json: serde_json::Value = serde_json::from_slice(&case.get("a.sops")).unwrap();
    let age = json["sops"]["age"].clone();
    json["sops"]["key_groups"] = serde_json::json!([{"age": age}, {"age": age}]);
    case.put("a.sops", json.to_string().as_bytes());
    match case.serialize(&[("a", b"2")]) {
        Err(SerializeError::Failed(failure)) => {
            assert!(failure.message.contains("split among 2 key groups"), "{}", failure.message);
            assert!(failure.hint.unwrap().contains("`sops rotate --in-place FILE`"));
        }
        other => unreachable!("{other:?}"),
    }
    assert_eq!(case.get("a.sops"), json.to_string().into_bytes());
    // What is only damaged is.
    case.put("a.sops", b"{");
    case.serialize(&[("a", b"2")]).unwrap();
}

#[test]
fn missing_and_extra_files_and_keys_are_stale() {
    let case = Case::new("binary", &[("a", true), ("b", true)]);
    case.serialize(&[("a", b"1"), ("b", b"2")]).unwrap();
    case.entry().remove("b.sops").unwrap();
    case.put("c", b"");
    assert_eq!(
        case.stale().into_iter().map(|(_, sentence)| sentence).collect::<Vec<_>>(),
        ["`b.sops` is declared but not stored", "`c` is stored but not declared"]
    );
    assert_eq!(failed(case.retrieve(ALICE, &["b"])).kind, "corrupt");

    for (from, to, file) in [("binary", "yaml", "secrets.sops.yaml"), ("json", "yaml", "secrets.sops.yaml")] {
        let case = Case::new(from, &[("a", true), ("b", true)]);
        case.serialize(&[("a", b"1"), ("b", b"2")]).unwrap();
        let other = Case { instance: Case::new(to, &[("a", true), ("b", true)]).instance, ..case };
        let stale = other.stale();
        assert_eq!(stale.len(), 1, "{stale:?}");
        assert!(stale[0].0 == ReasonKind::Format && stale[0].1.contains(file), "{stale:?}");
    }

    let case = Case::new("json", &[("a", true), ("b", true)]);
    case.serialize(&[("a", b"1"), ("b", b"2")]).unwrap();
    let grown = Case { instance: Case::new("json", &[("b", true), ("c", true)]).instance, ..case };
    assert_eq!(
        grown.stale().into_iter().map(|(_, sentence)| sentence).collect::<Vec<_>>(),
        ["`secrets.sops.json` has no `c`, which is declared", "`secrets.sops.json` has `a`, which is not declared"]
    );
}

#[test]
fn a_wrong_tag_shows_when_it_is_read() {
    let case = Case::new("binary", &[("a", true)]);
    case.serialize(&[("a", b"12345678")]).unwrap();
    let mut file = case.get("a.sops");
    let at = file.windows(5).position(|at| at == b"data:").unwrap() + 5;
    file[at] = if file[at] == b'A' { b'B' } else { b'A' };
    case.put("a.sops", &file);
    assert_eq!(case.check(), State::Present);
    let failure = failed(case.retrieve(ALICE, &["a"]));
    assert_eq!(failure.kind, "corrupt");
    assert!(failure.message.contains("`a.sops`: cannot decrypt `data`"), "{}", failure.message);
}

#[test]
fn what_sops_nix_could_not_read_is_refused() {
    let case = Case::new("json", &[("a", true)]);
    let Err(SerializeError::Failed(failure)) = case.serialize(&[("a", b"\xff")]) else { unreachable!() };
    assert_eq!(failure.kind, "unsupported");
    assert!(failure.message.contains("`a` is not UTF-8"), "{}", failure.message);
    assert_eq!(case.entry().names().unwrap(), Vec::<String>::new());
    for name in ["sops", "x_unencrypted"] {
        let failure = Layout::of(&Case::new("yaml", &[(name, true)]).instance).unwrap_err();
        assert_eq!(failure.kind, "config");
        assert!(failure.message.contains(name) && failure.message.contains("`attic`"), "{}", failure.message);
        assert!(Layout::of(&Case::new("binary", &[(name, true)]).instance).is_ok());
    }
}

#[test]
fn targets_that_disagree_about_the_format_are_named() {
    let one = target("nixos", "web1", r#"{"format":"json"}"#);
    let two = target("nixos", "web2", r#"{"format":"yaml"}"#);
    let failure = Layout::of(&instance(vec![one, two], &[("a", true)])).unwrap_err();
    assert_eq!(failure.kind, "config");
    assert!(failure.message.contains("`web1`") && failure.message.contains("`web2`"), "{}", failure.message);
    let slip = target("nixos", "web1", r#"{"format":"toml"}"#);
    assert!(Layout::of(&instance(vec![slip], &[("a", true)])).unwrap_err().message.contains("`format`"));
}

#[test]
fn a_plugin_is_asked_last_and_a_refusal_is_told_before_a_key_that_does_not_fit() {
    let plugin = "age1yubikey1qwerty";
    let config =
        format!(r#"{{"publicHostKey":"{HOST}","publicUserKeys":["age1aaayubikey1aaaa","{plugin}","{ALICE}"]}}"#);
    let case = Case {
        folder: tempfile::tempdir().unwrap(),
        instance: instance(vec![target("nixos", "web1", &config)], &[("a", true)]),
    };
    case.serialize(&[("a", b"1")]).unwrap();
    let mut asked = Vec::new();
    let names = ["a".to_owned()];
    let answers = retrieve::retrieve(&names, &case.entry(), |enc| {
        let reader = STANDARD.decode(enc.lines().nth(1).unwrap()).unwrap();
        let reader = String::from_utf8_lossy(&reader).lines().next().unwrap().to_owned();
        asked.push(reader);
        Err(if asked.len() == 2 { Failure::new("denied", "no").into() } else { OpenError::NoIdentity })
    });
    let (_, answer) = answers.unwrap().remove(0);
    assert_eq!(failed(answer).kind, "denied");
    assert_eq!(asked.len(), 5);
    assert!(asked[3..].iter().all(|reader| reader.contains("yubikey1")), "{asked:?}");
}

#[test]
fn a_name_that_is_not_declared_is_refused() {
    let case = Case::new("binary", &[("a", true)]);
    let Err(SerializeError::Failed(failure)) = case.serialize(&[("b", b"1")]) else { unreachable!() };
    assert_eq!(failure.kind, "internal");
    assert_eq!(failed(case.retrieve(ALICE, &["b"])).kind, "corrupt");
}

#[test]
fn what_is_stored_is_read_back_whatever_the_layout_of_today_is() {
    for format in ["binary", "json", "yaml"] {
        let case = Case::new(format, &[("a", true), ("root", false)]);
        case.serialize(&[("a", b"1"), ("root", b"2")]).unwrap();
        let expected = [("a".to_owned(), b"1".to_vec()), ("root".to_owned(), b"2".to_vec())];
        assert_eq!(case.retrieve(ALICE, &["a", "root"]).unwrap(), expected, "{format}");
        // One that is wrong keeps no other from being read.
        let names = ["a", "never", "root"].map(str::to_owned);
        let answers = retrieve::retrieve(&names, &case.entry(), open_as(ALICE)).unwrap();
        let fine = answers.iter().filter(|(_, answer)| answer.is_ok()).map(|(name, _)| name.as_str());
        assert_eq!(fine.collect::<std::collections::BTreeSet<_>>(), ["a", "root"].into(), "{format}");
    }
    let case = Case::new("json", &[("a", true)]);
    case.serialize(&[("a", b"1")]).unwrap();
    case.put("secrets.sops.yaml", b"a: 1");
    assert!(failed(case.retrieve(ALICE, &["a"])).message.contains("both structured files"));
}

#[test]
fn a_structured_file_holds_what_all_targets_get() {
    let config = |key: &str| format!(r#"{{"publicHostKey":"{key}","publicUserKeys":["{ALICE}"],"format":"json"}}"#);
    let targets = vec![target("nixos", "web1", &config(HOST)), target("nixos", "web2", &config(BOB))];
    let mut shared = instance(targets, &[("all", true), ("one", true), ("none", false)]);
    shared.files[1].targets.remove(0);
    let layout = Layout::of(&shared).unwrap();
    let held: Vec<_> = layout.stored().iter().map(|stored| (stored.name.as_str(), stored.files.len())).collect();
    assert_eq!(held, [("one.sops", 1), ("none.sops", 1), ("secrets.sops.json", 1)]);
}

/// Values of other tools' files are read before they are stored in this layout.
#[test]
fn a_value_below_another_key_is_read_by_its_way() {
    let case = Case::new("json", &[("a", true), ("web:token", true), ("web→own", true)]);
    case.serialize(&[("a", b"1"), ("web:token", b"2"), ("web→own", b"3")]).unwrap();
    // A value is bound to its keys, joined by colons.
    let text = String::from_utf8(case.get("secrets.sops.json")).unwrap();
    let line = text.lines().find(|line| line.contains("web:token")).unwrap();
    let value = line.trim().trim_end_matches(',').strip_prefix("\"web:token\": ").unwrap();
    let nested =
        |inner: &str| case.put("secrets.sops.json", text.replacen(line, &format!("\"web\": {inner},"), 1).as_bytes());
    nested(&format!("{{\"token\": {value}}}"));
    let pairs = |pairs: &[(&str, &[u8])]| {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), value.to_vec())).collect::<Vec<_>>()
    };
    let read = case.retrieve(ALICE, &["a", "web→own", "web→token"]).unwrap();
    assert_eq!(read, pairs(&[("a", b"1"), ("web→own", b"3"), ("web→token", b"2")]));
    assert!(failed(case.retrieve(ALICE, &["web→none"])).message.contains("has no `web→none`"));
    assert!(failed(case.retrieve(ALICE, &["web"])).message.contains("the value of `web` is a map"));
    nested(&format!("{{\"token\": [{value}]}}"));
    assert!(failed(case.retrieve(ALICE, &["web→token"])).message.contains("`web/token` is an array"));
    // Which one is meant would be a guess.
    nested(&format!("{{\"own\": {value}}}"));
    assert!(failed(case.retrieve(ALICE, &["web→own"])).message.contains("as a key and below another one"));
}

/// As sops writes a flat file in this form.
fn dotenv(json: &str) -> String {
    let pairs = json.lines().filter_map(|line| line.trim().trim_end_matches(',').split_once("\": \""));
    let pairs = pairs.map(|(key, value)| (key.trim_matches('"'), value.trim_end_matches('"')));
    let mut reader = -1;
    let line = |(key, value): (&str, &str)| match key {
        "recipient" | "enc" => {
            reader += i32::from(key == "recipient");
            format!("sops_age__list_{reader}__map_{key}={value}\n")
        }
        "mac" | "lastmodified" | "version" | "unencrypted_suffix" => format!("sops_{key}={value}\n"),
        _ => format!("{key}={value}\n"),
    };
    pairs.map(line).collect()
}

#[test]
fn a_file_in_a_form_of_texts_is_read_as_one_and_is_none_of_ours() {
    let case = Case::new("json", &[("a", true), ("b", true)]);
    case.serialize(&[("a", b"1"), ("b", b"2\n3")]).unwrap();
    let text = dotenv(&String::from_utf8(case.get("secrets.sops.json")).unwrap());
    let case = Case::new("binary", &[("env", true)]);
    case.put("env.sops.dotenv", text.as_bytes());
    assert_eq!(case.retrieve(ALICE, &["env"]).unwrap(), [("env".to_owned(), b"a=1\nb=2\\n3\n".to_vec())]);
    assert!(matches!(case.retrieve("stranger", &["env"]), Err(OpenError::NoIdentity)));
    let reasons = case.stale();
    assert!(reasons.iter().any(|(_, why)| why == "`env.sops.dotenv` is stored but not declared"), "{reasons:?}");
    case.put("env.sops.dotenv", text.replace("sops_mac=ENC", "sops_mac=ENX").as_bytes());
    assert!(failed(case.retrieve(ALICE, &["env"])).message.contains("`env.sops.dotenv`: `sops.mac`"));
    // What is stored in its own form counts.
    case.serialize(&[("env", b"own")]).unwrap();
    case.put("env.sops.dotenv", text.as_bytes());
    assert_eq!(case.retrieve(ALICE, &["env"]).unwrap(), [("env".to_owned(), b"own".to_vec())]);
}

fn failed<T: std::fmt::Debug>(result: Result<T, OpenError>) -> Failure {
    match result {
        Err(OpenError::Failed(failure)) => failure,
        other => unreachable!("{other:?}"),
    }
}
