use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::{FoundForm, KeyedFormat, TextFormat};

/// Holds what a file says without any key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileFacts {
    /// Recipients of a file of sops. An age file does not name its own.
    pub recipients: Vec<String>,
    /// Other kinds of keys that a file of sops has, as `pgp`.
    pub other_keys: BTreeSet<String>,
    /// Kinds of stanzas of a binary age file, and how many there are of each.
    pub stanzas: BTreeMap<String, usize>,
    /// Keys at the top of a structured file of sops.
    pub keys: BTreeSet<String>,
}

/// Where sops keeps other keys than those of age.
const OTHER_KEYS: [&str; 5] = ["pgp", "kms", "gcp_kms", "azure_kv", "hc_vault"];
const FIRST_LINE: &str = "age-encryption.org/v1\n";
const ARMOR: &str = "-----BEGIN AGE ENCRYPTED FILE-----";

/// Reads what a file says without any key.
///
/// # Errors
/// Why it is not a file of this form.
pub fn file_facts(form: &FoundForm, bytes: &[u8]) -> Result<FileFacts, &'static str> {
    match form {
        FoundForm::Plain => Ok(FileFacts::default()),
        FoundForm::Age => age(bytes),
        FoundForm::SopsBinary => json(bytes),
        FoundForm::SopsKey { format, .. } | FoundForm::SopsWhole { format } => match format {
            KeyedFormat::Json => json(bytes),
            KeyedFormat::Yaml => yaml(bytes),
        },
        FoundForm::SopsText { format } => text(*format, bytes),
    }
}

fn age(bytes: &[u8]) -> Result<FileFacts, &'static str> {
    if bytes.starts_with(ARMOR.as_bytes()) {
        return Ok(FileFacts::default());
    }
    if !bytes.starts_with(FIRST_LINE.as_bytes()) {
        return Err("not an age file");
    }
    let mut facts = FileFacts::default();
    for line in bytes.split(|byte| *byte == b'\n').take_while(|line| !line.starts_with(b"--- ")) {
        let words = line.strip_prefix(b"-> ").and_then(|words| std::str::from_utf8(words).ok());
        let kind = words.and_then(|words| words.split(' ').next()).filter(|kind| !kind.ends_with("-grease"));
        if let Some(kind) = kind {
            *facts.stanzas.entry(kind.to_owned()).or_default() += 1;
        }
    }
    Ok(facts)
}

const NOT_SOPS: &str = "not a file of sops";

fn json(bytes: &[u8]) -> Result<FileFacts, &'static str> {
    let value: Value = serde_json::from_slice(bytes).map_err(|_| NOT_SOPS)?;
    let sops = value.get("sops").and_then(Value::as_object).ok_or(NOT_SOPS)?;
    let mut facts = FileFacts::default();
    let groups = sops.get("key_groups").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object);
    for keys in std::iter::once(sops).chain(groups) {
        let list = |kind: &str| keys.get(kind).and_then(Value::as_array).into_iter().flatten();
        let recipients = list("age").filter_map(|one| one["recipient"].as_str());
        facts.recipients.extend(recipients.map(str::to_owned));
        facts.other_keys.extend(OTHER_KEYS.iter().filter(|kind| list(kind).next().is_some()).map(ToString::to_string));
    }
    let keys = value.as_object().into_iter().flatten().map(|(key, _)| key);
    facts.keys = keys.filter(|key| *key != "sops").cloned().collect();
    Ok(facts)
}

/// Reads what sops itself writes, which has each key in a line of its own.
fn yaml(bytes: &[u8]) -> Result<FileFacts, &'static str> {
    let text = std::str::from_utf8(bytes).map_err(|_| NOT_SOPS)?;
    let (mut facts, mut is_sops, mut kind) = (FileFacts::default(), false, "");
    let mut was_sops = false;
    for line in text.lines() {
        let trimmed = line.trim_start_matches([' ', '-']);
        let Some((key, value)) = trimmed.split_once(':').map(|(key, value)| (unquoted(key), value.trim())) else {
            continue;
        };
        if !line.starts_with([' ', '-', '#']) {
            is_sops = key == "sops";
            was_sops |= is_sops;
            if !is_sops {
                facts.keys.insert(key.to_owned());
            }
        } else if is_sops && OTHER_KEYS.contains(&key) {
            kind = key;
        } else if is_sops && key == "recipient" {
            facts.recipients.push(unquoted(value).to_owned());
        } else if is_sops && matches!(key, "created_at") && !kind.is_empty() {
            // Each key of another kind has the time at which it was added.
            facts.other_keys.insert(kind.to_owned());
        } else if is_sops && matches!(key, "age" | "lastmodified" | "mac") {
            kind = "";
        }
    }
    if was_sops { Ok(facts) } else { Err(NOT_SOPS) }
}

/// Reads the metadata, whose maps and lists are in their names: `age__list_0__map_recipient`. In dotenv these begin with `sops_`, and in
/// INI they are a section.
fn text(format: TextFormat, bytes: &[u8]) -> Result<FileFacts, &'static str> {
    let text = std::str::from_utf8(bytes).map_err(|_| NOT_SOPS)?;
    let (mut facts, mut is_sops, mut was_sops) = (FileFacts::default(), false, false);
    for line in text.lines().map(str::trim) {
        if format == TextFormat::Ini && line.starts_with('[') {
            is_sops = line == "[sops]";
        }
        let Some((name, value)) = line.split_once('=').map(|(name, value)| (name.trim(), value.trim())) else {
            continue;
        };
        let field = match format {
            TextFormat::Dotenv => name.strip_prefix("sops_"),
            TextFormat::Ini => Some(name).filter(|_| is_sops),
        };
        let Some(field) = field else { continue };
        was_sops = true;
        let steps: Vec<&str> = field.split("__").map(|step| step.strip_prefix("map_").unwrap_or(step)).collect();
        if let [.., "age", _, "recipient"] = steps.as_slice() {
            facts.recipients.push(value.to_owned());
        }
        facts.other_keys.extend(steps.iter().filter(|step| OTHER_KEYS.contains(step)).map(ToString::to_string));
    }
    if was_sops { Ok(facts) } else { Err(NOT_SOPS) }
}

fn unquoted(text: &str) -> &str {
    text.trim().trim_matches(['"', '\''])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn set(words: &[&str]) -> BTreeSet<String> {
        words.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn an_age_file_says_the_kinds_of_its_stanzas() {
        let file = b"age-encryption.org/v1\n-> ssh-ed25519 AAAA x\nbody\n-> piv-p256 BBBB y\nbody\n-> X25519 z\nbody\n-> d-grease\n\n--- mac\n-> X25519 payload\n";
        let facts = file_facts(&FoundForm::Age, file).unwrap();
        let kinds: Vec<_> = facts.stanzas.iter().map(|(kind, count)| (kind.as_str(), *count)).collect();
        assert_eq!(kinds, [("X25519", 1), ("piv-p256", 1), ("ssh-ed25519", 1)]);
        assert_eq!(file_facts(&FoundForm::Age, b"plain text"), Err("not an age file"));
        assert!(file_facts(&FoundForm::Age, ARMOR.as_bytes()).unwrap().stanzas.is_empty());
    }

    #[test]
    fn a_file_of_sops_names_its_recipients_and_keys() {
        let yaml = "attic: ENC[AES256_GCM,data:x]\n\"my key\": ENC[x]\nnested:\n    deep: ENC[x]\nsops:\n    kms: []\n    age:\n        - recipient: age1a\n          enc: |\n            -----BEGIN AGE ENCRYPTED FILE-----\n        - recipient: age1b\n          enc: |\n            x\n    lastmodified: \"2026-01-01T00:00:00Z\"\n    pgp:\n        - created_at: \"2026\"\n          fp: 85D77543\n    version: 3.9.1\n";
        let format = KeyedFormat::Yaml;
        let facts = file_facts(&FoundForm::SopsWhole { format }, yaml.as_bytes()).unwrap();
        assert_eq!(facts.recipients, ["age1a", "age1b"]);
        assert_eq!((facts.other_keys, facts.keys), (set(&["pgp"]), set(&["attic", "my key", "nested"])));
        assert!(file_facts(&FoundForm::SopsWhole { format }, b"a: b\n").is_err());

        let json = br#"{"data": "ENC[x]", "sops": {"age": [{"recipient": "age1a", "enc": "x"}], "pgp": null, "hc_vault": [{}]}}"#;
        let facts = file_facts(&FoundForm::SopsBinary, json).unwrap();
        assert_eq!((facts.recipients, facts.other_keys), (vec!["age1a".to_owned()], set(&["hc_vault"])));
        let fields = [
            ("age__list_0__map_enc", "-----BEGIN AGE ENCRYPTED FILE-----\\nx"),
            ("age__list_0__map_recipient", "age1a"),
            ("key_groups__list_0__map_age__list_0__map_recipient", "age1b"),
            ("gcp_kms__list_0__map_resource_id", "x"),
            ("version", "3.9.1"),
        ];
        let line = |(name, value): &(&str, &str)| format!("{name}   = {value}\n");
        let ini: String = fields.iter().map(line).collect();
        let line = |(name, value): &(&str, &str)| format!("sops_{name}={value}\n");
        let dotenv: String = fields.iter().map(line).collect();
        for (format, text) in [
            (TextFormat::Dotenv, format!("A=ENC[x]\n{dotenv}")),
            (TextFormat::Ini, format!("pgp__x = 1\n[a]\nb = ENC[x]\n\n[sops]\n{ini}")),
        ] {
            let facts = file_facts(&FoundForm::SopsText { format }, text.as_bytes()).unwrap();
            assert_eq!(
                (facts.recipients, facts.other_keys),
                (vec!["age1a".to_owned(), "age1b".to_owned()], set(&["gcp_kms"]))
            );
            assert!(file_facts(&FoundForm::SopsText { format }, b"A=ENC[x]\n[a]\nb = c\n").is_err());
        }

        for bad in [&b"{}"[..], b"[]", b"{", b"\xff", b"{\"sops\": 1}"] {
            assert!(file_facts(&FoundForm::SopsBinary, bad).is_err());
        }
    }
}
