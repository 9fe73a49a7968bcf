use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::time::SystemTime;

use artifacts_contract::{Persists, Refusal};
use artifacts_declared::{File, InstanceName, Name};
use artifacts_flow::{AuditLog, Operator, Recorded, Registry, SerializeCall, check_config};
use artifacts_generate::{Job, Sandbox};
use artifacts_on_target::accounts::Accounts;
use artifacts_on_target::manifest::expand;
use artifacts_on_target::place::{Access, Error, Farm, Lock};
use artifacts_plan::{Instance, reach};
use artifacts_report::Failure;
use artifacts_seam::{CallContext, EntryFiles, Secret};
use artifacts_text::Explain;

use crate::inputs::inputs;
use crate::made_up::{STREAM, Source};

/// Everything outside that making on the target works with.
pub struct Room<'a> {
    /// Where files are put.
    pub farm: &'a Farm,
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
    /// Folders before the usual ones in a generator's `PATH`.
    pub generator_path: Vec<PathBuf>,
    /// The Nix store, of which a generator sees all: on the target every user does.
    pub store: PathBuf,
    /// Owner and group of files that declare none.
    pub user: (u32, u32),
    /// The user's runtime folder, for paths that begin with it.
    pub runtime: Option<String>,
}

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    /// It was made.
    Made,
    /// It was made in the place of what was there.
    Renewed,
    /// It was there.
    Present,
}

/// Makes of the chosen instances those that are made on the target and are not there, dependencies first, and puts all
/// their files into their places. What is there stays, unless something that it was made of is made anew; a failure stops what depends on it and nothing else.
///
/// `ordered` has all instances, dependencies first.
pub fn activate(
    room: &mut Room<'_>,
    instances: &BTreeMap<InstanceName, Instance>,
    ordered: &[InstanceName],
    chosen: &BTreeSet<InstanceName>,
) -> BTreeMap<InstanceName, Result<Done, Failure>> {
    let reach = reach(instances, chosen);
    let mut results: BTreeMap<InstanceName, Result<Done, Failure>> = BTreeMap::new();
    let mut here = BTreeSet::new();
    for instance in ordered.iter().filter_map(|name| instances.get(name)) {
        let renewed = |name| matches!(results.get(name), Some(Ok(Done::Renewed)));
        let follows = instance.dependencies.values().any(renewed) && is_there(room, instance);
        if !follows && !reach.contains(&instance.name) {
            continue;
        }
        let result = match made_here(room, instance) {
            Ok(false) => continue,
            Ok(true) => {
                here.insert(instance.name.clone());
                let failed = instance.dependencies.values().find(|d| results.get(*d).is_some_and(Result::is_err));
                match failed {
                    Some(failed) => Err(failure(instance, format!("it depends on {failed}, which failed"))),
                    None => one(room, instances, instance, &|other| here.contains(&other.name)),
                }
            }
            Err(failure) => Err(failure),
        };
        results.insert(instance.name.clone(), result);
    }
    results
}

fn is_there(room: &Room<'_>, instance: &Instance) -> bool {
    room.farm.files(instance.name.artifact()).is_ok_and(|files| files.is_some())
}

/// Whether an instance's backend makes it on the target. Its component is read, not run.
fn made_here(room: &Room<'_>, instance: &Instance) -> Result<bool, Failure> {
    let name = backend(instance)?;
    let entry = room.registry.entry(name)?;
    let component = room.registry.component(name, &entry)?;
    let manifest = component.manifest();
    if manifest.persists != Persists::Target {
        return Ok(false);
    }
    let schema = manifest.config_schema().map_err(|error| about(instance, Refusal::Manifest(error)))?;
    check_config(name, &schema, instance)?;
    Ok(true)
}

fn backend(instance: &Instance) -> Result<&Name, Failure> {
    instance.artifact.backend.as_ref().ok_or_else(|| {
        failure(instance, "it could not be evaluated: it reads a public value that is not there")
            .hint(Some("give it another way to that value on machines where nothing is stored"))
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
    room: &mut Room<'_>,
    instances: &BTreeMap<InstanceName, Instance>,
    instance: &Instance,
    made_here: &dyn Fn(&Instance) -> bool,
) -> Result<Done, Failure> {
    let access = accesses(instance, room.user)?;
    let declared: BTreeSet<String> = instance.artifact.files.keys().map(ToString::to_string).collect();
    let failed = |e: artifacts_on_target::place::Error| about(instance, e);
    let artifact = instance.name.artifact();
    // Of an earlier run, too: what could not follow then follows now.
    let outdated = is_there(room, instance) && room.farm.is_outdated(artifact).map_err(failed)?;
    let complete =
        |room: &Room<'_>| Ok::<_, Failure>(room.farm.files(artifact).map_err(failed)? == Some(declared.clone()));

    let made = if complete(room)? && !outdated { None } else { Some(make(room, instances, instance, made_here)?) };
    let lock = room.farm.lock().map_err(failed)?;
    let mut done = Done::Present;
    // Somebody else may have been faster: the first one's values stay.
    if let Some(made) = made
        && (outdated || !complete(room)?)
    {
        done = if is_there(room, instance) { Done::Renewed } else { Done::Made };
        if done == Done::Renewed {
            outdate_dependents(room, instances, instance, &lock).map_err(failed)?;
        }
        let files =
            made.iter().filter_map(|(name, value)| Some((name.clone(), (value.expose(), access.get(name).copied()?))));
        room.farm.put(&lock, artifact, &files.collect()).map_err(failed)?;
    }
    for (name, file) in &instance.artifact.files {
        if let Some(access) = access.get(name) {
            room.farm.settle(&lock, artifact, name, *access).map_err(failed)?;
        }
        if let Some(path) = linked(file, room) {
            room.farm.link(&lock, artifact, name, &path).map_err(failed)?;
        }
    }
    Ok(done)
}

/// Before the bytes change: whoever is stopped in between makes once more what did not have to be.
fn outdate_dependents(
    room: &Room<'_>,
    instances: &BTreeMap<InstanceName, Instance>,
    instance: &Instance,
    lock: &Lock,
) -> Result<(), Error> {
    let dependents = instances.values().filter(|other| other.dependencies.values().any(|name| *name == instance.name));
    for other in dependents.filter(|other| is_there(room, other)) {
        room.farm.outdate(lock, other.name.artifact())?;
    }
    Ok(())
}

/// Where a link to a file is to be. A public file that was made elsewhere lies in the store.
fn linked(file: &File, room: &Room<'_>) -> Option<PathBuf> {
    let path = PathBuf::from(expand(file.path.as_deref()?, room.runtime.as_deref()));
    (file.deploy && !path.starts_with(&room.store)).then_some(path)
}

/// Who may read each file. What is not for the target is for its owner's generators alone.
fn accesses(instance: &Instance, user: (u32, u32)) -> Result<BTreeMap<Name, Access>, Failure> {
    let mut accounts = Accounts::default();
    let mut of = |(name, file): (&Name, &File)| {
        let unknown = |what: &str, text: &str| {
            failure(instance, format!("file `{name}`: there is no {what} `{text}` here"))
                .hint(Some(format!("declare it as one of `users.{what}s`, or name another")))
        };
        if !file.deploy {
            return Ok((name.clone(), Access { mode: 0o400, user: user.0, group: user.1 }));
        }
        let mode = file.mode.as_deref().unwrap_or("0400");
        let bad = || failure(instance, format!("file `{name}`: mode `{mode}` is no octal number"));
        let mode = u32::from_str_radix(mode, 8).ok().filter(|mode| *mode <= 0o7777).ok_or_else(bad)?;
        let owner = match file.owner.as_deref() {
            Some(owner) => accounts.user(owner).ok_or_else(|| unknown("user", owner))?,
            None => user.0,
        };
        let group = match file.group.as_deref() {
            Some(group) => accounts.group(group).ok_or_else(|| unknown("group", group))?,
            None => user.1,
        };
        Ok((name.clone(), Access { mode, user: owner, group }))
    };
    instance.artifact.files.iter().map(&mut of).collect()
}

/// Runs the generator, and has the backend write the secret files into a slice.
fn make(
    room: &mut Room<'_>,
    instances: &BTreeMap<InstanceName, Instance>,
    instance: &Instance,
    made_here: &dyn Fn(&Instance) -> bool,
) -> Result<BTreeMap<Name, Secret>, Failure> {
    let source = Source::of(instance).map_err(|e| failure(instance, format!("there is no randomness: {e}")))?;
    let mut job = job(room, instances, instance, &source, made_here)?;
    let mut files = run(room, instance, &job)?;
    if job.random.is_some() {
        agree(room, instance, &source, &mut job, &files)?;
    }
    let secrets: Vec<(String, Secret)> =
        instance.secret_files().filter_map(|name| Some((name.to_string(), files.remove(name)?))).collect();
    let stored = serialize(room, instance, &secrets)?;
    for name in instance.secret_files() {
        let value = stored.get(name.as_str()).ok_or_else(|| {
            failure(instance, format!("its backend wrote no file `{name}`"))
                .hint(Some("report this to the backend's author"))
        })?;
        files.insert(name.clone(), Secret::new(value.clone()));
    }
    Ok(files)
}

/// Has a generator that is to make the same values each time do so once more. It finds more randomness than the first time:
/// so whoever reads all that there is, and got too little, does not make the same either.
fn agree(
    room: &Room<'_>,
    instance: &Instance,
    source: &Source,
    job: &mut Job,
    files: &BTreeMap<Name, Secret>,
) -> Result<(), Failure> {
    job.random = source.stream(2 * STREAM);
    let again = run(room, instance, job)?;
    let differ: Vec<String> = files
        .iter()
        .filter(|(name, value)| again.get(*name) != Some(value))
        .map(|(name, _)| format!("file `{name}` differs"))
        .collect();
    if differ.is_empty() {
        return Ok(());
    }
    job.random = source.stream(STREAM);
    let differ = differ.join(", ");
    if run(room, instance, job)? == *files {
        let why = format!(
            "its generator reads all of /dev/urandom, which has {STREAM} bytes where `deterministic` is set: {differ} when there is more"
        );
        return Err(failure(instance, why).hint(Some("let it read less; or leave `deterministic` away")));
    }
    let why = format!("its generator makes other values each time, and `deterministic` is set: {differ}");
    Err(failure(instance, why).hint(Some(
        "let it take randomness from the file /dev/urandom alone: openssl, ssh-keygen, wg, age-keygen and Python ask the \
         kernel instead; or give this artifact another backend, or leave `deterministic` away",
    )))
}

fn job(
    room: &Room<'_>,
    instances: &BTreeMap<InstanceName, Instance>,
    instance: &Instance,
    source: &Source,
    made_here: &dyn Fn(&Instance) -> bool,
) -> Result<Job, Failure> {
    let mut job = Job::new(instance.name.clone(), &instance.artifact).ok_or_else(|| {
        failure(instance, "it has no generator")
            .hint(Some(format!("set `artifacts.store.{}.generator`", instance.name.artifact())))
    })?;
    job.closure = vec![room.store.clone()];
    job.path.clone_from(&room.generator_path);
    job.prompts =
        instance.artifact.prompts.iter().map(|(name, prompt)| (name.clone(), source.answer(name, prompt))).collect();
    job.inputs = inputs(room, instances, instance, made_here)?;
    job.log_level.clone_from(&room.log_level);
    job.random = source.stream(STREAM);
    Ok(job)
}

fn run(room: &Room<'_>, instance: &Instance, job: &Job) -> Result<BTreeMap<Name, Secret>, Failure> {
    room.sandbox.run(job, room.cancel).map_err(|error| failure(instance, error.to_string()).hint(error.hint()))
}

#[allow(clippy::result_large_err, reason = "a call that fails is told whole, and is no hot path")]
fn serialize(room: &mut Room<'_>, instance: &Instance, secrets: &[(String, Secret)]) -> Result<EntryFiles, Failure> {
    if secrets.is_empty() {
        return Ok(EntryFiles::new());
    }
    let name = backend(instance)?;
    let since = room.now.duration_since(SystemTime::UNIX_EPOCH);
    let context = CallContext { now: since.map_or(0, |since| since.as_secs()) };
    let session = Recorded::open(&mut room.registry, Some(&room.audit), &mut *room.operator, name, context)?;
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
