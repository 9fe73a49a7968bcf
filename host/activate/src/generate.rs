//! One run of a generator on the target, and of the backend that writes its files.

use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use artifacts_declared::Name;
use artifacts_flow::{Decrypted, Recorded, SerializeCall, not_serialized};
use artifacts_generate::Job;
use artifacts_plan::Instance;
use artifacts_report::Failure;
use artifacts_seam::{CallContext, EntryFiles, Secret};
use artifacts_text::Explain;

use crate::context::ActivationContext;
use crate::failure::{backend, failure};
use crate::inputs::{Instances, inputs};
use crate::test_values::{STREAM, TestValues};

/// Runs the generator, or makes up what a person would type, and has the backend write the secret files into an entry.
pub(crate) fn generate(
    context: &mut ActivationContext<'_>,
    instances: &Instances<'_>,
    instance: &Instance,
) -> Result<BTreeMap<Name, Secret>, Failure> {
    let values = TestValues::new(instance)
        .map_err(|e| failure(instance, format!("cannot get random numbers from the system: {e}")))?;
    let mut files = match job(context, instances, instance, &values)? {
        Some(job) => generated(context, instance, &values, job)?,
        None => answers(instance, &values),
    };
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

/// The values of the prompts, which are the files where there is no generator.
fn answers(instance: &Instance, values: &TestValues) -> BTreeMap<Name, Secret> {
    instance.artifact.prompts.iter().map(|(name, prompt)| (name.clone(), values.answer(name, prompt))).collect()
}

fn generated(
    context: &ActivationContext<'_>,
    instance: &Instance,
    values: &TestValues,
    mut job: Job,
) -> Result<BTreeMap<Name, Secret>, Failure> {
    let files = run(context, instance, &job)?;
    if job.random.is_some() {
        check_deterministic(context, instance, values, &mut job, &files)?;
    }
    Ok(files)
}

/// Runs a generator that is to generate the same values each time once more. It finds more randomness than the first time, so a
/// generator that reads all of it differs also.
fn check_deterministic(
    context: &ActivationContext<'_>,
    instance: &Instance,
    values: &TestValues,
    job: &mut Job,
    files: &BTreeMap<Name, Secret>,
) -> Result<(), Failure> {
    job.random = values.stream(2 * STREAM);
    let again = run(context, instance, job)?;
    let differ: Vec<String> = files
        .iter()
        .filter(|(name, value)| again.get(*name) != Some(value))
        .map(|(name, _)| format!("`{name}` changed between two runs"))
        .collect();
    if differ.is_empty() {
        return Ok(());
    }
    job.random = values.stream(STREAM);
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

/// What the generator is to do; none where there is none.
fn job(
    context: &ActivationContext<'_>,
    instances: &Instances<'_>,
    instance: &Instance,
    values: &TestValues,
) -> Result<Option<Job>, Failure> {
    let Some(mut job) = Job::new(instance.name.clone(), &instance.artifact) else { return Ok(None) };
    job.closure = vec![context.store.clone().into()];
    job.path.clone_from(&context.generator_path);
    job.prompts = answers(instance, values);
    job.inputs = inputs(context, instances, instance)?;
    job.log_level.clone_from(&context.log_level);
    job.random = values.stream(STREAM);
    Ok(Some(job))
}

fn run(context: &ActivationContext<'_>, instance: &Instance, job: &Job) -> Result<BTreeMap<Name, Secret>, Failure> {
    context.sandbox.run(job, context.cancel).map_err(|error| failure(instance, error.to_string()).hint(error.hint()))
}

fn serialize(
    context: &mut ActivationContext<'_>,
    instance: &Instance,
    secrets: &[(String, Secret)],
) -> Result<EntryFiles, Failure> {
    if secrets.is_empty() {
        return Ok(EntryFiles::new());
    }
    let name = backend(instance)?;
    let since = context.now.duration_since(SystemTime::UNIX_EPOCH);
    let call = CallContext { now: since.map_or(0, |since| since.as_secs()) };
    let session = Recorded::open(&mut context.registry, Some(&context.audit), &mut *context.operator, name, call)?;
    let mut session = session.ok_or_else(|| failure(instance, "its backend was not opened for the target"))?;
    let no_one = instance.secret_files().map(|file| (file.clone(), BTreeSet::new())).collect();
    let call = SerializeCall {
        instance: instance.for_backend.clone(),
        files: EntryFiles::new(),
        secrets,
        recipients: &no_one,
        decrypted: &Decrypted::new(),
    };
    let ended = session.serialize(vec![(instance.name.to_string(), call)])?.pop();
    let ended = ended.ok_or_else(|| failure(instance, "its backend gave no answer"))?;
    let serialized = ended.map_err(|stopped| not_serialized(instance, &stopped))?;
    Ok(serialized.files)
}
