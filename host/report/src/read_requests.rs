use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use artifacts_text::terminal;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

/// A generator that wants to read another instance's secrets, and what becomes of what it makes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ReadRequest {
    /// What is made.
    pub dependent: String,
    /// What is read for it.
    pub dependency: String,
    /// The targets of what is made that do not declare what is read; empty where it stays on its targets.
    pub targets: Vec<String>,
    /// Where it does not stay, the recipients of what is made that are no recipients of what is read: their names, by key.
    pub gaining: BTreeMap<String, String>,
    /// The generator's path.
    pub generator: Option<String>,
    /// Of the generator's bytes, where the path does not tell what it is.
    pub sha256: Option<String>,
    /// Whether the generator may use the network.
    pub network: bool,
    /// The public files that it makes.
    pub public: Vec<String>,
    /// Whom each secret file that it makes is encrypted to.
    pub recipients: BTreeMap<String, BTreeSet<String>>,
}

/// What would be given to whom, for a person who is to agree to it. Each reader whole: an abbreviated key is no key.
pub fn read_requests(requests: &[ReadRequest]) -> String {
    let mut text = String::new();
    for reading in requests {
        let _ = writeln!(
            text,
            "The generator of {} wants to read {}:",
            terminal(&reading.dependent),
            terminal(&reading.dependency)
        );
        if !reading.targets.is_empty() {
            let _ = writeln!(text, "    reaches     {}; not declared there", terminal(&reading.targets.join(", ")));
        }
        let generator = reading.generator.as_deref().unwrap_or("none");
        let _ = writeln!(text, "    generator   {}", terminal(generator));
        if let Some(sha256) = &reading.sha256 {
            let _ = writeln!(text, "    sha256      {sha256}");
        }
        if reading.network {
            let _ = writeln!(text, "    network     yes; the generator could send the secret away");
        }
        if !reading.public.is_empty() {
            let _ = writeln!(text, "    publishes   {}", terminal(&reading.public.join(", ")));
        }
        for (file, recipients) in &reading.recipients {
            let _ = writeln!(text, "    recipients of {}:", terminal(file));
            // What gives access comes first, by name.
            let mut recipients: Vec<_> = recipients.iter().map(|key| (reading.gaining.get(key), key)).collect();
            recipients.sort_by_key(|(name, key)| (name.is_none(), *name, *key));
            for (name, key) in recipients {
                let _ = writeln!(text, "      {}", terminal(key));
                if let Some(name) = name {
                    let _ = writeln!(text, "        could gain access: {}", terminal(name));
                }
            }
        }
    }
    text
}

impl ReadRequest {
    /// Returns it as an accepted one is stored: the key of the recipients is never renamed, since what was accepted would be
    /// asked about again. A dependency that leaves its target was not accepted while it stayed there.
    pub fn stored(&self) -> Value {
        let mut stored = json!({
            "dependent": self.dependent,
            "dependency": self.dependency,
            "generator": self.generator,
            "sha256": self.sha256,
            "network": self.network,
            "public": self.public,
            "readers": self.recipients,
        });
        if !self.targets.is_empty() {
            stored["targets"] = json!(self.targets);
            stored["gaining"] = self.gaining.keys().map(String::as_str).collect();
        }
        stored
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn reading() -> ReadRequest {
        ReadRequest {
            dependent: "per-machine/evil/x".to_owned(),
            dependency: "per-machine/web1/attic".to_owned(),
            targets: Vec::new(),
            gaining: BTreeMap::new(),
            generator: Some("/x\nits generator is /nix/store/x-\u{1b}[2J\u{200b}".to_owned()),
            sha256: None,
            network: true,
            public: vec!["x".to_owned()],
            recipients: BTreeMap::from([("y".to_owned(), BTreeSet::from(["age1a".to_owned(), "age1b".to_owned()]))]),
        }
    }

    #[test]
    fn it_says_in_words_what_goes_where() {
        let reading = reading();
        let shown = serde_json::to_value(&reading).unwrap();
        assert_eq!(shown["recipients"]["y"][0], "age1a");
        assert_eq!(reading.stored()["readers"], shown["recipients"], "what was accepted is found again");
        assert_eq!(
            read_requests(&[reading]),
            "The generator of per-machine/evil/x wants to read per-machine/web1/attic:\n    generator   /x\\nits generator is /nix/store/x-\\u{1b}[2J\\u{200b}\n    \
             network     yes; the generator could send the secret away\n    publishes   x\n    \
             recipients of y:\n      age1a\n      age1b\n"
        );
    }

    #[test]
    fn it_names_the_targets_and_recipients_that_gain() {
        let leaving = ReadRequest {
            targets: vec!["evil (nixos)".to_owned()],
            gaining: BTreeMap::from([("age1b".to_owned(), "mallory\u{1b}".to_owned())]),
            ..reading()
        };
        let shown = read_requests(std::slice::from_ref(&leaving));
        assert!(shown.contains("\n    reaches     evil (nixos); not declared there\n"), "{shown}");
        assert!(shown.contains("\n      age1b\n        could gain access: mallory\\u{1b}\n      age1a\n"), "{shown}");
        // Each is asked about anew; whose a key is counts for nothing.
        let other_target = ReadRequest { targets: vec!["web2 (nixos)".to_owned()], ..leaving.clone() };
        let other_key = ReadRequest { gaining: BTreeMap::new(), ..leaving.clone() };
        let other_name =
            ReadRequest { gaining: BTreeMap::from([("age1b".to_owned(), "b".to_owned())]), ..leaving.clone() };
        for other in [&reading(), &other_target, &other_key] {
            assert_ne!(leaving.stored(), other.stored());
        }
        assert_eq!(leaving.stored(), other_name.stored());
        let before: BTreeSet<String> = reading().stored().as_object().unwrap().keys().cloned().collect();
        let fields = ["dependency", "dependent", "generator", "network", "public", "readers", "sha256"];
        assert_eq!(before, fields.map(str::to_owned).into(), "as it was stored before");
    }
}
