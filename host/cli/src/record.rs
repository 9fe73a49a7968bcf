//! The record of what backends do: where it lies.

use std::path::{Path, PathBuf};

use artifacts_audit::Log;
use artifacts_report::Failure;

use crate::args::Global;
use crate::environment::Environment;

/// Where every call of a backend is recorded: as the person says, or below this user's state.
pub fn place(global: &Global, environment: &Environment) -> Result<PathBuf, Failure> {
    match (&global.audit_log, environment.state()) {
        (Some(file), _) => Ok(file.clone()),
        (None, Some(state)) => Ok(state.join("audit.jsonl")),
        (None, None) => Err(Failure::new("audit", "there is no place for the record of what backends do")
            .help(Some("set HOME or XDG_STATE_HOME, or name a file with `--audit-log FILE`"))),
    }
}

/// The record in that file.
pub fn open(path: &Path) -> Result<Log, Failure> {
    Log::open(path).map_err(|e| Failure::new("audit", e.to_string()).help(e.help()))
}
