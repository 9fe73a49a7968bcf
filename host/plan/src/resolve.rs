use std::collections::{BTreeMap, BTreeSet};

use artifacts_seam as seam;
use artifacts_spec::{Artifact, InstanceName, Name, Spec, Target};

use crate::{Instance, Problem, Reader};

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
    for (name, declarations) in declarations(spec) {
        match resolve(&name, &declarations, system) {
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
            found.entry(instance_name(declaration)).or_default().push(declaration);
        }
    }
    for declarations in found.values_mut() {
        declarations.sort_by_key(|d| (&d.target.name, d.target.kind));
    }
    found
}

fn instance_name(d: Declaration<'_>) -> InstanceName {
    if d.artifact.shared {
        InstanceName::Shared { artifact: d.name.clone() }
    } else {
        InstanceName::of(d.target.kind, d.target.name.clone(), d.name.clone())
    }
}

fn resolve(name: &InstanceName, declarations: &[Declaration<'_>], system: Option<&str>) -> Result<Instance, Problem> {
    let blocked = declarations.iter().any(|d| d.artifact.blocked);
    let open: Vec<Declaration<'_>> = declarations.iter().copied().filter(|d| !d.artifact.blocked).collect();
    agree(name, &open)?;
    // A blocked declaration says nothing but that it is there.
    let first = open.first().or(declarations.first()).copied().ok_or_else(|| Problem {
        instance: name.clone(),
        message: "it is declared nowhere".to_owned(),
        help: "declare it below `artifacts.store`".to_owned(),
    })?;
    let artifact = first.artifact;
    if !blocked && artifact.backend.is_none() {
        return Err(Problem {
            instance: name.clone(),
            message: format!("it has no backend (declared by {})", described(first)),
            help: "set `artifacts.default.backend` or the artifact's own `backend`".to_owned(),
        });
    }
    if !blocked && artifact.files.is_empty() {
        return Err(Problem {
            instance: name.clone(),
            message: format!("it declares no files (declared by {})", described(first)),
            help: format!("declare one, such as `artifacts.store.{}.files.secret = {{ }};`", first.name),
        });
    }
    Ok(Instance {
        name: name.clone(),
        backend: artifact.backend.clone(),
        description: artifact.description.clone(),
        blocked,
        targets: declarations.iter().map(|d| Reader { name: d.target.name.clone(), kind: d.target.kind }).collect(),
        files: artifact.files.clone(),
        prompts: artifact.prompts.clone(),
        dependencies: dependencies(name, first)?,
        validation: artifact.validation.clone(),
        max_age: artifact.max_age,
        timeout: artifact.timeout,
        network: artifact.network,
        generator: generator(&open, system),
        told: told(name, first, declarations),
    })
}

/// Prefers a generator that this machine can run.
fn generator(declarations: &[Declaration<'_>], system: Option<&str>) -> Option<artifacts_spec::Generator> {
    let all = || declarations.iter().filter_map(|d| d.artifact.generator.as_ref());
    all().find(|g| system.is_some() && g.system.as_deref() == system).or_else(|| all().next()).cloned()
}

/// Each dependency by name: a shared artifact of the same target, or the target's own. A shared artifact may depend only
/// on shared ones, since it has no target.
fn dependencies(name: &InstanceName, d: Declaration<'_>) -> Result<BTreeMap<Name, InstanceName>, Problem> {
    let mut found = BTreeMap::new();
    for dependency in &d.artifact.dependencies {
        let problem = |message: String, help: String| Problem { instance: name.clone(), message, help };
        let Some(artifact) = d.target.artifacts.get(dependency) else {
            return Err(problem(
                format!("it depends on `{dependency}`, which {} does not declare", described(d)),
                format!("declare `artifacts.store.{dependency}` there, or drop it from `dependencies`"),
            ));
        };
        let target = instance_name(Declaration { target: d.target, name: dependency, artifact });
        if d.artifact.shared && !artifact.shared {
            return Err(problem(
                format!("it is shared but depends on `{dependency}`, which is {target} alone"),
                format!("make `{dependency}` shared too"),
            ));
        }
        found.insert(dependency.clone(), target);
    }
    Ok(found)
}

fn told(name: &InstanceName, first: Declaration<'_>, declarations: &[Declaration<'_>]) -> seam::Instance {
    let backend = first.artifact.backend.as_ref().map_or("", Name::as_str);
    let config = |target: &Target| target.config.get(backend).map_or_else(|| "{}".to_owned(), ToString::to_string);
    seam::Instance {
        name: name.to_string(),
        artifact: first.name.to_string(),
        shared: first.artifact.shared,
        targets: declarations
            .iter()
            .map(|d| seam::Target {
                kind: d.target.kind.as_str().to_owned(),
                name: d.target.name.to_string(),
                config: config(d.target),
                attrs: Vec::new(),
            })
            .collect(),
        files: first
            .artifact
            .files
            .iter()
            .filter(|(_, file)| file.secret)
            .map(|(name, file)| seam::File { name: name.to_string(), deploy: file.deploy, attrs: Vec::new() })
            .collect(),
        attrs: Vec::new(),
    }
}

/// All declarations of one instance agree, or the first difference is named with both targets.
fn agree(name: &InstanceName, declarations: &[Declaration<'_>]) -> Result<(), Problem> {
    let Some((first, others)) = declarations.split_first() else { return Ok(()) };
    for other in others {
        if !first.artifact.shared {
            return Err(Problem {
                instance: name.clone(),
                message: format!("both {} and {} declare it", described(*first), described(*other)),
                help: "give one of the two targets another `artifacts.target`, or make the artifact shared".to_owned(),
            });
        }
        if let Some((field, ours, theirs)) = difference(*first, *other) {
            return Err(Problem {
                instance: name.clone(),
                message: format!(
                    "{} and {} declare it with different {field}: {ours} and {theirs}",
                    described(*first),
                    described(*other)
                ),
                help: format!("make {field} of the shared artifact `{}` the same everywhere", first.name),
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
                    "{} and {} declare it with different generator: {} and {}",
                    described(first),
                    described(*d),
                    path(first),
                    path(*d)
                ),
                help: format!("make generator of the shared artifact `{}` the same everywhere", d.name),
            });
        }
    }
    Ok(())
}

fn described(d: Declaration<'_>) -> String {
    format!("{} ({})", d.target.name, d.target.kind.as_str())
}

/// The first field in which two declarations differ, with both values in words. Path, mode, owner and group are each
/// target's own.
fn difference(a: Declaration<'_>, b: Declaration<'_>) -> Option<(&'static str, String, String)> {
    let (x, y) = (a.artifact, b.artifact);
    let names = |artifact: &Artifact, keep: &dyn Fn(&artifacts_spec::File) -> bool| {
        words(artifact.files.iter().filter(|(_, f)| keep(f)).map(|(n, _)| n.to_string()))
    };
    let prompts = |artifact: &Artifact| {
        words(artifact.prompts.iter().map(|(n, p)| {
            format!("{n} ({}{})", word(&p.kind), p.description.as_ref().map(|d| format!(", {d:?}")).unwrap_or_default())
        }))
    };
    let pairs: [(&'static str, String, String); 9] = [
        ("files", names(x, &|_| true), names(y, &|_| true)),
        ("files.secret", names(x, &|f| f.secret), names(y, &|f| f.secret)),
        ("files.deploy", names(x, &|f| f.deploy), names(y, &|f| f.deploy)),
        ("prompts", prompts(x), prompts(y)),
        ("backend", optional(x.backend.as_ref()), optional(y.backend.as_ref())),
        ("dependencies", set(&x.dependencies), set(&y.dependencies)),
        ("validation", x.validation.to_string(), y.validation.to_string()),
        ("maxAge", optional(x.max_age.as_ref()), optional(y.max_age.as_ref())),
        ("network", x.network.to_string(), y.network.to_string()),
    ];
    pairs.into_iter().find(|(_, ours, theirs)| ours != theirs)
}

fn word<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_value(value).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
}

fn optional<T: ToString>(value: Option<&T>) -> String {
    value.map_or_else(|| "none".to_owned(), ToString::to_string)
}

fn set(names: &[Name]) -> String {
    words(names.iter().collect::<BTreeSet<_>>().into_iter().map(ToString::to_string))
}

fn words(items: impl Iterator<Item = String>) -> String {
    let list: Vec<String> = items.collect();
    if list.is_empty() { "none".to_owned() } else { list.join(", ") }
}
