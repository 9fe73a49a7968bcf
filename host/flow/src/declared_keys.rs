//! Whose keys the declarations name, for people. Nothing of it decides anything.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use artifacts_declared::{
    Label, Name, Recipients, Spec, Target, TargetId, TargetKind, bare_or_quoted, comment, without_comment,
};
use artifacts_text::visible_ascii;
use serde_json::Value;

/// The option of backends that has the target's own key, as nixos-artifacts names it.
const HOST_KEY: &str = "publicHostKey";

/// The option of backends that has the keys of admins, as nixos-artifacts names it.
const USER_KEYS: &str = "publicUserKeys";

/// So many targets, and options of no known name, are named where a key is declared.
const NAMED: usize = 3;

/// Knows whose keys the declarations name.
#[derive(Debug, Default)]
pub struct DeclaredKeys {
    by_key: BTreeMap<String, DeclaredKey>,
    /// The SSH keys that a recipient may be converted from.
    ssh_forms: BTreeMap<String, BTreeSet<String>>,
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
    /// Names of all of them.
    host_names: BTreeSet<String>,
    /// Options that have it, with their targets.
    options: BTreeMap<KeyOption, Places>,
    /// The first position that has it.
    position: Option<String>,
    /// The comment of an SSH key.
    comment: Option<String>,
}

impl DeclaredKey {
    fn is_of_host(&mut self, id: &TargetId) {
        self.hosts.add(id);
        self.host_names.insert(id.name.to_string());
    }
}

/// An option that has keys, other than those of hosts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum KeyOption {
    Recipients,
    UserKeys,
    /// Anyone who can push chose its name.
    Other(String),
}

impl fmt::Display for KeyOption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Recipients => f.write_str("recipients"),
            Self::UserKeys => f.write_str(USER_KEYS),
            Self::Other(option) => Label::Claimed(option.clone()).fmt(f),
        }
    }
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
                key.options.entry(KeyOption::Recipients).or_default().add(&id);
            });
        }
        if let Some(text) = &target.host_key {
            named.insert(without_comment(text));
            self.add(text, converted, |key| key.is_of_host(&id));
        }
        let place = bare_or_quoted(id.name.as_str());
        // Nothing comes of what no artifact uses.
        let used: BTreeSet<&str> =
            target.artifacts.values().filter_map(|it| it.backend.as_ref()).map(Name::as_str).collect();
        let of_target =
            used.into_iter().filter_map(|backend| Some((place.clone(), target.config.get(backend)?.as_object()?)));
        let of_artifacts = target.artifacts.iter().filter_map(|(name, artifact)| {
            let config = artifact.backend_config.get(artifact.backend.as_ref()?.as_str())?;
            Some((format!("{place}/{}", bare_or_quoted(name.as_str())), config))
        });
        let options = of_target
            .chain(of_artifacts)
            .flat_map(|(place, config)| config.iter().map(move |(option, value)| (place.clone(), option, value)));
        for (place, option, value) in options {
            each_key(value, &mut |text, at| match (option.as_str(), at) {
                // The key of a host is that of an admin as well, if both are declared.
                (HOST_KEY, At::Itself) => self.add(text, converted, |key| key.is_of_host(&id)),
                _ if named.contains(&without_comment(text)) => {}
                (USER_KEYS, At::Item(at)) => self.add(text, converted, |key| {
                    key.options.entry(KeyOption::UserKeys).or_default().add(&id);
                    key.position.get_or_insert_with(|| format!("{USER_KEYS}[{at}] of {place}"));
                }),
                _ => self.add(text, converted, |key| {
                    key.options.entry(KeyOption::Other(option.clone())).or_default().add(&id);
                }),
            });
        }
    }

    /// Notes where a key is declared, also for the recipient that a backend may convert it to.
    fn add(&mut self, text: &str, converted: &mut BTreeMap<String, Option<String>>, note: impl Fn(&mut DeclaredKey)) {
        let key = without_comment(text);
        let also = converted.entry(key.clone()).or_insert_with(|| artifacts_age::recipient_of_ssh(&key)).clone();
        if let Some(recipient) = &also {
            self.ssh_forms.entry(recipient.clone()).or_default().insert(key.clone());
        }
        for key in [Some(key), also].into_iter().flatten() {
            let declared = self.by_key.entry(key).or_default();
            declared.comment = declared.comment.take().or_else(|| comment(text));
            note(declared);
        }
    }

    /// Who a recipient is by the declarations, as it is shown. `claimed` is what its backend says.
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
        let free = |name: &&str| !name.is_empty() && !self.taken.contains(*name);
        let comment = declared.and_then(|declared| declared.comment.as_ref());
        let claim = [claimed, comment].into_iter().flatten().map(|name| name.trim()).find(free);
        let position = || declared.and_then(|declared| declared.position.clone()).map(Label::Position);
        claim.map(|name| Label::Claimed(name.to_owned())).or_else(position)
    }

    /// The same with every name that the declarations give it, by which it is compared.
    pub(crate) fn full_label(&self, key: &str, claimed: Option<&String>) -> Option<Label> {
        let label = self.label(key, claimed)?;
        let declared = self.by_key.get(key).filter(|_| label.is_declared());
        Some(declared.map_or(label, |it| Label::Declared(it.admins.union(&it.host_names).cloned().collect())))
    }

    /// The keys of the target or the admin of this name.
    pub(crate) fn keys_named(&self, name: &str) -> impl Iterator<Item = String> {
        let is_named = |key: &DeclaredKey| key.admins.contains(name) || key.host_names.contains(name);
        self.by_key.iter().filter(move |(_, key)| is_named(key)).map(|(key, _)| key.clone())
    }

    /// Whether a target or an admin has this name.
    pub(crate) fn is_name(&self, text: &str) -> bool {
        self.taken.contains(text)
    }

    /// The name of a recipient, of which a receipt says something as well; or its key.
    pub(crate) fn name(&self, key: &str, claimed: Option<&String>) -> String {
        match self.label(key, claimed) {
            Some(label) => label.to_string(),
            None => artifacts_age::fingerprint(key).unwrap_or_else(|| visible_ascii(key).into_owned()),
        }
    }

    /// The declared SSH keys that are this recipient in another form, by the host's own conversion.
    pub(crate) fn ssh_forms(&self, recipient: &str) -> impl Iterator<Item = &String> {
        self.ssh_forms.get(recipient).into_iter().flatten()
    }

    /// Where a recipient of this label is declared.
    pub(crate) fn source(&self, key: &str, label: Option<&Label>) -> String {
        let Some(declared) = self.by_key.get(key) else { return String::new() };
        let host = |id: &TargetId| format!("{} {}", id.kind.as_str(), bare_or_quoted(id.name.as_str()));
        let users = declared.hosts.first.iter().all(|id| id.kind == TargetKind::HomeManager);
        let own = (declared.hosts.count > 0)
            .then(|| format!("{} of {}", if users { "key" } else { "host key" }, declared.hosts.named(host)));
        let name = |id: &TargetId| bare_or_quoted(id.name.as_str());
        // Where the position is the name, it tells the same of one target.
        let is_position = |option: &KeyOption, places: &Places| {
            *option == KeyOption::UserKeys && places.count == 1 && matches!(label, Some(Label::Position(_)))
        };
        let is_known = |option: &&KeyOption| !matches!(option, KeyOption::Other(_));
        let shown = declared.options.keys().filter(is_known).count() + NAMED;
        let options = declared.options.iter().take(shown).filter(|(option, places)| !is_position(option, places));
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

/// Where in the value of an option a text is.
#[derive(Clone, Copy)]
enum At {
    Itself,
    Item(usize),
    Deeper,
}

/// Each text in the value of an option that looks like a public key.
fn each_key(value: &Value, found: &mut impl FnMut(&str, At)) {
    each_key_at(value, At::Itself, found);
}

fn each_key_at(value: &Value, at: At, found: &mut impl FnMut(&str, At)) {
    match value {
        Value::String(text) if ["age1", "ssh-"].iter().any(|begin| text.trim_start().starts_with(begin)) => {
            found(text, at);
        }
        Value::Array(items) => {
            for (item, value) in items.iter().enumerate() {
                each_key_at(value, if matches!(at, At::Itself) { At::Item(item) } else { At::Deeper }, found);
            }
        }
        Value::Object(fields) => fields.values().for_each(|value| each_key_at(value, At::Deeper, found)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const HOST: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOKp8XPqV+YrDnPKy7nK8Nl+gf47zDJPL/yz7O8RT+go";

    /// An artifact that uses agenix.
    const USED: &str = r#""artifacts": {"a": {"backend": "agenix", "files": {"f": {}}}}"#;

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
                "config": {{"agenix": {{"publicUserKeys": ["age1alice", "ssh-ed25519 BBBB bob smith", "age1nobody"]}}}}, {USED}}}"#
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
        let keys = keys(&format!(
            r#"{{"kind": "nixos", "name": "web1", "recipients": {{"alice": "age1alice"}},
                "config": {{"agenix": {{"publicUserKeys": ["ssh-ed25519 EEEE alice"]}}}}, {USED}}}"#,
        ));
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
        let keys = keys(&format!(
            r#"{{"kind": "nixos", "name": "web1", "config": {{"agenix": {{"publicHostKey": "age1host"}}}}, {USED}}},
               {{"kind": "home-manager", "name": "alice", "hostKey": "age1user"}}"#,
        ));
        assert_eq!(
            (shown(&keys, "age1host", None), keys.source("age1host", None)),
            ("web1".into(), "host key of nixos web1".into())
        );
        assert_eq!(
            (shown(&keys, "age1user", None), keys.source("age1user", None)),
            ("alice".into(), "key of home-manager alice".into())
        );
    }

    #[test]
    fn a_key_of_one_artifact_has_a_label_as_one_of_its_target() {
        let artifact = r#"{"backend": "agenix", "files": {"f": {}}, "backendConfig": {
            "agenix": {"publicHostKey": "age1host", "publicUserKeys": ["age1alice", "age1one", "age1two"]},
            "sops-nix": {"publicUserKeys": ["age1other"]}}}"#;
        let keys = keys(&format!(
            r#"{{"kind": "nixos", "name": "web1", "recipients": {{"alice": "age1alice"}}, "artifacts": {{"a": {artifact}}},
                "config": {{"agenix": {{"publicUserKeys": ["age1one"]}}}}}}"#
        ));
        assert_eq!(
            ["age1host", "age1alice", "age1one", "age1two", "age1other"].map(|key| shown(&keys, key, None)),
            ["web1", "alice", "publicUserKeys[0] of web1", "publicUserKeys[2] of web1/a", "none"]
        );
    }

    #[test]
    fn only_known_options_of_backends_in_use_give_a_name_that_is_shown_without_quotes() {
        let config = |config: &str| {
            keys(&format!(r#"{{"kind": "nixos", "name": "web1", "hostKey": "age1host", "config": {config}, {USED}}}"#))
        };
        let told = |config: &DeclaredKeys| {
            let label = config.label("age1evil", None);
            let source = config.source("age1evil", label.as_ref());
            (label.map_or_else(|| "none".to_owned(), |label| label.to_string()), source)
        };
        for (hostile, label, source) in [
            (r#"{"aaa": {"alice (YubiKey), recipients": "age1evil"}}"#, "none", ""),
            (r#"{"aaa": {"publicHostKey": "age1evil"}}"#, "none", ""),
            (r#"{"aaa": {"publicUserKeys": ["age1evil"]}}"#, "none", ""),
            (r#"{"aaa": "age1evil"}"#, "none", ""),
            (
                r#"{"agenix": {"alice (YubiKey), recipients": "age1evil"}}"#,
                "none",
                "\"alice (YubiKey), recipients\" of web1",
            ),
            (r#"{"agenix": {"recipients": "age1evil"}}"#, "none", "\"recipients\" of web1"),
            (
                r#"{"agenix": {"publicUserKeys[0] of web1": "age1evil"}}"#,
                "none",
                "\"publicUserKeys[0] of web1\" of web1",
            ),
            (r#"{"agenix": {"publicHostKey": ["age1evil"]}}"#, "none", "\"publicHostKey\" of web1"),
            (r#"{"agenix": {"a": {"publicHostKey": "age1evil"}}}"#, "none", "\"a\" of web1"),
            (r#"{"agenix": {"publicUserKeys": [["age1evil"]]}}"#, "none", "\"publicUserKeys\" of web1"),
            // A place of no meaning hides none that has one.
            (
                r#"{"aaa": {"alice": "age1evil"}, "agenix": {"alice": "age1evil", "publicUserKeys": ["age1evil"]}}"#,
                "publicUserKeys[0] of web1",
                "\"alice\" of web1",
            ),
            (r#"{"agenix": {"a": "ssh-x", "publicUserKeys": ["age1evil"]}}"#, "publicUserKeys[0] of web1", ""),
        ] {
            assert_eq!(told(&config(hostile)), (label.to_owned(), source.to_owned()), "{hostile}");
        }
        let many: Vec<String> = (0..999).map(|n| format!(r#""o{n}": "age1evil""#)).collect();
        let (_, source) = told(&config(&format!(r#"{{"agenix": {{{}}}}}"#, many.join(","))));
        assert_eq!(source, r#""o0" of web1; "o1" of web1; "o10" of web1"#);
    }

    #[test]
    fn a_target_of_any_name_shows_no_other_name() {
        let target = r#""kind": "nixos", "name": "alice (YubiKey), recipients of web1""#;
        let host = keys(&format!(r#"{{{target}, "hostKey": "age1evil"}}"#));
        let quoted = r#""alice (YubiKey), recipients of web1""#;
        assert_eq!(shown(&host, "age1evil", None), quoted);
        assert_eq!(host.source("age1evil", None), format!("host key of nixos {quoted}"));
        let user =
            keys(&format!(r#"{{{target}, "config": {{"agenix": {{"publicUserKeys": ["age1evil"]}}}}, {USED}}}"#));
        assert_eq!(shown(&user, "age1evil", None), format!("publicUserKeys[0] of {quoted}"));
    }

    #[test]
    fn a_key_is_compared_under_every_name_and_shown_under_few() {
        let target = |n: usize| format!(r#"{{"kind": "nixos", "name": "web{n}", "hostKey": "age1evil"}}"#);
        let names = |keys: &DeclaredKeys| {
            let full = keys.full_label("age1evil", None).unwrap();
            full.names().map(str::to_owned).collect::<Vec<_>>()
        };
        let four = keys(&(1..=4).map(target).collect::<Vec<_>>().join(","));
        assert_eq!(shown(&four, "age1evil", None), "web1, web2, web3");
        assert_eq!(names(&four), ["web1", "web2", "web3", "web4"]);
        let own = r#"{"kind": "nixos", "name": "web1", "hostKey": "age1evil", "recipients": {"newadmin": "age1evil"}}"#;
        assert_eq!(
            (shown(&keys(own), "age1evil", None), names(&keys(own))),
            ("newadmin".into(), vec!["newadmin".into(), "web1".into()])
        );
        // By the option of its backend.
        let own = keys(&format!(
            r#"{{"kind": "nixos", "name": "web1", "recipients": {{"newadmin": "age1evil"}},
                "config": {{"agenix": {{"publicHostKey": "age1evil"}}}}, {USED}}}"#
        ));
        assert_eq!(names(&own), ["newadmin", "web1"]);
    }
}
