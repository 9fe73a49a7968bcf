use std::collections::BTreeMap;

use artifacts_declared::{Artifact, Disagreement, Generator, InstanceName, Name, Spec, Target};
use artifacts_seam as seam;
use serde_json::Value;

use crate::admins::Admins;
use crate::{Instance, Problem};

/// The instances of a spec, and what is wrong with some of them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Resolved {
    /// Those that are well declared.
    pub instances: BTreeMap<InstanceName, Instance>,
    /// Those that are not.
    pub problems: Vec<Problem>,
}

/// One declaration of an artifact, and where it stands.
#[derive(Clone, Copy)]
struct Declaration<'a> {
    target: &'a Target,
    name: &'a Name,
    artifact: &'a Artifact,
}

/// Resolves every declaration into the instance it is for. `system` is the Nix system of this machine: of a shared
/// instance's generators the one for it is taken.
pub fn instances(spec: &Spec, system: Option<&str>) -> Resolved {
    let mut resolved = Resolved::default();
    let admins = Admins::new(spec);
    for (name, declarations) in declarations(spec) {
        match resolve(&name, &declarations, system, &admins) {
            Ok(instance) => {
                resolved.instances.insert(name, instance);
            }
            Err(problem) => resolved.problems.push(problem),
        }
    }
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

fn resolve(
    name: &InstanceName,
    declarations: &[Declaration<'_>],
    system: Option<&str>,
    admins: &Admins<'_>,
) -> Result<Instance, Problem> {
    let blocked = declarations.iter().any(|d| d.artifact.blocked);
    let open: Vec<Declaration<'_>> = declarations.iter().copied().filter(|d| !d.artifact.blocked).collect();
    agree(name, &open)?;
    admins.check(name, declarations.iter().map(|d| (d.target, d.artifact)))?;
    // A blocked declaration says nothing but that it is there.
    let first = open.first().or(declarations.first()).copied().ok_or_else(|| Problem {
        instance: name.clone(),
        message: "not declared".to_owned(),
        hint: "declare it below `artifacts.store`".to_owned(),
    })?;
    let artifact = first.artifact;
    if !blocked && artifact.backend.is_none() {
        return Err(Problem {
            instance: name.clone(),
            message: format!("no backend (declared by {})", described(first)),
            hint: "set `artifacts.default.backend` or the artifact's own `backend`".to_owned(),
        });
    }
    if !blocked && artifact.files.is_empty() {
        return Err(Problem {
            instance: name.clone(),
            message: format!("no files (declared by {})", described(first)),
            hint: format!("declare one, such as `artifacts.store.{}.files.secret = {{ }};`", first.name),
        });
    }
    if !blocked {
        check_typed(name, first)?;
    }
    Ok(Instance {
        name: name.clone(),
        artifact: Artifact {
            blocked,
            generator: generator(&open, system),
            prompts: artifact.asked(),
            ..artifact.clone()
        },
        targets: declarations.iter().map(|d| d.target.id()).collect(),
        dependencies: dependencies(name, first)?,
        for_backend: for_backend(name, first, declarations),
    })
}

/// Without a generator, nothing uses prompts that are no files, and nothing reads dependencies.
fn check_typed(name: &InstanceName, d: Declaration<'_>) -> Result<(), Problem> {
    let problem = |message: String, other: String| Problem {
        instance: name.clone(),
        message: format!("{message}: no generator (declared by {})", described(d)),
        hint: format!("set `artifacts.store.{}.generator`, or {other}", d.name),
    };
    if let Some(prompt) = d.artifact.unused_prompts().next() {
        let other = format!("declare a file of this name: `artifacts.store.{}.files.{prompt} = {{ }};`", d.name);
        return Err(problem(format!("nothing uses its prompt `{prompt}`"), other));
    }
    match d.artifact.dependencies.first() {
        Some(dependency) if d.artifact.is_typed() => {
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

/// Each dependency by name: a shared artifact of the same target, or the target's own. A shared artifact may depend only
/// on shared ones, since it has no target.
fn dependencies(name: &InstanceName, d: Declaration<'_>) -> Result<BTreeMap<Name, InstanceName>, Problem> {
    let mut found = BTreeMap::new();
    for dependency in &d.artifact.dependencies {
        let problem = |message: String, hint: String| Problem { instance: name.clone(), message, hint };
        let Some(artifact) = d.target.artifacts.get(dependency) else {
            return Err(problem(
                format!("unknown dependency `{dependency}`: {} does not declare it", described(d)),
                format!("declare `artifacts.store.{dependency}` there, or remove it from `dependencies`"),
            ));
        };
        let target = d.target.instance(dependency, artifact);
        if d.artifact.shared && !artifact.shared {
            return Err(problem(
                format!("a shared artifact cannot depend on `{dependency}`, which is {target} alone"),
                format!("set `artifacts.store.{dependency}.shared = true`"),
            ));
        }
        found.insert(dependency.clone(), target);
    }
    Ok(found)
}

fn for_backend(name: &InstanceName, first: Declaration<'_>, declarations: &[Declaration<'_>]) -> seam::InstanceView {
    let backend = first.artifact.backend.as_ref().map_or("", Name::as_str);
    seam::InstanceView {
        name: name.to_string(),
        artifact: first.name.to_string(),
        shared: first.artifact.shared,
        targets: declarations
            .iter()
            .map(|d| seam::TargetView {
                kind: d.target.kind.as_str().to_owned(),
                name: d.target.name.to_string(),
                config: config(d, backend),
                attrs: Vec::new(),
            })
            .collect(),
        files: first
            .artifact
            .files
            .iter()
            .filter(|(_, file)| file.secret)
            .map(|(name, file)| seam::SecretFile {
                name: name.to_string(),
                targets: declarations
                    .iter()
                    .filter(|d| deploys(**d, name, file.deploy))
                    .map(|d| target_ref(d))
                    .collect(),
                attrs: Vec::new(),
            })
            .collect(),
        attrs: Vec::new(),
    }
}

/// The configuration of a backend for one artifact of a target: what the artifact sets takes the place of the target's whole field.
fn config(d: &Declaration<'_>, backend: &str) -> String {
    let of_target = d.target.config.get(backend);
    let Some(own) = d.artifact.backend_config.get(backend) else {
        return of_target.map_or_else(|| "{}".to_owned(), ToString::to_string);
    };
    let mut config = of_target.and_then(Value::as_object).cloned().unwrap_or_default();
    config.extend(own.clone());
    Value::Object(config).to_string()
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
            return Err(Problem {
                instance: name.clone(),
                message: format!("declared by both {} and {}", described(*first), described(*other)),
                hint: "give one of the two targets another `artifacts.target`, or make the artifact shared".to_owned(),
            });
        }
        if let Err(Disagreement { field, ours, theirs }) = first.artifact.agrees(other.artifact) {
            return Err(Problem {
                instance: name.clone(),
                message: format!(
                    "`{field}` differs between {} and {}: {ours} and {theirs}",
                    described(*first),
                    described(*other)
                ),
                hint: format!("use the same `{field}` in every declaration of `{}`", first.name),
            });
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
            return Err(Problem {
                instance: name.clone(),
                message: format!(
                    "`generator` differs between {} and {}: {} and {}",
                    described(first),
                    described(*d),
                    path(first),
                    path(*d)
                ),
                hint: format!("use the same `generator` in every declaration of `{}`", d.name),
            });
        }
    }
    Ok(())
}

fn described(d: Declaration<'_>) -> String {
    format!("{} ({})", d.target.name, d.target.kind.as_str())
}
