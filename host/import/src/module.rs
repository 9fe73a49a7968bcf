use std::collections::BTreeMap;

use artifacts_declared::{TargetId, TargetKind};
use artifacts_text::nix_attribute;
use serde_json::Value;

use crate::found::Placement;
use crate::nix_value::{NixSet, NixValue, bindings};
use crate::{ForeignConfiguration, Proposal, ProposedArtifact};

/// Holds a module as text, and its data in parts that Nix can be asked about.
#[derive(Debug, Clone)]
pub struct ImportModule {
    /// The module.
    pub text: String,
    /// What it declares.
    pub parts: Vec<ModulePart>,
}

/// Holds a part of a module.
#[derive(Debug, Clone, PartialEq)]
pub struct ModulePart {
    /// A set in Nix, as the module has it.
    pub expression: String,
    /// What Nix makes of it.
    pub value: Value,
}

/// Holds what the module has for each target, of machines and of users.
#[derive(Default)]
struct Targets {
    machines: BTreeMap<String, NixSet>,
    users: BTreeMap<String, NixSet>,
}

impl Targets {
    fn of(&mut self, id: &TargetId) -> &mut NixSet {
        let set = if id.kind == TargetKind::HomeManager { &mut self.users } else { &mut self.machines };
        set.entry(id.name.to_string()).or_default()
    }
}

impl Proposal {
    /// Returns the module that declares what is not declared yet; none if that is nothing.
    pub fn module(&self, configurations: &[ForeignConfiguration]) -> Option<ImportModule> {
        let mut stores: BTreeMap<&TargetId, NixSet> = BTreeMap::new();
        for (artifact, target) in self.undeclared() {
            let configuration = configurations.iter().find(|one| one.id == *target)?;
            let value = NixValue::Set(declaration(artifact, configuration));
            stores.entry(target).or_default().insert(artifact.name.to_string(), value);
        }
        if stores.is_empty() {
            return None;
        }
        let mut targets = Targets::default();
        for (target, store) in stores {
            let set = targets.of(target);
            if let Some(key) = self.keys.host_keys.get(target) {
                set.insert("hostKey".to_owned(), NixValue::text(key));
            }
            set.insert("store".to_owned(), NixValue::Set(store));
        }
        Some(written(self, &targets, &self.undeclared_recipients(configurations)))
    }

    /// Returns the recipients that not every configuration declares, as data.
    fn undeclared_recipients(&self, configurations: &[ForeignConfiguration]) -> NixSet {
        let is_new = |name: &String| configurations.iter().any(|one| !one.data.recipients.contains_key(name));
        let new = self.keys.recipients.iter().filter(|(name, _)| is_new(name));
        new.map(|(name, key)| (name.clone(), NixValue::text(key))).collect()
    }
}

fn written(proposal: &Proposal, targets: &Targets, recipients: &NixSet) -> ImportModule {
    let Targets { machines, users } = targets;
    let has_host_keys = machines.values().chain(users.values()).any(|set| set.contains_key("hostKey"));
    let arguments = match (users.is_empty(), has_host_keys) {
        (true, false) => "config, ...",
        (true, true) => "config, lib, ...",
        (false, false) => "config, options, ...",
        (false, true) => "config, lib, options, ...",
    };
    let mut text = format!(
        "# Printed by `artifacts import {}`. Import it into each configuration that it names.\n{{ {arguments} }}:\nlet\n",
        proposal.tool.as_str(),
    );
    let mut parts = Vec::new();
    for (word, sets) in [("machines", machines), ("users", users)].iter().filter(|(_, sets)| !sets.is_empty()) {
        let lines: Vec<String> = sets.iter().map(|(name, set)| own_set(name, set)).collect();
        text.extend(["  ", word, " = {\n", &lines.concat(), "  };\n"]);
        parts.extend(sets.iter().flat_map(|(name, set)| parts_of(name, set)));
    }
    let sets = match (machines.is_empty(), users.is_empty()) {
        (_, true) => "machines",
        (true, false) => "users",
        (false, false) => "(if options ? home then users else machines)",
    };
    text.extend(["  own = ", sets, ".${config.artifacts.target} or { };\nin\n{\n"]);
    if has_host_keys {
        text.push_str("  artifacts.hostKey = lib.mkIf (own ? hostKey) own.hostKey;\n");
    }
    if !recipients.is_empty() {
        text.extend(["  artifacts.recipients = {\n", &bindings(recipients, 4), "  };\n"]);
        parts.extend(short_parts("recipients".to_owned(), NixValue::Set(recipients.clone()), 2));
    }
    text.push_str("  artifacts.store = own.store or { };\n}\n");
    ImportModule { text, parts }
}

/// Bytes that a part has at most, unless one option has more: what a program may be given as one argument is limited.
pub const LARGEST_PART: usize = 64 << 10;

/// Returns the parts of what one target has, none of them large: its name, and each artifact by itself.
fn parts_of(name: &str, set: &NixSet) -> Vec<ModulePart> {
    let mut pairs = vec![(name.to_owned(), NixValue::Set(NixSet::new()))];
    for (option, value) in set {
        match value {
            NixValue::Set(store) => pairs.extend(store.clone()),
            other => pairs.push((option.clone(), other.clone())),
        }
    }
    pairs.into_iter().flat_map(|(name, value)| short_parts(name, value, 8)).collect()
}

/// Returns one binding as one part, or, where that is large, its name and what is in it.
fn short_parts(name: String, value: NixValue, indent: usize) -> Vec<ModulePart> {
    let data = NixSet::from([(name.clone(), value)]);
    let part = ModulePart::new(bindings(&data, indent), &data);
    let inner = data.into_values().next();
    let Some(NixValue::Set(inner)) = inner.filter(|_| part.expression.len() > LARGEST_PART) else { return vec![part] };
    let own = short_parts(name, NixValue::Set(NixSet::new()), indent);
    own.into_iter().chain(inner.into_iter().flat_map(|(name, value)| short_parts(name, value, indent + 2))).collect()
}

/// Writes what one target has, in a set of its own also if it is one line.
fn own_set(name: &str, set: &NixSet) -> String {
    format!("    {} = {{\n{}    }};\n", nix_attribute(name), store_lines(set))
}

/// Writes each artifact in lines of its own.
fn store_lines(set: &NixSet) -> String {
    let line = |(name, value): (&String, &NixValue)| match value {
        NixValue::Set(store) => format!("      {name} = {{\n{}      }};\n", bindings(store, 8)),
        _ => bindings(&NixSet::from([(name.clone(), value.clone())]), 6),
    };
    set.iter().map(line).collect()
}

impl ModulePart {
    fn new(bindings: impl AsRef<str>, data: &NixSet) -> Self {
        Self { expression: format!("{{\n{}}}", bindings.as_ref()), value: NixValue::Set(data.clone()).json() }
    }
}

/// Returns what one target declares of an artifact: what differs from defaults.
fn declaration(artifact: &ProposedArtifact, configuration: &ForeignConfiguration) -> NixSet {
    let mut set = NixSet::new();
    let used = artifact.uses.get(&configuration.id);
    let mut files = NixSet::new();
    for name in artifact.values.keys() {
        let file = match used.and_then(|used| used.get(name)) {
            Some(file) => placed(&file.placement),
            // Another target has it.
            None => NixSet::from([("deploy".to_owned(), NixValue::Bool(false))]),
        };
        files.insert(name.to_string(), NixValue::Set(file));
    }
    set.insert("files".to_owned(), NixValue::Set(files));
    let backend = artifact.backend();
    if configuration.data.backend.as_deref() != Some(backend) {
        set.insert("backend".to_owned(), NixValue::text(backend));
    }
    if backend == "sops-nix" && configuration.data.format.as_deref().unwrap_or("binary") != artifact.format {
        let format = NixSet::from([("format".to_owned(), NixValue::text(artifact.format))]);
        let config = NixSet::from([(backend.to_owned(), NixValue::Set(format))]);
        set.insert("backendConfig".to_owned(), NixValue::Set(config));
    }
    if artifact.is_shared {
        set.insert("shared".to_owned(), NixValue::Bool(true));
    }
    if let Some(recipients) = &artifact.recipients {
        set.insert("recipients".to_owned(), NixValue::List(recipients.iter().cloned().collect()));
    }
    set
}

fn placed(placement: &Placement) -> NixSet {
    let Placement { path, mode, owner, group, restart_units, reload_units, is_for_users, is_kept_back, is_public } =
        placement;
    let mut set = NixSet::new();
    for (option, value) in [("path", path), ("mode", mode), ("owner", owner), ("group", group)] {
        if let Some(value) = value {
            set.insert(option.to_owned(), NixValue::text(value));
        }
    }
    for (option, units) in [("restartUnits", restart_units), ("reloadUnits", reload_units)] {
        if !units.is_empty() {
            set.insert(option.to_owned(), NixValue::List(units.clone()));
        }
    }
    if *is_for_users {
        set.insert("neededFor".to_owned(), NixValue::text("users"));
    }
    for (option, is_off) in [("deploy", is_kept_back), ("secret", is_public)] {
        if *is_off {
            set.insert(option.to_owned(), NixValue::Bool(false));
        }
    }
    set
}
