use std::collections::BTreeMap;

use artifacts_declared::{InstanceName, Name, PromptKind};
use artifacts_seam::Secret;
use artifacts_text::terminal;

use crate::answers::{AnswersFile, quoted};
use crate::error::Error;
use crate::terminal::Terminal;

/// A prompt of an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PromptRequest {
    /// Who needs the answer.
    pub instance: InstanceName,
    /// The prompt's name.
    pub prompt: Name,
    /// What the person is asked for.
    pub description: Option<String>,
    /// How it is asked.
    pub kind: PromptKind,
}

/// Whether every question is answered already, for when there is nobody to ask.
///
/// # Errors
/// One for all that are not.
pub fn all_answered(questions: &[PromptRequest], answers: Option<&AnswersFile>) -> Result<(), Error> {
    let open: Vec<&PromptRequest> = questions.iter().filter(|question| given(question, answers).is_none()).collect();
    if open.is_empty() { Ok(()) } else { Err(unanswered(&open)) }
}

fn given<'a>(question: &PromptRequest, answers: Option<&'a AnswersFile>) -> Option<&'a Secret> {
    answers?.get(&question.instance, &question.prompt, question.kind)
}

fn unanswered(open: &[&PromptRequest]) -> Error {
    let names = open.iter().map(|question| {
        format!("{}: {}", terminal(&question.instance.to_string()), terminal(question.prompt.as_str()))
    });
    Error::Unanswered { questions: names.collect(), snippet: snippet(open) }
}

/// Answers every question: from the answers where they have it, else at the terminal.
///
/// # Errors
/// When a question has no answer and there is no terminal: one error for all of them, before anything is asked. Otherwise
/// when the person gives none.
pub fn ask_all(
    questions: &[PromptRequest],
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
    for question in open {
        values.insert(key(question), terminal.ask(question)?);
    }
    Ok(values)
}

/// An answers file that lacks nothing but the values.
fn snippet(questions: &[&PromptRequest]) -> String {
    let mut tables: BTreeMap<&InstanceName, Vec<&PromptRequest>> = BTreeMap::new();
    for question in questions {
        tables.entry(&question.instance).or_default().push(question);
    }
    let mut lines = Vec::new();
    for (instance, questions) in tables {
        lines.push(format!("[{}]", quoted(&instance.to_string())));
        for question in questions {
            lines.extend(
                question.description.iter().flat_map(|text| text.lines()).map(|line| format!("# {}", terminal(line))),
            );
            let value = match question.kind {
                PromptKind::Hidden | PromptKind::Line => "\"\"",
                PromptKind::Multiline | PromptKind::MultilineHidden => "\"\"\"\n\"\"\"",
            };
            lines.push(format!("{} = {value}", quoted(question.prompt.as_str())));
        }
    }
    lines.join("\n") + "\n"
}
