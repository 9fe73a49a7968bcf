//! The backend sops-nix: `<file>.sops` in sops' binary form, or one structured file for what an artifact deploys. It encrypts
//! the values itself, hence the grant `plaintext`; the host seals the data keys, so no private key is ever here.

mod check;
mod config;
mod failure;
mod layout;
mod retrieve;
mod serialize;

use artifacts_backend_sdk::{
    Answer, Backend, Context, Entry, Failure, Form, Instance, Item, OpenError, Recipients, Retrieve, Secret,
    SerializeError, State, open, seal_key,
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
        let (layout, recipients) = (Layout::of(instance)?, config::stanzas(instance)?);
        let names: Vec<String> = items.iter().map(|item| item.name.clone()).collect();
        let of_others =
            serialize::kept_keys(&layout, &recipients, &names, entry, |enc| open(enc.as_bytes()).map(drop))?;
        let values: Vec<LeafValue> =
            items.into_iter().map(|item| LeafValue::new(item.name, item.value.bytes())).collect();
        // The format rejects a time that does not fit.
        let now = context.now.try_into().unwrap_or(i64::MIN);
        let text = |armored| String::from_utf8(armored).map_err(|_| Failure::internal("the host's armor is no text"));
        let seal = |files: &[String], key: &[u8; 32], recipients: &[&str]| {
            seal_key(files, key, recipients, Form::Armored)?.into_iter().map(text).collect()
        };
        serialize::serialize(&layout, &recipients, &values, &of_others, entry, now, (seal, opened))
    }
}

impl Retrieve for SopsNix {
    fn retrieve(_: &Context, files: &[String], entry: &Entry) -> Result<Vec<Answer>, Failure> {
        let values = retrieve::retrieve(files, entry, opened)?;
        let answer = |(file, value): (String, Result<LeafValue, _>)| Answer {
            file,
            value: value.map(|value| Secret::new(&value.bytes)),
        };
        Ok(values.into_iter().map(answer).collect())
    }
}

/// Has the host decrypt the data key of a stanza.
fn opened(enc: &str) -> Result<Vec<u8>, OpenError> {
    open(enc.as_bytes()).map(|key| key.bytes())
}

artifacts_backend_sdk::export!(SopsNix, manifest = "../manifest.json", retrieval);

#[cfg(test)]
mod tests;
