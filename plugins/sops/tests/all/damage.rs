//! Damage: each kind has its own error, and none gives other values than those that were written.

use serde_json::{Value as Json, json};
use sops_format::{DataKey, Document, Error, Form, FormatError, LeafValue, create};

use crate::support::{NOW, Pair, binary, plain, seal, values};

struct Case {
    key: DataKey,
    pair: Pair,
    form: Form,
    file: Vec<u8>,
}

impl Case {
    fn new(form: Form) -> Self {
        let (key, pair) = (DataKey::generate().unwrap(), Pair::new());
        let all = if form == Form::Binary {
            vec![LeafValue::new("data", *b"x\n")]
        } else {
            values(&[("a", b"1"), ("b", b"2"), ("c", b"3")])
        };
        let file = create(form, &key, &all, &[&pair.recipient], NOW, seal).unwrap();
        Self { key, pair, form, file }
    }

    fn read(&self, file: &[u8]) -> Result<Vec<(String, Vec<u8>)>, Error> {
        Document::parse(self.form, file)?.decrypt(&self.key).map(|values| plain(&values))
    }

    /// What is said of the file after an edit of its JSON.
    fn after(&self, edit: impl FnOnce(&mut Json)) -> Error {
        let mut json: Json = serde_json::from_slice(&self.file).unwrap();
        edit(&mut json);
        self.read(&serde_json::to_vec(&json).unwrap()).unwrap_err()
    }
}

/// Changes one character in the middle of a part of an encrypted value.
fn spoil(value: &mut Json, part: &str) {
    let text = value.as_str().unwrap();
    let at = text.find(part).unwrap() + part.len();
    let other = if text.as_bytes()[at] == b'A' { "B" } else { "A" };
    *value = Json::from(format!("{}{other}{}", &text[..at], &text[at + 1..]));
}

fn format(error: Error) -> FormatError {
    match error {
        Error::Format(format) => format,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_damage_has_its_own_error() {
    let case = Case::new(Form::Json);
    let mut seen = Vec::new();
    let mut expect = |error: Error, matches: bool| {
        assert!(matches, "{error:?}");
        assert!(!error.hint().is_empty());
        seen.push(error.to_string());
    };
    let tag = case.after(|json| spoil(&mut json["a"], "tag:"));
    expect(tag.clone(), tag == Error::Tag { path: "a".into() });
    let mac = case.after(|json| spoil(&mut json["sops"]["mac"], "data:"));
    expect(mac.clone(), mac == Error::MacSealed);
    let mac_tag = case.after(|json| spoil(&mut json["sops"]["mac"], "tag:"));
    assert!(matches!(mac_tag, Error::MacTime { .. }), "{mac_tag:?}");
    let time = case.after(|json| json["sops"]["lastmodified"] = "2023-11-14T22:13:21Z".into());
    expect(time.clone(), time == Error::MacTime { found: "2023-11-14T22:13:21Z".into() });
    let no_time = case.after(|json| json["sops"]["lastmodified"] = "yesterday".into());
    expect(no_time.clone(), format(no_time) == FormatError::LastModified { found: "yesterday".into() });
    let version = case.after(|json| json["sops"]["version"] = "3.9".into());
    expect(version.clone(), format(version) == FormatError::Version { found: "3.9".into() });
    let stanza = case.after(|json| json["sops"]["age"][0]["enc"] = "-----BEGIN AGE ENCRYPTED FILE-----\n%\n".into());
    expect(stanza.clone(), matches!(format(stanza), FormatError::Stanza { .. }));
    let removed = case.after(|json| drop(json.as_object_mut().unwrap().remove("a")));
    expect(removed.clone(), removed == Error::Mac);
    let moved = case.after(|json| json["z"] = json["a"].clone());
    expect(moved.clone(), moved == Error::Tag { path: "z".into() });
    let open = case.after(|json| json["a"] = "1".into());
    expect(open.clone(), format(open) == FormatError::Open { path: "a".into() });
    let malformed = case.after(|json| json["a"] = "ENC[AES256_GCM,data:AA==]".into());
    expect(malformed.clone(), matches!(format(malformed), FormatError::Sealed { .. }));
    let nonce =
        case.after(|json| json["a"] = "ENC[AES256_GCM,data:AA==,iv:AA==,tag:AAAAAAAAAAAAAAAAAAAAAA==,type:str]".into());
    expect(nonce.clone(), nonce.to_string().contains("nonce has 1 bytes"));
    let alone = case.after(|json| drop(json.as_object_mut().unwrap().remove("sops")));
    expect(alone.clone(), format(alone) == FormatError::NoMetadata);
    let nobody = case.after(|json| json["sops"]["age"] = Json::Null);
    expect(nobody.clone(), format(nobody) == FormatError::NoReader { others: None });
    let elsewhere = case.after(|json| {
        json["sops"]["age"] = json!([]);
        json["sops"]["kms"] = json!([{"arn": "x"}]);
    });
    expect(elsewhere.clone(), format(elsewhere) == FormatError::NoReader { others: Some("kms".into()) });
    let split = case.after(|json| json["sops"]["key_groups"] = json!([{}, {}]));
    expect(split.clone(), format(split) == FormatError::KeyGroups { found: 2 });
    let field = case.after(|json| json["sops"]["age"] = json!({}));
    expect(field.clone(), matches!(format(field), FormatError::Field { .. }));
    let rules = case.after(|json| json["sops"]["encrypted_regex"] = "x".into());
    expect(rules.clone(), matches!(format(rules), FormatError::Rule { .. }));
    let short = case.read(&case.file[..case.file.len() / 2]).unwrap_err();
    expect(short.clone(), format(short) == FormatError::Truncated { form: Form::Json });
    let noise = case.read(b"hello").unwrap_err();
    expect(noise.clone(), matches!(format(noise), FormatError::Syntax { .. }));
    let twice = case.read(b"{\"a\": \"\", \"a\": \"\"}").unwrap_err();
    expect(twice.clone(), format(twice) == FormatError::Twice { key: "a".into() });

    let mut distinct = seen.clone();
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), seen.len(), "{seen:#?}");
}

#[test]
fn another_data_key_and_a_data_key_of_another_length_say_so() {
    let case = Case::new(Form::Binary);
    let document = Document::parse(Form::Binary, &case.file).unwrap();
    assert_eq!(document.decrypt(&DataKey::generate().unwrap()), Err(Error::Tag { path: "data".into() }));
    let short = DataKey::new(&[0; 16], "age1x").unwrap_err();
    assert_eq!(short, Error::DataKey { recipient: "age1x".into(), found: 16 });
    assert!(case.pair.key(&document) == case.key);
}

#[test]
fn reordered_values_are_noticed() {
    let case = Case::new(Form::Json);
    let text = String::from_utf8(case.file.clone()).unwrap();
    let mut lines: Vec<&str> = text.lines().collect();
    lines.swap(1, 3);
    assert_eq!(case.read(lines.join("\n").as_bytes()), Err(Error::Mac));
}

#[test]
fn an_unencrypted_value_is_part_of_the_mac_unless_the_file_says_otherwise() {
    let case = Case::new(Form::Json);
    let added = case.after(|json| json["x_unencrypted"] = "1".into());
    assert_eq!(added, Error::Mac);
    let said = case.after(|json| {
        json["x_unencrypted"] = "1".into();
        json["sops"]["mac_only_encrypted"] = true.into();
    });
    assert_eq!(said, Error::Mac, "that it says otherwise is itself in the MAC");
}

#[test]
fn the_binary_form_has_one_value() {
    let case = Case::new(Form::Binary);
    for edit in [
        (|json| json["more"] = "".into()) as fn(&mut Json),
        |json| json["data"] = json!({}),
        |json| drop(json.as_object_mut().unwrap().remove("data")),
    ] {
        assert!(matches!(format(case.after(edit)), FormatError::Keys { .. }));
    }
}

#[test]
fn a_file_cut_short_anywhere_is_an_error() {
    for form in [Form::Binary, Form::Json, Form::Yaml] {
        let case = Case::new(form);
        case.read(&case.file).unwrap();
        let last = case.file.len() - 1;
        assert!(case.read(&case.file[..last]).is_ok(), "only the final newline may be missing");
        for end in 0..last {
            let error = case.read(&case.file[..end]).unwrap_err();
            if form != Form::Yaml {
                assert_eq!(format(error), FormatError::Truncated { form }, "{end}");
            }
        }
    }
}

#[test]
fn a_changed_byte_anywhere_gives_an_error_or_the_same_values() {
    for form in [Form::Binary, Form::Json, Form::Yaml] {
        let case = Case::new(form);
        let whole = case.read(&case.file).unwrap();
        let (mut refused, mut harmless) = (0, 0);
        for index in 0..case.file.len() {
            for change in [0x01, 0x20, 0x80] {
                let mut file = case.file.clone();
                file[index] ^= change;
                match case.read(&file) {
                    Ok(values) => {
                        assert_eq!(values, whole, "{form} {index}");
                        harmless += 1;
                    }
                    Err(_) => refused += 1,
                }
            }
        }
        assert!(refused > harmless, "{form}: {refused} refused, {harmless} harmless");
    }
}

#[test]
fn what_a_form_cannot_hold_is_refused_before_anything_is_sealed() {
    let key = DataKey::generate().unwrap();
    let write = |form, all: &[(&str, &[u8])], readers: &[&str]| {
        create(form, &key, &values(all), readers, NOW, |_, to| -> Result<Vec<String>, Error> {
            Ok(vec!["x".into(); to.len()])
        })
    };
    for form in [Form::Json, Form::Yaml] {
        let not_text = write(form, &[("a", b"\xff")], &["r"]);
        assert_eq!(not_text, Err(Error::NotText { key: "a".into(), form }));
        for name in ["sops", "", "a/b", "x_unencrypted", "<<"] {
            assert!(matches!(write(form, &[(name, b"")], &["r"]), Err(Error::Key { .. })), "{name}");
        }
        assert!(matches!(write(form, &[("a", b""), ("a", b"")], &["r"]), Err(Error::Key { .. })));
    }
    assert!(matches!(write(Form::Binary, &[("a", b"")], &["r"]), Err(Error::Key { .. })));
    assert_eq!(write(Form::Binary, &[("data", b"")], &[]), Err(Error::Nobody));
    let beyond = create(Form::Binary, &key, &values(&[("data", b"")]), &["r"], i64::MAX, seal_nothing);
    assert_eq!(beyond, Err(Error::Time(i64::MAX)));
}

#[test]
fn a_recipient_without_a_copy_of_the_data_key_is_not_left_out() {
    let all = [Pair::new(), Pair::new()];
    let to: Vec<&String> = all.iter().map(|pair| &pair.recipient).collect();
    let (key, one) = (DataKey::generate().unwrap(), values(&[("a", b"x")]));
    let too_few = |key: &[u8; 32], to: &[&str]| seal(key, &to[1..]);
    let file = create(Form::Json, &key, &one, &to, NOW, too_few);
    assert!(matches!(file, Err(Error::Seal(why)) if why == "asked for 2 copies of the data key, got 1"));
}

fn seal_nothing(_: &[u8; 32], to: &[&str]) -> Result<Vec<String>, Error> {
    Ok(vec![String::new(); to.len()])
}

#[test]
fn neither_a_key_nor_a_plaintext_is_shown() {
    let key = DataKey::new(b"0123456789abcdef0123456789abcdef", "").unwrap();
    assert_eq!(format!("{key:?} {:?}", LeafValue::new("a", *b"hunter2")), "DataKey LeafValue(\"a\", 7 bytes)");
    let pair = Pair::new();
    let file = binary(b"hunter2", &[&pair.recipient]);
    let document = Document::parse(Form::Binary, &file).unwrap();
    assert!(!format!("{:?}", document.decrypt(&pair.key(&document)).unwrap()).contains("hunter2"));
}
