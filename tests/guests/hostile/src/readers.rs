use std::sync::atomic::{AtomicUsize, Ordering};

use crate::{Failure, Instance, Plan, anywhere};

static CALLS: AtomicUsize = AtomicUsize::new(0);

/// Readers, truly those of the configuration or not.
///
/// # Errors
/// As the behaviour has it.
pub fn run(plan: &Plan, instance: &Instance) -> Result<Vec<(String, Vec<String>)>, Failure> {
    let mut sorted = plan.recipients.clone();
    sorted.sort();
    sorted.dedup();
    let each = |readers: Vec<String>| instance.files.iter().map(|file| (file.name.clone(), readers.clone())).collect();
    Ok(match plan.mode.as_str() {
        "unsorted" => each(sorted.into_iter().rev().collect()),
        "twice" => each(sorted.iter().flat_map(|reader| [reader.clone(), reader.clone()]).collect()),
        "nobody" => each(Vec::new()),
        "no-file" => Vec::new(),
        "other-file" => vec![("never-declared".to_owned(), sorted)],
        "file-twice" => {
            let once: Vec<_> = each(sorted);
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
        _ => {
            anywhere::run(plan)?;
            each(sorted)
        }
    })
}
