use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use artifacts_declared::{
    Artifact, DeclaredFile, Disagreement, Generator, InstanceName, Name, Shared, SharedArtifacts, Spec, Target,
    TargetKind,
};
use artifacts_seam as seam;
use artifacts_text::nix_attribute;
use serde_json::Value;

use crate::admins::Admins;
use crate::dependencies::{dependencies, undeclared};
use crate::{EntryOwners, Instance, Owner, Problem, TargetName, UnitChanges};

/// The instances of a spec, and what is wrong with some of them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Resolved {
    /// Those that are well declared, as far as is known: what one depends on and nothing declares is a problem besides.
    pub instances: BTreeMap<InstanceName, Instance>,
    /// What is wrong with others, and what is depended on and not declared.
    pub problems: Vec<Problem>,
}

impl Resolved {
    /// Takes out of the problems what is depended on and declared by no target that evaluated: where a target that did not may declare it,
    /// it is unknown, and no one's mistake. Returns these with that target.
    pub fn take_unknown(&mut self, owners: &EntryOwners) -> BTreeMap<InstanceName, TargetName> {
        let unknown = |name: &InstanceName| match owners.owner(name)? {
            Owner::Unknown(target) => Some((name.clone(), target)),
            Owner::Declared => None,
        };
        let undeclared = self.problems.iter().filter_map(|problem| problem.undeclared.as_deref());
        let unknown: BTreeMap<_, _> = undeclared.filter_map(unknown).collect();
        self.problems.retain(|problem| problem.undeclared.as_deref().is_none_or(|name| !unknown.contains_key(name)));
        unknown
    }
}

/// One declaration of an artifact, and where it stands.
#[derive(Clone, Copy)]
struct Declaration<'a> {
    target: &'a Target,
    name: &'a Name,
    artifact: &'a Shared<Artifact>,
}

/// Resolves every declaration into the instance it is for. `system` is the Nix system of this machine: of a shared
/// instance's generators the one for it is taken.
pub fn instances(spec: &Spec, system: Option<&str>) -> Resolved {
    let mut resolved = Resolved::default();
    let admins = Admins::new(spec);
    let declarations = declarations(spec);
    let all = declarations.keys().collect();
    let mut shared = SharedArtifacts::default();
    let mut configs = Configs::default();
    let mut instances = Vec::with_capacity(declarations.len());
    for (name, declarations) in &declarations {
        match resolve(name, declarations, system, (&admins, &all), &mut configs) {
            Ok(mut instance) => {
                instance.artifact = shared.share(name.artifact(), instance.artifact);
                resolved.problems.extend(undeclared(&instance, &all));
                instances.push((name.clone(), instance));
            }
            Err(problem) => resolved.problems.push(problem),
        }
    }
    // All at once, in their order: a map that grows by one at its end has half-empty nodes.
    resolved.instances = instances.into_iter().collect();
    resolved
}

fn declarations(spec: &Spec) -> BTreeMap<InstanceName, Vec<Declaration<'_>>> {
    let mut found: BTreeMap<InstanceName, Vec<Declaration<'_>>> = BTreeMap::new();
    for target in &spec.targets {
        for (name, artifact) in &target.artifacts {
            let declaration = Declaration { target, name, artifact };
            found.entry(target.instance(name, artifact)).or_default().push(declaration);
        }
    }
    for declarations in found.values_mut() {
        declarations.sort_by_key(|d| (&d.target.name, d.target.kind));
    }
    found
}

fn resolve<'s>(
    name: &InstanceName,
    declarations: &[Declaration<'s>],
    system: Option<&str>,
    (admins, all): (&Admins<'_>, &BTreeSet<&InstanceName>),
    configs: &mut Configs<'s>,
) -> Result<Instance, Problem> {
    let blocked = declarations.iter().any(|d| d.artifact.blocked);
    let open: Vec<Declaration<'s>> = declarations.iter().copied().filter(|d| !d.artifact.blocked).collect();
    agree(name, &open)?;
    admins.check(name, declarations.iter().map(|d| (d.target, &**d.artifact)))?;
    // A blocked declaration says nothing but that it is there.
    let first = open
        .first()
        .or(declarations.first())
        .copied()
        .ok_or_else(|| Problem::new(name.clone(), "not declared", "declare it below `artifacts.store`"))?;
    let artifact = first.artifact;
    if !blocked && artifact.backend.is_none() {
        let message = format!("no backend (declared by {})", described(first));
        let hint = "set `artifacts.default.backend` or the artifact's own `backend`";
        return Err(Problem::new(name.clone(), message, hint));
    }
    if !blocked && artifact.files.is_empty() {
        let message = format!("no files (declared by {})", described(first));
        let hint = format!("declare one, such as `artifacts.store.{}.files.secret = {{ }};`", key(first));
        return Err(Problem::new(name.clone(), message, hint));
    }
    if !blocked {
        check_typed(name, first)?;
    }
    Ok(Instance {
        name: name.clone(),
        artifact: resolved_artifact(artifact, blocked, generator(&open, system)),
        targets: declarations.iter().map(|d| d.target.id()).collect(),
        dependencies: dependencies(name, (first.target, artifact), all)?,
        units: declarations.iter().filter_map(|d| UnitChanges::new(d.target.id(), d.artifact)).collect(),
        for_backend: for_backend(name, first, declarations, configs),
    })
}

/// Returns an artifact as it was declared, unless something is to be set in it.
fn resolved_artifact(artifact: &Shared<Artifact>, blocked: bool, generator: Option<Generator>) -> Shared<Artifact> {
    let (mut resolved, prompts) = (artifact.clone(), artifact.asked());
    if resolved.blocked != blocked || resolved.generator != generator || resolved.prompts != prompts {
        (resolved.blocked, resolved.generator, resolved.prompts) = (blocked, generator, prompts);
    }
    resolved
}

/// Without a generator, nothing uses prompts that are no files, and nothing reads dependencies.
fn check_typed(name: &InstanceName, d: Declaration<'_>) -> Result<(), Problem> {
    let problem = |message: String, other: String| {
        let message = format!("{message}: no generator (declared by {})", described(d));
        Problem::new(name.clone(), message, format!("set `artifacts.store.{}.generator`, or {other}", key(d)))
    };
    if let Some(prompt) = d.artifact.unused_prompts().next() {
        let file = nix_attribute(prompt.as_str());
        let other = format!("declare a file of this name: `artifacts.store.{}.files.{file} = {{ }};`", key(d));
        return Err(problem(format!("nothing uses its prompt `{prompt}`"), other));
    }
    match d.artifact.dependencies.iter().next() {
        Some((_, dependency)) if d.artifact.is_typed() => {
            let other = format!("remove `{dependency}` from `dependencies`");
            Err(problem(format!("nothing reads its dependency `{dependency}`"), other))
        }
        _ => Ok(()),
    }
}

/// Prefers a generator that this machine can run.
fn generator(declarations: &[Declaration<'_>], system: Option<&str>) -> Option<Generator> {
    let all = || declarations.iter().filter_map(|d| d.artifact.generator.as_ref());
    all().find(|g| system.is_some() && g.system.as_deref() == system).or_else(|| all().next()).cloned()
}

fn for_backend<'s>(
    name: &InstanceName,
    first: Declaration<'s>,
    declarations: &[Declaration<'s>],
    configs: &mut Configs<'s>,
) -> seam::InstanceView {
    let backend = first.artifact.backend.as_ref().map_or("", Name::as_str);
    let file = |(name, file): (&Name, &DeclaredFile)| {
        let targets = declarations.iter().filter(|d| deploys(**d, name, file.deploy)).map(target_ref);
        seam::SecretFile { name: name.to_string(), targets: exact(targets), attrs: Vec::new() }
    };
    seam::InstanceView {
        name: name.to_string(),
        artifact: first.name.to_string(),
        shared: first.artifact.shared,
        targets: declarations
            .iter()
            .map(|d| seam::TargetView {
                kind: d.target.kind.as_str().to_owned(),
                name: d.target.name.to_string(),
                config: configs.of(*d, backend),
                attrs: Vec::new(),
            })
            .collect(),
        files: exact(first.artifact.files.iter().filter(|(_, file)| file.secret).map(file)),
        attrs: Vec::new(),
    }
}

/// Collects few items without room for more: the instances of a fleet are kept for a whole run.
fn exact<T>(items: impl Iterator<Item = T>) -> Vec<T> {
    let mut all: Vec<T> = items.collect();
    all.shrink_to_fit();
    all
}

/// The configurations of targets as texts, each made and held once for all of its artifacts.
#[derive(Default)]
struct Configs<'s>(BTreeMap<(TargetKind, &'s str, String), Arc<str>>);

impl<'s> Configs<'s> {
    /// The configuration of a backend for one artifact of a target: what the artifact sets takes the place of the target's whole
    /// field.
    fn of(&mut self, d: Declaration<'s>, backend: &str) -> Arc<str> {
        let of_target = d.target.config.get(backend);
        let Some(own) = d.artifact.backend_config.get(backend) else {
            let key = (d.target.kind, d.target.name.as_str(), backend.to_owned());
            let text = || of_target.map_or_else(|| "{}".into(), |config| config.to_string().into());
            return Arc::clone(self.0.entry(key).or_insert_with(text));
        };
        let mut config = of_target.and_then(Value::as_object).cloned().unwrap_or_default();
        config.extend(own.clone());
        Value::Object(config).to_string().into()
    }
}

/// Whether a declaration brings a file to its target. One that is blocked has no files yet: it will have the others'.
fn deploys(d: Declaration<'_>, file: &Name, otherwise: bool) -> bool {
    d.artifact.files.get(file).map_or(otherwise, |file| file.deploy)
}

fn target_ref(d: &Declaration<'_>) -> seam::FileTarget {
    seam::FileTarget { kind: d.target.kind.as_str().to_owned(), name: d.target.name.to_string() }
}

/// All declarations of one instance agree, or the first difference is named with both targets.
fn agree(name: &InstanceName, declarations: &[Declaration<'_>]) -> Result<(), Problem> {
    let Some((first, others)) = declarations.split_first() else { return Ok(()) };
    for other in others {
        if !first.artifact.shared {
            let message = format!("declared by both {} and {}", described(*first), described(*other));
            let hint = "give one of the two targets another `artifacts.target`, or make the artifact shared";
            return Err(Problem::new(name.clone(), message, hint));
        }
        if let Err(Disagreement { field, ours, theirs }) = first.artifact.agrees(other.artifact) {
            let (one, two) = (described(*first), described(*other));
            let message = format!("`{field}` differs between {one} and {two}: {ours} and {theirs}");
            let hint = format!("use the same `{field}` in every declaration of `{}`", first.name);
            return Err(Problem::new(name.clone(), message, hint));
        }
    }
    generators_agree(name, declarations)
}

/// Generators are compared among all targets of one system, not only with the first target's.
fn generators_agree(name: &InstanceName, declarations: &[Declaration<'_>]) -> Result<(), Problem> {
    let mut by_system: BTreeMap<Option<&str>, Declaration<'_>> = BTreeMap::new();
    for d in declarations {
        let generator = d.artifact.generator.as_ref();
        let system = generator.and_then(|g| g.system.as_deref()).or(d.target.system.as_deref());
        let Some(first) = by_system.insert(system, *d) else { continue };
        let path = |d: Declaration<'_>| {
            d.artifact.generator.as_ref().map_or_else(|| "none".to_owned(), |g| g.path.display().to_string())
        };
        if path(first) != path(*d) {
            let (one, two) = (described(first), described(*d));
            let message = format!("`generator` differs between {one} and {two}: {} and {}", path(first), path(*d));
            let hint = format!("use the same `generator` in every declaration of `{}`", d.name);
            return Err(Problem::new(name.clone(), message, hint));
        }
    }
    Ok(())
}

fn described(d: Declaration<'_>) -> String {
    format!("{} ({})", d.target.name, d.target.kind.as_str())
}

/// Returns the name of the artifact as Nix reads it in the path of an option.
fn key(d: Declaration<'_>) -> String {
    nix_attribute(d.name.as_str())
}
