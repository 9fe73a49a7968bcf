use std::collections::{BTreeMap, BTreeSet};

use artifacts_declared::{Artifact, File, InstanceName, Name, Prompt, Spec, Target};
use artifacts_seam as seam;
use artifacts_text::shortened;

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
        hint: "declare it below `artifacts.store`".to_owned(),
    })?;
    let artifact = first.artifact;
    if !blocked && artifact.backend.is_none() {
        return Err(Problem {
            instance: name.clone(),
            message: format!("it has no backend (declared by {})", described(first)),
            hint: "set `artifacts.default.backend` or the artifact's own `backend`".to_owned(),
        });
    }
    if !blocked && artifact.files.is_empty() {
        return Err(Problem {
            instance: name.clone(),
            message: format!("it declares no files (declared by {})", described(first)),
            hint: format!("declare one, such as `artifacts.store.{}.files.secret = {{ }};`", first.name),
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
fn generator(declarations: &[Declaration<'_>], system: Option<&str>) -> Option<artifacts_declared::Generator> {
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

fn told(name: &InstanceName, first: Declaration<'_>, declarations: &[Declaration<'_>]) -> seam::InstanceView {
    let backend = first.artifact.backend.as_ref().map_or("", Name::as_str);
    let config = |target: &Target| target.config.get(backend).map_or_else(|| "{}".to_owned(), ToString::to_string);
    seam::InstanceView {
        name: name.to_string(),
        artifact: first.name.to_string(),
        shared: first.artifact.shared,
        targets: declarations
            .iter()
            .map(|d| seam::TargetView {
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
            .map(|(name, file)| seam::SecretFile { name: name.to_string(), deploy: file.deploy, attrs: Vec::new() })
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
                hint: "give one of the two targets another `artifacts.target`, or make the artifact shared".to_owned(),
            });
        }
        if let Some(Difference { field, ours, theirs }) = difference(first.artifact, other.artifact) {
            return Err(Problem {
                instance: name.clone(),
                message: format!(
                    "{} and {} declare it with different {field}: {ours} and {theirs}",
                    described(*first),
                    described(*other)
                ),
                hint: format!("make {field} of the shared artifact `{}` the same everywhere", first.name),
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
                hint: format!("make generator of the shared artifact `{}` the same everywhere", d.name),
            });
        }
    }
    Ok(())
}

fn described(d: Declaration<'_>) -> String {
    format!("{} ({})", d.target.name, d.target.kind.as_str())
}

/// So many bytes of a value that differs are shown.
const SHOWN: usize = 500;

/// A field in which two declarations differ, with both values in words.
struct Difference {
    field: String,
    ours: String,
    theirs: String,
}

/// The first field in which two declarations of one shared artifact differ. Every field is named, so that a new one does not
/// compile until somebody decides whether it has to agree.
fn difference(a: &Artifact, b: &Artifact) -> Option<Difference> {
    let Artifact {
        description,
        // Both are shared, and neither is blocked: only such declarations are compared.
        shared: _,
        blocked: _,
        backend,
        files,
        prompts,
        dependencies,
        validation,
        max_age,
        timeout,
        network,
        // Compared among the targets of one system: see `generators_agree`.
        generator: _,
    } = a;
    differs("backend", backend.as_ref(), b.backend.as_ref(), optional)
        .or_else(|| files_differ(files, &b.files))
        .or_else(|| prompts_differ(prompts, &b.prompts))
        .or_else(|| differs("dependencies", &set(dependencies), &set(&b.dependencies), words))
        .or_else(|| differs("validation", validation, &b.validation, ToString::to_string))
        .or_else(|| differs("maxAge", max_age.as_ref(), b.max_age.as_ref(), optional))
        .or_else(|| differs("timeout", timeout.as_ref(), b.timeout.as_ref(), optional))
        .or_else(|| differs("network", network, &b.network, ToString::to_string))
        .or_else(|| differs("description", description.as_ref(), b.description.as_ref(), quoted))
}

/// Where a file is on its target, and whose, is each target's own.
fn files_differ(ours: &BTreeMap<Name, File>, theirs: &BTreeMap<Name, File>) -> Option<Difference> {
    let (x, y) = (Files::of(ours), Files::of(theirs));
    differs("files", &x.all, &y.all, words)
        .or_else(|| differs("files.secret", &x.secret, &y.secret, words))
        .or_else(|| differs("files.deploy", &x.deployed, &y.deployed, words))
}

/// What has to agree of files, by their names.
#[derive(Default)]
struct Files<'a> {
    all: BTreeSet<&'a Name>,
    secret: BTreeSet<&'a Name>,
    deployed: BTreeSet<&'a Name>,
}

impl<'a> Files<'a> {
    fn of(files: &'a BTreeMap<Name, File>) -> Self {
        let mut sorted = Self::default();
        for (name, file) in files {
            let File { secret, deploy, path: _, mode: _, owner: _, group: _ } = file;
            sorted.all.insert(name);
            sorted.secret.extend(secret.then_some(name));
            sorted.deployed.extend(deploy.then_some(name));
        }
        sorted
    }
}

fn prompts_differ(ours: &BTreeMap<Name, Prompt>, theirs: &BTreeMap<Name, Prompt>) -> Option<Difference> {
    let names = |prompts: &'_ BTreeMap<Name, Prompt>| prompts.keys().cloned().collect::<BTreeSet<_>>();
    differs("prompts", &names(ours), &names(theirs), words)
        .or_else(|| ours.iter().zip(theirs.values()).find_map(|((name, x), y)| prompt_differs(name, x, y)))
}

fn prompt_differs(name: &Name, ours: &Prompt, theirs: &Prompt) -> Option<Difference> {
    let Prompt { description, kind, test_value } = ours;
    let field = |field: &str| format!("prompts.{name}.{field}");
    differs(&field("type"), kind, &theirs.kind, word)
        .or_else(|| differs(&field("description"), description.as_ref(), theirs.description.as_ref(), quoted))
        .or_else(|| differs(&field("testValue"), test_value.as_ref(), theirs.test_value.as_ref(), quoted))
}

/// Compares the values, and puts them into words only when they differ: different values may have the same words.
fn differs<T: PartialEq + Copy>(field: &str, ours: T, theirs: T, words: impl Fn(T) -> String) -> Option<Difference> {
    let shown = |value: T| shortened(&words(value), SHOWN).into_owned();
    (ours != theirs).then(|| Difference { field: field.to_owned(), ours: shown(ours), theirs: shown(theirs) })
}

fn word<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_value(value).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
}

fn optional<T: ToString>(value: Option<&T>) -> String {
    value.map_or_else(|| "none".to_owned(), ToString::to_string)
}

fn quoted(text: Option<&String>) -> String {
    text.map_or_else(|| "none".to_owned(), |text| format!("{text:?}"))
}

fn set(names: &[Name]) -> BTreeSet<&Name> {
    names.iter().collect()
}

fn words<T: ToString>(items: &BTreeSet<T>) -> String {
    let list: Vec<String> = items.iter().map(ToString::to_string).collect();
    if list.is_empty() { "none".to_owned() } else { list.join(", ") }
}
