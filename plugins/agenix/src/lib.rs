//! The backend agenix: `<file>.age`, armored, encrypted by the host. It never accesses a plaintext or a private key.

mod armor;
mod check;
mod config;
mod recipients;

use artifacts_backend_sdk::{
    Answer, Backend, Context, Entry, Failure, Form, Instance, Item, OpenError, Recipients, Retrieve, Secret,
    SerializeError, State, open, seal,
};

/// Implements the backend.
pub struct Agenix;

impl Backend for Agenix {
    fn recipients(instance: &Instance) -> Result<Recipients, Failure> {
        recipients::of(instance)
    }

    fn check(_: &Context, instance: &Instance, entry: &Entry) -> Result<State, Failure> {
        check::check(instance, entry)
    }

    fn serialize(_: &Context, instance: &Instance, items: Vec<Item>, entry: &Entry) -> Result<(), SerializeError> {
        for item in items {
            entry.write(&stored(&item.name), &seal(&item.name, &item.value, Form::Armored)?)?;
        }
        let declared: Vec<String> = instance.files.iter().map(|file| stored(&file.name)).collect();
        Ok(entry.keep_only(declared.iter().map(String::as_str))?)
    }
}

impl Retrieve for Agenix {
    fn retrieve(_: &Context, files: &[String], entry: &Entry) -> Result<Vec<Answer>, Failure> {
        Ok(files.iter().map(|file| Answer { file: file.clone(), value: read(file, entry) }).collect())
    }
}

fn read(file: &str, entry: &Entry) -> Result<Secret, OpenError> {
    let stored = stored(file);
    let sealed = entry.read(&stored)?.ok_or_else(|| Failure::corrupt(format!("`{stored}` is not there")))?;
    open(&sealed)
}

/// Returns the name of a declared file in the entry.
fn stored(name: &str) -> String {
    format!("{name}.age")
}

artifacts_backend_sdk::export!(Agenix, manifest = "../manifest.json", retrieval);
