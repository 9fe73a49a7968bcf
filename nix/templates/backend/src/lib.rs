//! One binary age file per secret.

use artifacts_backend_sdk::{
    Backend, Context, Entry, Failure, Form, Instance, Item, Reason, ReasonKind, Recipient, Recipients, SerializeError, State,
    config, seal,
};
use serde::Deserialize;

/// `artifacts.config.mine` of one target.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    recipients: Vec<String>,
}

/// The backend.
pub struct Mine;

impl Backend for Mine {
    fn recipients(instance: &Instance) -> Result<Recipients, Failure> {
        let mut all = Vec::new();
        for target in &instance.targets {
            all.extend(config::<Config>(target)?.recipients.into_iter().map(Recipient::new));
        }
        all.sort();
        all.dedup();
        Ok(instance.files.iter().map(|file| (file.name.clone(), all.clone())).collect())
    }

    fn check(_: &Context, instance: &Instance, entry: &Entry) -> Result<State, Failure> {
        let mut declared: Vec<String> = instance.files.iter().map(|file| format!("{}.age", file.name)).collect();
        declared.sort();
        let stored = entry.names()?;
        if stored.is_empty() {
            return Ok(State::Absent);
        }
        let differs = || Reason::new(ReasonKind::Files, format!("{stored:?} is stored; {declared:?} is declared"));
        Ok(State::stored(if stored == declared { Vec::new() } else { vec![differs()] }))
    }

    fn serialize(_: &Context, instance: &Instance, items: Vec<Item>, entry: &Entry) -> Result<(), SerializeError> {
        for item in items {
            entry.write(&format!("{}.age", item.name), &seal(&item.name, &item.value, Form::Binary)?)?;
        }
        let declared: Vec<String> = instance.files.iter().map(|file| format!("{}.age", file.name)).collect();
        Ok(entry.keep_only(declared.iter().map(String::as_str))?)
    }
}

artifacts_backend_sdk::export!(Mine, manifest = "../manifest.json");
