//! Where the spec comes from: a flake that Nix evaluates, or a file.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use artifacts_declared::{ComponentSource, InstanceName, LinesError, Spec, Target, TargetId, UnevaluatedTarget};
use artifacts_flow::Declared;
use artifacts_nix::{Evaluation, EvaluationError, Flake, Nix, TargetFailure, TargetRef};
use artifacts_plan::{Resolved, Selector, ShortNames, TargetName};
use artifacts_report::Failure;

use crate::console::Console;
use crate::environment::Environment;
use crate::global::Global;

/// The most that a spec may have, in bytes: a fleet of a thousand machines has some 5 MB.
const LARGEST: u64 = 1 << 30;

/// The declarations of a run.
pub struct Declarations {
    pub spec: Spec,
    /// The checkout that holds the storages.
    pub root: PathBuf,
    /// Targets that did not evaluate, and faults of the declarations that Nix found, each with the instances that have it; none
    /// when it is the target's.
    pub failures: Vec<(Vec<InstanceName>, Failure)>,
    /// Targets that did not evaluate: what they declare is not known.
    pub unevaluated: Vec<TargetName>,
    /// Targets that were not evaluated since nothing asked for them: what they declare is not known.
    pub unseen: Vec<TargetName>,
    /// The configuration of the flake that each target is, or is inside of.
    pub exported: BTreeMap<TargetId, TargetRef>,
    /// What Nix warns of.
    pub warnings: Vec<Failure>,
    /// What Nix said besides: traces, and warnings of its own.
    pub messages: Vec<String>,
}

impl Declarations {
    /// The declarations of what the selectors name, and of all that this depends on; of more where that is no more work.
    pub fn load(global: &Global, nix: &Nix, selectors: &[Selector]) -> Result<Self, Failure> {
        let mut declarations = match &global.spec {
            Some(file) => Self::from_file(file, global.root.as_deref())?,
            None => from_flake(global, nix, selectors)?,
        };
        if let Some(file) = &global.backends {
            register(&mut declarations.spec, file)?;
        }
        Ok(declarations)
    }

    /// The registered backends, and what is declared as far as there is anything: without a flake, or a file that names one, only
    /// bundled backends and those of `--backends`.
    pub fn of_backends(global: &Global, nix: &Nix) -> Result<Self, Failure> {
        if global.spec.is_some() || global.flake != HERE || has_flake_here() {
            return Self::load(global, nix, &[]);
        }
        let spec = artifacts_declared::parse(r#"{"schema": 1, "targets": []}"#);
        let mut spec = spec.map_err(|e| Failure::new("", e.to_string()))?;
        if let Some(file) = &global.backends {
            register(&mut spec, file)?;
        }
        let root = global.root.clone().unwrap_or_else(|| PathBuf::from(HERE));
        Ok(Self::new(spec, root))
    }

    /// Shows what Nix said and warned of.
    pub fn show(&self, console: &Console) {
        self.messages.iter().flat_map(|text| text.lines()).for_each(|line| console.message(line));
        self.warnings.iter().for_each(|warning| console.warned(warning));
    }

    /// Returns how instances are named in text.
    pub fn short_names(&self) -> ShortNames {
        let of = |target: &'_ Target| {
            let names = target.artifacts.iter().map(|(artifact, declared)| target.instance(artifact, declared));
            names.collect::<Vec<_>>()
        };
        ShortNames::new(self.spec.targets.iter().flat_map(of))
    }

    /// What a run begins with.
    pub fn declared(self) -> Declared {
        let Self { spec, root, failures, unevaluated, unseen, .. } = self;
        Declared { spec, root, failures, unevaluated, unseen, system: Some(Environment::system()) }
    }

    fn new(spec: Spec, root: PathBuf) -> Self {
        Self {
            spec,
            root,
            failures: Vec::new(),
            unevaluated: Vec::new(),
            unseen: Vec::new(),
            exported: BTreeMap::new(),
            warnings: Vec::new(),
            messages: Vec::new(),
        }
    }

    /// Reads a spec from a file.
    pub fn from_file(file: &Path, root: Option<&Path>) -> Result<Self, Failure> {
        let name = file.display().to_string();
        let text = read(file).map_err(|e| {
            Failure::new(name.clone(), format!("cannot read the spec: {e}"))
                .hint(Some("pass a spec file, or `-` for standard input"))
        })?;
        let mut spec = artifacts_declared::from_text(&text).map_err(|e| refused(name, e))?;
        let failed = std::mem::take(&mut spec.unevaluated);
        let dir = match file.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        let root = root.map(Path::to_owned).or_else(|| spec.root.clone()).unwrap_or(dir);
        let failures = failed.iter().map(|target| (Vec::new(), unevaluated_in_spec(target))).collect();
        let unevaluated = failed.iter().flat_map(names).collect();
        Ok(Self { failures, unevaluated, ..Self::new(spec, root) })
    }
}

/// Why a text is not a spec, and what to do.
fn refused(file: String, error: LinesError) -> Failure {
    let hint = match &error {
        LinesError::Truncated { .. } => "check the exit status of the evaluator, and evaluate again",
        LinesError::NotATarget { .. } => "evaluate the outputs of `lib.mkTargets`: KIND.NAME, such as nixos.web1",
        LinesError::TargetTwice { .. } => "pass one line for each target",
        LinesError::Root { .. } => "evaluate all targets from the same commit",
        LinesError::Backend { .. } => {
            "register it in a module that all targets import, and evaluate them from the same commit"
        }
        _ => "`artifacts schema` prints the JSON Schema of the spec",
    };
    let error = match error {
        LinesError::NotATarget { number, attribute, error } => {
            LinesError::NotATarget { number, attribute, error: artifacts_nix::trim_message(&error) }
        }
        error => error,
    };
    Failure::new(file, error.to_string()).hint(Some(hint))
}

/// The names under which a target that did not evaluate may have stored entries.
fn names(target: &UnevaluatedTarget) -> Vec<TargetName> {
    let names = std::iter::once(&target.name).chain(&target.takes_itself_for);
    names.map(|name| (target.kind, name.to_string())).collect()
}

/// Why a target did not evaluate, as a spec has it from its evaluator.
fn unevaluated_in_spec(target: &UnevaluatedTarget) -> Failure {
    let why = format!("cannot evaluate: {}", artifacts_nix::trim_message(&target.error));
    let failure = Failure::new(format!("{} {}", target.kind.as_str(), target.name), why);
    Failure { kind: Some("nix"), ..failure }.hint(Some("fix the configuration of that target, and evaluate it again"))
}

/// The flake that is meant when none is named.
const HERE: &str = ".";

/// Whether the working directory is in a flake, as Nix looks for one.
fn has_flake_here() -> bool {
    let here = Path::new(HERE).canonicalize();
    here.map_or(true, |here| here.ancestors().any(|above| above.join("flake.nix").exists()))
}

/// Adds the backends of a TOML file; paths of components in it begin at its directory. Two entries of one name must be one.
fn register(spec: &mut Spec, file: &Path) -> Result<(), Failure> {
    let name = file.display().to_string();
    let refused = |why: String| {
        Failure::new(name.clone(), why)
            .hint(Some("write one table per backend with: component, sha256, storage, grants, limits"))
    };
    let text = read(file).map_err(|e| refused(format!("cannot read the backends file: {e}")))?;
    let value: serde_json::Value =
        toml::from_str(&text).map_err(|e| refused(format!("the backends file is not valid TOML: {e}")))?;
    let added = artifacts_declared::backends_from_value(&value).map_err(|e| refused(e.to_string()))?;
    let dir = file.canonicalize().ok().and_then(|path| path.parent().map(Path::to_owned)).unwrap_or_default();
    for (backend, mut entry) in added {
        if let ComponentSource::Plain(path) = &mut entry.component
            && !path.starts_with("builtin:")
        {
            *path = dir.join(&*path).display().to_string();
        }
        match spec.backends.get(&backend) {
            Some(declared) if *declared != entry => {
                return Err(refused(format!("backend `{backend}` differs from its registration in Nix")));
            }
            _ => spec.backends.insert(backend, entry),
        };
    }
    Ok(())
}

fn read(file: &Path) -> std::io::Result<String> {
    if file.as_os_str() == "-" {
        limited(std::io::stdin(), LARGEST)
    } else {
        limited(std::fs::File::open(file)?, LARGEST)
    }
}

/// Reads a text. One that is cut at the limit could be complete lines, and others would be missing.
fn limited(from: impl std::io::Read, most: u64) -> std::io::Result<String> {
    let mut text = String::new();
    from.take(most + 1).read_to_string(&mut text)?;
    if text.len() as u64 > most {
        return Err(std::io::Error::new(ErrorKind::FileTooLarge, format!("exceeds {}", artifacts_text::size(most))));
    }
    Ok(text)
}

fn from_flake(global: &Global, nix: &Nix, selectors: &[Selector]) -> Result<Declarations, Failure> {
    let failed = |e: artifacts_nix::Error| Failure::about(global.flake.clone(), e);
    let flake = nix.flake(&global.flake).map_err(failed)?;
    let (evaluation, seen) = evaluate(&flake, selectors).map_err(failed)?;
    let unseen = flake.targets().iter().filter(|target| seen.as_ref().is_some_and(|seen| !seen.contains(*target)));
    let unseen: Vec<TargetName> = unseen.map(|target| (target.kind, target.name.clone())).collect();
    keep_names(nix, &global.flake, &evaluation, &unseen);
    let unevaluated = evaluation.failures.iter().map(unevaluated);
    let (warnings, faults): (Vec<&EvaluationError>, Vec<&EvaluationError>) =
        evaluation.problems.iter().partition(|p| p.warning);
    let names = evaluation.failures.iter().flat_map(|f| f.names().map(|name| (f.kind, name.to_owned()))).collect();
    let faults = faults.into_iter().map(|fault| (about(&evaluation.spec, fault), problem(fault)));
    let failures = unevaluated.map(|failure| (Vec::new(), failure)).chain(faults).collect();
    let warnings = warnings.into_iter().map(problem).collect();
    let root = match &global.root {
        Some(root) => root.clone(),
        None => flake.checkout(evaluation.spec.root.as_deref()).map_err(failed)?,
    };
    Ok(Declarations {
        spec: evaluation.spec,
        root,
        failures,
        unevaluated: names,
        unseen,
        exported: evaluation.exported,
        warnings,
        messages: evaluation.messages,
    })
}

/// Why a target does not evaluate. Its subject says which it is: the same mistake in many is one and the same failure.
pub fn unevaluated(target: &TargetFailure) -> Failure {
    let failure = Failure::about(format!("{} {}", target.kind.as_str(), target.name), &target.error);
    let exported = TargetRef { kind: target.kind, name: target.name.clone() };
    match failure.message.strip_prefix(&format!("evaluating {exported}: ")) {
        Some(why) => Failure { message: format!("cannot evaluate: {why}"), ..failure },
        None => failure,
    }
}

/// Keeps the names that were found, for completion. What did not evaluate keeps those that it had.
fn keep_names(nix: &Nix, reference: &str, evaluation: &Evaluation, unseen: &[TargetName]) {
    let failed = evaluation.failures.iter().map(|failure| (failure.kind, failure.name.clone()));
    let unevaluated: Vec<TargetName> = unseen.iter().cloned().chain(failed).collect();
    nix.keep_names(reference, evaluation, &unevaluated);
}

/// Evaluates no more targets than the selectors need. Returns which these are, unless they are all.
fn evaluate(
    flake: &Flake<'_>,
    selectors: &[Selector],
) -> Result<(Evaluation, Option<BTreeSet<TargetRef>>), artifacts_nix::Error> {
    let named: Option<Vec<_>> = selectors.iter().map(|selector| flake.targets_of(selector.as_str())).collect();
    let mut named: BTreeSet<TargetRef> = named.unwrap_or_default().into_iter().flatten().collect();
    while !named.is_empty() {
        let evaluation = flake.evaluate(&named.iter().cloned().collect::<Vec<_>>())?;
        let resolved = artifacts_plan::instances(&evaluation.spec, None);
        let others = others(flake, &resolved, &named);
        if others.is_empty() && suffices(&evaluation, &resolved, selectors) {
            return Ok((evaluation, Some(named)));
        }
        if others.is_empty() {
            break;
        }
        named.extend(others);
    }
    Ok((flake.evaluate(flake.targets())?, None))
}

/// The targets besides that have what is depended on.
fn others(flake: &Flake<'_>, resolved: &Resolved, named: &BTreeSet<TargetRef>) -> BTreeSet<TargetRef> {
    let undeclared = resolved.problems.iter().filter_map(|problem| problem.undeclared.as_deref());
    let targets = undeclared.filter_map(|name| flake.targets_of(&name.to_string())).flatten();
    targets.filter(|target| !named.contains(target)).collect()
}

/// Whether nothing more needs to be evaluated: each selector has a meaning, unless a target that may have it is broken; and nothing
/// shared is among what they need, whose recipients are all targets that declare it, and nothing that no one declares.
fn suffices(evaluation: &Evaluation, resolved: &Resolved, selectors: &[Selector]) -> bool {
    let instances = &resolved.instances;
    let (chosen, unclear) = artifacts_plan::select(&instances.keys().collect(), selectors);
    let reach = artifacts_plan::reach(instances, &chosen);
    let is_complete = unclear.is_empty() || !evaluation.failures.is_empty();
    let needed = reach.iter().filter_map(|name| instances.get(name)).flat_map(|one| one.dependencies.values());
    let is_known = needed.into_iter().all(|name| instances.contains_key(name) || !evaluation.failures.is_empty());
    is_complete && is_known && !reach.iter().any(|name| matches!(name, InstanceName::Shared { .. }))
}

/// The instances that have a fault.
fn about(spec: &Spec, fault: &EvaluationError) -> Vec<InstanceName> {
    let target = spec.targets.iter().find(|one| (one.kind, &one.name) == (fault.kind, &fault.target));
    let named = |name: &String| {
        let target = target?;
        let (artifact, declared) = target.artifacts.iter().find(|(artifact, _)| artifact.as_str() == name)?;
        Some(target.instance(artifact, declared))
    };
    fault.artifacts.iter().filter_map(named).collect()
}

fn problem(problem: &EvaluationError) -> Failure {
    let target = format!("{} {}", problem.kind.as_str(), problem.target);
    Failure::new(target, problem.message.clone())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::limited;

    #[test]
    fn a_text_over_the_limit_is_refused_and_not_cut() {
        assert_eq!(limited("a\nb\n".as_bytes(), 4).unwrap(), "a\nb\n");
        assert_eq!(limited("a\nb\nc\n".as_bytes(), 4).unwrap_err().to_string(), "exceeds 4 B");
    }
}
