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
        let lines = questions.iter().map(|question| answer(question));
        format!("[{}]\n{}", quoted(&instance.to_string()), lines.collect::<String>())
    };
    tables.into_iter().map(of).collect::<Vec<_>>().join("\n")
}

fn answer(question: &PromptRequest) -> String {
    let description = question.description.as_deref().unwrap_or_default();
    let mut text: String = description.lines().map(|line| format!("# {}\n", terminal(line))).collect();
    let key = key(question.prompt.as_str());
    text += &match question.kind {
        PromptKind::Hidden | PromptKind::Line => format!("# {key} = \"\"\n"),
        PromptKind::Multiline | PromptKind::MultilineHidden => format!("# {key} = \"\"\"\n# \"\"\"\n"),
    };
    text
}

/// Quotes a key where TOML v1.0, "Keys", demands it.
fn key(name: &str) -> String {
    let is_bare = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    if is_bare { name.to_owned() } else { quoted(name) }
}
