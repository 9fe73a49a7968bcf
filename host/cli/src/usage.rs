//! What is wrong with a command line, said as every other error is.

use std::error::Error as _;
use std::ffi::OsString;
use std::num::ParseIntError;

use artifacts_plan::suggestion;
use artifacts_report::Failure;
use artifacts_text::{Comparison, listed, shell_word};
use clap::error::{ContextKind, ContextValue, Error, ErrorKind};
use clap::{Arg, Command};

use crate::{help, other_verbs};

/// Returns what is wrong; none where the person asked for help or the version. `typed` are all words, the program's own first.
pub fn failure(error: &Error, root: &Command, typed: &[OsString]) -> Option<Failure> {
    let line = CommandLine::new(error, root, typed);
    Some(match error.kind() {
        ErrorKind::DisplayHelp
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
        | ErrorKind::DisplayVersion
        | ErrorKind::Io
        | ErrorKind::Format => return None,
        ErrorKind::InvalidSubcommand => line.unknown_command(&text(error, ContextKind::InvalidSubcommand), typed),
        ErrorKind::MissingSubcommand => line.fails("no command").hint(Some(line.help("lists the commands"))),
        ErrorKind::UnknownArgument => line.unknown_argument(&text(error, ContextKind::InvalidArg)),
        ErrorKind::MissingRequiredArgument => line.missing(&texts(error, ContextKind::InvalidArg), typed),
        ErrorKind::InvalidValue => line.invalid_value(error),
        ErrorKind::ValueValidation => line.invalid(error),
        ErrorKind::ArgumentConflict => line.conflict(error),
        ErrorKind::NoEquals => {
            let name = option(&text(error, ContextKind::InvalidArg));
            line.fails(format!("the value of `{name}` stands behind `=`")).hint(Some(format!("`{name}=VALUE`")))
        }
        ErrorKind::InvalidUtf8 => line.fails("an argument is not valid UTF-8"),
        // How many values an option takes.
        _ => line.expecting_usage(format!("wrong number of values for `{}`", text(error, ContextKind::InvalidArg))),
    })
}

/// Where in the command line something is wrong.
struct CommandLine<'a> {
    root: &'a Command,
    command: &'a Command,
    /// The words of that command; none at the program itself.
    path: Vec<&'a str>,
}

impl<'a> CommandLine<'a> {
    fn new(error: &Error, root: &'a Command, typed: &[OsString]) -> Self {
        // Which command it was stands in clap's line of usage, where there is one.
        let usage = text(error, ContextKind::Usage);
        let words: Vec<&str> = if usage.is_empty() {
            typed
                .iter()
                .skip(1)
                .filter_map(|word| word.to_str())
                .skip_while(|word| root.find_subcommand(word).is_none())
                .collect()
        } else {
            usage.split_whitespace().skip_while(|word| *word != root.get_name()).skip(1).collect()
        };
        let (mut command, mut path) = (root, Vec::new());
        for word in words {
            let Some(below) = command.find_subcommand(word) else { break };
            path.push(below.get_name());
            command = below;
        }
        Self { root, command, path }
    }

    fn fails(&self, message: impl Into<String>) -> Failure {
        Failure::new(self.path.join(" "), message)
    }

    fn expecting_usage(&self, message: impl Into<String>) -> Failure {
        let expected = Some(help::usage(self.command, &self.path));
        self.fails(message).compared(Comparison { found: None, expected })
    }

    /// The words of the command, and one more.
    fn words(&self, last: &str) -> String {
        [&["artifacts"], self.path.as_slice(), &[last]].concat().join(" ")
    }

    /// `artifacts rekey --help`, and what that does.
    fn help(&self, does: &str) -> String {
        format!("`{}` {does}", self.words("--help"))
    }

    fn unknown_command(&self, verb: &str, typed: &[OsString]) -> Failure {
        let other = other_verbs::answer(verb, typed).filter(|_| self.path.is_empty());
        let meant = || meant(verb, self.commands().map(Command::get_name));
        let did_you_mean = |meant| format!("did you mean `{}`?", self.words(meant));
        let hint = other.or_else(|| meant().map(did_you_mean)).unwrap_or_else(|| self.help("lists the commands"));
        self.fails(format!("unknown command `{verb}`")).hint(Some(hint))
    }

    fn commands(&self) -> impl Iterator<Item = &'a Command> {
        self.command.get_subcommands().filter(|one| !one.is_hide_set())
    }

    /// An option that the command does not have, or an argument too many.
    fn unknown_argument(&self, word: &str) -> Failure {
        if !word.starts_with('-') {
            return self.expecting_usage(format!("unexpected argument `{word}`"));
        }
        let known = self.command.get_arguments().chain(self.root.get_arguments().filter(|one| one.is_global_set()));
        let known = known.filter(|one| !one.is_hide_set()).filter_map(Arg::get_long);
        let name = word.trim_start_matches('-');
        let others = with_option(self.root, "artifacts", name);
        let hint = if let Some(meant) = meant(name, known) {
            format!("did you mean `--{meant}`?")
        } else if others.is_empty() {
            self.help("lists its options")
        } else {
            format!("`{word}` is an option of {}", listed(&others))
        };
        self.fails(format!("unknown option `{word}`")).hint(Some(hint))
    }

    fn missing(&self, arguments: &[String], typed: &[OsString]) -> Failure {
        let is_run = self.path == ["run"] && arguments.iter().any(|argument| argument.contains("CMD"));
        if let Some(hint) = other_verbs::separated(typed).filter(|_| is_run) {
            return self.fails("no `--` before the command").hint(Some(hint));
        }
        let names: Vec<String> = arguments.iter().map(|argument| plain(argument)).collect();
        self.expecting_usage(format!("missing {}", names.join(" and ")))
    }

    /// A value that is none of those that are possible, or none at all.
    fn invalid_value(&self, error: &Error) -> Failure {
        let (value, possible) = (text(error, ContextKind::InvalidValue), texts(error, ContextKind::ValidValue));
        let failure = if value.is_empty() {
            self.fails(format!("no value for `{}`", plain(&text(error, ContextKind::InvalidArg))))
        } else {
            self.wrong_value(error)
        };
        let meant = meant(&value, possible.iter().map(String::as_str));
        let expected = Some(possible.join(", ")).filter(|list| !list.is_empty());
        failure
            .compared(Comparison { found: None, expected })
            .hint(meant.map(|meant| format!("did you mean `{meant}`?")))
    }

    /// A value that does not have the form of one.
    fn invalid(&self, error: &Error) -> Failure {
        let why = error.source().map(ToString::to_string).unwrap_or_default();
        let is_number = error.source().and_then(|source| source.downcast_ref::<ParseIntError>()).is_some();
        let expected = if is_number { Some("a number") } else { why.strip_prefix("expected ") };
        let failure = self.wrong_value(error);
        match expected {
            Some(expected) => failure.compared(Comparison { found: None, expected: Some(expected.to_owned()) }),
            None => Failure { message: format!("{}: {why}", failure.message), ..failure },
        }
    }

    fn wrong_value(&self, error: &Error) -> Failure {
        let (value, of) = (text(error, ContextKind::InvalidValue), text(error, ContextKind::InvalidArg));
        self.fails(format!("invalid value {} for `{}`", quoted(&value), option(&of)))
    }

    fn conflict(&self, error: &Error) -> Failure {
        let (one, others) = (option(&text(error, ContextKind::InvalidArg)), texts(error, ContextKind::PriorArg));
        let others: Vec<String> = others.iter().map(|other| option(other)).filter(|other| *other != one).collect();
        match others.as_slice() {
            [] => self.fails(format!("`{one}` is given twice")),
            [other, ..] => self.fails(format!("`{one}` cannot be used together with `{other}`")),
        }
    }
}

/// What was most likely meant: the only one that begins like this, or what a typo is near to.
fn meant<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let known: Vec<&str> = known.collect();
    let mut longer = known.iter().filter(|one| word.len() > 1 && one.starts_with(word));
    let only = longer.next().filter(|_| longer.next().is_none());
    only.copied().or_else(|| suggestion(word, known.iter().copied()))
}

/// A value in backticks; one that has some itself, or is not plain, as a shell would take it.
fn quoted(value: &str) -> String {
    format!("`{}`", if value.contains('`') { shell_word(value) } else { value.to_owned() })
}

/// How clap writes an argument, without its marks: `--manifest FILE` for `--manifest <FILE>`.
fn plain(argument: &str) -> String {
    argument.replace(['<', '>', '[', ']', '='], "").trim_end_matches("...").to_owned()
}

/// The name of an option alone.
fn option(argument: &str) -> String {
    // clap writes `--jobs <N>`, `<DIR>` or `[AREA]...`.
    let name = argument.trim_start_matches(['[', '<']).split([' ', '=', '[', ']', '>']).next().unwrap_or_default();
    plain(name)
}

fn text(error: &Error, kind: ContextKind) -> String {
    texts(error, kind).into_iter().next().unwrap_or_default()
}

fn texts(error: &Error, kind: ContextKind) -> Vec<String> {
    match error.get(kind) {
        Some(ContextValue::String(text)) => vec![text.clone()],
        Some(ContextValue::Strings(texts)) => texts.clone(),
        Some(ContextValue::StyledStr(text)) => vec![text.to_string()],
        _ => Vec::new(),
    }
}

/// The commands that show an option of this name, of a command with these words and those below it.
fn with_option(command: &Command, words: &str, name: &str) -> Vec<String> {
    let mut shown = command.get_arguments().filter(|one| !one.is_hide_set());
    let has_it = shown.any(|one| one.get_long() == Some(name));
    let below = command.get_subcommands().filter(|one| !one.is_hide_set());
    let below = below.flat_map(|one| with_option(one, &format!("{words} {}", one.get_name()), name));
    has_it.then(|| format!("`{words}`")).into_iter().chain(below).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use clap::CommandFactory as _;

    use super::*;
    use crate::commands::Cli;

    /// What is said of a command line, part by part.
    fn said(line: &str) -> String {
        let typed: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        let mut command = Cli::command();
        let error = command.try_get_matches_from_mut(&typed).unwrap_err();
        let failure = failure(&error, &command, &typed).unwrap();
        let Comparison { expected, .. } = &failure.details.comparison;
        let parts = [Some(&failure.message), expected.as_ref(), failure.hint.as_ref()];
        let parts: Vec<&str> = parts.into_iter().flatten().map(String::as_str).collect();
        format!("{}: {}", failure.subject, parts.join(" | "))
    }

    #[test]
    fn a_command_line_that_is_wrong_is_answered_with_what_is_right() {
        for (line, answer) in [
            ("artifacts stauts", ": unknown command `stauts` | did you mean `artifacts status`?"),
            ("artifacts gen", ": unknown command `gen` | did you mean `artifacts generate`?"),
            ("artifacts xyz", ": unknown command `xyz` | `artifacts --help` lists the commands"),
            ("artifacts backend lst", "backend: unknown command `lst` | did you mean `artifacts backend list`?"),
            ("artifacts backend rm", "backend: unknown command `rm` | `artifacts backend --help` lists the commands"),
            ("artifacts decrypt web1/a env", ": unknown command `decrypt` | `artifacts get web1/a env`"),
            ("artifacts --json", ": no command | `artifacts --help` lists the commands"),
            ("artifacts status --al", "status: unknown option `--al` | did you mean `--all`?"),
            ("artifacts status --flak x", "status: unknown option `--flak` | did you mean `--flake`?"),
            (
                "artifacts rekey --stale",
                "rekey: unknown option `--stale` | `--stale` is an option of `artifacts rotate`",
            ),
            (
                "artifacts rekey --yes",
                "rekey: unknown option `--yes` | `--yes` is an option of `artifacts generate`, `artifacts prune`, \
                 `artifacts restore`, `artifacts rotate`",
            ),
            (
                "artifacts status --manifest x",
                "status: unknown option `--manifest` | `--manifest` is an option of `artifacts backend annotate`",
            ),
            ("artifacts rekey -q", "rekey: unknown option `-q` | `artifacts rekey --help` lists its options"),
            ("artifacts get a b c", "get: unexpected argument `c` | artifacts get INSTANCE [FILE] [OPTIONS]"),
            ("artifacts get", "get: missing INSTANCE | artifacts get INSTANCE [FILE] [OPTIONS]"),
            ("artifacts provision", "provision: missing TARGET and DIR | artifacts provision TARGET DIR [OPTIONS]"),
            ("artifacts run web1 env", "run: no `--` before the command | `artifacts run web1 -- env`"),
            (
                "artifacts graph --format dto",
                "graph: invalid value `dto` for `--format` | dot, mermaid | did you mean `dot`?",
            ),
            (
                "artifacts doctor gti",
                "doctor: invalid value `gti` for `AREA` | workers, generators, ram, swap, nix, git, receipts, identities, \
                 plugins, state, audit | did you mean `git`?",
            ),
            ("artifacts graph --format", "graph: no value for `--format FORMAT` | dot, mermaid"),
            ("artifacts generate --jobs x", "generate: invalid value `x` for `--jobs` | a number"),
            ("artifacts run --env x -- true", "run: invalid value `x` for `--env` | VAR=INSTANCE/FILE"),
            ("artifacts status --flake . --spec x", "status: `--flake` cannot be used together with `--spec`"),
            ("artifacts status --flake . --flake .", "status: `--flake` is given twice"),
        ] {
            assert_eq!(said(line), answer, "{line}");
        }
    }

    #[test]
    fn clap_says_nothing_but_help_and_version() {
        for line in ["artifacts", "artifacts --help", "artifacts status -h", "artifacts --version", "artifacts backend"]
        {
            let typed: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            let mut command = Cli::command();
            let error = command.try_get_matches_from_mut(&typed).unwrap_err();
            assert!(failure(&error, &command, &typed).is_none(), "{line}");
        }
    }
}
