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

/// One instance that a backend is asked about.
pub struct AskedInstance<'a> {
    pub instance: &'a InstanceView,
    /// The files that it may see. They need not be there where the answer of `key` is known.
    pub files: EntryFiles,
    /// Names the answer, where it depends on nothing else.
    pub key: Option<MemoKey>,
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

/// Asks a backend about instances. What is known is not asked: `misfit`, which says of an instance why its configuration does not fit, is
/// asked about the others.
///
/// # Errors
/// When the backend cannot be called, or the call cannot be recorded.
pub fn answers(
    tools: &mut Tools,
    backend: &Name,
    questions: Vec<AskedInstance<'_>>,
    mut misfit: impl FnMut(usize) -> Option<Failure>,
) -> Result<Answers, NoAnswers> {
    let keys: Vec<Option<MemoKey>> = questions.iter().map(|question| question.key).collect();
    let told = keys.iter().enumerate().map(|(at, key)| match key.and_then(|key| tools.memo.get(&key)) {
        Some(known) => Some(Ok(known)),
        None => misfit(at).map(|why| Err(NoAnswer::Misfit(why))),
    });
    let told: Vec<Option<Answer>> = told.collect();
    let new = questions.into_iter().zip(&told).filter(|(_, told)| told.is_none());
    let new: Vec<(InstanceView, EntryFiles)> =
        new.map(|(question, _)| (question.instance.clone(), question.files)).collect();
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
