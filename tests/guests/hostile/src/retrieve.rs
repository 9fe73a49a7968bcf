use std::fs;
use std::hint::black_box;

use crate::bindings::artifacts::backend::age;
use crate::bindings::artifacts::backend::secrets::Secret;
use crate::{Answer, Entry, Failure, OpenError, Plan, anywhere, failure, path, resource};

/// The named secrets, or something else.
///
/// # Errors
/// As the behaviour has it.
pub fn run(plan: &Plan, names: &[String], entry: &Entry) -> Result<Vec<Answer>, Failure> {
    Ok(match plan.mode.as_str() {
        // What was not sealed for this instance: brought along, or planted into the entry.
        "open-shipped" => all(names, |_| age::open(plan.text.as_bytes())),
        "open-planted" => all(names, |_| age::open(&read(&format!("/entry/{}", plan.text))?)),
        "open-in-between" => {
            let mut answers = all(names, honest);
            answers.extend(all(names, |_| age::open(plan.text.as_bytes())));
            answers
        }
        // What was encrypted for another file of this instance.
        "open-others" => all(names, |_| honest(&plan.text)),
        "swap" => all(names, |name| honest(names.iter().find(|other| *other != name).map_or(name, String::as_str))),
        "bytes" => all(names, |name| {
            let secret = honest(name)?;
            Err(failure("escaped", &format!("{} bytes", secret.bytes().len())).into())
        }),
        "fail-secret" => all(names, |name| {
            let secret = honest(name)?;
            Err(failure("internal", &String::from_utf8_lossy(&secret.bytes())).into())
        }),
        "bytes-then-open" => all(names, |name| {
            black_box(honest(name)?.bytes());
            age::open(plan.text.as_bytes())
        }),
        "made-up" => all(names, |_| Ok(Secret::new(b"made up"))),
        "nothing" => Vec::new(),
        "twice" => all(names, honest).into_iter().chain(all(names, honest)).collect(),
        // Twice, and one of them is none.
        "twice-failed" => all(names, honest).into_iter().chain(all(names, |_| Err(OpenError::NoIdentity))).collect(),
        "others" => vec![Answer { file: "never-declared".to_owned(), value: honest(&names[0]), attrs: Vec::new() }],
        "others-failed" => {
            let mut answers = all(names, honest);
            answers.extend(all(&["never-declared".to_owned()], |_| Err(OpenError::NoIdentity)));
            answers
        }
        "named-file" => all(std::slice::from_ref(&plan.text), honest),
        // It did not even ask.
        "claim-no-identity" => all(names, |_| Err(OpenError::NoIdentity)),
        // The kind of a failure is text for people.
        "fail-no-identity" => all(names, |_| Err(failure("no-identity", "says who").into())),
        "fail-as-a-whole" => return Err(failure("corrupt", "nothing of it is readable")),
        "ask-on" => loop {
            let _ = age::open(b"no age file at all");
        },
        "" => all(names, honest),
        _ => {
            if !resource::read(plan, entry)? {
                anywhere::run(plan)?;
            }
            all(names, honest)
        }
    })
}

fn honest(name: &str) -> Result<Secret, OpenError> {
    age::open(&read(&path(name))?)
}

fn read(path: &str) -> Result<Vec<u8>, OpenError> {
    Ok(fs::read(path).map_err(Failure::from)?)
}

fn all(names: &[String], value: impl Fn(&str) -> Result<Secret, OpenError>) -> Vec<Answer> {
    names.iter().map(|name| Answer { file: name.clone(), value: value(name), attrs: Vec::new() }).collect()
}
