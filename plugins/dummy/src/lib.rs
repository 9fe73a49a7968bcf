//! The backend dummy: nothing is stored, the target makes everything. The host reads this off the manifest and does not
//! call it; the functions say the same for whoever calls them all the same.

use artifacts_backend_sdk::{Backend, Failure, Instance, Item, Readers, Slice, State};

/// The backend.
pub struct Dummy;

impl Backend for Dummy {
    fn readers(instance: &Instance) -> Result<Readers, Failure> {
        Ok(instance.files.iter().map(|file| (file.name.clone(), Vec::new())).collect())
    }

    fn check(_: &Instance, slice: &Slice) -> Result<State, Failure> {
        let names = slice.names()?;
        if names.is_empty() {
            return Ok(State::Absent);
        }
        let reason = |name| ("files".to_owned(), format!("`{name}` is there, and this backend stores nothing"));
        Ok(State::Stale(names.into_iter().map(reason).collect()))
    }

    fn serialize(instance: &Instance, _: Vec<Item>, _: &Slice) -> Result<(), Failure> {
        Err(Failure::unsupported(format!("`{}` is made on the target; nothing is stored here", instance.name))
            .hint("Choose another backend for it, or leave it to the target."))
    }
}

artifacts_backend_sdk::export!(Dummy, manifest = "../manifest.json");
