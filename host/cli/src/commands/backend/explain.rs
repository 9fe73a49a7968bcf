use std::collections::BTreeMap;

use artifacts_contract::{Component, Grants, Limit, each_limit, limit_text};
use artifacts_declared::{Component as Location, Name};
use artifacts_flow::Rights;
use artifacts_report::Failure;
use clap::Args;
use serde_json::{Map, Value, json};

use crate::context::Context;
use crate::exit::Exit;
use crate::global::Global;
use crate::grants;
use crate::output::Output;

#[derive(Debug, Args)]
pub struct Options {
    /// A backend's name in the registry
    name: Name,
}

impl Options {
    pub fn run(&self, global: &Global, output: &Output) -> Result<Exit, Failure> {
        let context = Context::new(global, output)?;
        let (registry, trust, _) = context.registry()?;
        let entry = registry.entry(&self.name)?;
        let component = registry.component(&self.name, &entry)?;
        let rights = registry.rights(&self.name, &entry, &component)?;
        let explained = Explained {
            name: &self.name,
            declared: registry.is_declared(&self.name),
            accepted: rights.need_consent().then(|| grants::accepted(&trust, &component, &rights)).transpose()?,
            entry,
            component,
            rights,
        };
        if output.json() {
            output.object(explained.json(), &[]);
        } else {
            output.line(explained.text(*output).trim_end());
        }
        Ok(Exit::DONE)
    }
}

/// What a backend may do and use, and why.
struct Explained<'a> {
    name: &'a Name,
    declared: bool,
    entry: artifacts_declared::Backend,
    component: Component,
    rights: Rights,
    /// Whether the admin accepted its grants, where somebody has to.
    accepted: Option<bool>,
}

impl Explained<'_> {
    fn json(&self) -> Value {
        let Rights { grants, limits, bundled } = &self.rights;
        let sources = listed(grants).into_keys().map(|grant| (grant.to_owned(), json!(self.source(grant))));
        json!({
            "name": self.name.as_str(), "version": self.component.manifest().version,
            "sha256": self.component.sha256(), "component": self.location(), "bundled": bundled,
            "declared": self.declared, "storage": self.entry.storage,
            "requested": self.component.manifest().requests, "registered": self.entry.grants,
            "effective": grants, "sources": sources.collect::<Map<String, Value>>(), "accepted": self.accepted,
            "limits": limits, "registeredLimits": self.entry.limits,
        })
    }

    fn text(&self, output: Output) -> String {
        let mut text = String::new();
        let mut line = |name: &str, value: &str| text.push_str(&output.field(name, 17, value));
        line("backend", self.name.as_str());
        let inside = if self.rights.bundled { ", inside this program" } else { "" };
        line("component", &format!("{} version {}{inside}", self.location(), self.component.manifest().version));
        line("sha256", &self.component.sha256().to_string());
        line("registered", if self.declared { "yes" } else { "no: known by its own name" });
        line("storage", &self.entry.storage);
        let requested = listed(&self.component.manifest().requests);
        for (grant, effective) in listed(&self.rights.grants) {
            let asked = &requested[grant];
            line(grant, &format!("{effective:<8} {}", self.why(grant, asked)));
        }
        match self.accepted {
            None => {}
            Some(true) => line("accepted", "yes, on this machine, for exactly this component"),
            Some(false) => line("accepted", "no: it runs once this is accepted on this machine"),
        }
        for Limit { name, value, default } in each_limit(&self.rights.limits) {
            let from = match self.entry.limits.contains_key(name) {
                true if value != default => format!("registered, default {}", limit_text(name, default)),
                true => "registered".to_owned(),
                false => "the default".to_owned(),
            };
            line(&format!("limit {name}"), &format!("{:<8} {from}", limit_text(name, value)));
        }
        text
    }

    /// What was asked for, and who granted it or did not.
    fn why(&self, grant: &str, asked: &str) -> String {
        let granted = match (self.source(grant), self.entry.grants.get(grant)) {
            _ if matches!(asked, "no" | "none") => return "not requested".to_owned(),
            ("bundled", None) => "granted as part of this program",
            ("bundled", Some(_)) => "granted as part of this program, whatever the registry says",
            (_, Some(value)) if *value == json!(false) || *value == json!([]) => "refused in the registry",
            (_, Some(_)) => "granted in the registry",
            (_, None) => "not granted in the registry",
        };
        let what = if asked == "yes" { String::new() } else { format!(" {asked}") };
        format!("requested{what}, {granted}")
    }

    /// Who decides on a grant.
    fn source(&self, grant: &str) -> &'static str {
        match (self.rights.bundled, self.entry.grants.contains_key(grant)) {
            (true, _) => "bundled",
            (false, true) => "registered",
            (false, false) => "default",
        }
    }

    fn location(&self) -> String {
        match &self.entry.component {
            Location::Plain(text) => text.clone(),
            Location::Derived { path, .. } => path.display().to_string(),
        }
    }
}

/// Every grant that there is, in words.
fn listed(grants: &Grants) -> BTreeMap<&'static str, String> {
    let word = |given: bool| if given { "yes" } else { "no" }.to_owned();
    grants.each().into_iter().map(|grant| (grant.name, word(grant.given))).collect()
}
