//! What a backend says of instances.

use artifacts_declared::Name;
use artifacts_report::Failure;
use artifacts_seam::{CallError, EntryFiles, InstanceView};
use artifacts_session::{CheckMemo, MemoKey, Verified};

use crate::tools::Tools;

type Answer = Result<Verified, NoAnswer>;

/// Why there is no answer about an instance.
pub enum NoAnswer {
    /// Its configuration does not fit, and was not given to its backend.
    Misfit(Failure),
    Call(CallError),
}

/// What was answered, in the order of the instances.
pub struct Answers {
    pub answers: Vec<Answer>,
    /// How often the component was called for it.
    pub calls: u64,
}

/// Why there are no answers.
pub enum NoAnswers {
    /// The backend cannot be called.
    Unstarted(Failure),
    /// Nothing of what it said counts.
    Unrecorded(Failure),
}

/// Asks a backend about instances, each with the files that it may see. What a bundled backend answered before is taken: `misfit`, which
/// says of an instance why its configuration does not fit, is asked about the others.
///
/// # Errors
/// When the backend cannot be called, or the call cannot be recorded.
pub fn answers(
    tools: &mut Tools,
    backend: &Name,
    request: Vec<(InstanceView, EntryFiles)>,
    mut misfit: impl FnMut(usize) -> Option<Failure>,
) -> Result<Answers, NoAnswers> {
    let (keys, known) = known(tools, backend, &request)?;
    let told = known.into_iter().enumerate().map(|(at, known)| match known {
        Some(known) => Some(Ok(known)),
        None => misfit(at).map(|why| Err(NoAnswer::Misfit(why))),
    });
    let told: Vec<Option<Answer>> = told.collect();
    let new = request.into_iter().zip(&told).filter(|(_, told)| told.is_none()).map(|(one, _)| one);
    let new: Vec<(InstanceView, EntryFiles)> = new.collect();
    if new.is_empty() {
        return Ok(Answers { answers: told.into_iter().flatten().collect(), calls: 0 });
    }
    let names: Vec<String> = new.iter().map(|(instance, _)| instance.name.clone()).collect();
    let session = tools.session(backend).map_err(NoAnswers::Unstarted)?;
    let missing = || NoAnswers::Unstarted(Failure::new(backend.to_string(), "its backend is not open"));
    let checks = session.ok_or_else(missing)?.check(new, &names, false).map_err(NoAnswers::Unrecorded)?;
    let keeps = CheckMemo::is_quiet(&checks.events);
    let mut asked = checks.answers.into_iter();
    let missing = || Err(CallError::Broken("it gave no answer".to_owned()));
    let merged = told.into_iter().zip(keys).map(|(told, key)| {
        told.unwrap_or_else(|| {
            let answer = asked.next().unwrap_or_else(missing);
            if let (true, Some(key), Ok(answer)) = (keeps, key, &answer) {
                tools.memo.put(key, answer.clone());
            }
            answer.map_err(NoAnswer::Call)
        })
    });
    Ok(Answers { answers: merged.collect(), calls: checks.usage.calls })
}

/// Keys of the answers, and what was answered before.
type Known = (Vec<Option<MemoKey>>, Vec<Option<Verified>>);

fn known(tools: &mut Tools, backend: &Name, request: &[(InstanceView, EntryFiles)]) -> Result<Known, NoAnswers> {
    let terms = &tools.backends.open(backend).map_err(NoAnswers::Unstarted)?.terms;
    // One component instance answers for a whole batch: of another's component no one knows what it takes from one entry to the next.
    if !terms.bundled {
        return Ok((vec![None; request.len()], vec![None; request.len()]));
    }
    let key = |(instance, files): &(InstanceView, EntryFiles)| {
        CheckMemo::key(&terms.sha256, (&terms.grants, &terms.limits), (instance, files))
    };
    let keys: Vec<Option<MemoKey>> = request.iter().map(key).collect();
    let known = keys.iter().map(|key| tools.memo.get(key.as_ref()?)).collect();
    Ok((keys, known))
}
