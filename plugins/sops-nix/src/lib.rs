//! The backend sops-nix: `<file>.sops` in sops' binary form, or one structured file for what an artifact deploys. It encrypts
//! the values itself, hence the grant `plaintext`; the host seals the data keys, so no private key is ever here.

mod check;
mod config;
mod failure;
mod layout;
mod retrieve;
mod serialize;

use std::time::SystemTime;

use artifacts_backend_sdk::{Backend, Entry, Failure, Instance, Item, Recipients, Retrieve, Secret, State, open, seal};
use sops_format::LeafValue;

use crate::layout::Layout;

/// The backend.
pub struct SopsNix;

impl Backend for SopsNix {
    fn recipients(instance: &Instance) -> Result<Recipients, Failure> {
        Layout::of(instance)?;
        config::recipients(instance)
    }

    fn check(instance: &Instance, entry: &Entry) -> Result<State, Failure> {
        check::check(&Layout::of(instance)?, entry)
    }

    fn serialize(instance: &Instance, items: Vec<Item>, entry: &Entry) -> Result<(), Failure> {
        let values: Vec<LeafValue> =
            items.into_iter().map(|item| LeafValue::new(item.name, item.value.bytes())).collect();
        let recipients = config::recipients(instance)?;
        serialize::serialize(&Layout::of(instance)?, &recipients, &values, entry, now(), |key, reader| {
            let armored = seal(&Secret::new(key), &[reader.to_owned()], true)?;
            String::from_utf8(armored).map_err(|_| Failure::internal("the host's armor is no text"))
        })
    }
}

impl Retrieve for SopsNix {
    fn retrieve(instance: &Instance, names: &[String], entry: &Entry) -> Result<Vec<Item>, Failure> {
        let values = retrieve::retrieve(&Layout::of(instance)?, names, entry, |enc| {
            open(enc.as_bytes()).map(|key| key.bytes())
        })?;
        Ok(values.into_iter().map(|value| Item { value: Secret::new(&value.bytes), name: value.key }).collect())
    }
}

/// Seconds since 1970. A clock before that is told by the format.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.ok().and_then(|since| since.as_secs().try_into().ok()).unwrap_or(i64::MIN)
}

artifacts_backend_sdk::export!(SopsNix, manifest = "../manifest.json", retrieval);

#[cfg(test)]
mod tests;
