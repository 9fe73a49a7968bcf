//! The names that the newest evaluation found, for completion: what a shell asks at each key cannot wait for Nix.
//!
//! A file of lines beside the cached evaluations; names have neither tabs nor line breaks.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use artifacts_declared::{Spec, TargetId, TargetKind};
use artifacts_digest::Sha256;

use crate::cache::{is_own, replace};
use crate::flake::local_path;
use crate::{Evaluation, Nix, TargetRef};

/// Begins a file.
const HEAD: &str = "artifacts names 1";

/// Holds the names of what a flake declares, as they were when it was last evaluated, in the text that has them: of ten thousand
/// instances a shell wants a few.
#[derive(Debug, Clone)]
pub struct KnownNames(String);

/// The same, sorted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct SortedNames {
    /// Machines and users, each with the exported configuration that it is inside of, if it is in one.
    targets: BTreeMap<String, Option<String>>,
    /// Registered backends.
    backends: BTreeSet<String>,
    /// Instances by full name, each with its files.
    instances: BTreeMap<String, Vec<String>>,
    /// Admins and targets whose keys were ever declared: who left is not declared any more.
    recipients: BTreeSet<String>,
}

impl Nix {
    /// Keeps the names that an evaluation of a flake found. Targets that it did not evaluate keep theirs. Failing to is no fault:
    /// completion knows less.
    pub fn keep_names(&self, reference: &str, evaluation: &Evaluation, unevaluated: &[(TargetKind, String)]) {
        let Some(directory) = self.options.cache.as_deref().filter(|directory| is_own(directory)) else { return };
        let base = self.options.directory.as_deref().unwrap_or(Path::new("."));
        let file = file(directory, reference, base);
        let before = fs::read_to_string(&file).ok();
        let known = before.clone().and_then(KnownNames::parse).map(|known| known.sorted()).unwrap_or_default();
        let text = known.updated(&evaluation.spec, &evaluation.exported, unevaluated).text();
        if before.as_deref() != Some(text.as_str()) {
            let _ = replace(&file, text.as_bytes());
        }
    }
}

impl KnownNames {
    /// Reads what is known of a flake, from the directory of cached evaluations; nothing if it was never evaluated. Relative
    /// references begin at `base`.
    pub fn read(directory: &Path, reference: &str, base: &Path) -> Option<Self> {
        Self::parse(fs::read_to_string(file(directory, reference, base)).ok()?)
    }

    /// Takes a text that was kept; none of another version.
    pub fn parse(text: String) -> Option<Self> {
        (text.lines().next() == Some(HEAD)).then_some(Self(text))
    }

    /// Returns machines and users.
    pub fn targets(&self) -> impl Iterator<Item = &str> {
        self.of("target\t").map(|line| line.split('\t').next().unwrap_or(line))
    }

    /// Returns registered backends.
    pub fn backends(&self) -> impl Iterator<Item = &str> {
        self.of("backend\t")
    }

    /// Returns instances by full name, each with its files.
    pub fn instances(&self) -> impl Iterator<Item = (&str, impl Iterator<Item = &str>)> {
        self.of("instance\t").map(|line| {
            let (name, files) = line.split_once('\t').unwrap_or((line, ""));
            (name, files.split('\t').filter(|file| !file.is_empty()))
        })
    }

    /// Returns whose values may be rotated: admins and targets, also of before.
    pub fn recipients(&self) -> impl Iterator<Item = &str> {
        self.of("recipient\t")
    }

    fn of(&self, kind: &'static str) -> impl Iterator<Item = &str> {
        self.0.lines().filter_map(move |line| line.strip_prefix(kind))
    }

    fn sorted(&self) -> SortedNames {
        let instances = self.instances().map(|(name, files)| (name.to_owned(), files.map(str::to_owned).collect()));
        let target = |line: &str| match line.split_once('\t') {
            Some((name, of)) => (name.to_owned(), Some(of.to_owned())),
            None => (line.to_owned(), None),
        };
        SortedNames {
            targets: self.of("target\t").map(target).collect(),
            backends: self.backends().map(str::to_owned).collect(),
            instances: instances.collect(),
            recipients: self.recipients().map(str::to_owned).collect(),
        }
    }
}

impl SortedNames {
    /// Returns the names of a spec, with what was known of targets that are not in it.
    fn updated(
        mut self,
        spec: &Spec,
        exported: &BTreeMap<TargetId, TargetRef>,
        unevaluated: &[(TargetKind, String)],
    ) -> Self {
        let own: BTreeSet<&str> = unevaluated.iter().map(|(_, name)| name.as_str()).collect();
        let machines = unevaluated.iter().filter(|(kind, _)| *kind != TargetKind::HomeManager);
        let machines: BTreeSet<&str> = machines.map(|(_, name)| name.as_str()).collect();
        // What is inside a machine's configuration is evaluated with it.
        self.targets.retain(|target, of| {
            own.contains(target.as_str()) || of.as_ref().is_some_and(|of| machines.contains(of.as_str()))
        });
        let targets = std::mem::take(&mut self.targets);
        self.instances.retain(|name, _| {
            let mut parts = name.split('/');
            match (parts.next(), parts.next()) {
                (Some("per-machine" | "per-user"), Some(target)) => targets.contains_key(target),
                _ => !unevaluated.is_empty(),
            }
        });
        self.targets = targets;
        for (_, name) in unevaluated {
            self.targets.entry(name.clone()).or_insert(None);
        }
        let inside = |target: &artifacts_declared::Target| {
            exported.get(&target.id()).map(|of| of.name.clone()).filter(|of| of != target.name.as_str())
        };
        self.targets.extend(spec.targets.iter().map(|target| (target.name.to_string(), inside(target))));
        if unevaluated.is_empty() {
            self.backends.clear();
        }
        for target in &spec.targets {
            self.recipients.extend(target.recipients.keys().map(ToString::to_string));
            self.recipients.insert(target.name.to_string());
        }
        self.backends.extend(spec.backends.keys().map(ToString::to_string));
        for target in &spec.targets {
            for (name, artifact) in &target.artifacts {
                let instance = target.instance(name, artifact);
                let files = artifact.files.keys().map(ToString::to_string).collect();
                self.instances.insert(instance.to_string(), files);
                self.backends.extend(artifact.backend.iter().map(ToString::to_string));
            }
        }
        self
    }

    fn text(&self) -> String {
        let mut text = format!("{HEAD}\n");
        let mut line = |kind: &str, name: &str, more: &[String]| {
            text.extend([kind, "\t", name]);
            text.extend(more.iter().flat_map(|more| ["\t", more]));
            text.push('\n');
        };
        self.targets.iter().for_each(|(name, of)| line("target", name, of.as_slice()));
        self.backends.iter().for_each(|name| line("backend", name, &[]));
        self.instances.iter().for_each(|(name, files)| line("instance", name, files));
        self.recipients.iter().for_each(|name| line("recipient", name, &[]));
        text
    }
}

/// Returns the file of a flake's names.
fn file(directory: &Path, reference: &str, base: &Path) -> PathBuf {
    let source = match local(reference, base) {
        Some(flake) => format!("dir {}", flake.display()),
        None => format!("ref {reference}"),
    };
    directory.join(format!("{}.names", Sha256::digest(source.as_bytes())))
}

/// Returns the directory of a flake that is named by a path, as Nix looks for it: the next one upwards that has a `flake.nix`.
fn local(reference: &str, base: &Path) -> Option<PathBuf> {
    let path = local_path(reference).filter(|_| !reference.contains(['?', '#']))?;
    let directory = base.join(path).canonicalize().ok()?;
    let flake = directory.ancestors().find(|above| above.join("flake.nix").exists());
    Some(flake.unwrap_or(&directory).to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    fn spec(targets: &[(&str, &str, &[&str])]) -> Spec {
        let target = |(kind, name, artifacts): &(&str, &str, &[&str])| {
            let artifact =
                |name: &&str| ((*name).to_owned(), json!({"backend": "agenix", "files": {"a b": {}, "key": {}}}));
            let mut artifacts: serde_json::Map<_, _> = artifacts.iter().map(artifact).collect();
            artifacts.insert("ca".to_owned(), json!({"shared": true, "files": {"cert": {}}}));
            json!({"kind": kind, "name": name, "artifacts": artifacts})
        };
        let targets: Vec<_> = targets.iter().map(target).collect();
        artifacts_declared::parse(&json!({"schema": 1, "targets": targets}).to_string()).unwrap()
    }

    /// Each target of these is inside the other one.
    fn inside(pairs: &[(&str, &str, &str)]) -> BTreeMap<TargetId, TargetRef> {
        let one = |(kind, name, of): &(&str, &str, &str)| {
            let id = serde_json::from_value(json!({"kind": kind, "name": name})).unwrap();
            (id, TargetRef { kind: TargetKind::Nixos, name: (*of).to_owned() })
        };
        pairs.iter().map(one).collect()
    }

    fn names(known: &SortedNames) -> Vec<&str> {
        known.instances.keys().map(String::as_str).collect()
    }

    #[test]
    fn names_are_read_as_they_were_kept() {
        let whole = spec(&[("nixos", "web1", &["$(id)", "a b"]), ("home-manager", "alice", &["ssh"])]);
        let known = SortedNames::default().updated(&whole, &inside(&[("home-manager", "alice", "web1")]), &[]);
        assert_eq!(KnownNames::parse(known.text()).unwrap().sorted(), known);
        assert_eq!(
            names(&known),
            ["per-machine/web1/$(id)", "per-machine/web1/a b", "per-user/alice/ssh", "shared/ca"]
        );
        assert_eq!(known.instances["per-machine/web1/a b"], ["a b", "key"]);
        assert_eq!((known.targets.len(), known.backends.len()), (2, 1));
        assert!(KnownNames::parse("artifacts names 2\ntarget\tx\n".to_owned()).is_none());
    }

    #[test]
    fn what_was_not_evaluated_keeps_its_names_and_what_is_gone_does_not() {
        let targets = [
            ("nixos", "web1", &["old"][..]),
            ("nixos", "web2", &["tls"]),
            ("home-manager", "bob@web2", &["ssh"]),
            ("nixos", "db", &["pg"]),
            ("nixos", "old-db", &["pg"]),
            ("nixos", "gone", &["x"]),
        ];
        let places = [
            ("home-manager", "bob@web2", "web2"),
            ("nixos", "db", "web2"),
            ("nixos", "old-db", "web1"),
            ("nixos", "web1", "web1"),
        ];
        let known = SortedNames::default().updated(&spec(&targets), &inside(&places), &[]);
        let web2 = [(TargetKind::Nixos, "web2".to_owned())];
        let known = known.updated(&spec(&[("nixos", "web1", &["new"])]), &inside(&places[3..]), &web2);
        assert_eq!(
            names(&known),
            ["per-machine/db/pg", "per-machine/web1/new", "per-machine/web2/tls", "per-user/bob@web2/ssh", "shared/ca"]
        );
        let text = known.text();
        let known = KnownNames::parse(text).unwrap();
        assert_eq!(known.targets().collect::<Vec<_>>(), ["bob@web2", "db", "web1", "web2"]);
        // Where each is inside is known in the next run, too.
        let web2 = [(TargetKind::Nixos, "web2".to_owned())];
        let known = known.sorted().updated(&spec(&[("nixos", "web1", &[])]), &inside(&places[3..]), &web2);
        assert_eq!(known.targets.keys().collect::<Vec<_>>(), ["bob@web2", "db", "web1", "web2"]);
    }

    #[test]
    fn who_left_is_still_known() {
        let with = |admins: serde_json::Value| {
            let target = json!({"kind": "nixos", "name": "web1", "artifacts": {}, "recipients": admins});
            artifacts_declared::parse(&json!({"schema": 1, "targets": [target]}).to_string()).unwrap()
        };
        let key = "age1qyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqs3290gq";
        let before = SortedNames::default().updated(&with(json!({"alice": key, "bob": key})), &BTreeMap::new(), &[]);
        let known = KnownNames::parse(before.text()).unwrap().sorted();
        let now = known.updated(&with(json!({"alice": key})), &BTreeMap::new(), &[]);
        assert_eq!(now.recipients.iter().collect::<Vec<_>>(), ["alice", "bob", "web1"]);
    }

    #[test]
    fn a_flake_is_the_same_from_every_directory_in_it() {
        let dir = tempfile::tempdir().unwrap();
        let below = dir.path().join("machines/web1");
        fs::create_dir_all(&below).unwrap();
        fs::write(dir.path().join("flake.nix"), "").unwrap();
        let (cache, top) = (Path::new("/cache"), file(Path::new("/cache"), ".", dir.path()));
        assert_eq!(file(cache, ".", &below), top);
        assert_eq!(file(cache, "../..", &below), top);
        assert_eq!(file(cache, dir.path().to_str().unwrap(), Path::new("/")), top);
        assert_ne!(file(cache, "github:a/b", dir.path()), top);
        assert_ne!(file(cache, "..", dir.path()), top);
    }
}
