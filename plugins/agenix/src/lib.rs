//! The backend agenix: `<file>.age`, armored, sealed by the host. It never sees a plaintext or a private key.

mod armor;
mod check;
mod config;
mod recipients;

use artifacts_backend_sdk::{Backend, Entry, Failure, Instance, Item, Recipients, Retrieve, State, open, seal};

/// The backend.
pub struct Agenix;

impl Backend for Agenix {
    fn recipients(instance: &Instance) -> Result<Recipients, Failure> {
        recipients::of(instance)
    }

    fn check(instance: &Instance, entry: &Entry) -> Result<State, Failure> {
        check::check(instance, entry)
    }

    fn serialize(instance: &Instance, items: Vec<Item>, entry: &Entry) -> Result<(), Failure> {
        let recipients = recipients::of(instance)?;
        for item in items {
            let recipients = recipients.iter().find(|(name, _)| *name == item.name).map(|(_, recipients)| recipients);
            let Some(recipients) = recipients else {
                return Err(Failure::internal(format!("`{}` is not declared in `{}`", item.name, instance.name)));
            };
            entry.write(&stored(&item.name), &seal(&item.value, recipients, true)?)?;
        }
        let declared: Vec<String> = instance.files.iter().map(|file| stored(&file.name)).collect();
        entry.keep_only(declared.iter().map(String::as_str))
    }
}

impl Retrieve for Agenix {
    fn retrieve(_: &Instance, names: &[String], entry: &Entry) -> Result<Vec<Item>, Failure> {
        let item = |name: &String| {
            let stored = stored(name);
            let file = entry.read(&stored)?.ok_or_else(|| Failure::corrupt(format!("`{stored}` is not there")))?;
            Ok(Item { name: name.clone(), value: open(&file)? })
        };
        // All are asked for before one that fails counts: what needs a plugin is then opened in one go.
        let items: Vec<Result<Item, Failure>> = names.iter().map(item).collect();
        items.into_iter().collect()
    }
}

/// The name that a file has in the slice.
fn stored(name: &str) -> String {
    format!("{name}.age")
}

artifacts_backend_sdk::export!(Agenix, manifest = "../manifest.json", retrieval);
