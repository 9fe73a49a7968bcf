use std::collections::{BTreeMap, BTreeSet};

use artifacts_declared::{InstanceName, Name};
use artifacts_seam::Secret;
use artifacts_text::terminal;

use crate::answers::AnswersFile;
use crate::error::Error;
use crate::interview::Interview;
use crate::request::PromptRequest;
use crate::template::template;
use crate::terminal::Terminal;

/// Checks whether every prompt has an answer, for when no terminal is available.
///
/// # Errors
/// One error for all prompts without an answer.
pub fn all_answered(questions: &[PromptRequest], answers: Option<&AnswersFile>) -> Result<(), Error> {
    let open: Vec<&PromptRequest> = questions.iter().filter(|question| given(question, answers).is_none()).collect();
    if open.is_empty() { Ok(()) } else { Err(unanswered(&open)) }
}

fn given<'a>(question: &PromptRequest, answers: Option<&'a AnswersFile>) -> Option<&'a Secret> {
    answers?.get(&question.instance, &question.prompt, question.required)
}

fn unanswered(open: &[&PromptRequest]) -> Error {
    let names = open.iter().map(|question| {
        format!("{}: {}", terminal(&question.instance.to_string()), terminal(question.prompt.as_str()))
    });
    Error::Unanswered { questions: names.collect(), template: template(open) }
}

/// Answers every prompt: from the answers file if it has the value, otherwise at the terminal. There the person may skip artifacts, and
/// stop before the last prompt: what they leave out has no value. `others` are generated without a prompt, each by all that it depends on.
///
/// # Errors
/// If a prompt has no answer and no terminal is available: one error for all of them, before anything is asked.
/// Otherwise if the input ends, or the person wants out.
pub fn ask_all(
    questions: &[PromptRequest],
    others: &[BTreeSet<InstanceName>],
    answers: Option<&AnswersFile>,
    terminal: Option<&mut Terminal>,
) -> Result<BTreeMap<(InstanceName, Name), Secret>, Error> {
    let open: Vec<&PromptRequest> = questions.iter().filter(|question| given(question, answers).is_none()).collect();
    let key = |question: &PromptRequest| (question.instance.clone(), question.prompt.clone());
    let mut values: BTreeMap<_, _> =
        questions.iter().filter_map(|question| Some((key(question), given(question, answers)?.clone()))).collect();
    if open.is_empty() {
        return Ok(values);
    }
    let terminal = terminal.ok_or_else(|| unanswered(&open))?;
    // What the answers file answers needs no one at the terminal.
    let asked: BTreeSet<&InstanceName> = open.iter().map(|question| &question.instance).collect();
    let answered: BTreeMap<_, _> = questions
        .iter()
        .filter(|question| !asked.contains(&question.instance))
        .map(|question| (&question.instance, &question.needs))
        .collect();
    let others = others.iter().chain(answered.into_values()).cloned().collect();
    let mut interview = Interview::new(open.into_iter().cloned().collect()).beside(others);
    terminal.interview(&mut interview)?;
    values.extend(interview.into_values());
    Ok(values)
}
