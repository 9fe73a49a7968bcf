use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::time::SystemTime;

use artifacts_contract::Persists;
use artifacts_declared::{DeclaredFile, InstanceName, Name};
use artifacts_flow::{AuditLog, Operator, Recorded, Registry, SerializeCall};
use artifacts_generate::{Job, Sandbox};
use artifacts_on_target::accounts::Accounts;
use artifacts_on_target::manifest::expand;
use artifacts_on_target::place::{DeployDir, FilePermissions, Lock, PlaceError};
use artifacts_plan::{Instance, reach};
use artifacts_report::Failure;
use artifacts_seam::{EntryFiles, Secret};
use artifacts_text::Explain;

use crate::inputs::inputs;
use crate::test_values::{STREAM, TestValues};

/// Everything outside that making on the target works with.
pub struct ActivationContext<'a> {
    /// Where files are put.
    pub farm: &'a DeployDir,
    /// The backends, opened for the target.
    pub registry: Registry,
    /// The audit log.
    pub audit: AuditLog,
    /// Who is told what backends write.
    pub operator: Box<dyn Operator>,
    /// Now.
    pub now: SystemTime,
    /// Where generators run.
    pub sandbox: Sandbox,
    /// Set when the run is to end.
    pub cancel: &'a AtomicBool,
    /// `$LOG_LEVEL` of generators.
    pub log_level: String,
    /// Directories before the usual ones in a generator's `PATH`.
    pub generator_path: Vec<PathBuf>,
    /// The Nix store, of which a generator sees all: on the target every user does.
    pub store: PathBuf,
    /// Owner and group of files that declare none.
    pub user: (u32, u32),
    /// The user's runtime directory, for paths that begin with it.
    pub runtime: Option<String>,
}

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActivationResult {
    /// It was made.
    Generated,
    /// It was made in the place of what was there.
    Regenerated,
    /// It was there.
    Present,
}

/// Makes of the chosen instances those that are made on the target and are not there, dependencies first, and puts all
/// their files into their places. What is there stays, unless something that it was made of is regenerated; a failure stops what depends on it and nothing else.
///
/// `ordered` has all instances, dependencies first.
pub fn activate(
    context: &mut ActivationContext<'_>,
    instances: &BTreeMap<InstanceName, Instance>,
    ordered: &[InstanceName],
    chosen: &BTreeSet<InstanceName>,
) -> BTreeMap<InstanceName, Result<ActivationResult, Failure>> {
    let reach = reach(instances, chosen);
    let mut results: BTreeMap<InstanceName, Result<ActivationResult, Failure>> = BTreeMap::new();
    let mut here = BTreeSet::new();
    for instance in ordered.iter().filter_map(|name| instances.get(name)) {
        let renewed = |name| matches!(results.get(name), Some(Ok(ActivationResult::Regenerated)));
        let follows = instance.dependencies.values().any(renewed) && is_there(context, instance);
        if !follows && !reach.contains(&instance.name) {
            continue;
        }
        let result = match generated_here(context, instance) {
            Ok(false) => continue,
            Ok(true) => {
                here.insert(instance.name.clone());
                let failed = instance.dependencies.values().find(|d| results.get(*d).is_some_and(Result::is_err));
                match failed {
                    Some(failed) => Err(failure(instance, format!("skipped: its dependency {failed} failed"))),
                    None => one(context, instances, instance, &|other| here.contains(&other.name)),
                }
            }
            Err(failure) => Err(failure),
        };
        results.insert(instance.name.clone(), result);
    }
    results
}

fn is_there(context: &ActivationContext<'_>, instance: &Instance) -> bool {
    context.farm.files(instance.name.artifact()).is_ok_and(|files| files.is_some())
}

/// Whether an instance's backend makes it on the target. Its component is read, not run.
fn generated_here(context: &ActivationContext<'_>, instance: &Instance) -> Result<bool, Failure> {
    let name = backend(instance)?;
    let entry = context.registry.entry(name)?;
    let component = context.registry.component(name, &entry)?;
    Ok(component.manifest().persists == Persists::Target)
}

fn backend(instance: &Instance) -> Result<&Name, Failure> {
    instance.artifact.backend.as_ref().ok_or_else(|| {
        failure(instance, "cannot be evaluated: it reads a public file that does not exist")
            .hint(Some("refer to the file by `path`, or set its `testValue`"))
    })
}

pub(crate) fn failure(instance: &Instance, message: impl Into<String>) -> Failure {
    Failure::new(instance.name.to_string(), message)
        .backend(instance.artifact.backend.as_ref().map(ToString::to_string))
}

fn about(instance: &Instance, error: impl std::error::Error + Explain) -> Failure {
    Failure::about(instance.name.to_string(), error)
        .backend(instance.artifact.backend.as_ref().map(ToString::to_string))
}

fn one(
    context: &mut ActivationContext<'_>,
    instances: &BTreeMap<InstanceName, Instance>,
    instance: &Instance,
    generated_here: &dyn Fn(&Instance) -> bool,
) -> Result<ActivationResult, Failure> {
    let access = accesses(instance, context.user)?;
    let declared: BTreeSet<String> = instance.artifact.files.keys().map(ToString::to_string).collect();
    let failed = |e: artifacts_on_target::place::PlaceError| about(instance, e);
    let artifact = instance.name.artifact();
    // Of an earlier run, too: what could not follow then follows now.
    let outdated = is_there(context, instance) && context.farm.is_outdated(artifact).map_err(failed)?;
    let complete = |context: &ActivationContext<'_>| {
        Ok::<_, Failure>(context.farm.files(artifact).map_err(failed)? == Some(declared.clone()))
    };

    let made =
        if complete(context)? && !outdated { None } else { Some(make(context, instances, instance, generated_here)?) };
    let lock = context.farm.lock().map_err(failed)?;
    let mut done = ActivationResult::Present;
    // Someone else may have been faster: the first one's values stay.
    if let Some(made) = made
        && (outdated || !complete(context)?)
    {
        done = if is_there(context, instance) { ActivationResult::Regenerated } else { ActivationResult::Generated };
        if done == ActivationResult::Regenerated {
            outdate_dependents(context, instances, instance, &lock).map_err(failed)?;
        }
        let files =
            made.iter().filter_map(|(name, value)| Some((name.clone(), (value.expose(), access.get(name).copied()?))));
        context.farm.put(&lock, artifact, &files.collect()).map_err(failed)?;
    }
    for (name, file) in &instance.artifact.files {
        if let Some(access) = access.get(name) {
            context.farm.settle(&lock, artifact, name, *access).map_err(failed)?;
        }
        if let Some(path) = linked(file, context) {
            context.farm.link(&lock, artifact, name, &path).map_err(failed)?;
        }
    }
    Ok(done)
}

/// Before the bytes change: anyone who is stopped in between makes once more what did not have to be.
fn outdate_dependents(
    context: &ActivationContext<'_>,
    instances: &BTreeMap<InstanceName, Instance>,
    instance: &Instance,
    lock: &Lock,
) -> Result<(), PlaceError> {
    let dependents = instances.values().filter(|other| other.dependencies.values().any(|name| *name == instance.name));
    for other in dependents.filter(|other| is_there(context, other)) {
        context.farm.outdate(lock, other.name.artifact())?;
    }
    Ok(())
}

/// Where a link to a file is to be. A public file that was made elsewhere is in the store.
fn linked(file: &DeclaredFile, context: &ActivationContext<'_>) -> Option<PathBuf> {
    let path = PathBuf::from(expand(file.path.as_deref()?, context.runtime.as_deref()));
    (file.deploy && !path.starts_with(&context.store)).then_some(path)
}

/// Who may read each file. What is not for the target is for its owner's generators alone.
fn accesses(instance: &Instance, user: (u32, u32)) -> Result<BTreeMap<Name, FilePermissions>, Failure> {
    let mut accounts = Accounts::default();
    let mut of = |(name, file): (&Name, &DeclaredFile)| {
        let unknown = |what: &str, text: &str| {
            failure(instance, format!("file `{name}`: unknown {what} `{text}`"))
                .hint(Some(format!("declare it as one of `users.{what}s`, or use another")))
        };
        if !file.deploy {
            return Ok((name.clone(), FilePermissions { mode: 0o400, user: user.0, group: user.1 }));
        }
        let mode = file.mode.as_deref().unwrap_or("0400");
        let bad = || failure(instance, format!("file `{name}`: invalid mode `{mode}`; expected an octal number"));
        let mode = u32::from_str_radix(mode, 8).ok().filter(|mode| *mode <= 0o7777).ok_or_else(bad)?;
        let owner = match file.owner.as_deref() {
            Some(owner) => accounts.user(owner).ok_or_else(|| unknown("user", owner))?,
            None => user.0,
        };
        let group = match file.group.as_deref() {
            Some(group) => accounts.group(group).ok_or_else(|| unknown("group", group))?,
            None => user.1,
        };
        Ok((name.clone(), FilePermissions { mode, user: owner, group }))
    };
    instance.artifact.files.iter().map(&mut of).collect()
}

/// Runs the generator, and has the backend write the secret files into an entry.
fn make(
    context: &mut ActivationContext<'_>,
    instances: &BTreeMap<InstanceName, Instance>,
    instance: &Instance,
    generated_here: &dyn Fn(&Instance) -> bool,
) -> Result<BTreeMap<Name, Secret>, Failure> {
    let source = TestValues::new(instance)
        .map_err(|e| failure(instance, format!("cannot get random numbers from the system: {e}")))?;
    let mut job = job(context, instances, instance, &source, generated_here)?;
    let mut files = run(context, instance, &job)?;
    if job.random.is_some() {
        agree(context, instance, &source, &mut job, &files)?;
    }
    let secrets: Vec<(String, Secret)> =
        instance.secret_files().filter_map(|name| Some((name.to_string(), files.remove(name)?))).collect();
    let stored = serialize(context, instance, &secrets)?;
    for name in instance.secret_files() {
        let value = stored.get(name.as_str()).ok_or_else(|| {
            failure(instance, format!("the backend did not write `{name}`"))
                .hint(Some("report this to the author of the backend"))
        })?;
        files.insert(name.clone(), Secret::new(value.clone()));
    }
    Ok(files)
}

/// Has a generator that is to make the same values each time do so once more. It finds more randomness than the first time:
/// so anyone who reads all that there is, and got too little, does not make the same either.
fn agree(
    context: &ActivationContext<'_>,
    instance: &Instance,
    source: &TestValues,
    job: &mut Job,
    files: &BTreeMap<Name, Secret>,
) -> Result<(), Failure> {
    job.random = source.stream(2 * STREAM);
    let again = run(context, instance, job)?;
    let differ: Vec<String> = files
        .iter()
        .filter(|(name, value)| again.get(*name) != Some(value))
        .map(|(name, _)| format!("`{name}` changed between two runs"))
        .collect();
    if differ.is_empty() {
        return Ok(());
    }
    job.random = source.stream(STREAM);
    let differ = differ.join(", ");
    if run(context, instance, job)? == *files {
        let why = format!(
            "with `deterministic`, /dev/urandom has only {STREAM} bytes, and the generator read all of them: {differ} with more"
        );
        return Err(failure(instance, why).hint(Some("read less, or remove `deterministic`")));
    }
    let why = format!("the generator is not deterministic: {differ}");
    Err(failure(instance, why).hint(Some(
        "read randomness from /dev/urandom only (openssl, ssh-keygen, wg, age-keygen and Python use the kernel instead), use \
         another backend, or remove `deterministic`",
    )))
}

fn job(
    context: &ActivationContext<'_>,
    instances: &BTreeMap<InstanceName, Instance>,
    instance: &Instance,
    source: &TestValues,
    generated_here: &dyn Fn(&Instance) -> bool,
) -> Result<Job, Failure> {
    let mut job = Job::new(instance.name.clone(), &instance.artifact).ok_or_else(|| {
        failure(instance, "no generator")
            .hint(Some(format!("set `artifacts.store.{}.generator`", instance.name.artifact())))
    })?;
    job.closure = vec![context.store.clone()];
    job.path.clone_from(&context.generator_path);
    job.prompts =
        instance.artifact.prompts.iter().map(|(name, prompt)| (name.clone(), source.answer(name, prompt))).collect();
    job.inputs = inputs(context, instances, instance, generated_here)?;
    job.log_level.clone_from(&context.log_level);
    job.random = source.stream(STREAM);
    Ok(job)
}

fn run(context: &ActivationContext<'_>, instance: &Instance, job: &Job) -> Result<BTreeMap<Name, Secret>, Failure> {
    context.sandbox.run(job, context.cancel).map_err(|error| failure(instance, error.to_string()).hint(error.hint()))
}

#[allow(clippy::result_large_err, reason = "a failed call is reported completely, and is not on a hot path")]
fn serialize(
    context: &mut ActivationContext<'_>,
    instance: &Instance,
    secrets: &[(String, Secret)],
) -> Result<EntryFiles, Failure> {
    if secrets.is_empty() {
        return Ok(EntryFiles::new());
    }
    let name = backend(instance)?;
    let session = Recorded::open(&mut context.registry, Some(&context.audit), &mut *context.operator, name)?;
    let mut session = session.ok_or_else(|| failure(instance, "its backend was not opened for the target"))?;
    let nobody = instance.secret_files().map(|file| (file.clone(), BTreeSet::new())).collect();
    let call = SerializeCall {
        instance: instance.for_backend.clone(),
        files: EntryFiles::new(),
        secrets,
        recipients: &nobody,
    };
    let ended = session.serialize(instance.name.to_string(), call)?;
    let serialized = ended.map_err(|stopped| artifacts_flow::not_serialized(instance, &stopped))?;
    Ok(serialized.files)
}
