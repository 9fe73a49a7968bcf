//! Asking the admin whether a backend may have what its registration grants.

use std::fmt::Write as _;
use std::io::IsTerminal as _;

use artifacts_backend::{Component, Grants};
use artifacts_report::escaped;
use artifacts_spec::Name;

use crate::person;

/// Shows what a component would be given, and asks. False when nobody sits there: messages that go elsewhere than to a
/// terminal are a script's.
pub fn grants(name: &Name, component: &Component, grants: &Grants) -> bool {
    if !std::io::stderr().is_terminal() {
        return false;
    }
    let Some(mut terminal) = person::terminal() else { return false };
    let shown = question(name, component, grants).lines().all(|line| terminal.message(line).is_ok());
    shown && terminal.confirm("Accept this for exactly this component, on this machine?").unwrap_or(false)
}

fn question(name: &Name, component: &Component, grants: &Grants) -> String {
    let manifest = component.manifest();
    let mut text = format!("The backend `{}` is not part of this program.\n", escaped(name.as_str()));
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "  {name:<10} {}", escaped(value).replace('\n', " "));
    };
    line("component", &format!("{} {}", manifest.name, manifest.version));
    line("sha256", component.sha256());
    for (grant, meaning) in meanings(grants) {
        line("may", &format!("{meaning} ({grant})"));
    }
    text
}

/// Each grant that there is, and what it means.
fn meanings(grants: &Grants) -> Vec<(&'static str, String)> {
    let mut meanings = Vec::new();
    if grants.plaintext {
        meanings.push(("plaintext", "see every secret that it stores, and hide it in what it writes".to_owned()));
    }
    if grants.identities {
        meanings.push(("identities", "have secrets that it stored opened with your keys".to_owned()));
    }
    if !grants.recipient_plugins.is_empty() {
        let plugins: Vec<String> =
            grants.recipient_plugins.iter().map(|plugin| format!("age-plugin-{plugin}")).collect();
        meanings.push(("recipient-plugins", format!("have {} run on this machine", plugins.join(", "))));
    }
    meanings
}
