//! The real sops reads what is written here, and what it writes is read.

use crate::support::{NOW, Pair, Sops, binary, plain, recipients, seal, ssh_pair, values};
use sops_format::{DataKey, Document, Error, Form, NewKey, create, recipient_of_ssh, rewrite, update};

/// Bytes of every kind.
fn contents() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("empty", vec![]),
        ("one byte", b"x".to_vec()),
        ("a zero", vec![0]),
        ("one newline", b"\n".to_vec()),
        ("newlines at the end", b"a\n\n\n".to_vec()),
        ("no newline", b"hunter2".to_vec()),
        ("carriage returns", b"a\r\nb\r".to_vec()),
        ("not UTF-8", vec![0xff, 0xfe, 0, 0x80, b'a']),
        ("every byte", (0..=255).collect()),
        ("looks encrypted", b"ENC[AES256_GCM,data:AA==,iv:AA==,tag:AA==,type:str]".to_vec()),
        ("JSON", b"{\"data\": \"x\", \"sops\": {}}".to_vec()),
        ("1 MiB", (0..1 << 20).map(|i: u32| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect()),
    ]
}

#[test]
fn it_decrypts_the_binary_form_whatever_the_bytes() {
    let pair = Pair::new();
    let sops = Sops::with(&pair.secret());
    for (what, bytes) in contents() {
        sops.put("a.sops", &binary(&bytes, &[&pair.recipient]));
        assert!(sops.run(&["decrypt", "a.sops"]) == bytes, "{what}");
    }
}

#[test]
fn the_binary_form_that_it_writes_is_read_whatever_the_bytes() {
    let pair = Pair::new();
    let sops = Sops::with(&pair.secret());
    for (what, bytes) in contents() {
        sops.put("a.bin", &bytes);
        let file = sops.run(&["encrypt", "--age", &pair.recipient, "a.bin"]);
        let read = pair.read(Form::Binary, &file).unwrap();
        assert!(plain(&read) == [("data".to_owned(), bytes)], "{what}");
    }
}

#[test]
fn what_it_edited_is_read() {
    let pair = Pair::new();
    let sops = Sops::with(&pair.secret());
    sops.put("a.sops", &binary(b"before\n", &[&pair.recipient]));
    sops.edit("a.sops", "printf 'after\\377\\n\\n' > \"$1\"");
    let edited = sops.get("a.sops");
    assert_eq!(plain(&pair.read(Form::Binary, &edited).unwrap()), [("data".into(), b"after\xff\n\n".to_vec())]);
    sops.edit("a.sops", ": > \"$1\"");
    assert_eq!(plain(&pair.read(Form::Binary, &sops.get("a.sops")).unwrap()), [("data".into(), vec![])]);
}

/// Keys and texts that a careless writer would spoil.
fn texts() -> Vec<(&'static str, &'static [u8])> {
    vec![
        ("env", b"TOKEN=abc\nOTHER=\"d e\"\n"),
        ("empty", b""),
        ("true", b"true"),
        ("1", b"1"),
        ("null", b"null"),
        ("with blank", b" x "),
        ("a: b #c", b"- x: |\n"),
        ("quote\"back\\slash", b"\"\\"),
        ("-", b"--- \n...\n"),
        ("é\u{1f511}", "ü\u{1f511}\u{2028}".as_bytes()),
        (".hidden@host", b"\t\x01\x7f"),
        ("data", b"not the binary form"),
        ("=", b"*x"),
    ]
}

#[test]
fn it_decrypts_structured_forms_and_we_read_what_it_edited() {
    let pair = Pair::new();
    let other = Pair::new();
    let sops = Sops::with(&pair.secret());
    for (form, name) in [(Form::Json, "a.json"), (Form::Yaml, "a.yaml")] {
        let key = DataKey::generate().unwrap();
        let readers = [&other.recipient, &pair.recipient];
        let file = create(form, &key, &values(&texts()), &readers, NOW, seal).unwrap();
        sops.put(name, &file);
        for (key, bytes) in texts().into_iter().filter(|(key, _)| !key.contains('"')) {
            let index = format!("[{}]", serde_json::to_string(key).unwrap());
            let one = sops.run(&["decrypt", "--extract", &index, name]);
            assert_eq!(one, bytes, "{form} {key}");
        }
        let json = sops.run(&["decrypt", "--output-type", "json", name]);
        let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
        assert_eq!(json.as_object().unwrap().len(), texts().len());
        assert_eq!(plain(&other.read(form, &file).unwrap()), plain(&values(&texts())));

        sops.run(&["set", name, "[\"env\"]", "\"TOKEN=new\\n\""]);
        sops.run(&["set", name, "[\"added\"]", "\"x\""]);
        sops.run(&["unset", name, "[\"true\"]"]);
        let read = plain(&pair.read(form, &sops.get(name)).unwrap());
        let mut expected = plain(&values(&texts()));
        expected[0].1 = b"TOKEN=new\n".to_vec();
        expected.retain(|(key, _)| key != "true");
        expected.push(("added".into(), b"x".to_vec()));
        assert_eq!(read, expected, "{form}");
    }
}

#[test]
fn every_kind_of_value_that_it_writes_is_read() {
    let pair = Pair::new();
    let sops = Sops::with(&pair.secret());
    let yaml = "# a comment\ntext: hello # behind\nnumber: 12\nfraction: 1.50\nbig: 1e21\ntruth: true\nnothing:\nempty: ''\n\
        when: 2001-01-01\nlist:\n    - a\n    # inside\n    - b: 2\n      c: [d, false]\nmap:\n    deep:\n        deeper: |\n            x\n            y\n\
        open_unencrypted:\n    truth: false\n    number: 7\n    fraction: 2.50\n    list: [x, 1]\n";
    sops.put("a.yaml", yaml.as_bytes());
    let file = sops.run(&["encrypt", "--age", &pair.recipient, "a.yaml"]);
    let read = plain(&pair.read(Form::Yaml, &file).unwrap());
    let expected: Vec<(String, Vec<u8>)> = [
        ("text", "hello"),
        ("number", "12"),
        ("fraction", "1.5"),
        ("big", "1000000000000000000000"),
        ("truth", "True"),
        ("empty", ""),
        ("when", "2001-01-01T00:00:00Z"),
        ("list", "a"),
        ("list/b", "2"),
        ("list/c", "d"),
        ("list/c", "False"),
        ("map/deep/deeper", "x\ny\n"),
        ("open_unencrypted/truth", "False"),
        ("open_unencrypted/number", "7"),
        ("open_unencrypted/fraction", "2.5"),
        ("open_unencrypted/list", "x"),
        ("open_unencrypted/list", "1"),
    ]
    .map(|(key, text)| (key.to_owned(), text.as_bytes().to_vec()))
    .into();
    assert_eq!(read, expected);

    sops.put(
        "a.json",
        br#"{"n": 12, "f": 1.5, "t": true, "z": null, "l": [1, {"x": ""}], "o_unencrypted": [true, 3, 0.25, "s"]}"#,
    );
    let file = sops.run(&["encrypt", "--age", &pair.recipient, "a.json"]);
    let read: Vec<Vec<u8>> = pair.read(Form::Json, &file).unwrap().iter().map(|value| value.bytes.to_vec()).collect();
    assert_eq!(read, ["12", "1.5", "True", "1", "", "True", "3", "0.25", "s"].map(|text| text.as_bytes().to_vec()));
}

#[test]
fn every_rule_that_it_writes_is_read() {
    let pair = Pair::new();
    let sops = Sops::with(&pair.secret());
    sops.put("a.yaml", b"open: a\nsecret: b\nnested:\n    secret_too: c\n    open_too: d\n");
    for rule in
        ["encrypted_regex: ^secret", "unencrypted_regex: ^open", "encrypted_suffix: _too", "unencrypted_suffix: _too"]
    {
        for only in [false, true] {
            let rules =
                format!("creation_rules:\n  - age: {}\n    mac_only_encrypted: {only}\n    {rule}\n", pair.recipient);
            sops.put(".sops.yaml", rules.as_bytes());
            let file = sops.run(&["encrypt", "a.yaml"]);
            let read = pair.read(Form::Yaml, &file).expect(rule);
            let read: Vec<Vec<u8>> = read.iter().map(|value| value.bytes.to_vec()).collect();
            assert_eq!(read, [b"a", b"b", b"c", b"d"].map(|byte| byte.to_vec()), "{rule} {only}");
            assert_eq!(file.windows(18).any(|at| at == b"mac_only_encrypted"), only, "{rule} {only}");
        }
    }
}

#[test]
fn what_it_wrote_for_several_readers_is_read_by_each() {
    let pairs = [Pair::new(), Pair::new(), Pair::new()];
    let sops = Sops::with(&pairs[0].secret());
    sops.put("a.bin", b"x");
    let readers = pairs.each_ref().map(|pair| pair.recipient.as_str()).join(",");
    let file = sops.run(&["encrypt", "--age", &readers, "a.bin"]);
    for pair in &pairs {
        assert_eq!(plain(&pair.read(Form::Binary, &file).unwrap()), [("data".into(), b"x".to_vec())]);
    }
}

#[test]
fn older_layouts_are_read() {
    let pair = Pair::new();
    let sops = Sops::with(&pair.secret());
    sops.put("a.json", br#"{"a": "b"}"#);
    let file = sops.run(&["encrypt", "--age", &pair.recipient, "a.json"]);
    let mut json: serde_json::Value = serde_json::from_slice(&file).unwrap();
    let metadata = json["sops"].as_object_mut().unwrap();
    for (index, service) in ["kms", "gcp_kms", "azure_kv", "hc_vault", "pgp"].into_iter().enumerate() {
        let nothing = if index % 2 == 0 { serde_json::Value::Null } else { serde_json::json!([]) };
        metadata.insert(service.into(), nothing);
    }
    metadata.insert("key_groups".into(), serde_json::Value::Null);
    metadata.insert("version".into(), "3.7.1".into());
    let older = serde_json::to_vec(&json).unwrap();
    assert_eq!(
        sops.run(&["decrypt", "--output-type", "json", &sops.put("b.json", &older).display().to_string()]),
        b"{\n\t\"a\": \"b\"\n}\n"
    );
    assert_eq!(plain(&pair.read(Form::Json, &older).unwrap()), [("a".into(), b"b".to_vec())]);
}

#[test]
fn a_machine_that_holds_only_its_ssh_host_key_decrypts_and_another_does_not() {
    let (private, public) = ssh_pair();
    let recipient = recipient_of_ssh(&public).unwrap();
    let machine = Pair::of_ssh(&private);
    assert_eq!(recipient, machine.recipient);
    let file = binary(b"for the machine", &[&Pair::new().recipient, &recipient]);
    let sops = Sops::with(&machine.secret());
    sops.put("a.sops", &file);
    assert_eq!(sops.run(&["decrypt", "a.sops"]), b"for the machine");

    let (stranger, _) = ssh_pair();
    let sops = Sops::with(&Pair::of_ssh(&stranger).secret());
    sops.put("a.sops", &file);
    let refused = sops.try_run(&["decrypt", "a.sops"]);
    assert!(!refused.status.success() && refused.stdout.is_empty());
}

#[test]
fn an_admin_with_an_rsa_key_decrypts() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("id_rsa");
    let made = std::process::Command::new("ssh-keygen")
        .args(["-q", "-t", "rsa", "-b", "2048", "-N", "", "-C", "", "-f"])
        .arg(&key)
        .status()
        .unwrap();
    assert!(made.success());
    let public = std::fs::read_to_string(key.with_extension("pub")).unwrap();
    let sops = Sops::with("");
    sops.put("a.sops", &binary(b"x", &[public.trim()]));
    let output = sops.command(&["decrypt", "a.sops"]).env("SOPS_AGE_SSH_PRIVATE_KEY_FILE", &key).output().unwrap();
    assert_eq!(output.stdout, b"x", "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn what_is_not_written_again_keeps_its_ciphertext() {
    let pair = Pair::new();
    let sops = Sops::with(&pair.secret());
    let readers = [&pair.recipient];
    for (form, name) in [(Form::Json, "a.json"), (Form::Yaml, "a.yaml")] {
        let key = DataKey::generate().unwrap();
        let before = values(&[("a", b"1"), ("b", b"2"), ("c", b"3"), ("d", b"")]);
        let old = create(form, &key, &before, &readers, NOW, seal).unwrap();
        let no_seal = |_: &[u8; 32], _: &[&str]| -> Result<Vec<String>, Error> { unreachable!() };
        assert_eq!(update(&old, form, &key, &before, &readers, NOW + 1, no_seal).unwrap(), old);

        let after = values(&[("a", b"1"), ("b", b"two"), ("d", b""), ("e", b"5")]);
        let new = update(&old, form, &key, &after, &readers, NOW + 1, no_seal).unwrap();
        let lines =
            |file: &[u8]| String::from_utf8(file.to_vec()).unwrap().lines().map(str::to_owned).collect::<Vec<_>>();
        let gone: Vec<String> = lines(&old).into_iter().filter(|line| !lines(&new).contains(line)).collect();
        assert_eq!(gone.len(), 4, "b, c, lastmodified and mac only: {gone:#?}");
        sops.put(name, &new);
        let json = sops.run(&["decrypt", "--output-type", "json", name]);
        let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
        assert_eq!(json, serde_json::json!({"a": "1", "b": "two", "d": "", "e": "5"}));
    }
}

#[test]
fn a_value_that_moved_to_another_key_is_encrypted_anew() {
    let pair = Pair::new();
    let key = DataKey::generate().unwrap();
    let old = create(Form::Json, &key, &values(&[("a", b"x")]), &[&pair.recipient], NOW, seal).unwrap();
    let new = update(&old, Form::Json, &key, &values(&[("b", b"x")]), &[&pair.recipient], NOW, seal).unwrap();
    assert_eq!(plain(&pair.read(Form::Json, &new).unwrap()), [("b".into(), b"x".to_vec())]);
}

#[test]
fn a_reader_who_joins_gets_the_data_key_and_one_who_leaves_changes_it() {
    let [one, two] = [Pair::new(), Pair::new()];
    let key = DataKey::generate().unwrap();
    let all = values(&[("a", b"1"), ("b", b"2")]);
    let old = create(Form::Yaml, &key, &all, &[&one.recipient], NOW, seal).unwrap();

    let mut sealed = Vec::new();
    let joined = update(&old, Form::Yaml, &key, &all, &[&one.recipient, &two.recipient], NOW, |key, recipients| {
        sealed.extend(recipients.iter().map(ToString::to_string));
        seal(key, recipients)
    })
    .unwrap();
    assert_eq!(sealed, [two.recipient.as_str()]);
    let document = Document::parse(Form::Yaml, &joined).unwrap();
    assert_eq!(recipients(document.stanzas()), [&one.recipient, &two.recipient]);
    assert!(two.key(&document) == key);

    let left = update(&joined, Form::Yaml, &key, &all, &[&two.recipient], NOW, seal).unwrap();
    let document = Document::parse(Form::Yaml, &left).unwrap();
    assert_eq!(recipients(document.stanzas()), [&two.recipient]);
    assert!(matches!(document.decrypt(&key), Err(Error::Tag { .. })), "who left kept the old data key");
    assert_eq!(plain(&two.read(Form::Yaml, &left).unwrap()), plain(&all));
}

#[test]
fn a_reader_of_another_key_service_is_one_who_leaves() {
    let pair = Pair::new();
    let key = DataKey::generate().unwrap();
    let all = values(&[("a", b"1")]);
    let old = create(Form::Json, &key, &all, &[&pair.recipient], NOW, seal).unwrap();
    let mut json: serde_json::Value = serde_json::from_slice(&old).unwrap();
    json["sops"]["pgp"] = serde_json::json!([{"created_at": "2024-01-01T00:00:00Z", "enc": "x", "fp": "y"}]);
    let old = serde_json::to_vec(&json).unwrap();
    let new = update(&old, Form::Json, &key, &all, &[&pair.recipient], NOW, seal).unwrap();
    let document = Document::parse(Form::Json, &new).unwrap();
    assert!(document.decrypt(&key).is_err());
    assert_eq!(plain(&pair.read(Form::Json, &new).unwrap()), plain(&all));
}

/// A PGP key in the folder of a sops. The agent of `gpg` ends with this.
struct Pgp<'a>(&'a Sops);

impl Pgp<'_> {
    fn run(&self, program: &str, arguments: &[&str]) -> Vec<u8> {
        let mut command = std::process::Command::new(program);
        let command = command.args(arguments).env_clear().env("PATH", "/usr/bin:/bin");
        let output = command.env("GNUPGHOME", self.0.folder.path()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    fn fingerprint(&self) -> String {
        self.run("gpg", &["--batch", "--passphrase", "", "--quick-gen-key", "a@example.org", "default", "default"]);
        let listed = String::from_utf8(self.run("gpg", &["--batch", "--with-colons", "--list-keys"])).unwrap();
        listed.lines().find_map(|line| line.strip_prefix("fpr:::::::::")).unwrap().trim_end_matches(':').to_owned()
    }
}

impl Drop for Pgp<'_> {
    fn drop(&mut self) {
        self.run("gpgconf", &["--kill", "gpg-agent"]);
    }
}

#[test]
fn who_has_a_pgp_key_decrypts_what_is_written_again() {
    let [one, two] = [Pair::new(), Pair::new()];
    let sops = Sops::with("");
    let pgp = Pgp(&sops);
    let fingerprint = pgp.fingerprint();
    for (form, name) in [(Form::Json, "a.json"), (Form::Yaml, "a.yaml")] {
        sops.put(
            name,
            if form == Form::Json { br#"{"b": "2", "a": "x: # \u00e9"}"# } else { b"b: '2'\na: 'x: # \xc3\xa9'\n" },
        );
        let with_pgp = |arguments: &[&str]| {
            let output = sops.command(arguments).env("GNUPGHOME", sops.folder.path()).output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            output.stdout
        };
        with_pgp(&["encrypt", "--in-place", "--age", &one.recipient, "--pgp", &fingerprint, name]);
        let old = Document::parse(form, &std::fs::read(sops.path(name)).unwrap()).unwrap();
        let claimed: Vec<String> = old.other_recipients().iter().map(ToString::to_string).collect();
        assert_eq!(claimed, [format!("pgp {fingerprint}")]);
        let (key, all) = (one.key(&old), values(&[("a", "x: # é".as_bytes()), ("b", b"2")]));
        let both = [&one.recipient, &two.recipient];
        let new = rewrite(&old, &key, &all, &both, NOW, seal).unwrap();
        assert_eq!(plain(&two.read(form, &new).unwrap()), plain(&all));
        sops.put(name, &new);
        let json: serde_json::Value =
            serde_json::from_slice(&with_pgp(&["decrypt", "--output-type", "json", name])).unwrap();
        assert_eq!(json, serde_json::json!({"a": "x: # é", "b": "2"}));
        // sops itself goes on with it.
        with_pgp(&["rotate", "--in-place", name]);
        let rotated = Document::parse(form, &std::fs::read(sops.path(name)).unwrap()).unwrap();
        assert_eq!((rotated.stanzas().len(), rotated.other_recipients().len()), (2, 1));
        // One who leaves, or a value that is new, takes another data key.
        let refused = rewrite(&old, &key, &all, &[&two.recipient], NOW, seal).unwrap_err();
        assert!(matches!(refused, Error::Kept { why: NewKey::Leaves { .. }, .. }), "{refused}");
        let refused = rewrite(&old, &key, &values(&[("a", b"2")]), &both, NOW, seal).unwrap_err();
        assert!(matches!(refused, Error::Kept { why: NewKey::Value, .. }), "{refused}");
    }
}
