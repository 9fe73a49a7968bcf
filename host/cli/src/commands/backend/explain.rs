use std::collections::BTreeMap;

use artifacts_backend::Grants;
use artifacts_report::Failure;
use artifacts_spec::Name;
use clap::Args;
use serde_json::{Value, json};

use crate::args::Global;
use crate::commands::Status;
use crate::output::Output;
use crate::rooms::Run;

#[derive(Debug, Args)]
pub struct Options {
    /// A backend's name in the registry
    name: Name,
}

impl Options {
    pub fn run(&self, global: &Global, output: &Output) -> Result<Status, Failure> {
        let run = Run::begin(global, output)?;
        let rooms = run.rooms()?;
        let entry = rooms.registry.entry(&self.name)?;
        let component = rooms.registry.component(&self.name, &entry, &rooms.nix)?;
        let rights = rooms.registry.rights(&self.name, &entry, &component)?;
        let registered = Value::Object(entry.grants.clone());
        let requested = &component.manifest().requests;
        let limits = json!(rights.limits);
        if output.json() {
            let value = json!({
                "schema": 1, "name": self.name.as_str(), "sha256": component.sha256(), "storage": entry.storage,
                "requested": requested, "registered": registered, "effective": rights.grants, "limits": limits,
                "registeredLimits": entry.limits,
            });
            output.line(&value.to_string());
            return Ok(Status::DONE);
        }
        output.line(&format!("backend    {}", self.name));
        output.line(&format!("sha256     {}", component.sha256()));
        output.line(&format!("storage    {}", entry.storage));
        for (grant, effective) in listed(&rights.grants) {
            let asked = &listed(requested)[grant];
            let given =
                registered.get(grant).map_or_else(|| "not registered".to_owned(), |v| format!("registered {v}"));
            output.line(&format!("{grant:<20} {effective:<8} requested {asked}, {given}"));
        }
        for (limit, value) in limits.as_object().into_iter().flatten() {
            let from = if entry.limits.contains_key(limit) { "registered" } else { "the default" };
            output.line(&format!("limit {limit:<14} {value:<8} {from}"));
        }
        Ok(Status::DONE)
    }
}

/// Every grant that there is, in words.
fn listed(grants: &Grants) -> BTreeMap<&'static str, String> {
    let plugins: Vec<&str> = grants.recipient_plugins.iter().map(String::as_str).collect();
    let plugins = if plugins.is_empty() { "none".to_owned() } else { plugins.join(",") };
    let yes = |grant: bool| if grant { "yes" } else { "no" }.to_owned();
    BTreeMap::from([
        ("plaintext", yes(grants.plaintext)),
        ("identities", yes(grants.identities)),
        ("recipient-plugins", plugins),
    ])
}
