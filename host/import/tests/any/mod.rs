//! Configurations and files of other tools with anything in them, made of bytes, and what holds of each.
#![allow(clippy::unwrap_used, clippy::panic)]

mod nix;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use artifacts_declared::{Name, TargetId, TargetKind};
use artifacts_import::{
    ForeignConfiguration, ForeignForm, ImportModule, Proposal, SourceText, Tool, Tree, add_forms, find, key_labels,
    private_key, references,
};
use artifacts_text::has_hidden;
use serde_json::{Map, Value, json};

use nix::Reader;

/// What texts are made of.
const PIECES: [&str; 32] = [
    "a",
    "b",
    "web1",
    "attic",
    "/",
    "-",
    ".",
    " ",
    "${",
    "}",
    "\"",
    "\\",
    "'",
    "''",
    "\n",
    "\r",
    "\t",
    "\u{202e}",
    "\u{1b}",
    "é",
    "$",
    "rec",
    "sops",
    "data",
    "age1abc",
    "age1yubikey1q",
    "ssh-ed25519 AAAA root@web1",
    "AGE-SECRET-KEY-1X",
    ": ",
    "# ",
    "= ",
    "0400",
];

/// Where files are.
const PLACES: [&str; 8] = [
    "a.age",
    "b.yaml",
    "c.json",
    "dir/d.age",
    "vars/per-machine/web1/gen/file/secret",
    "vars/shared/gen/other/value",
    "secrets/clan-vars/per-machine/web1/gen/x/x.age",
    "secrets/per-machine/web1/a/a.age",
];

/// Bytes that decide.
struct Choices<'a>(&'a [u8]);

impl Choices<'_> {
    /// One of so many; the first when all bytes are used.
    fn of(&mut self, count: usize) -> usize {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        usize::from(*first) % count
    }

    fn yes(&mut self) -> bool {
        self.of(2) == 1
    }

    fn text(&mut self) -> String {
        let count = self.of(4);
        let text: String = (0..count).map(|_| PIECES[self.of(PIECES.len())]).collect();
        if text.is_empty() { "a".to_owned() } else { text }
    }

    fn texts(&mut self) -> Vec<String> {
        (0..self.of(3)).map(|_| self.text()).collect()
    }

    /// A text, or nothing.
    fn maybe(&mut self) -> Option<String> {
        self.yes().then(|| self.text())
    }

    fn place(&mut self) -> String {
        match self.of(PLACES.len() + 1) {
            at if at < PLACES.len() => PLACES[at].to_owned(),
            _ => self.text(),
        }
    }

    /// A set of so many at most.
    fn set(&mut self, most: usize, mut value: impl FnMut(&mut Self) -> Value) -> Value {
        let mut set = Map::new();
        for _ in 0..self.of(most + 1) {
            let name = self.text();
            set.insert(name, value(self));
        }
        Value::Object(set)
    }

    fn content(&mut self) -> Vec<u8> {
        match self.of(4) {
            0 => format!("age-encryption.org/v1\n-> {} x\nbody\n--- mac\n", self.text()).into_bytes(),
            1 => {
                let keys: Vec<String> = self.texts().iter().map(|key| format!("{key}: ENC[x]\n")).collect();
                let age: Vec<String> = self.texts().iter().map(|one| format!("        - recipient: {one}\n")).collect();
                let pgp = if self.yes() { "    pgp:\n        - created_at: x\n" } else { "" };
                format!("{}sops:\n    age:\n{}{pgp}", keys.concat(), age.concat()).into_bytes()
            }
            2 => {
                let age: Vec<Value> = self.texts().into_iter().map(|one| json!({ "recipient": one })).collect();
                let key = self.text();
                json!({ key: "ENC[x]", "sops": { "age": age, "pgp": self.texts() } }).to_string().into_bytes()
            }
            _ => {
                let (bytes, rest) = self.0.split_at(self.0.len().min(40));
                self.0 = rest;
                bytes.to_vec()
            }
        }
    }

    fn placement(&mut self) -> Value {
        json!({
            "failed": self.texts(), "path": self.maybe(), "mode": self.maybe(), "owner": self.maybe(),
            "group": self.maybe(), "symlink": self.yes(), "generator": self.yes(), "intermediary": self.yes(),
            "restartUnits": self.texts(), "reloadUnits": self.texts(), "neededForUsers": self.yes(),
        })
    }

    fn agenix(&mut self) -> Value {
        let mut option = self.placement();
        option["file"] = json!(format!("/src/{}", self.place()));
        if self.yes() {
            option["rekeyFile"] = json!(format!("/src/{}", self.place()));
        }
        option
    }

    fn sops(&mut self) -> Value {
        let mut option = self.placement();
        option["sopsFile"] = json!(format!("/src/{}", self.place()));
        let format = ["yaml", "json", "binary", "dotenv"][self.of(4)];
        option["format"] = json!(format);
        option["key"] = json!(self.maybe());
        option
    }

    fn clan(&mut self) -> Value {
        let share = self.yes();
        json!({ "share": share, "files": { "file": self.placement(), "other": { "secret": self.yes() } } })
    }

    fn data(&mut self) -> Value {
        let declared = |choices: &mut Self| {
            let shared = choices.yes();
            json!({ "shared": shared, "files": choices.texts() })
        };
        json!({
            "hasArtifacts": self.yes(), "backend": self.maybe(), "format": self.maybe(), "hostKey": self.maybe(),
            "recipients": { "alice": self.text() }, "declared": self.set(2, declared),
            "agenix": self.set(4, Self::agenix), "sops": self.set(4, Self::sops), "clan": self.set(2, Self::clan),
            "rekey": { "hostKey": self.maybe(), "masters": self.texts(), "others": self.texts() },
            "templates": self.texts(),
        })
    }
}

/// Files below `/src`.
struct Files(BTreeMap<PathBuf, Vec<u8>>);

impl Tree for Files {
    fn locate(&self, path: &str) -> Result<PathBuf, String> {
        path.strip_prefix("/src/").map(PathBuf::from).ok_or_else(|| "elsewhere".to_owned())
    }

    fn read(&self, path: &Path) -> Result<Vec<u8>, String> {
        self.0.get(path).cloned().ok_or_else(|| "no such file".to_owned())
    }

    fn list(&self, dir: &Path) -> Vec<PathBuf> {
        self.0.keys().filter(|path| path.starts_with(dir)).cloned().collect()
    }
}

/// Asserts that an import of whatever these bytes make panics nowhere, and that Nix reads in what it prints what was found.
pub fn check(bytes: &[u8]) {
    let choices = &mut Choices(bytes);
    let tools = [Tool::Agenix, Tool::Sops, Tool::AgenixRekey, Tool::Clan, Tool::NixosArtifacts];
    let tool = tools[choices.of(tools.len())];
    let ids = [(TargetKind::Nixos, "web1"), (TargetKind::HomeManager, "alice@web1"), (TargetKind::Nixos, "a${b}")];
    let id = |at: usize| TargetId { kind: ids[at].0, name: ids[at].1.parse().unwrap() };
    let data = |choices: &mut Choices<'_>| serde_json::from_value(choices.data()).unwrap();
    let mut configurations: Vec<ForeignConfiguration> =
        (0..=choices.of(2)).map(|at| ForeignConfiguration { id: id(at), data: data(choices) }).collect();
    let place = "its specialisation".to_owned();
    let form = choices.yes().then(|| ForeignForm { id: id(choices.of(3)), place, data: Some(data(choices)) });
    let forms = add_forms(tool, &mut configurations, form);
    let files = Files((0..choices.of(8)).map(|_| (PathBuf::from(choices.place()), choices.content())).collect());
    let mut findings = find(tool, &configurations, &files);
    findings.forms = forms;
    findings.recipients.insert(PathBuf::from(choices.place()), choices.texts());
    let source = SourceText { path: choices.place(), text: choices.texts().join(" = ") };
    let mut labels = BTreeMap::new();
    key_labels(&source.text, &mut labels);
    let proposal = Proposal::new(tool, &configurations, findings, &labels, &|key| {
        key.strip_prefix("ssh-ed25519 ").map(|blob| format!("age1of{blob}"))
    });
    let _ = references(&proposal, &[source]);
    let sources: BTreeSet<_> = proposal.sources().into_iter().map(|(instance, ..)| instance).collect();
    assert!(proposal.by_hand().keys().all(|instance| !sources.contains(instance)), "taken and left at once");
    if let Some(module) = proposal.module(&configurations) {
        says_what_was_found(&proposal, &module);
    }
}

fn says_what_was_found(proposal: &Proposal, module: &ImportModule) {
    let text = &module.text;
    assert!(!text.split('\n').any(has_hidden), "{text:?}");
    // An import prints nothing of it.
    if private_key(text).is_some() {
        return;
    }
    for part in &module.parts {
        assert_eq!(Reader::set(&part.expression).as_ref(), Ok(&part.value), "{}", part.expression);
    }
    let read = Reader::module(text).unwrap_or_else(|why| panic!("{why}\n{text}"));
    let mut left: usize = ["machines", "users"]
        .iter()
        .filter_map(|sets| read[*sets].as_object())
        .flat_map(Map::values)
        .map(|target| target["store"].as_object().map_or(0, Map::len))
        .sum();
    for (artifact, id) in proposal.undeclared() {
        let sets = if id.kind == TargetKind::HomeManager { "users" } else { "machines" };
        let target = &read[sets][id.name.as_str()];
        assert_eq!(target["hostKey"].as_str(), proposal.keys.host_keys.get(id).map(String::as_str), "{text}");
        let files = target["store"][artifact.name.as_str()]["files"].as_object().unwrap();
        let names: Vec<&str> = artifact.values.keys().map(Name::as_str).collect();
        assert!(files.keys().all(|name| names.contains(&name.as_str())) && files.len() == names.len(), "{text}");
        for (name, file) in artifact.uses.get(id).into_iter().flatten() {
            let (found, meant) = (&files[name.as_str()], &file.placement);
            let texts =
                [("path", &meant.path), ("mode", &meant.mode), ("owner", &meant.owner), ("group", &meant.group)];
            for (option, value) in texts {
                assert_eq!(found[option].as_str(), value.as_deref(), "{option}\n{text}");
            }
            for (option, units) in [("restartUnits", &meant.restart_units), ("reloadUnits", &meant.reload_units)] {
                assert_eq!(found[option].as_array().map_or(0, Vec::len), units.len(), "{option}\n{text}");
            }
        }
        left -= 1;
    }
    assert_eq!(left, 0, "what no one has is declared\n{text}");
    for (name, key) in read["artifacts"]["recipients"].as_object().into_iter().flatten() {
        assert_eq!(key.as_str(), proposal.keys.recipients.get(name).map(String::as_str), "{text}");
    }
}
