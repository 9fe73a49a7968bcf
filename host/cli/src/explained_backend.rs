//! What a backend may do and use, and why.

use std::collections::BTreeMap;

use artifacts_contract::{Component, Grants, Limit, each_limit, limit_text};
use artifacts_declared::Name;
use artifacts_flow::{EffectiveGrants, Registry};
use artifacts_report::Failure;
use artifacts_trust::Trust;
use serde_json::{Map, Value, json};

use crate::console::Console;
use crate::grants;
use crate::registered::location;

/// Holds what a backend may do and use.
pub struct ExplainedBackend {
    name: Name,
    declared: bool,
    entry: artifacts_declared::Registration,
    component: Component,
    rights: EffectiveGrants,
    /// Whether the admin accepted its grants, where someone has to.
    accepted: Option<bool>,
}

impl ExplainedBackend {
    /// Finds a backend in the registry, and what of it was accepted.
    pub fn find(name: &Name, registry: &Registry, trust: &Trust) -> Result<Self, Failure> {
        let entry = registry.entry(name)?;
        let component = registry.component(name, &entry)?;
        let rights = registry.rights(name, &entry, &component)?;
        let accepted = rights.need_consent().then(|| grants::accepted(trust, &component, &rights)).transpose()?;
        Ok(Self { name: name.clone(), declared: registry.is_declared(name), entry, component, rights, accepted })
    }

    /// Returns it as `--json` has it.
    pub fn json(&self) -> Value {
        let EffectiveGrants { grants, limits, bundled } = &self.rights;
        let sources = listed(grants).into_keys().map(|grant| (grant.to_owned(), json!(self.source(grant))));
        json!({
            "name": self.name.as_str(), "version": self.component.manifest().version,
            "sha256": self.component.sha256(), "component": location(&self.entry.component), "bundled": bundled,
            "declared": self.declared, "storage": self.entry.storage,
            "requested": self.component.manifest().requests, "registered": self.entry.grants,
            "effective": grants, "sources": sources.collect::<Map<String, Value>>(), "accepted": self.accepted,
            "limits": limits, "registeredLimits": self.entry.limits,
        })
    }

    /// Returns it in lines.
    pub fn text(&self, console: Console) -> String {
        let mut text = String::new();
        let mut line = |name: &str, value: &str| text.push_str(&console.field(name, 17, value));
        line("backend", self.name.as_str());
        let inside = if self.rights.bundled { ", bundled" } else { "" };
        line(
            "component",
            &format!("{} version {}{inside}", location(&self.entry.component), self.component.manifest().version),
        );
        line("sha256", &self.component.sha256().to_string());
        line("registered", if self.declared { "yes" } else { "no; bundled under this name" });
        line("storage", &self.entry.storage);
        let requested = listed(&self.component.manifest().requests);
        for (grant, effective) in listed(&self.rights.grants) {
            let asked = &requested[grant];
            line(grant, &format!("{effective:<8} {}", self.why(grant, asked)));
        }
        match self.accepted {
            None => {}
            Some(true) => line("accepted", "yes, for this component on this machine"),
            Some(false) => line("accepted", "no; it does not run until you accept this"),
        }
        for Limit { name, value, default } in each_limit(&self.rights.limits) {
            let from = match self.entry.limits.contains_key(name) {
                true if value != default => format!("registered, default {}", limit_text(name, default)),
                true => "registered".to_owned(),
                false => "default".to_owned(),
            };
            line(&format!("limit {name}"), &format!("{:<8} {from}", limit_text(name, value)));
        }
        text
    }

    /// What was asked for, and who granted it or did not.
    fn why(&self, grant: &str, asked: &str) -> String {
        let granted = match (self.source(grant), self.entry.grants.get(grant)) {
            _ if matches!(asked, "no" | "none") => return "not requested".to_owned(),
            ("bundled", None) => "granted (bundled)",
            ("bundled", Some(_)) => "granted (bundled); the registration is ignored",
            (_, Some(value)) if *value == json!(false) || *value == json!([]) => "denied by its registration",
            (_, Some(_)) => "granted by its registration",
            (_, None) => "not granted by its registration",
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
}

/// Every grant that there is, in words.
fn listed(grants: &Grants) -> BTreeMap<&'static str, String> {
    let word = |given: bool| if given { "yes" } else { "no" }.to_owned();
    grants.each().into_iter().map(|grant| (grant.name, word(grant.given))).collect()
}
