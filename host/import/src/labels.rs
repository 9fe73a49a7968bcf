use std::collections::BTreeMap;

use artifacts_declared::{comment, without_comment};

/// Beginnings of public keys.
const KEYS: [&str; 3] = ["ssh-ed25519 ", "ssh-rsa ", "age1"];
/// Options of ours and of others that hold a key of whatever machine: their names are no one's.
const NO_NAMES: [&str; 4] = ["hostKey", "publicHostKey", "hostPubkey", "key"];
/// What a file with a private key has in it.
const PRIVATE: [&str; 2] = ["PRIVATE KEY-----", "AGE-SECRET-KEY-"];

/// Returns what private key is in a text, by the line that has it; none in a file of rules as it should be.
pub fn private_key(text: &str) -> Option<usize> {
    text.lines().position(|line| PRIVATE.iter().any(|mark| line.contains(mark))).map(|line| line + 1)
}

/// Finds names for the public keys in a text: of a binding in Nix (`alice = "age1…"`), of an anchor in YAML (`&alice age1…`), or the
/// comment of an SSH key. The first one counts. An option such as `hostKey` is the name of no one.
pub fn key_labels(text: &str, labels: &mut BTreeMap<String, String>) {
    for line in text.lines() {
        let Some(at) = KEYS.iter().filter_map(|begin| line.find(begin)).min() else { continue };
        let end = line[at..].find(['"', '\'', ',']).map_or(line.len(), |length| at + length);
        let key = line[at..end].trim();
        let name = before(&line[..at]).map(str::to_owned).or_else(|| comment(key));
        if let Some(name) = name {
            labels.entry(without_comment(key)).or_insert(name);
        }
    }
}

/// Returns the name that stands before a key.
fn before(text: &str) -> Option<&str> {
    let text = text.trim_end().trim_end_matches(['"', '\'']).trim_end();
    let name = match text.strip_suffix('=') {
        Some(binding) => binding.trim_end().rsplit([' ', '\t', '{', ';', '.']).next()?.trim_matches('"'),
        None => text.rsplit(' ').next()?.strip_prefix('&')?,
    };
    (!name.is_empty() && !NO_NAMES.contains(&name)).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_the_names_by_which_they_are_written() {
        let mut labels = BTreeMap::new();
        key_labels(
            "let\n  alice = \"ssh-ed25519 AAAA alice@laptop\";\n  \"web 1\" = \"age1web\"; # x\n  hosts.web2=\"ssh-rsa BBBB\";\n\
             artifacts.hostKey = \"ssh-ed25519 DDDD root@web5\";\n\
             in { \"a.age\".publicKeys = [ alice \"ssh-ed25519 CCCC root@web3\" ]; }\n\
             keys:\n  - &bob age1bob\n  - age1nobody\n  - &server_web4 'age1four'\n",
            &mut labels,
        );
        let found: Vec<_> = labels.iter().map(|(key, name)| (key.as_str(), name.as_str())).collect();
        let expected = [
            ("age1bob", "bob"),
            ("age1four", "server_web4"),
            ("age1web", "1"),
            ("ssh-ed25519 AAAA", "alice"),
            ("ssh-ed25519 CCCC", "root@web3"),
            ("ssh-ed25519 DDDD", "root@web5"),
            ("ssh-rsa BBBB", "web2"),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_private_key_is_found() {
        assert_eq!(private_key("a\n-----BEGIN OPENSSH PRIVATE KEY-----\n"), Some(2));
        assert_eq!(private_key("k = \"AGE-SECRET-KEY-1X\";"), Some(1));
        assert_eq!(private_key("alice = \"age1x\";"), None);
    }
}
