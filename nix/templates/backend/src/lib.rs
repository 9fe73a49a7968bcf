//! One binary age file per secret.

use artifacts_backend_sdk::{Backend, Entry, Failure, Instance, Item, Recipients, State, config, seal};
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
            all.extend(config::<Config>(target)?.recipients);
        }
        all.sort();
        all.dedup();
        Ok(instance.files.iter().map(|file| (file.name.clone(), all.clone())).collect())
    }

    fn check(instance: &Instance, entry: &Entry) -> Result<State, Failure> {
        let mut declared: Vec<String> = instance.files.iter().map(|file| format!("{}.age", file.name)).collect();
        declared.sort();
        let stored = entry.names()?;
        Ok(if stored == declared {
            State::Present
        } else if stored.is_empty() {
            State::Absent
        } else {
            State::Stale(vec![("files".to_owned(), format!("{stored:?} is stored; {declared:?} is declared"))])
        })
    }

    fn serialize(instance: &Instance, items: Vec<Item>, entry: &Entry) -> Result<(), Failure> {
        let all = Self::recipients(instance)?;
        for item in items {
            let recipients = all.iter().find(|(name, _)| *name == item.name).map(|(_, recipients)| recipients);
            let recipients = recipients.ok_or_else(|| Failure::internal("a file that is not declared"))?;
            entry.write(&format!("{}.age", item.name), &seal(&item.value, recipients, false)?)?;
        }
        let declared: Vec<String> = instance.files.iter().map(|file| format!("{}.age", file.name)).collect();
        entry.keep_only(declared.iter().map(String::as_str))
    }
}

artifacts_backend_sdk::export!(Mine, manifest = "../manifest.json");
