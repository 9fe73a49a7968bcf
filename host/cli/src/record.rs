//! The audit log of this run: where it is, and what it has of who ran what.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use artifacts_audit::{AuditLog, Error, RunRecord, SyncMode, User, head_path as head};
use artifacts_report::Failure;
use artifacts_trust::{Checkout, check_ownership};
use clap::parser::ValueSource;
use clap::{ArgMatches, Command};

use crate::args::Global;
use crate::environment::Environment;

/// How what was accepted at the terminal was accepted.
pub const TERMINAL: &str = "terminal";

/// Positional arguments that select something, by the names of their fields. The values of no others are recorded.
const SELECTORS: [&str; 4] = ["selectors", "instance", "file", "target"];

/// What a person typed, without any value but selectors.
#[derive(Debug, Clone, Default)]
pub struct Invocation {
    /// The subcommand, as `backend explain`.
    command: String,
    selectors: Vec<String>,
    /// Long names of flags, as `--spec`.
    flags: Vec<String>,
}

impl Invocation {
    /// What was typed, as clap understood it. Of what stands after `--` nothing is kept.
    pub fn new(command: &Command, matches: &ArgMatches, typed: &[OsString]) -> Self {
        let before = typed.iter().position(|word| word == "--").unwrap_or(typed.len());
        let typed = typed.get(..before).unwrap_or_default();
        let mut invocation = Self::default();
        let (mut command, mut matches) = (command, matches);
        loop {
            invocation.add(command, matches, typed);
            let Some((name, below)) = matches.subcommand() else { return invocation };
            let Some(next) = command.find_subcommand(name) else { return invocation };
            if !invocation.command.is_empty() {
                invocation.command.push(' ');
            }
            invocation.command.push_str(name);
            (command, matches) = (next, below);
        }
    }

    fn add(&mut self, command: &Command, matches: &ArgMatches, typed: &[OsString]) {
        for id in matches.ids().map(clap::Id::as_str) {
            if matches.value_source(id) != Some(ValueSource::CommandLine) {
                continue;
            }
            if command.get_positionals().any(|one| one.get_id() == id) {
                if SELECTORS.contains(&id)
                    && let Ok(Some(values)) = matches.try_get_many::<String>(id)
                {
                    let values = values.filter(|value| typed.iter().any(|word| word == value.as_str()));
                    self.selectors.extend(values.cloned());
                }
                continue;
            }
            // A flag of every command is known to each, and a group of arguments is no argument.
            let argument = command.get_arguments().find(|one| one.get_id() == id);
            let flag = argument.and_then(clap::Arg::get_long).map(|long| format!("--{long}"));
            self.flags.extend(flag.filter(|flag| !self.flags.contains(flag)));
        }
    }
}

/// Where the log is: as the person says, or below this user's state.
pub fn place(global: &Global, environment: &Environment) -> Result<PathBuf, Failure> {
    match (&global.audit_log, environment.state()) {
        (Some(file), _) => Ok(file.clone()),
        (None, Some(state)) => Ok(state.join("audit.jsonl")),
        (None, None) => Err(Failure::new("audit", "no location for the audit log")
            .hint(Some("set HOME or XDG_STATE_HOME, or pass `--audit-log FILE`"))),
    }
}

/// Whoever else could write where the log usually is could change it unseen. A log that is named is as safe as it is.
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
    AuditLog::new(path, about, if global.no_sync { SyncMode::No } else { SyncMode::Yes })
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
    #![allow(clippy::unwrap_used)]
    use clap::CommandFactory as _;

    use super::*;
    use crate::args::Cli;

    fn typed(line: &str) -> Invocation {
        let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        let mut command = Cli::command();
        let matches = command.try_get_matches_from_mut(&words).unwrap();
        Invocation::new(&command, &matches, &words)
    }

    #[test]
    fn names_of_flags_are_kept_and_no_values_but_selectors() {
        let it = typed("artifacts --spec /secret/spec.json status -i /home/key web1/a b --json");
        assert_eq!((it.command.as_str(), it.selectors), ("status", vec!["web1/a".to_owned(), "b".to_owned()]));
        let mut flags = it.flags;
        flags.sort();
        assert_eq!(flags, ["--identity", "--json", "--spec"]);
        let it = typed("artifacts set --dry-run web1/a env");
        assert_eq!((it.command.as_str(), it.selectors.len(), it.flags), ("set", 2, vec!["--dry-run".to_owned()]));
        let it = typed("artifacts backend inspect /secret/x.wasm");
        assert_eq!((it.command.as_str(), it.selectors.len(), it.flags.len()), ("backend inspect", 0, 0));
        let it = typed("artifacts get web1/a -- hunter2");
        assert_eq!(it.selectors, ["web1/a"]);
    }

    #[test]
    fn users_are_named_by_the_user_database() {
        let users = "root:x:0:0::/root:/bin/sh\n\nada:x:1000:100::/home/ada:/bin/sh\n";
        assert_eq!((name_of(1000, users).as_deref(), name_of(7, users)), (Some("ada"), None));
    }
}
