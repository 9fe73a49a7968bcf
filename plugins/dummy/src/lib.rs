//! The backend dummy: nothing is stored in the repository. On the target, the host has it write what generators made there,
//! as it is; the host puts it into its place, in RAM.

use artifacts_backend_sdk::{
    Backend, Context, Entry, Failure, Instance, Item, Reason, ReasonKind, Recipients, SerializeError, State,
};

/// The backend.
pub struct Dummy;

impl Backend for Dummy {
    fn recipients(instance: &Instance) -> Result<Recipients, Failure> {
        Ok(instance.files.iter().map(|file| (file.name.clone(), Vec::new())).collect())
    }

    fn check(_: &Context, _: &Instance, entry: &Entry) -> Result<State, Failure> {
        let names = entry.names()?;
        if names.is_empty() {
            return Ok(State::Absent);
        }
        let reason =
            |name| Reason::new(ReasonKind::Files, format!("`{name}` is there, and this backend stores nothing"));
        Ok(State::stored(names.into_iter().map(reason).collect()))
    }

    fn serialize(_: &Context, _: &Instance, items: Vec<Item>, entry: &Entry) -> Result<(), SerializeError> {
        Ok(items.iter().try_for_each(|item| entry.write(&item.name, &item.value.bytes()))?)
    }
}

artifacts_backend_sdk::export!(Dummy, manifest = "../manifest.json");
