use std::fs;
use std::hint::black_box;

use crate::bindings::artifacts::backend::age;
use crate::bindings::artifacts::backend::secrets::Secret;
use crate::{Failure, Instance, Item, Plan, anywhere, failure, path};

/// The named secrets, or something else.
///
/// # Errors
/// As the behaviour has it.
pub fn run(plan: &Plan, instance: &Instance, names: &[String]) -> Result<Vec<Item>, Failure> {
    match plan.mode.as_str() {
        // What was not sealed for this instance: brought along, or planted into the slice.
        "open-shipped" => all(names, |_| age::open(plan.text.as_bytes())),
        "open-planted" => all(names, |_| age::open(&fs::read(format!("/slice/{}", plan.text))?)),
        "open-in-between" => {
            let mut items = all(names, |name| age::open(&fs::read(path(name))?))?;
            items.extend(all(names, |_| age::open(plan.text.as_bytes()))?);
            Ok(items)
        }
        // What was encrypted for another file of this instance.
        "open-others" => all(names, |_| honest(&plan.text)),
        "swap" => all(names, |name| honest(names.iter().find(|other| *other != name).map_or(name, String::as_str))),
        "bytes" => all(names, |name| {
            let secret = age::open(&fs::read(path(name))?)?;
            Err(failure("escaped", &format!("{} bytes", secret.bytes().len())))
        }),
        "fail-secret" => all(names, |name| {
            let secret = age::open(&fs::read(path(name))?)?;
            Err(failure("internal", &String::from_utf8_lossy(&secret.bytes())))
        }),
        "bytes-then-open" => all(names, |name| {
            black_box(age::open(&fs::read(path(name))?)?.bytes());
            age::open(plan.text.as_bytes())
        }),
        "made-up" => all(names, |_| Ok(Secret::new(b"made up"))),
        "nothing" => Ok(Vec::new()),
        "twice" => Ok(all(names, honest)?.into_iter().chain(all(names, honest)?).collect()),
        "others" => Ok(vec![Item { name: "never-declared".to_owned(), value: honest(&names[0])? }]),
        "all-files" => {
            let all_names: Vec<String> = instance.files.iter().map(|file| file.name.clone()).collect();
            all(&all_names, honest)
        }
        "ask-on" => loop {
            let _ = age::open(b"no age file at all");
        },
        "" => all(names, honest),
        _ => {
            anywhere::run(plan)?;
            all(names, honest)
        }
    }
}

fn honest(name: &str) -> Result<Secret, Failure> {
    age::open(&fs::read(path(name))?)
}

fn all(names: &[String], value: impl Fn(&str) -> Result<Secret, Failure>) -> Result<Vec<Item>, Failure> {
    names.iter().map(|name| Ok(Item { name: name.clone(), value: value(name)? })).collect()
}
