use std::collections::BTreeMap;

use artifacts_declared::{InstanceName, PromptKind};
use artifacts_text::terminal;

use crate::answers::quoted;
use crate::request::PromptRequest;

/// Renders an answers file for these prompts, in TOML. Each answer is a comment until someone fills it in: what is left as it is
/// answers nothing.
pub(crate) fn template(questions: &[&PromptRequest]) -> String {
    let mut tables: BTreeMap<&InstanceName, Vec<&PromptRequest>> = BTreeMap::new();
    for question in questions {
        tables.entry(&question.instance).or_default().push(question);
    }
    let of = |(instance, questions): (&InstanceName, Vec<&PromptRequest>)| {
        let answers = questions.into_iter().flat_map(answer);
        let lines: Vec<String> =
            std::iter::once(format!("[{}]", quoted(&instance.to_string()))).chain(answers).collect();
        lines.join("\n") + "\n"
    };
    tables.into_iter().map(of).collect::<Vec<_>>().join("\n")
}

/// The lines of one answer, below what is asked for.
fn answer(question: &PromptRequest) -> Vec<String> {
    let description = question.description.as_deref().unwrap_or_default();
    let mut lines: Vec<String> = description.lines().map(|line| format!("# {}", terminal(line))).collect();
    let key = key(question.prompt.as_str());
    match question.kind {
        PromptKind::Hidden | PromptKind::Line => lines.push(format!("# {key} = \"\"")),
        PromptKind::Multiline | PromptKind::MultilineHidden => {
            lines.extend([format!("# {key} = \"\"\""), "# \"\"\"".to_owned()]);
        }
    }
    lines
}

/// Quotes a key where TOML v1.0, "Keys", demands it.
fn key(name: &str) -> String {
    let is_bare = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    if is_bare { name.to_owned() } else { quoted(name) }
}
