//! The answer to a shell that asks for completion.

use std::path::Path;

use artifacts_nix::KnownNames;
use clap::{Command, ValueEnum};

use super::candidates::{Candidates, candidates};
use super::typed::{TypedLine, unquoted};

/// Shells whose scripts ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CompletedShell {
    /// Passes the characters at which it begins a word, and the line up to the cursor.
    Bash,
    /// Passes words as they are typed, the current one last.
    Zsh,
    /// Passes words without their quotes, and the current one as it is typed.
    Fish,
}

/// Returns the lines for a shell: `words`, `nospace` or `files`, then the words, quoted if the shell does not do that itself. The
/// names are those in `directory`, where evaluations are cached.
pub fn complete(
    shell: CompletedShell,
    passed: &[String],
    mut command: Command,
    directory: Option<&Path>,
) -> Vec<String> {
    command.build();
    let typed = match (shell, passed) {
        (CompletedShell::Bash, [breaks, line]) => TypedLine::new(line, breaks),
        (CompletedShell::Bash, _) => TypedLine::default(),
        (_, words) => {
            let (current, before) = words.split_last().map_or(("", words), |(last, before)| (last.as_str(), before));
            let is_raw = shell == CompletedShell::Zsh;
            let before = before.iter().map(|word| if is_raw { unquoted(word) } else { word.clone() }).collect();
            TypedLine::of_words(before, unquoted(current))
        }
    };
    // The program's own name is first; assignments may be before it.
    let is_assignment = |word: &&String| word.split_once('=').is_some_and(|(name, _)| !name.contains('/'));
    let skipped = typed.before.iter().take_while(is_assignment).count() + 1;
    let before = typed.before.get(skipped..).unwrap_or_default();
    let known = |flake: &str| KnownNames::read(directory?, flake, Path::new("."));
    match candidates(&command, before, &typed.current, known) {
        Candidates::Files => vec!["files".to_owned()],
        Candidates::Words(words) => {
            let is_prefix = matches!(words.as_slice(), [only] if only.ends_with('/'));
            let mode = if is_prefix { "nospace" } else { "words" };
            let quoted = words.into_iter().map(|word| match shell {
                CompletedShell::Bash => typed.replacement(&word),
                CompletedShell::Zsh | CompletedShell::Fish => word,
            });
            [mode.to_owned()].into_iter().chain(quoted).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::commands::Cli;

    fn lines(shell: CompletedShell, passed: &[&str]) -> Vec<String> {
        let passed: Vec<String> = passed.iter().map(|word| (*word).to_owned()).collect();
        complete(shell, &passed, Cli::command(), None)
    }

    #[test]
    fn each_shell_is_answered_in_its_way() {
        assert_eq!(lines(CompletedShell::Bash, &[" @", "artifacts rek"]), ["words", "rekey"]);
        assert_eq!(lines(CompletedShell::Bash, &[" @", "A=b ./artifacts get -i "]), ["files"]);
        assert_eq!(lines(CompletedShell::Zsh, &["artifacts", "'rek"]), ["words", "rekey"]);
        assert_eq!(lines(CompletedShell::Fish, &["artifacts", "rek"]), ["words", "rekey"]);
        for shell in [CompletedShell::Bash, CompletedShell::Zsh, CompletedShell::Fish] {
            assert_eq!(lines(shell, &[]).first().map(String::as_str), Some("words"));
        }
    }
}
