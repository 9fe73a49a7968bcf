//! A component's grants, and limits above the defaults, count once the admin has accepted them for its very bytes, on this machine.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::IsTerminal as _;

use artifacts_audit::{AuditLog, ConsentRecord, ConsentSubject};
use artifacts_contract::{Component, Grants, raised_limits};
use artifacts_declared::Name;
use artifacts_flow::{Accept, Answer, EffectiveGrants};
use artifacts_report::Failure;
use artifacts_text::terminal;
use artifacts_trust::Trust;
use serde_json::json;

use crate::{audit_log, person};

/// Whether the admin has accepted these rights for this very component.
pub fn accepted(trust: &Trust, component: &Component, rights: &EffectiveGrants) -> Result<bool, Failure> {
    trust.accepted(&acceptance(component, rights)).map_err(|e| distrust(&e))
}

/// Returns what answers whether a component may have its rights: the admin accepted them beforehand, or does so now, at the terminal.
pub fn asking(trust: Trust, log: AuditLog, all: bool, no_input: bool) -> Accept {
    Box::new(move |name, component, rights| {
        if accepted(&trust, component, rights)? {
            return Ok(Answer::Yes { by: "" });
        }
        let answer = match (all, no_input) {
            (true, _) => Answer::Yes { by: "--accept-grants" },
            (false, true) => Answer::NoOne,
            (false, false) => ask(name, component, rights),
        };
        if let Answer::Yes { by } = answer {
            let (backend, sha256) = (name.to_string(), component.sha256().to_string());
            let subject =
                ConsentSubject::Grants { backend, sha256, grants: json!(rights.grants), limits: raised(rights) };
            let consent = ConsentRecord { by: by.to_owned(), subject };
            log.consent(vec![consent]).map_err(|e| audit_log::failure(&e))?;
            trust.accept(&acceptance(component, rights)).map_err(|e| distrust(&e))?;
        }
        Ok(answer)
    })
}

/// What is stored of a consent. The empty list is what earlier versions wrote, and limits are there only where one is raised: what
/// was accepted before is accepted still.
fn acceptance(component: &Component, rights: &EffectiveGrants) -> serde_json::Value {
    let Grants { plaintext, identities } = rights.grants;
    let grants = json!({"plaintext": plaintext, "identities": identities, "recipient-plugins": []});
    let mut acceptance = json!({"component": component.sha256(), "grants": grants});
    let limits = raised(rights);
    if !limits.is_empty() {
        acceptance["limits"] = json!(limits);
    }
    acceptance
}

/// The limits above their defaults.
fn raised(rights: &EffectiveGrants) -> BTreeMap<String, u64> {
    raised_limits(&rights.limits).into_iter().map(|limit| (limit.name.to_owned(), limit.value)).collect()
}

fn distrust(error: &artifacts_trust::Error) -> Failure {
    Failure::from(error)
}

/// Shows what a component would be given, and asks. No one answers where no one sits: messages that go elsewhere than to a terminal are
/// a script's.
fn ask(name: &Name, component: &Component, rights: &EffectiveGrants) -> Answer {
    let terminal = std::io::stderr().is_terminal().then(person::terminal).flatten();
    let Some(mut terminal) = terminal else { return Answer::NoOne };
    let shown = question(name, component, rights).lines().all(|line| terminal.message(line).is_ok());
    let is_yes = shown.then(|| terminal.confirm("Grant this to exactly this component, on this machine?"));
    match is_yes {
        Some(Ok(true)) => Answer::Yes { by: audit_log::TERMINAL },
        Some(Ok(false)) => Answer::No,
        Some(Err(_)) | None => Answer::NoOne,
    }
}

fn question(name: &Name, component: &Component, rights: &EffectiveGrants) -> String {
    let manifest = component.manifest();
    let mut text = format!("Backend `{}` is a third-party component.\n", terminal(name.as_str()));
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "  {name:<10} {}", terminal(&value.replace('\n', " ")));
    };
    line("component", &format!("{} {}", manifest.name, manifest.version));
    line("sha256", &component.sha256().to_string());
    for grant in rights.grants.each().into_iter().filter(|grant| grant.given) {
        line("may", &format!("{} ({})", grant.meaning, grant.name));
    }
    for limit in raised_limits(&rights.limits) {
        line("may use", &limit.to_string());
    }
    text
}
