//! What a person is asked, and the answers that were written down.

use std::path::Path;

use artifacts_declared::{Name, Prompt};
use artifacts_flow::Step;
use artifacts_plan::Instance;
use artifacts_prompt::{AnswersFile, AnswersFormat, PromptRequest};
use artifacts_report::Failure;
use artifacts_text::agreeing;

use crate::rooms::Run;
use crate::{bounded, person};

/// The largest file of answers, in bytes.
const LARGEST: usize = 8 << 20;

/// All questions of all that is made, before anything is made.
pub fn ask(
    run: &Run,
    steps: &[Step],
    answers: Option<&AnswersFile>,
    no_input: bool,
) -> Result<artifacts_flow::Answers, Failure> {
    let questions = questions(run, steps);
    let mut terminal = if no_input || questions.is_empty() { None } else { person::terminal() };
    artifacts_prompt::ask_all(&questions, answers, terminal.as_mut()).map_err(|e| prompt_failure(&e))
}

pub fn questions(run: &Run, steps: &[Step]) -> Vec<PromptRequest> {
    let instances = steps.iter().filter_map(|step| run.instances.get(&step.name));
    instances
        .flat_map(|instance| {
            instance.prompts.iter().map(|(name, prompt)| PromptRequest {
                instance: instance.name.clone(),
                prompt: name.clone(),
                description: prompt.description.clone(),
                kind: prompt.kind,
            })
        })
        .collect()
}

/// The prompts that are not answered yet.
pub fn open_prompts(instance: &Instance, answers: Option<&AnswersFile>) -> Vec<String> {
    let given = |name: &Name, prompt: &Prompt| answers?.get(&instance.name, name, prompt.kind);
    let open = instance.prompts.iter().filter(|(name, prompt)| given(name, prompt).is_none());
    open.map(|(name, _)| format!("`{name}`")).collect()
}

/// Why an instance cannot be made where nobody can be asked.
pub fn unanswered(instance: &Instance, answers: Option<&AnswersFile>) -> Option<Failure> {
    let open = open_prompts(instance, answers);
    let count = open.len();
    let (prompts, have) = (agreeing(count, "prompt", "prompts"), agreeing(count, "has", "have"));
    let why = format!("its {prompts} {} {have} no answer, and there is nobody to ask", open.join(", "));
    let backend = instance.backend.as_ref().map(ToString::to_string);
    (count > 0).then(|| Failure::new(instance.name.to_string(), why).backend(backend))
}

pub fn prompt_failure(error: &artifacts_prompt::Error) -> Failure {
    Failure::from(error)
}

pub fn read_answers(path: &Path) -> Result<AnswersFile, Failure> {
    let failed = |e: std::io::Error| {
        Failure::new(path.display().to_string(), format!("the answers cannot be read: {e}"))
            .hint(Some("name a file in TOML or JSON: instance, prompt, value"))
    };
    let content = bounded::read(path, LARGEST).map_err(failed)?;
    let text = std::str::from_utf8(content.expose()).map_err(|_| failed(std::io::Error::other("they are no UTF-8")))?;
    let format = if path.extension().is_some_and(|e| e == "json") { AnswersFormat::Json } else { AnswersFormat::Toml };
    AnswersFile::parse(text, format).map_err(|e| Failure::about(path.display().to_string(), e))
}
