//! What was typed, for the audit log.

use std::ffi::OsString;

use clap::parser::ValueSource;
use clap::{ArgMatches, Command};

/// Positional arguments that select something, by the names of their fields. The values of no others are recorded.
const SELECTORS: [&str; 4] = ["selectors", "instance", "file", "target"];

/// What a person typed, without any value but selectors.
#[derive(Debug, Clone, Default)]
pub struct Invocation {
    /// The subcommand, as `backend explain`.
    pub command: String,
    pub selectors: Vec<String>,
    /// Long names of flags, as `--spec`.
    pub flags: Vec<String>,
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use clap::CommandFactory as _;

    use super::*;
    use crate::commands::Cli;

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
}
