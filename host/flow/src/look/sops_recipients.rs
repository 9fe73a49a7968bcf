//! The age recipients that a file of sops lists, in clear, beside its values.

use std::collections::BTreeSet;

use artifacts_declared::without_comment;
use serde_json::Value;

/// Returns the recipients that a file lists; none where it is not certain that these are all. There have to be as many as age
/// files in it.
pub fn sops_recipients(bytes: &[u8]) -> Option<BTreeSet<String>> {
    let text = std::str::from_utf8(bytes).ok()?;
    let listed = match serde_json::from_str::<Value>(text) {
        Ok(document) => in_json(&document)?,
        Err(_) => in_yaml(text)?,
    };
    let count = listed.len();
    let recipients: BTreeSet<String> = listed.iter().map(|recipient| without_comment(recipient)).collect();
    (recipients.len() == count && artifacts_age::headers(bytes).len() == count).then_some(recipients)
}

fn in_json(document: &Value) -> Option<Vec<String>> {
    let recipient = |stanza: &Value| Some(stanza.get("recipient")?.as_str()?.to_owned());
    document.get("sops")?.get("age")?.as_array()?.iter().map(recipient).collect()
}

/// sops itself writes YAML: block style, a recipient on a line of its own below `age` below `sops`.
fn in_yaml(text: &str) -> Option<Vec<String>> {
    let mut lines = text.lines().skip_while(|line| line.trim_end() != "sops:").skip(1);
    let indent = |line: &str| line.len() - line.trim_start().len();
    let metadata: Vec<&str> = lines.by_ref().take_while(|line| line.trim().is_empty() || indent(line) > 0).collect();
    let at = metadata.iter().position(|line| line.trim() == "age:")?;
    let depth = indent(metadata.get(at)?);
    let is_item = |line: &&&str| indent(line) > depth || (indent(line) == depth && line.trim_start().starts_with("- "));
    let items = metadata.iter().skip(at + 1).take_while(is_item);
    let value = |line: &&str| {
        let line = line.trim();
        let value = line.strip_prefix("- ").unwrap_or(line).trim_start().strip_prefix("recipient:")?.trim();
        let quoted = ['"', '\''].iter().find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote));
        Some(quoted.unwrap_or(value).to_owned())
    };
    Some(items.filter_map(value).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn age_file(number: usize) -> String {
        let file = format!("age-encryption.org/v1\n-> X25519 {number}\nbody\n--- mac\n");
        String::from_utf8(artifacts_age::armored(file.as_bytes()).unwrap()).unwrap()
    }

    fn yaml(recipients: &[&str], indent: &str) -> String {
        let stanza = |(number, recipient): (usize, &&str)| {
            let enc = age_file(number).replace('\n', &format!("\n{indent}      "));
            format!("{indent}- recipient: {recipient}\n{indent}  enc: |\n{indent}      {}\n", enc.trim_end())
        };
        let stanzas: String = recipients.iter().enumerate().map(stanza).collect();
        format!(
            "key: ENC[x]\nrecipient: nobody\nsops:\n    kms: []\n    age:\n{stanzas}    lastmodified: now\n    pgp:\n        - fp: recipient: x\n"
        )
    }

    fn set(recipients: &[&str]) -> BTreeSet<String> {
        recipients.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn recipients_are_those_of_the_metadata() {
        for indent in ["    ", "        "] {
            assert_eq!(sops_recipients(yaml(&["age1a", "age1b"], indent).as_bytes()), Some(set(&["age1a", "age1b"])));
        }
        let ssh = yaml(&["ssh-ed25519 AAAA root@web1"], "        ");
        assert_eq!(sops_recipients(ssh.as_bytes()), Some(set(&["ssh-ed25519 AAAA"])));
        let reordered = yaml(&["age1a"], "        ").replace("- recipient: age1a\n          enc: |", "- enc: |");
        let reordered = reordered.replace("    lastmodified", "          recipient: \"age1a\"\n    lastmodified");
        assert_eq!(sops_recipients(reordered.as_bytes()), Some(set(&["age1a"])));
        let json = serde_json::json!({"data": "ENC[x]", "sops": {"age": [{"recipient": "age1a", "enc": age_file(1)}]}});
        assert_eq!(sops_recipients(json.to_string().as_bytes()), Some(set(&["age1a"])));
    }

    #[test]
    fn what_is_not_certain_is_not_told() {
        let twice = yaml(&["age1a", "age1a"], "        ");
        let more = yaml(&["age1a"], "        ") + &age_file(7);
        let fewer = yaml(&["age1a", "age1b"], "        ").replace("- recipient: age1b", "- other: age1b");
        for text in [twice.as_str(), &more, &fewer, "", "{}", "sops:\n", "key: x\n", "sops:\n    age: []\n"] {
            assert_eq!(sops_recipients(text.as_bytes()), None, "{text}");
        }
        assert_eq!(sops_recipients(b"\xff"), None);
    }
}
