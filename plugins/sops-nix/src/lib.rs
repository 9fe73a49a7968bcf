//! The backend sops-nix: `<file>.sops` in sops' binary form, or one structured file for what an artifact deploys. It encrypts
//! the values itself, hence the grant `plaintext`; the host seals the data keys, so no private key is ever here.

mod check;
mod config;
mod failure;
mod layout;
mod retrieve;
mod serialize;

use artifacts_backend_sdk::{
    Answer, Backend, Context, Entry, Failure, Form, Instance, Item, Recipients, Retrieve, Secret, SerializeError,
    State, open, seal_key,
};
use sops_format::LeafValue;

use crate::layout::Layout;

/// Implements the backend.
pub struct SopsNix;

impl Backend for SopsNix {
    fn recipients(instance: &Instance) -> Result<Recipients, Failure> {
        Layout::of(instance)?;
        config::recipients(instance)
    }

    fn check(_: &Context, instance: &Instance, entry: &Entry) -> Result<State, Failure> {
        check::check(&Layout::of(instance)?, entry)
    }

    fn serialize(
        context: &Context,
        instance: &Instance,
        items: Vec<Item>,
        entry: &Entry,
    ) -> Result<(), SerializeError> {
        let values: Vec<LeafValue> =
            items.into_iter().map(|item| LeafValue::new(item.name, item.value.bytes())).collect();
        let recipients = config::stanzas(instance)?;
        // The format rejects a time that does not fit.
        let now = context.now.try_into().unwrap_or(i64::MIN);
        serialize::serialize(&Layout::of(instance)?, &recipients, &values, entry, now, |files, key, recipient| {
            let armored = seal_key(files, key, recipient, Form::Armored)?;
            String::from_utf8(armored).map_err(|_| Failure::internal("the host's armor is no text"))
        })
    }
}

impl Retrieve for SopsNix {
    fn retrieve(_: &Context, files: &[String], entry: &Entry) -> Result<Vec<Answer>, Failure> {
        let values = retrieve::retrieve(files, entry, |enc| open(enc.as_bytes()).map(|key| key.bytes()))?;
        let answer = |(file, value): (String, Result<LeafValue, _>)| Answer {
            file,
            value: value.map(|value| Secret::new(&value.bytes)),
        };
        Ok(values.into_iter().map(answer).collect())
    }
}

artifacts_backend_sdk::export!(SopsNix, manifest = "../manifest.json", retrieval);

#[cfg(test)]
mod tests;
