//! Whose keys the declarations name, for people. Nothing of it decides anything.

use std::collections::{BTreeMap, BTreeSet};

use artifacts_declared::{Label, Recipients, Spec, Target, TargetId, TargetKind, comment, without_comment};
use artifacts_text::visible_ascii;
use serde_json::Value;

/// The option of backends that has the target's own key, as nixos-artifacts names it.
const HOST_KEY: &str = "publicHostKey";

/// So many targets are named where a key is declared.
const NAMED: usize = 3;

/// Knows whose keys the declarations name.
#[derive(Debug, Default)]
pub struct DeclaredKeys {
    by_key: BTreeMap<String, DeclaredKey>,
    /// Names of targets and admins, which no one else may claim.
    taken: BTreeSet<String>,
}

/// Holds where one key is declared.
#[derive(Debug, Default, Clone)]
struct DeclaredKey {
    /// Names of the admin.
    admins: BTreeSet<String>,
    /// Targets whose own key it is.
    hosts: Places,
    /// Options that have it, with their targets.
    options: BTreeMap<String, Places>,
    /// The first option and position that has it.
    position: Option<String>,
    /// The comment of an SSH key.
    comment: Option<String>,
}

/// The first targets of some, and how many there are.
#[derive(Debug, Default, Clone)]
struct Places {
    first: Vec<TargetId>,
    last: Option<TargetId>,
    count: usize,
}

impl Places {
    fn add(&mut self, target: &TargetId) {
        // Targets come one after the other.
        if self.last.as_ref() == Some(target) {
            return;
        }
        self.last = Some(target.clone());
        self.count += 1;
        if self.first.len() < NAMED {
            self.first.push(target.clone());
        }
    }

    fn named(&self, name: impl Fn(&TargetId) -> String) -> String {
        let mut names: Vec<String> = self.first.iter().map(name).collect();
        match self.count - names.len() {
            0 => {
                let last = names.pop().unwrap_or_default();
                if names.is_empty() { last } else { format!("{} and {last}", names.join(", ")) }
            }
            more => format!("{} and {more} more", names.join(", ")),
        }
    }
}

impl DeclaredKeys {
    /// Reads the keys of all targets.
    pub fn new(spec: &Spec) -> Self {
        let mut keys = Self::default();
        let mut converted = BTreeMap::new();
        for target in &spec.targets {
            keys.taken.insert(target.name.to_string());
            keys.taken.extend(target.recipients.keys().map(ToString::to_string));
            keys.read(target, &mut converted);
        }
        keys
    }

    fn read(&mut self, target: &Target, converted: &mut BTreeMap<String, Option<String>>) {
        let id = target.id();
        let mut named = BTreeSet::new();
        for (name, text) in &target.recipients {
            named.insert(without_comment(text));
            self.add(text, converted, |key| {
                key.admins.insert(name.to_string());
                key.options.entry("recipients".to_owned()).or_default().add(&id);
            });
        }
        if let Some(text) = &target.host_key {
            named.insert(without_comment(text));
            self.add(text, converted, |key| key.hosts.add(&id));
        }
        for config in target.config.values() {
            each_key(config, "", &mut |path, text| {
                if named.contains(&without_comment(text)) {
                    return;
                }
                self.add(text, converted, |key| {
                    if path == HOST_KEY {
                        return key.hosts.add(&id);
                    }
                    let option = path.split_once('[').map_or(path, |(option, _)| option);
                    key.options.entry(option.to_owned()).or_default().add(&id);
                    key.position.get_or_insert_with(|| format!("{path} of {}", id.name));
                });
            });
        }
    }

    /// Notes where a key is declared, also for the recipient that a backend may convert it to.
    fn add(&mut self, text: &str, converted: &mut BTreeMap<String, Option<String>>, note: impl Fn(&mut DeclaredKey)) {
        let key = without_comment(text);
        let also = converted.entry(key.clone()).or_insert_with(|| artifacts_age::recipient_of_ssh(&key)).clone();
        for key in [Some(key), also].into_iter().flatten() {
            let declared = self.by_key.entry(key).or_default();
            declared.comment = declared.comment.take().or_else(|| comment(text));
            note(declared);
        }
    }

    /// Who a recipient is by the declarations. `claimed` is what its backend says.
    pub(crate) fn label(&self, key: &str, claimed: Option<&String>) -> Option<Label> {
        let declared = self.by_key.get(key);
        let names = declared.map(|declared| {
            let hosts = declared.hosts.first.iter().map(|host| host.name.to_string());
            if declared.admins.is_empty() { hosts.collect() } else { declared.admins.clone() }
        });
        if let Some(names) = names.filter(|names| !names.is_empty()) {
            return Some(Label::Declared(names));
        }
        // What a component or a comment says must not be taken for what is declared.
        let free = |name: &String| !name.trim().is_empty() && !self.taken.contains(name.trim());
        let claim = claimed.filter(|name| free(name)).or_else(|| declared?.comment.as_ref().filter(|name| free(name)));
        let position = || declared.and_then(|declared| declared.position.clone()).map(Label::Position);
        claim.cloned().map(Label::Claimed).or_else(position)
    }

    /// The name of a recipient, of which a receipt says something as well; or its key.
    pub(crate) fn name(&self, key: &str, claimed: Option<&String>) -> String {
        match self.label(key, claimed) {
            Some(label) => label.to_string(),
            None => artifacts_age::fingerprint(key).unwrap_or_else(|| visible_ascii(key).into_owned()),
        }
    }

    /// Where a recipient of this label is declared.
    pub(crate) fn source(&self, key: &str, label: Option<&Label>) -> String {
        let Some(declared) = self.by_key.get(key) else { return String::new() };
        let host = |id: &TargetId| format!("{} {}", id.kind.as_str(), visible_ascii(id.name.as_str()));
        let users = declared.hosts.first.iter().all(|id| id.kind == TargetKind::HomeManager);
        let own = (declared.hosts.count > 0)
            .then(|| format!("{} of {}", if users { "key" } else { "host key" }, declared.hosts.named(host)));
        let name = |id: &TargetId| visible_ascii(id.name.as_str()).into_owned();
        // Where the position is the name, it tells the same of one target.
        let is_position = |places: &Places| places.count == 1 && matches!(label, Some(Label::Position(_)));
        let options = declared.options.iter().filter(|(_, places)| !is_position(places));
        let options = options.map(|(option, places)| format!("{option} of {}", places.named(name)));
        own.into_iter().chain(options).collect::<Vec<_>>().join("; ")
    }

    /// The labels of these recipients for a receipt, by key. A position is none.
    pub(crate) fn for_receipt(
        &self,
        recipients: &Recipients,
        claimed: &BTreeMap<String, String>,
    ) -> BTreeMap<String, String> {
        let keys: BTreeSet<&String> = recipients.of_all_files().collect();
        let label = |key: &String| {
            let label = self.label(key, claimed.get(key))?;
            let names: Vec<&str> = label.names().collect();
            (!names.is_empty()).then(|| (key.clone(), names.join(", ")))
        };
        keys.into_iter().filter_map(label).collect()
    }
}

/// Each text in a configuration that looks like a public key, with its path: `publicUserKeys[1]`.
fn each_key(value: &Value, path: &str, found: &mut impl FnMut(&str, &str)) {
    match value {
        Value::String(text) if ["age1", "ssh-"].iter().any(|begin| text.trim_start().starts_with(begin)) => {
            found(path, text);
        }
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                each_key(item, &format!("{path}[{at}]"), found);
            }
        }
        Value::Object(fields) => {
            for (field, value) in fields {
                let path = if path.is_empty() { field.clone() } else { format!("{path}.{field}") };
                each_key(value, &path, found);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const HOST: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOKp8XPqV+YrDnPKy7nK8Nl+gf47zDJPL/yz7O8RT+go";

    fn keys(targets: &str) -> DeclaredKeys {
        let spec = format!(r#"{{"schema": 1, "targets": [{targets}]}}"#);
        DeclaredKeys::new(&artifacts_declared::parse(&spec).unwrap())
    }

    fn shown(keys: &DeclaredKeys, key: &str, claimed: Option<&str>) -> String {
        let label = keys.label(key, claimed.map(str::to_owned).as_ref());
        label.map_or_else(|| "none".to_owned(), |label| label.to_string())
    }

    #[test]
    fn a_name_comes_from_the_declaration_then_the_component_then_the_comment_then_the_position() {
        let keys = keys(&format!(
            r#"{{"kind": "nixos", "name": "web1", "hostKey": "{HOST} root@x\n", "recipients": {{"alice": "age1alice"}},
                "config": {{"agenix": {{"publicUserKeys": ["age1alice", "ssh-ed25519 BBBB bob smith", "age1nobody"]}}}}}}"#
        ));
        let all = ["age1alice", HOST, "ssh-ed25519 BBBB", "age1nobody", "age1other"];
        assert_eq!(
            all.map(|key| shown(&keys, key, None)),
            ["alice", "web1", "\"bob smith\"", "publicUserKeys[2] of web1", "none"]
        );
        assert_eq!(
            all.map(|key| shown(&keys, key, Some("says so"))),
            ["alice", "web1", "\"says so\"", "\"says so\"", "\"says so\""]
        );
        assert_eq!(
            all.map(|key| keys.source(key, keys.label(key, None).as_ref())),
            ["recipients of web1", "host key of nixos web1", "publicUserKeys of web1", "", ""]
        );
    }

    #[test]
    fn a_key_that_a_backend_converts_keeps_its_name() {
        let keys = keys(&format!(r#"{{"kind": "nixos", "name": "web1", "hostKey": "{HOST}"}}"#));
        let converted = artifacts_age::recipient_of_ssh(HOST).unwrap();
        assert_eq!(shown(&keys, &converted, Some("x")), "web1");
    }

    #[test]
    fn no_one_claims_the_name_of_a_target_or_an_admin() {
        let keys = keys(
            r#"{"kind": "nixos", "name": "web1", "recipients": {"alice": "age1alice"},
                "config": {"agenix": {"publicUserKeys": ["ssh-ed25519 EEEE alice"]}}}"#,
        );
        for claimed in ["alice", " web1 ", "", " "] {
            assert_eq!(shown(&keys, "age1evil", Some(claimed)), "none", "{claimed:?}");
        }
        assert_eq!(shown(&keys, "ssh-ed25519 EEEE", Some("web1")), "publicUserKeys[0] of web1");
    }

    #[test]
    fn many_targets_are_counted() {
        let target = |n: usize| {
            format!(
                r#"{{"kind": "nixos", "name": "web{n}", "recipients": {{"alice": "age1alice", "root": "age1alice"}}}}"#
            )
        };
        let few = keys(&[target(1), target(2), target(3)].join(","));
        assert_eq!(few.source("age1alice", None), "recipients of web1, web2 and web3");
        assert_eq!(shown(&few, "age1alice", None), "alice, root", "one key of two names");
        let many = keys(&(1..=9).map(target).collect::<Vec<_>>().join(","));
        assert_eq!(many.source("age1alice", None), "recipients of web1, web2, web3 and 6 more");
    }

    #[test]
    fn the_option_of_nixos_artifacts_names_the_host_and_a_user_has_a_key_of_its_own() {
        let keys = keys(
            r#"{"kind": "nixos", "name": "web1", "config": {"agenix": {"publicHostKey": "age1host"}}},
               {"kind": "home-manager", "name": "alice", "hostKey": "age1user"}"#,
        );
        assert_eq!(
            (shown(&keys, "age1host", None), keys.source("age1host", None)),
            ("web1".into(), "host key of nixos web1".into())
        );
        assert_eq!(
            (shown(&keys, "age1user", None), keys.source("age1user", None)),
            ("alice".into(), "key of home-manager alice".into())
        );
    }
}
