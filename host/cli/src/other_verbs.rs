//! Commands of other tools, answered with what does the same here.

use std::ffi::OsString;

use artifacts_text::{has_hidden, nix_attribute, shell_word};

/// What a verb is here.
enum Ours {
    /// A command that takes the same arguments, and what to write where they cannot be carried over.
    Command(&'static str, &'static str),
    /// Removing takes two steps: the declaration goes first.
    Remove,
    /// A declaration takes its place.
    Declare,
}

fn ours(verb: &str) -> Option<Ours> {
    Some(match verb {
        "decrypt" | "view" | "show" | "cat" => Ours::Command("get", " INSTANCE FILE"),
        "encrypt" | "insert" => Ours::Command("set", " INSTANCE FILE"),
        "updatekeys" | "update-masterkeys" | "fix" => Ours::Command("rekey", ""),
        "ls" => Ours::Command("status --all", ""),
        "ui" => Ours::Command("status", ""),
        "exec-env" | "exec-file" => Ours::Command("run", " SELECTOR -- CMD"),
        "rm" | "remove" | "delete" => Ours::Remove,
        "init" | "add" | "new" => Ours::Declare,
        "mv" => Ours::Command("rename", " OLD NEW"),
        "regenerate" | "renew" => Ours::Command("rotate", " SELECTOR"),
        "undo" | "undelete" | "trash" => Ours::Command("restore", ""),
        _ => return None,
    })
}

/// Returns what to do instead of a verb of another tool, with its arguments where that is safe. `typed` are all words, the program's
/// own first.
pub fn answer(verb: &str, typed: &[OsString]) -> Option<String> {
    let ours = ours(verb)?;
    let at = typed.iter().position(|word| word == verb)?;
    let arguments = arguments(typed.get(at + 1..).unwrap_or_default());
    Some(match ours {
        Ours::Command(command, otherwise) => match arguments.as_deref() {
            None | Some([]) => format!("`artifacts {command}{otherwise}`"),
            Some(words) => format!("`artifacts {command} {}`", quoted(words)),
        },
        Ours::Remove => {
            let named = arguments.filter(|words| !words.is_empty()).map(|words| format!(" {}", quoted(&words)));
            let prune = format!("`artifacts prune{}`", named.unwrap_or_default());
            format!("remove the declaration first; then {prune} moves what is stored to the trash")
        }
        Ours::Declare => {
            let name = arguments.and_then(|words| words.into_iter().next()).unwrap_or_else(|| "NAME".to_owned());
            let name = nix_attribute(name.rsplit('/').next().unwrap_or_default());
            format!(
                "declare it in the configuration of its machine or user, then run `artifacts generate`\n\n\
                 artifacts.store.{name}.files.secret = {{ }};"
            )
        }
    })
}

/// Returns where `--` belongs in a `run` without it; `typed` are all words.
pub fn separated(typed: &[OsString]) -> Option<String> {
    let at = typed.iter().position(|word| word == "run")?;
    let words = arguments(typed.get(at + 1..).unwrap_or_default())?;
    Some(match words.as_slice() {
        [selector, command @ ..] if !command.is_empty() => {
            format!("`artifacts run {} -- {}`", shell_word(selector), quoted(command))
        }
        _ => "`artifacts run SELECTOR -- COMMAND`".to_owned(),
    })
}

/// The words behind a verb, if all of them are plain arguments: an option of another tool may mean something else here.
fn arguments(words: &[OsString]) -> Option<Vec<String>> {
    let plain = |word: &OsString| {
        let word = word.to_str()?;
        (!word.starts_with('-') && !word.is_empty() && !has_hidden(word)).then(|| word.to_owned())
    };
    words.iter().map(plain).collect()
}

fn quoted(words: &[String]) -> String {
    words.iter().map(|word| shell_word(word)).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use clap::CommandFactory as _;

    use super::*;
    use crate::commands::Cli;

    fn hint(line: &[&str]) -> String {
        let words: Vec<OsString> = ["artifacts"].iter().chain(line).map(OsString::from).collect();
        answer(line[0], &words).unwrap()
    }

    #[test]
    fn verbs_of_others_are_answered_with_the_command_to_type() {
        for (line, command) in [
            (&["decrypt"][..], "`artifacts get INSTANCE FILE`"),
            (&["decrypt", "web1/attic", "env"], "`artifacts get web1/attic env`"),
            (&["view", "a b", "$(id)"], "`artifacts get 'a b' '$(id)'`"),
            (&["decrypt", "-i", "key", "web1/attic"], "`artifacts get INSTANCE FILE`"),
            (&["view", "a\u{1b}[2J"], "`artifacts get INSTANCE FILE`"),
            (&["updatekeys"], "`artifacts rekey`"),
            (&["fix", "web1"], "`artifacts rekey web1`"),
        ] {
            assert_eq!(hint(line), command, "{line:?}");
        }
        assert!(hint(&["rm", "web1/attic"]).contains("then `artifacts prune web1/attic` moves"));
        assert!(hint(&["init"]).ends_with("\n\nartifacts.store.NAME.files.secret = { };"));
        assert!(hint(&["add", "web1/attic"]).ends_with("artifacts.store.attic.files.secret = { };"));
        assert!(hint(&["add", "a.b ${x}"]).ends_with(r#"artifacts.store."a.b \${x}".files.secret = { };"#));
    }

    #[test]
    fn a_command_to_run_stands_behind_two_dashes() {
        let hint = |line: &str| {
            let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            separated(&words)
        };
        assert_eq!(hint("artifacts run web1 env").unwrap(), "`artifacts run web1 -- env`");
        assert_eq!(hint("artifacts run web1").unwrap(), "`artifacts run SELECTOR -- COMMAND`");
        assert_eq!(hint("artifacts run --env A=b/c env"), None, "what is meant is not clear");
        assert_eq!(hint("artifacts get"), None);
    }

    #[test]
    fn none_of_them_is_a_command_of_ours_and_each_answer_names_some() {
        let root = Cli::command();
        let verbs = "decrypt view show cat encrypt insert updatekeys update-masterkeys fix ls ui exec-env exec-file rm remove \
                     delete init add new mv regenerate renew undo undelete trash";
        for verb in verbs.split_whitespace() {
            assert!(root.find_subcommand(verb).is_none(), "{verb}");
            let answer = answer(verb, &["artifacts".into(), verb.into()]).unwrap();
            let ours = answer.split('`').skip(1).step_by(2).filter_map(|command| command.strip_prefix("artifacts "));
            let ours: Vec<&str> = ours.filter_map(|words| words.split(' ').next()).collect();
            assert!(ours.iter().all(|name| root.find_subcommand(name).is_some()), "{verb}: {answer}");
            assert!(!ours.is_empty(), "{verb}: {answer}");
        }
        assert!(answer("status", &["artifacts".into(), "status".into()]).is_none());
    }

    #[test]
    fn what_does_not_exist_yet_is_answered_with_what_does_it_today() {
        assert_eq!(hint(&["regenerate", "web1/attic"]), "`artifacts rotate web1/attic`");
        assert_eq!(hint(&["mv", "web1", "web2"]), "`artifacts rename web1 web2`");
    }
}
