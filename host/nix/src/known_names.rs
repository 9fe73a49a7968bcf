//! The names that the newest evaluation found, for completion: what a shell asks at each key cannot wait for Nix.
//!
//! A file of lines beside the cached evaluations; names have neither tabs nor line breaks.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use artifacts_declared::{Spec, TargetKind};
use artifacts_digest::Sha256;

use crate::Nix;
use crate::cache::{is_own, replace};
use crate::flake::local_path;

/// Begins a file.
const HEAD: &str = "artifacts names 1";

/// Holds the names of what a flake declares, as they were when it was last evaluated, in the text that has them: of ten thousand
/// instances a shell wants a few.
#[derive(Debug, Clone)]
pub struct KnownNames(String);

/// The same, sorted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct SortedNames {
    /// Machines and users.
    targets: BTreeSet<String>,
    /// Registered backends.
    backends: BTreeSet<String>,
    /// Instances by full name, each with its files.
    instances: BTreeMap<String, Vec<String>>,
}

impl Nix {
    /// Keeps the names that an evaluation of a flake found. Targets that it did not evaluate keep theirs. Failing to is no fault:
    /// completion knows less.
    pub fn keep_names(&self, reference: &str, spec: &Spec, unevaluated: &[(TargetKind, String)]) {
        let Some(directory) = self.options.cache.as_deref().filter(|directory| is_own(directory)) else { return };
        let base = self.options.directory.as_deref().unwrap_or(Path::new("."));
        let file = file(directory, reference, base);
        let before = fs::read_to_string(&file).ok();
        // Where everything was evaluated, nothing is left of what was known.
        let known = before.clone().filter(|_| !unevaluated.is_empty()).and_then(KnownNames::parse);
        let known = known.map(|known| known.sorted()).unwrap_or_default();
        let text = known.updated(spec, unevaluated).text();
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
        self.of("target\t")
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

    fn of(&self, kind: &'static str) -> impl Iterator<Item = &str> {
        self.0.lines().filter_map(move |line| line.strip_prefix(kind))
    }

    fn sorted(&self) -> SortedNames {
        let instances = self.instances().map(|(name, files)| (name.to_owned(), files.map(str::to_owned).collect()));
        SortedNames {
            targets: self.targets().map(str::to_owned).collect(),
            backends: self.backends().map(str::to_owned).collect(),
            instances: instances.collect(),
        }
    }
}

impl SortedNames {
    /// Returns the names of a spec, with what was known of targets that are not in it.
    fn updated(mut self, spec: &Spec, unevaluated: &[(TargetKind, String)]) -> Self {
        let own: BTreeSet<&str> = unevaluated.iter().map(|(_, name)| name.as_str()).collect();
        let machines = unevaluated.iter().filter(|(kind, _)| *kind != TargetKind::HomeManager);
        let machines: BTreeSet<&str> = machines.map(|(_, name)| name.as_str()).collect();
        // Users inside a machine's configuration are evaluated with it.
        let is_inside = |user: &str| {
            user.match_indices('@').any(|(at, _)| user.get(at + 1..).is_some_and(|of| machines.contains(of)))
        };
        let is_unknown = |name: &str| {
            let mut parts = name.split('/');
            match (parts.next(), parts.next()) {
                (Some("per-machine"), Some(target)) => own.contains(target),
                (Some("per-user"), Some(target)) => own.contains(target) || is_inside(target),
                _ => !unevaluated.is_empty(),
            }
        };
        self.instances.retain(|name, _| is_unknown(name));
        self.targets
            .retain(|target| is_unknown(&format!("per-machine/{target}")) || is_unknown(&format!("per-user/{target}")));
        self.targets.extend(unevaluated.iter().map(|(_, name)| name.clone()));
        self.targets.extend(spec.targets.iter().map(|target| target.name.to_string()));
        if unevaluated.is_empty() {
            self.backends.clear();
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
        self.targets.iter().for_each(|name| line("target", name, &[]));
        self.backends.iter().for_each(|name| line("backend", name, &[]));
        self.instances.iter().for_each(|(name, files)| line("instance", name, files));
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

    fn names(known: &SortedNames) -> Vec<&str> {
        known.instances.keys().map(String::as_str).collect()
    }

    #[test]
    fn names_are_read_as_they_were_kept() {
        let whole = spec(&[("nixos", "web1", &["$(id)", "a b"]), ("home-manager", "alice", &["ssh"])]);
        let known = SortedNames::default().updated(&whole, &[]);
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
        let users = ("home-manager", "bob@web2", &["ssh"][..]);
        let known = SortedNames::default().updated(
            &spec(&[("nixos", "web1", &["old"]), ("nixos", "web2", &["tls"]), users, ("nixos", "gone", &["x"])]),
            &[],
        );
        let known = known.updated(&spec(&[("nixos", "web1", &["new"])]), &[(TargetKind::Nixos, "web2".to_owned())]);
        assert_eq!(
            names(&known),
            ["per-machine/web1/new", "per-machine/web2/tls", "per-user/bob@web2/ssh", "shared/ca"]
        );
        assert_eq!(known.targets, ["bob@web2", "web1", "web2"].map(str::to_owned).into());
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
