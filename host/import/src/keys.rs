use std::collections::{BTreeMap, BTreeSet};

use artifacts_declared::{Name, RecipientName, TargetId, TargetKind, comment, without_comment};
use artifacts_text::nix_attribute;

use crate::public_key::{is_public_key, is_showable, not_public};
use crate::{ForeignConfiguration, Remark};

/// Returns the other form of a public key, in which a file of sops has an SSH key.
pub type KeyForms<'a> = &'a dyn Fn(&str) -> Option<String>;

/// What stands before a machine's name in the names that people give to host keys.
const OF_HOSTS: [&str; 8] = ["host_", "host-", "server_", "server-", "machine_", "machine-", "system_", "system-"];

/// Holds whose the public keys are that files are encrypted to: those of machines, and those of admins by name.
#[derive(Debug, Clone, Default)]
pub struct AdminKeys {
    /// Name of each admin's key.
    names: BTreeMap<String, String>,
    /// Keys of the admins by name, as they are declared.
    pub recipients: BTreeMap<String, String>,
    /// Machines by their key.
    hosts: BTreeMap<String, Name>,
    /// Host keys that are not declared yet.
    pub host_keys: BTreeMap<TargetId, String>,
    /// Keys that are left out or have to be looked at.
    pub remarks: Vec<Remark>,
}

impl AdminKeys {
    /// Sorts keys. A machine's is one that is declared as it, or has its name: `web1`, `host_web1`, `root@web1`. All others are those of
    /// admins, so that no one loses access whose key is not known: also a second one that has a machine's name. What is not a public key
    /// is left out.
    pub fn new<'a>(
        configurations: &[ForeignConfiguration],
        keys: impl IntoIterator<Item = &'a String>,
        labels: &BTreeMap<String, String>,
        forms: KeyForms<'_>,
    ) -> Self {
        let mut sorted = Self::default();
        for configuration in configurations {
            sorted.add_declared(configuration, forms);
        }
        for key in keys {
            let all = both(key, forms);
            if !sorted.knows(&all) {
                sorted.add(configurations, key, labels.get(&without_comment(key)), &all);
            }
        }
        sorted
    }

    fn add_declared(&mut self, configuration: &ForeignConfiguration, forms: KeyForms<'_>) {
        let ForeignConfiguration { id, data } = configuration;
        if data.host_key.is_none()
            && let Some(key) = data.rekey.host_key.as_ref().filter(|key| is_public_key(key))
        {
            self.host_keys.insert(id.clone(), key.trim().to_owned());
        }
        for key in data.host_key.iter().chain(&data.rekey.host_key) {
            for form in both(key, forms) {
                self.hosts.entry(form).or_insert_with(|| id.name.clone());
            }
        }
        if data.rekey.host_key.as_ref().is_some_and(|key| !is_public_key(key)) {
            self.remarks.push(not_public(format!("{}: age.rekey", id.name)));
        }
        for (name, key) in &data.recipients {
            if !is_showable(key) {
                self.remarks.push(not_public(format!("{}: artifacts.recipients.{}", id.name, nix_attribute(name))));
                continue;
            }
            self.recipients.entry(name.clone()).or_insert_with(|| key.clone());
            for form in both(key, forms) {
                self.names.entry(form).or_insert_with(|| name.clone());
            }
        }
    }

    /// Returns whether a key is known in one of its forms; from then on it is in all of them.
    fn knows(&mut self, all: &[String]) -> bool {
        let host = all.iter().find_map(|form| self.hosts.get(form).cloned());
        let name = all.iter().find_map(|form| self.names.get(form).cloned());
        for form in all {
            if let Some(host) = &host {
                self.hosts.entry(form.clone()).or_insert_with(|| host.clone());
            }
            if let Some(name) = &name {
                self.names.entry(form.clone()).or_insert_with(|| name.clone());
            }
        }
        host.is_some() || name.is_some()
    }

    fn add(&mut self, configurations: &[ForeignConfiguration], key: &str, label: Option<&String>, all: &[String]) {
        let comment = comment(key);
        let label = label.or(comment.as_ref());
        let machine = label.and_then(|label| machine(configurations, label));
        let is_keyless =
            |one: &&ForeignConfiguration| one.data.host_key.is_none() && !self.host_keys.contains_key(&one.id);
        if let Some(configuration) = machine.filter(is_keyless) {
            self.host_keys.insert(configuration.id.clone(), key.trim().to_owned());
            let name = &configuration.id.name;
            self.hosts.extend(all.iter().map(|form| (form.clone(), name.clone())));
            return;
        }
        let name = self.free_name(configurations, label);
        if let Some(configuration) = machine {
            self.remarks.push(second(configuration, &name));
        }
        self.recipients.insert(name.clone(), key.trim().to_owned());
        self.names.extend(all.iter().map(|form| (form.clone(), name.clone())));
    }

    /// Returns a name that no other key and no target has.
    fn free_name(&self, configurations: &[ForeignConfiguration], label: Option<&String>) -> String {
        let plain = label.map(|label| plain(label)).filter(|name| RecipientName::new(name.as_str()).is_ok());
        let is_free = |name: &String| {
            !self.recipients.contains_key(name) && !configurations.iter().any(|one| one.id.name.as_str() == name)
        };
        let base = plain.unwrap_or_else(|| "key".to_owned());
        let numbered = (1..).map(|number| format!("{base}-{number}"));
        std::iter::once(base.clone()).chain(numbered).find(is_free).unwrap_or(base)
    }

    /// Returns the names of the admins among some keys.
    pub fn admins(&self, keys: &[String]) -> BTreeSet<String> {
        keys.iter().filter_map(|key| self.names.get(&without_comment(key)).cloned()).collect()
    }

    /// Returns the machines among some keys.
    pub fn machines(&self, keys: &[String]) -> BTreeSet<Name> {
        keys.iter().filter_map(|key| self.hosts.get(&without_comment(key)).cloned()).collect()
    }
}

/// Says of a key with a machine's name that it is not the machine's.
fn second(configuration: &ForeignConfiguration, name: &str) -> Remark {
    let why = format!(
        "another key than its `artifacts.hostKey` has its name: it is the recipient `{name}`, to lose no access"
    );
    let action = "if it is the current one, declare it as `artifacts.hostKey`; if it is an older one, remove it, then `artifacts rekey`";
    Remark::new(configuration.id.name.as_str(), why, action)
}

/// Returns a key in both its forms.
fn both(key: &str, forms: KeyForms<'_>) -> Vec<String> {
    let bare = without_comment(key);
    forms(&bare).into_iter().chain([bare.clone()]).collect()
}

/// Returns the machine that a key's name is about.
fn machine<'a>(configurations: &'a [ForeignConfiguration], label: &str) -> Option<&'a ForeignConfiguration> {
    let label = label.strip_prefix("root@").unwrap_or(label);
    let name = OF_HOSTS.iter().find_map(|begin| label.strip_prefix(begin)).unwrap_or(label);
    configurations.iter().find(|one| one.id.kind != TargetKind::HomeManager && one.id.name.as_str() == name)
}

/// Returns a label without what no name of a recipient has.
fn plain(label: &str) -> String {
    let kept = label.chars().map(|c| if c.is_ascii_alphanumeric() || "._@+-".contains(c) { c } else { '-' });
    let name: String = kept.collect();
    name.trim_start_matches(|c: char| !c.is_ascii_alphanumeric()).trim_end_matches('-').to_owned()
}
