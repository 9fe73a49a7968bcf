//! The audit log of this run: where it is, and what it has of who ran what.

use std::path::{Path, PathBuf};

use artifacts_audit::{AuditLog, Error, RunRecord, SyncMode, User, head_path as head};
use artifacts_report::Failure;
use artifacts_trust::{Checkout, check_ownership};

use crate::environment::Environment;
use crate::global::Global;
use crate::invocation::Invocation;

/// How what was accepted at the terminal was accepted.
pub const TERMINAL: &str = "terminal";

/// Where the log is: as the person says, or below this user's state.
pub fn place(global: &Global, environment: &Environment) -> Result<PathBuf, Failure> {
    match (&global.audit_log, environment.state()) {
        (Some(file), _) => Ok(file.clone()),
        (None, Some(state)) => Ok(state.join("audit.jsonl")),
        (None, None) => Err(Failure::new("audit", "no location for the audit log")
            .hint(Some("set HOME or XDG_STATE_HOME, or pass `--audit-log FILE`"))),
    }
}

/// Anyone else who could write there could change the log unseen. A log that is named is as safe as it is.
pub fn check(path: &Path, is_named: bool) -> Result<(), Failure> {
    if is_named {
        return Ok(());
    }
    let failed = |e: artifacts_trust::Error| Failure::about("audit", e);
    [path.to_owned(), head(path)].iter().try_for_each(|path| check_ownership(path).map_err(failed))
}

/// The log in that file, for a run in this checkout.
pub fn log(path: &Path, global: &Global, checkout: Option<&Checkout>) -> AuditLog {
    let Invocation { command, selectors, flags } = global.invocation.clone();
    let about = RunRecord {
        user: user(),
        host: std::fs::read_to_string("/proc/sys/kernel/hostname").ok().map(|name| name.trim().to_owned()),
        checkout: checkout.map(|checkout| checkout.root().display().to_string()),
        repository: checkout.and_then(|checkout| Some(checkout.id().ok()??.as_str().to_owned())),
        command,
        selectors,
        flags,
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    AuditLog::new(path, about, if global.no_sync { SyncMode::No } else { SyncMode::Yes }, Environment::now)
}

/// An error of the log.
pub fn failure(error: &Error) -> Failure {
    Failure::about("audit", error)
}

/// Who runs this: the name is that of the user database, not of the environment.
fn user() -> User {
    let uid = rustix::process::getuid().as_raw();
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    User { name: name_of(uid, &users), uid }
}

fn name_of(uid: u32, users: &str) -> Option<String> {
    let fields = users.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let mut names = fields.filter_map(|fields| match fields.as_slice() {
        [name, _, number, ..] if number.parse() == Ok(uid) => Some((*name).to_owned()),
        _ => None,
    });
    names.next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_named_by_the_user_database() {
        let users = "root:x:0:0::/root:/bin/sh\n\nada:x:1000:100::/home/ada:/bin/sh\n";
        assert_eq!((name_of(1000, users).as_deref(), name_of(7, users)), (Some("ada"), None));
    }
}
