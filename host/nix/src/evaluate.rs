use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use artifacts_declared::{ComponentSource, Conflict, ConflictSubject, Name, Spec, Target, TargetId, TargetKind, join};
use artifacts_text::{nix_attribute, nix_string};
use serde::Deserialize;
use serde_json::Value;

use crate::{Error, Flake, TargetRef, message};

/// Nix function that builds the specs of one exported configuration.
const COLLECT: &str = include_str!("../../../nix/lib/collect.nix");

/// Holds the result of evaluating targets.
#[derive(Debug)]
pub struct Evaluation {
    /// Targets that evaluated, with their common settings. Users, containers and microVMs inside a machine's configuration are
    /// separate targets.
    pub spec: Spec,
    /// Maps each of these targets to the exported configuration that it is, or is inside of.
    pub exported: BTreeMap<TargetId, TargetRef>,
    /// Targets that failed to evaluate.
    pub failures: Vec<TargetFailure>,
    /// Faults of the declarations that Nix found, and that stop a deployment.
    pub problems: Vec<EvaluationError>,
    /// Warnings and traces of Nix, target by target.
    pub messages: Vec<String>,
}

/// Describes a target that failed to evaluate.
#[derive(Debug)]
pub struct TargetFailure {
    /// Whether it is a machine or a user.
    pub kind: TargetKind,
    /// Attribute in the flake.
    pub name: String,
    /// Reason.
    pub error: Error,
}

impl TargetFailure {
    /// Returns the names under which it may have stored entries: that in the flake and, if it differs,
    /// `artifacts.target`.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let own = if let Error::NameMismatch { named, .. } = &self.error { Some(named.as_str()) } else { None };
        std::iter::once(self.name.as_str()).chain(own)
    }
}

/// Describes a configuration error of a target, whose spec exists all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvaluationError {
    /// Whether it is a machine or a user.
    pub kind: TargetKind,
    /// Name of the target.
    pub target: Name,
    /// Artifacts that have the error; empty if it belongs to the target itself.
    pub artifacts: Vec<String>,
    /// Option, error and remedy.
    pub message: String,
    /// Whether it does not stop a deployment.
    pub warning: bool,
}

/// Holds the spec of one target, and its place in the flake.
struct TargetSpec {
    /// The exported configuration that it is, or is inside of.
    exported: TargetRef,
    /// Its place, as a person finds it: `nixosConfigurations.web1, its container db`.
    from: String,
    spec: Spec,
    problems: Vec<EvaluationError>,
}

/// Holds what Nix answers for one spec of a configuration: its own, or that of a configuration inside it.
enum SpecAnswer {
    Spec(TargetSpec),
    NameMismatch(TargetNameMismatch),
}

/// Field of a target, for which the types of the spec have no place.
const PROBLEMS: &str = "x-problems";
/// Another one.
const PLACE: &str = "x-place";

#[derive(Deserialize)]
struct RawEvaluationError {
    #[serde(default)]
    artifacts: Vec<String>,
    message: String,
    #[serde(default)]
    warning: bool,
}

/// Reports a target whose name differs, in place of a spec.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TargetNameMismatch {
    kind: TargetKind,
    name: String,
    place: String,
    takes_itself_for: String,
}

/// Describes a configuration directly inside an exported one.
#[derive(Deserialize)]
struct InnerConfiguration {
    /// What it is, and its name: `container db`.
    key: String,
    /// Kind of the target that it belongs to.
    kind: TargetKind,
    /// Name of that target, as far as it is known without evaluating it.
    name: String,
}

/// Holds the result of one exported configuration.
#[derive(Default)]
struct EvaluatedTarget {
    parts: Vec<TargetSpec>,
    /// Configurations inside it that do not evaluate.
    failures: Vec<TargetFailure>,
    /// Output of Nix in addition to the value.
    said: String,
}

/// Names what is asked of one exported configuration.
#[derive(Clone, Copy)]
pub(crate) enum EvaluationQuery<'a> {
    /// All specs.
    All,
    /// Its own spec, without the configurations inside it and without configuration errors.
    Itself,
    /// The specs of a configuration inside it, by its key; without those of these keys, which it may have as well.
    Inner { key: &'a str, besides: &'a [String] },
    /// All specs but those of these configurations inside it, with or without configuration errors.
    Besides { keys: &'a [String], problems: bool },
    /// The configurations directly inside it.
    Names,
    /// What a function makes of each configuration in place of its spec.
    Instead(&'a str),
    /// One artifact of a target, whose error is not caught.
    Artifact { owner: &'a Target, name: &'a str },
}

impl EvaluationQuery<'_> {
    fn arguments(self) -> String {
        match self {
            EvaluationQuery::All => String::new(),
            EvaluationQuery::Itself => "only = \"\"; problems = false;".to_owned(),
            EvaluationQuery::Inner { key, besides } => {
                format!("only = {}; besides = {};", nix_string(key), list(besides))
            }
            EvaluationQuery::Besides { keys, problems } => {
                format!("besides = {}; problems = {problems};", list(keys))
            }
            EvaluationQuery::Names => "parts = true;".to_owned(),
            EvaluationQuery::Instead(function) => format!("instead = {function};"),
            EvaluationQuery::Artifact { owner, name } => {
                let (kind, target) = (nix_string(owner.kind.as_str()), nix_string(owner.name.as_str()));
                format!("strict = {{ kind = {kind}; name = {target}; artifact = {}; }};", nix_string(name))
            }
        }
    }
}

/// Returns a list of strings in Nix.
fn list(texts: &[String]) -> String {
    let texts: Vec<String> = texts.iter().map(|text| nix_string(text)).collect();
    format!("[ {} ]", texts.join(" "))
}

impl Flake<'_> {
    /// Evaluates targets, each in a process of its own, some at a time. One that does not evaluate stops no other.
    ///
    /// # Errors
    /// When Nix cannot be run at all, when no target declares artifacts, or when targets contradict each other.
    pub fn evaluate(&self, targets: &[TargetRef]) -> Result<Evaluation, Error> {
        let mut evaluation = Evaluation {
            spec: Spec::empty(),
            exported: BTreeMap::new(),
            failures: Vec::new(),
            problems: Vec::new(),
            messages: Vec::new(),
        };
        let mut parts: Vec<TargetSpec> = Vec::new();
        let mut is_unlocked = false;
        let mut messages = Vec::new();
        for (target, result) in targets.iter().zip(self.ask_each(targets, |target| self.evaluate_one(target))) {
            match result {
                Ok(found) => {
                    parts.extend(found.parts);
                    evaluation.failures.extend(found.failures);
                    let (unlocked, said): (Vec<&str>, Vec<&str>) =
                        found.said.trim().lines().partition(|line| *line == message::UNLOCKED);
                    is_unlocked |= !unlocked.is_empty();
                    messages.push((target.to_string(), said.join("\n")));
                }
                Err(error) if error.is_of_nix() => return Err(error),
                Err(error) => {
                    evaluation.failures.push(TargetFailure { kind: target.kind, name: target.name.clone(), error });
                }
            }
        }
        evaluation.messages = message::once(messages);
        // Of inputs that are replaced Nix says the same.
        if is_unlocked && self.nix.options.override_inputs.is_empty() {
            evaluation.messages.insert(0, message::UNLOCKED.to_owned());
        }
        if parts.is_empty() && evaluation.failures.is_empty() {
            let targets = targets.iter().map(TargetRef::to_string).collect();
            return Err(Error::NoArtifacts { reference: self.reference.clone(), targets });
        }
        evaluation.problems = parts.iter_mut().flat_map(|part| std::mem::take(&mut part.problems)).collect();
        let all =
            parts.iter().flat_map(|part| part.spec.targets.iter().map(|target| (target.id(), part.exported.clone())));
        evaluation.exported = all.collect();
        evaluation.spec = merge(parts)?;
        Ok(evaluation)
    }

    /// Returns Nix's message on an artifact that is blocked in the spec. `target` is exported by the flake, `owner` is
    /// the target in it that declares the artifact.
    ///
    /// # Errors
    /// If Nix cannot be asked.
    pub fn why_blocked(&self, target: &TargetRef, owner: &Target, artifact: &str) -> Result<String, Error> {
        let what = format!("evaluating {artifact} of {target}");
        let function = self.function(target, EvaluationQuery::Artifact { owner, name: artifact });
        match self.evaluate_as::<Value>(&what, target.output(), &function) {
            Ok(_) => Ok("evaluation succeeded the second time; run the command again".to_owned()),
            Err(Error::Failed { message, .. }) => Ok(message),
            Err(error) => Err(error),
        }
    }

    fn evaluate_one(&self, target: &TargetRef) -> Result<EvaluatedTarget, Error> {
        match self.ask(target, EvaluationQuery::All, &format!("evaluating {target}")) {
            Err(error) if !error.is_of_nix() => self.evaluate_apart(target, error),
            result => result,
        }
    }

    /// Evaluates a configuration without those inside it that fail, after all together failed with `error`: one user's or container's
    /// fault is no other's, nor the machine's.
    fn evaluate_apart(&self, target: &TargetRef, error: Error) -> Result<EvaluatedTarget, Error> {
        let what = format!("evaluating {target}");
        if self.ask(target, EvaluationQuery::Itself, &what).is_err() {
            return Err(error);
        }
        let names = self.function(target, EvaluationQuery::Names);
        let (inside, _): (Vec<InnerConfiguration>, _) = self.evaluate_as(&what, target.output(), &names)?;
        let (mut failures, mut keys) = (Vec::new(), Vec::new());
        for InnerConfiguration { key, kind, name } in inside {
            let inner = EvaluationQuery::Inner { key: &key, besides: &keys };
            match self.ask(target, inner, &format!("{what}, its {key}")) {
                Ok(_) => {}
                Err(error) if error.is_of_nix() => return Err(error),
                Err(error) => {
                    failures.push(TargetFailure { kind, name, error });
                    keys.push(key);
                }
            }
        }
        let besides = |problems| EvaluationQuery::Besides { keys: &keys, problems };
        let mut found = match self.ask(target, besides(true), &what) {
            Ok(found) => found,
            // Faults are looked for in more than the declarations. What fails there is reported in their place.
            Err(unfound) => {
                let Ok(mut found) = self.ask(target, besides(false), &what) else { return Err(error) };
                found.parts.iter_mut().for_each(|part| part.problems = untold(part, &unfound));
                found
            }
        };
        failures.append(&mut found.failures);
        found.failures = failures;
        Ok(found)
    }

    fn ask(&self, target: &TargetRef, of: EvaluationQuery<'_>, what: &str) -> Result<EvaluatedTarget, Error> {
        let function = self.function(target, of);
        let holds = |answers: &Vec<SpecAnswer>| {
            answers.iter().all(|answer| match answer {
                SpecAnswer::Spec(part) => self.is_in_store(&part.spec),
                SpecAnswer::NameMismatch(_) => true,
            })
        };
        let read = |answer| read_answers(target, what, answer);
        let (answers, said) = self.evaluate_json(what, target.output(), &function, (read, holds))?;
        let mut found = EvaluatedTarget { said, ..EvaluatedTarget::default() };
        for answer in answers {
            match answer {
                SpecAnswer::NameMismatch(TargetNameMismatch { kind, name, place, takes_itself_for: named }) => {
                    found.failures.push(TargetFailure {
                        kind,
                        name: name.clone(),
                        error: Error::NameMismatch { target: place.escape_debug().to_string(), name, named },
                    });
                }
                SpecAnswer::Spec(part) => found.parts.push(part),
            }
        }
        Ok(found)
    }

    /// Returns whether the store paths of a spec still exist: Nix may have collected them since.
    fn is_in_store(&self, spec: &Spec) -> bool {
        let generators =
            spec.targets.iter().flat_map(|target| target.artifacts.values()).filter_map(|one| one.generator.as_ref());
        let generators = generators.map(|generator| generator.drv.as_ref().unwrap_or(&generator.path).as_path());
        let components = spec.backends.values().map(|backend| match &backend.component {
            ComponentSource::Plain(text) => Path::new(text),
            ComponentSource::Derived { drv, .. } => drv.as_path(),
        });
        let paths = generators.chain(components).filter(|path| path.starts_with(self.metadata.store()));
        let store = self.nix.store_of_flake(&self.metadata);
        paths.map(|path| store.real_path(path)).all(|path| path.exists())
    }

    pub(crate) fn function(&self, target: &TargetRef, of: EvaluationQuery<'_>) -> String {
        let system = self.nix.options.system.as_deref().map_or_else(|| "null".to_owned(), nix_string);
        let kind = nix_string(target.kind.as_str());
        let name = nix_string(&target.name);
        let of = of.arguments();
        format!("({COLLECT}) {{ kind = {kind}; name = {name}; system = {system}; {of} }}")
    }
}

/// Represents that the configuration errors of a target cannot be determined.
fn untold(part: &TargetSpec, error: &Error) -> Vec<EvaluationError> {
    let Some(target) = part.spec.targets.first() else { return Vec::new() };
    vec![EvaluationError {
        kind: target.kind,
        target: target.name.clone(),
        artifacts: Vec::new(),
        message: format!("cannot check the configuration of {}: {error}", part.from),
        warning: false,
    }]
}

/// Reads what Nix answers for one configuration.
fn read_answers(target: &TargetRef, what: &str, answer: Value) -> Result<Vec<SpecAnswer>, Error> {
    let fault = |source| Error::Output { what: what.to_owned(), bytes: 0, source };
    let values: Vec<Value> = serde_json::from_value(answer).map_err(fault)?;
    let read = |value: &Value| match TargetNameMismatch::deserialize(value) {
        Ok(mismatch) => Ok(SpecAnswer::NameMismatch(mismatch)),
        Err(_) => part(target, value).map(SpecAnswer::Spec),
    };
    values.iter().map(read).collect()
}

/// Reads one spec of a configuration: its own, or that of a configuration inside it.
fn part(target: &TargetRef, value: &Value) -> Result<TargetSpec, Error> {
    let spec = artifacts_declared::from_value(value);
    let spec = spec.map_err(|source| Error::Spec { target: target.to_string(), source })?;
    let place = value["targets"].get(0).and_then(|own| own[PLACE].as_str());
    let from = place.map_or_else(|| target.to_string(), |place| place.escape_debug().to_string());
    let mut problems = Vec::new();
    for (target, raw) in spec.targets.iter().zip(value["targets"].as_array().into_iter().flatten()) {
        let Some(raw) = raw.get(PROBLEMS) else { continue };
        let what = format!("evaluating {from}");
        let raw = Vec::<RawEvaluationError>::deserialize(raw);
        for raw in raw.map_err(|source| Error::Output { what, bytes: 0, source })? {
            problems.push(EvaluationError {
                kind: target.kind,
                target: target.name.clone(),
                artifacts: raw.artifacts,
                message: raw.message,
                warning: raw.warning,
            });
        }
    }
    Ok(TargetSpec { exported: target.clone(), from, spec, problems })
}

/// Merges specs into one. A target that does not set the root, or a backend that it does not use, agrees with the
/// others.
fn merge(parts: Vec<TargetSpec>) -> Result<Spec, Error> {
    let (places, specs): (Vec<Place>, Vec<Spec>) =
        parts.into_iter().map(|part| (Place { exported: part.exported, from: part.from }, part.spec)).unzip();
    join(specs).map_err(|conflict| contradiction(conflict, &places))
}

/// Holds where a spec is from.
struct Place {
    exported: TargetRef,
    from: String,
}

fn contradiction(Conflict { first, second, subject }: Conflict, places: &[Place]) -> Error {
    let from = |index: usize| places.get(index).map(|place| place.from.clone()).unwrap_or_default();
    let disagree = |option, first_value, second_value| Error::Disagree {
        option,
        first: from(first),
        first_value,
        second: from(second),
        second_value,
    };
    match subject {
        ConflictSubject::Root(one, other) => {
            let shown = |root: PathBuf| Some(root.display().to_string());
            disagree("artifacts.root".to_owned(), shown(one), shown(other))
        }
        ConflictSubject::Backend(name, one, other) => {
            let option = format!("artifacts.backends.{}", nix_attribute(name.as_str()));
            let other = other.and_then(|other| serde_json::to_string(&other).ok());
            disagree(option, serde_json::to_string(&one).ok(), other)
        }
        ConflictSubject::Target(kind, name) => Error::Twice {
            kind: kind.as_str(),
            first: from(first),
            second: from(second),
            remedy: [second, first].into_iter().find_map(|index| places.get(index)?.names_itself(kind, &name)),
            name,
        },
    }
}

impl Place {
    /// Returns the option that gives a configuration another name, and its place; none for one that a flake or a user names.
    fn names_itself(&self, kind: TargetKind, name: &Name) -> Option<String> {
        let can = kind != TargetKind::HomeManager && self.from != self.exported.to_string();
        can.then(|| format!("set artifacts.target = \"{}-{name}\"; in {}", self.exported.name, self.from))
    }
}
