use std::sync::atomic::{AtomicUsize, Ordering};

use crate::bindings::exports::artifacts::backend::storage::{KeyKind, Recipient};
use crate::{Failure, FileRecipients, Instance, Plan, anywhere};

static CALLS: AtomicUsize = AtomicUsize::new(0);

/// Recipients, truly those of the configuration or not.
///
/// # Errors
/// As the behaviour has it.
pub fn run(plan: &Plan, instance: &Instance) -> Result<Vec<FileRecipients>, Failure> {
    let mut sorted = plan.recipients.clone();
    sorted.sort();
    sorted.dedup();
    let each = |keys: Vec<String>| -> Vec<FileRecipients> {
        all(instance, &keys.into_iter().map(recipient).collect::<Vec<_>>())
    };
    let labeled = |label: &str| {
        let with = |key: &String| Recipient { label: Some(label.to_owned()), ..recipient(key.clone()) };
        all(instance, &sorted.iter().map(with).collect::<Vec<_>>())
    };
    Ok(match plan.mode.as_str() {
        "unsorted" => each(sorted.into_iter().rev().collect()),
        "twice" => each(sorted.iter().flat_map(|key| [key.clone(), key.clone()]).collect()),
        "nobody" => each(Vec::new()),
        "no-file" => Vec::new(),
        "other-file" => vec![FileRecipients { file: "never-declared".to_owned(), ..each(sorted).remove(0) }],
        "file-twice" => {
            let once = each(sorted);
            [once.clone(), once].concat()
        }
        "changing" => {
            let call = CALLS.fetch_add(1, Ordering::Relaxed);
            each(vec![format!("age1changing{call}{:?}", std::time::SystemTime::now())])
        }
        "garbage" => each(vec!["no key at all".to_owned()]),
        "named" => each(vec![plan.text.clone()]),
        "huge" => each((0..100_000).map(|number| format!("age1{number:060}")).collect()),
        "control" => each(vec!["age1\u{1b}[2J\r\nforged".to_owned()]),
        "other-kind" => {
            let wrong = |key: &String| Recipient { kind: KeyKind::Plugin, ..recipient(key.clone()) };
            all(instance, &sorted.iter().map(wrong).collect::<Vec<_>>())
        }
        "label" => labeled(&plan.text),
        "label-control" => labeled("alice\u{1b}[2J\r\nforged: all is well\u{202e}"),
        "label-huge" => labeled(&"x".repeat(1 << 20)),
        // One key, and two people whose it is.
        "label-two" => {
            let [one, two] = ["alice", "bob"].map(labeled);
            let both = |(one, two): (FileRecipients, FileRecipients)| FileRecipients {
                recipients: [one.recipients, two.recipients].concat(),
                ..FileRecipients { file: one.file, recipients: Vec::new(), attrs: Vec::new() }
            };
            one.into_iter().zip(two).map(both).collect()
        }
        _ => {
            anywhere::run(plan)?;
            each(sorted)
        }
    })
}

fn all(instance: &Instance, recipients: &[Recipient]) -> Vec<FileRecipients> {
    let of = |file: &String| FileRecipients { file: file.clone(), recipients: recipients.to_vec(), attrs: Vec::new() };
    instance.files.iter().map(|file| of(&file.name)).collect()
}

fn recipient(key: String) -> Recipient {
    let name = key.strip_prefix("age1").map(|rest| rest.rsplit_once('1').map(|(name, _)| name));
    let kind = match name {
        _ if key.starts_with("ssh-ed25519 ") => KeyKind::SshEd25519,
        _ if key.starts_with("ssh-rsa ") => KeyKind::SshRsa,
        None => KeyKind::Other,
        Some(None) => KeyKind::X25519,
        Some(Some("tag")) => KeyKind::Tag,
        Some(Some("tagpq")) => KeyKind::Tagpq,
        Some(Some("pq")) => KeyKind::Pq,
        Some(Some(_)) => KeyKind::Plugin,
    };
    Recipient { key, kind, label: None, attrs: Vec::new() }
}
