//! The backend sops-nix: `<file>.sops` in sops' binary form, or one structured file for what an artifact deploys. It encrypts
//! the values itself, hence the grant `plaintext`; the host seals the data keys, so no private key is ever here.

mod check;
mod config;
mod failure;
mod layout;
mod retrieve;
mod serialize;

use std::time::SystemTime;

use artifacts_backend_sdk::{Backend, Failure, Instance, Item, Readers, Retrieve, Secret, Slice, State, open, seal};
use sops_format::Value;

use crate::layout::Layout;

/// The backend.
pub struct SopsNix;

impl Backend for SopsNix {
    fn readers(instance: &Instance) -> Result<Readers, Failure> {
        Layout::of(instance)?;
        config::readers(instance)
    }

    fn check(instance: &Instance, slice: &Slice) -> Result<State, Failure> {
        check::check(&Layout::of(instance)?, slice)
    }

    fn serialize(instance: &Instance, items: Vec<Item>, slice: &Slice) -> Result<(), Failure> {
        let values: Vec<Value> = items.into_iter().map(|item| Value::new(item.name, item.value.bytes())).collect();
        let readers = config::readers(instance)?;
        serialize::serialize(&Layout::of(instance)?, &readers, &values, slice, now(), |key, reader| {
            let armored = seal(&Secret::new(key), &[reader.to_owned()], true)?;
            String::from_utf8(armored).map_err(|_| Failure::internal("the host's armor is no text"))
        })
    }
}

impl Retrieve for SopsNix {
    fn retrieve(instance: &Instance, names: &[String], slice: &Slice) -> Result<Vec<Item>, Failure> {
        let values = retrieve::retrieve(&Layout::of(instance)?, names, slice, |enc| {
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
