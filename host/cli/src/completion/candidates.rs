//! What may come next in a command line, by the commands that there are and the names that are known.

use std::collections::BTreeSet;

use artifacts_nix::KnownNames;
use clap::{Arg, Command, ValueHint};

/// Directory of shared instances, which have no shorter name.
const SHARED: &str = "shared";

/// What may stand in the place of a word.
#[derive(Debug, PartialEq, Eq)]
pub enum Candidates {
    /// One of these words.
    Words(Vec<String>),
    /// A file.
    Files,
}

/// A command line, as far as it is understood.
struct Understood<'a> {
    command: &'a Command,
    /// Positional arguments of the command.
    positionals: Vec<&'a str>,
    /// An option whose value comes next.
    open: Option<(&'a Arg, usize)>,
    /// Whether options have ended.
    only_positionals: bool,
    flake: &'a str,
}

/// Returns what may come in the place of `current`, after these words. `command` is built; `known` finds the names of a flake.
pub fn candidates(
    command: &Command,
    before: &[String],
    current: &str,
    known: impl FnOnce(&str) -> Option<KnownNames>,
) -> Candidates {
    let mut line = Understood { command, positionals: Vec::new(), open: None, only_positionals: false, flake: "." };
    for word in before {
        if !line.takes(word) {
            return Candidates::Words(Vec::new());
        }
    }
    let names = || known(line.flake);
    if line.only_positionals && line.command.get_positionals().any(Arg::is_last_set) {
        return Candidates::Files;
    }
    let words = if let Some((argument, _)) = line.open {
        match value(argument, &line, current, names) {
            Candidates::Files => return Candidates::Files,
            Candidates::Words(words) => words,
        }
    } else if current.starts_with('-') && !line.only_positionals {
        if current.contains('=') {
            return Candidates::Files;
        }
        options(line.command)
    } else if line.command.has_subcommands() {
        let shown = line.command.get_subcommands().filter(|one| !one.is_hide_set());
        shown.map(|one| one.get_name().to_owned()).collect()
    } else {
        let all: Vec<&Arg> = line.command.get_positionals().collect();
        let is_many = |one: &&&Arg| one.get_num_args().is_some_and(|number| number.max_values() > 1);
        let next = all.get(line.positionals.len()).or_else(|| all.last().filter(is_many));
        match next.map(|argument| value(argument, &line, current, names)) {
            Some(Candidates::Files) => return Candidates::Files,
            Some(Candidates::Words(words)) => words,
            None => Vec::new(),
        }
    };
    Candidates::Words(words.into_iter().filter(|word| word.starts_with(current)).collect())
}

impl<'a> Understood<'a> {
    /// Takes a word in. Returns whether it has a place.
    fn takes(&mut self, word: &'a str) -> bool {
        if let Some((argument, left)) = self.open.take() {
            if argument.get_id() == "flake" {
                self.flake = word;
            }
            self.open = (left > 1).then(|| (argument, left - 1));
        } else if self.only_positionals || !word.starts_with('-') || word == "-" {
            if self.command.has_subcommands() {
                let Some(below) = self.command.find_subcommand(word) else { return false };
                self.command = below;
            } else {
                self.positionals.push(word);
            }
        } else if word == "--" {
            self.only_positionals = true;
        } else if let Some(long) = word.strip_prefix("--") {
            self.takes_long(long);
        } else {
            self.takes_short(word.trim_start_matches('-'));
        }
        true
    }

    fn takes_long(&mut self, long: &'a str) {
        let (name, value) = long.split_once('=').map_or((long, None), |(name, value)| (name, Some(value)));
        let is_it = |one: &&Arg| {
            let aliases = one.get_all_aliases().unwrap_or_default();
            one.get_long() == Some(name) || aliases.contains(&name)
        };
        let Some(argument) = self.command.get_arguments().find(is_it) else { return };
        match value {
            Some(value) if argument.get_id() == "flake" => self.flake = value,
            Some(_) => {}
            None => self.open = values(argument),
        }
    }

    fn takes_short(&mut self, cluster: &'a str) {
        for (at, c) in cluster.char_indices() {
            let Some(argument) = self.command.get_arguments().find(|one| one.get_short() == Some(c)) else { return };
            if let Some(open) = values(argument) {
                let is_last = at + c.len_utf8() == cluster.len();
                self.open = is_last.then_some(open);
                return;
            }
        }
    }
}

/// An option that takes values in words of their own, and how many.
fn values(argument: &Arg) -> Option<(&Arg, usize)> {
    let number = argument.get_num_args().map_or(0, |number| number.min_values());
    let takes = argument.get_action().takes_values() && !argument.is_require_equals_set() && number > 0;
    takes.then_some((argument, number))
}

fn options(command: &Command) -> Vec<String> {
    let shown = command.get_arguments().filter(|one| !one.is_hide_set());
    shown.filter_map(|one| Some(format!("--{}", one.get_long()?))).collect()
}

/// Names are completed by what an argument is called.
fn value(
    argument: &Arg,
    line: &Understood<'_>,
    current: &str,
    names: impl FnOnce() -> Option<KnownNames>,
) -> Candidates {
    let possible = argument.get_possible_values();
    if !possible.is_empty() {
        let shown = possible.iter().filter(|one| !one.is_hide_set());
        return Candidates::Words(shown.map(|one| one.get_name().to_owned()).collect());
    }
    let is_file_of_instance = || line.command.get_positionals().any(|one| one.get_id() == "instance");
    let of: fn(&KnownNames, &Understood<'_>, &str) -> Vec<String> = match argument.get_id().as_str() {
        "selectors" | "instance" | "old" | "new" => |names, _, current| selectors(names, current),
        "target" => |names, _, _| names.targets().map(str::to_owned).collect(),
        "recipient" => |names, _, _| names.recipients().map(str::to_owned).collect(),
        "backend" | "name" => |names, _, _| names.backends().map(str::to_owned).collect(),
        "file" if is_file_of_instance() => |names, line, _| files(names, line.positionals.first().copied()),
        _ => {
            let hint = argument.get_value_hint();
            let is_file = matches!(hint, ValueHint::AnyPath | ValueHint::FilePath | ValueHint::DirPath);
            return if is_file { Candidates::Files } else { Candidates::Words(Vec::new()) };
        }
    };
    Candidates::Words(names().map(|names| of(&names, line, current)).unwrap_or_default())
}

/// Short names. Up to the first slash these are targets and artifacts, so that thousands of instances are not one list.
fn selectors(names: &KnownNames, current: &str) -> Vec<String> {
    let slashes = current.matches('/').count();
    let (mut begun, mut whole) = (BTreeSet::new(), BTreeSet::new());
    for (full, _) in names.instances() {
        let (scope, below) = full.split_once('/').unwrap_or((full, ""));
        let short = if scope == SHARED { full } else { below };
        // Up to the second slash, and up to the first one.
        let (target, artifact) = short.split_once('/').unwrap_or((short, ""));
        let above = full.rsplit_once('/').map_or("", |(above, _)| above);
        match slashes {
            0 => {
                begun.insert(target);
                whole.insert(artifact);
            }
            1 if current.starts_with(scope) && scope != SHARED => drop(begun.insert(above)),
            1 => drop(whole.insert(short)),
            _ => drop(whole.insert(full)),
        }
    }
    if slashes == 0 {
        // A name that is also a target's would be an error.
        whole.retain(|artifact| !begun.contains(artifact));
    }
    let begun = begun.into_iter().filter(|name| name.starts_with(current)).map(|name| format!("{name}/"));
    let whole = whole.into_iter().filter(|name| name.starts_with(current)).map(str::to_owned);
    begun.chain(whole).collect()
}

/// The files of an instance in its full or short form, or of an artifact.
fn files(names: &KnownNames, of: Option<&str>) -> Vec<String> {
    let Some(of) = of else { return Vec::new() };
    let is_it = |full: &str| {
        let below = full.split_once('/').map_or("", |(_, below)| below);
        full == of || below == of || full.rsplit('/').next() == Some(of)
    };
    let found = names.instances().filter(|(full, _)| is_it(full)).flat_map(|(_, files)| files);
    found.collect::<BTreeSet<_>>().into_iter().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::commands::Cli;
    use crate::completion::words;

    const KNOWN: &str = "artifacts names 1\ntarget\talice\ntarget\tweb1\ntarget\tweb2\nbackend\tagenix\nbackend\tvendor\n\
        instance\tper-machine/web1/$(id)\tf\ninstance\tper-machine/web1/attic\tenv\tkey\n\
        instance\tper-machine/web2/web1\tother\ninstance\tper-user/alice/a b\tc d\ninstance\tshared/ca\tcert\n\
        recipient\talice\nrecipient\tbob\nrecipient\tweb1\n";

    /// What may follow a line whose last word is being typed.
    fn after(line: &str) -> Candidates {
        let mut command = Cli::command();
        command.build();
        let typed = words(line);
        let (before, current) = match (typed.split_last(), line.ends_with(' ')) {
            (Some((current, before)), false) => (before.to_vec(), current.clone()),
            _ => (typed, String::new()),
        };
        candidates(&command, &before, &current, |flake| KnownNames::parse(KNOWN.to_owned()).filter(|_| flake == "."))
    }

    fn shown(line: &str) -> String {
        match after(line) {
            Candidates::Files => "FILES".to_owned(),
            Candidates::Words(words) => words.join(", "),
        }
    }

    #[test]
    fn names_are_offered_where_they_are_expected() {
        for (line, expected) in [
            ("get ", "alice/, shared/, web1/, web2/, $(id), a b, attic, ca"),
            ("get at", "attic"),
            ("get web1/", "web1/$(id), web1/attic"),
            ("get shared/", "shared/ca"),
            ("get per-machine/web", "per-machine/web1/, per-machine/web2/"),
            ("get per-machine/web1/a", "per-machine/web1/attic"),
            ("get web1/attic ", "env, key"),
            ("set attic k", "key"),
            ("edit 'alice/a b' ", "c d"),
            ("get web1/attic env ", ""),
            ("status web1/ a", "alice/, a b, attic"),
            ("-v --json status we", "web1/, web2/"),
            ("rename at", "attic"),
            ("restore at", "attic"),
            ("restore web1/attic web2/", "web2/web1"),
            ("rotate --recipient ", "alice, bob, web1"),
            ("rotate --recipient b", "bob"),
            ("rotate --stale at", "attic"),
            ("rotate --recipient bob web1/", "web1/$(id), web1/attic"),
            ("rename web1/attic web2/", "web2/web1"),
            ("provision ", "alice, web1, web2"),
            ("provision web1 ", "FILES"),
            ("backend explain ", "agenix, vendor"),
            ("audit --backend v", "vendor"),
            ("backend inspect ", "FILES"),
            ("--flake elsewhere get ", ""),
            ("get --flake=elsewhere ", ""),
            ("get -i ", "FILES"),
            ("get -vi ", "FILES"),
            ("get -i key at", "attic"),
            ("get -- at", "attic"),
            ("run at", "attic"),
            ("run attic -- e", "FILES"),
            ("--override-input a b get at", "attic"),
            ("graph --format ", "dot, mermaid"),
            ("get --spec=", "FILES"),
            ("nothing get ", ""),
        ] {
            assert_eq!(shown(line), expected, "{line}");
        }
    }

    #[test]
    fn commands_and_options_are_offered() {
        let commands = shown("");
        assert!(commands.contains("status, generate, get") && !commands.contains("complete,"), "{commands}");
        assert_eq!(shown("ge"), "generate, get");
        assert_eq!(shown("backend "), "annotate, explain, list, inspect");
        let options = shown("generate --");
        assert!(options.contains("--dry-run") && options.contains("--identity"), "{options}");
        assert!(!options.contains("--crash-at"), "{options}");
        assert_eq!(shown("rekey --al"), "--all");
        assert_eq!(shown("rotate --rec"), "--recipient");
        assert!(!shown("generate --").contains("--regenerate"), "a hidden alias is not offered");
    }
}
