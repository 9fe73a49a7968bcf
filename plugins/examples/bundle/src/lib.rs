//! An example of a backend: all secrets of an instance lie in one file, `bundle.json`, an object from a file's name to its
//! armored age text. The host seals; the backend never sees a plaintext.

use std::collections::{BTreeMap, BTreeSet};

use artifacts_backend_sdk::{
    Backend, Context, Entry, Failure, Form, Instance, Item, Reason, ReasonKind, Recipient, Recipients, SerializeError,
    State, config, seal,
};
use serde::Deserialize;

/// The one stored file.
const FILE: &str = "bundle.json";

/// `artifacts.config.bundle` of one target.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    recipients: BTreeSet<String>,
}

/// The backend.
pub struct Bundle;

impl Backend for Bundle {
    fn recipients(instance: &Instance) -> Result<Recipients, Failure> {
        let recipients = recipients(instance)?;
        if let Some(file) = instance.files.iter().find(|file| file.targets.len() != instance.targets.len()) {
            return Err(Failure::unsupported(format!("`{}`: bundle keeps no file from its targets", file.name)));
        }
        Ok(instance.files.iter().map(|file| (file.name.clone(), recipients.clone())).collect())
    }

    fn check(_: &Context, instance: &Instance, entry: &Entry) -> Result<State, Failure> {
        let Some(bundle) = read(entry)? else { return Ok(State::Absent) };
        let stored: BTreeSet<&str> = bundle.keys().map(String::as_str).collect();
        let declared: BTreeSet<&str> = instance.files.iter().map(|file| file.name.as_str()).collect();
        let reasons: Vec<_> = stored
            .symmetric_difference(&declared)
            .map(|name| {
                let what = if stored.contains(name) { "stored and not declared" } else { "declared and not stored" };
                Reason::new(ReasonKind::Files, format!("`{name}` is {what}"))
            })
            .collect();
        Ok(State::stored(reasons))
    }

    fn serialize(_: &Context, instance: &Instance, items: Vec<Item>, entry: &Entry) -> Result<(), SerializeError> {
        let mut bundle = read(entry)?.unwrap_or_default();
        bundle.retain(|name, _| instance.files.iter().any(|file| file.name == *name));
        for item in items {
            let sealed = seal(&item.name, &item.value, Form::Armored)?;
            bundle.insert(item.name, String::from_utf8_lossy(&sealed).into_owned());
        }
        let text = serde_json::to_vec_pretty(&bundle).map_err(|error| Failure::internal(error.to_string()))?;
        entry.write(FILE, &text)?;
        Ok(entry.keep_only([FILE])?)
    }
}

fn recipients(instance: &Instance) -> Result<Vec<Recipient>, Failure> {
    let mut all = BTreeSet::new();
    for target in &instance.targets {
        all.extend(config::<Config>(target)?.recipients);
    }
    Ok(all.into_iter().map(Recipient::from).collect())
}

fn read(entry: &Entry) -> Result<Option<BTreeMap<String, String>>, Failure> {
    let Some(bytes) = entry.read(FILE)? else { return Ok(None) };
    let bundle = serde_json::from_slice(&bytes);
    bundle.map(Some).map_err(|error| Failure::corrupt(format!("`{FILE}` is no bundle: {error}")))
}

artifacts_backend_sdk::export!(Bundle, manifest = "../manifest.json");

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use artifacts_backend_sdk::File;

    use super::*;

    fn instance(files: &[&str]) -> Instance {
        let files = files.iter().map(|name| File { name: (*name).into(), targets: Vec::new(), attrs: Vec::new() });
        Instance {
            name: "shared/ca".into(),
            artifact: "ca".into(),
            shared: true,
            targets: Vec::new(),
            files: files.collect(),
            attrs: Vec::new(),
        }
    }

    fn state(text: Option<&str>) -> Result<State, Failure> {
        let folder = tempfile::tempdir().unwrap();
        let context = Context { now: 0, attrs: Vec::new() };
        if let Some(text) = text {
            std::fs::write(folder.path().join(FILE), text).unwrap();
        }
        Bundle::check(&context, &instance(&["a", "b"]), &Entry::open_at(folder.path()))
    }

    #[test]
    fn the_state_is_told_by_the_names_in_the_bundle() {
        assert_eq!(state(None).unwrap(), State::Absent);
        assert_eq!(state(Some(r#"{"a":"","b":""}"#)).unwrap(), State::Present);
        assert!(
            matches!(state(Some(r#"{"a":"","c":""}"#)).unwrap(), State::Stale(stale) if stale.reasons().count() == 2)
        );
        assert_eq!(state(Some("[]")).unwrap_err().kind, "corrupt");
    }
}
