use artifacts_text::listed_up_to;

/// Largest number of lines of a message that are passed on. The caller decides how many are shown.
const LINES: usize = 1000;

/// Begins each line of a message, but the first, that is Nix's own and is to be shown as it is.
pub(crate) const FOREIGN: &str = "| ";

/// Cleans Nix's standard error after a failure of colors, progress and stack frames: first the line that begins the
/// error, then, each behind `| `, the lines after it and those before it, such as the output of a program that
/// Nix ran.
pub fn trim(stderr: &str) -> String {
    let clean = without_colours(stderr);
    let lines: Vec<&str> = clean.lines().filter(|line| !is_hint(line)).collect();
    let Parts { before, error } = parts(&lines);
    let first = error.first().copied().unwrap_or_default().trim_start();
    let first = first.strip_prefix("error:").unwrap_or(first).trim();
    let (reason, after) = reason(error.get(1..).unwrap_or_default());
    let indent = common_indent(after);
    let after = after.iter().map(|line| line.get(indent..).unwrap_or(line.trim_start()));
    let mut others: Vec<&str> = after.chain(before).collect();
    // An empty line separates within the message, and nothing at its end.
    while others.last().is_some_and(|line| line.trim().is_empty()) {
        others.pop();
    }
    if first.is_empty() && others.is_empty() {
        return "failed without an error message".to_owned();
    }
    let more = others.len() > LINES;
    others.truncate(LINES);
    let mut text = match reason {
        Some(reason) => format!("{}: {}", first.trim_end_matches('.'), reason.trim_end_matches('.')),
        None => first.to_owned(),
    };
    for line in others.into_iter().chain(more.then_some("…")) {
        text.push('\n');
        text.push_str(format!("{FOREIGN}{line}").trim_end());
    }
    text
}

/// Splits off the reason that newer versions write below the first line of an error, which may be all that is kept.
fn reason<'a, 'b>(after: &'b [&'a str]) -> (Option<&'a str>, &'b [&'a str]) {
    match after.split_first() {
        Some((line, rest)) if line.trim_start().starts_with("Reason: ") => {
            (line.trim_start().strip_prefix("Reason: "), rest)
        }
        _ => (None, after),
    }
}

fn is_hint(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with("(use '--show-trace'") || line.starts_with("(stack trace truncated")
}

/// Holds the lines of a failure.
struct Parts<'a> {
    /// Lines before the error that may be its reason.
    before: Vec<&'a str>,
    error: &'a [&'a str],
}

fn parts<'a>(lines: &'a [&'a str]) -> Parts<'a> {
    let Some(first) = lines.iter().position(|line| line.starts_with("error:")) else {
        return without_error(lines);
    };
    // Newer versions print the trace first, below a bare `error:`, and the error itself last.
    let start = if lines[first].trim() == "error:" {
        lines.iter().rposition(|line| line.trim_start().starts_with("error:")).unwrap_or(first)
    } else {
        first
    };
    Parts { before: reasons(&lines[..first]), error: &lines[start..] }
}

/// Handles the end of another program, or one that Nix does not report as an error: its last lines are the error.
fn without_error<'a>(lines: &'a [&'a str]) -> Parts<'a> {
    let last = lines.iter().rposition(|line| !line.trim().is_empty() && !is_progress(line)).unwrap_or(lines.len());
    let (before, error) = lines.split_at(last);
    Parts { before: reasons(before), error }
}

/// Removes progress, and what Nix always reports of a checkout and its inputs.
fn reasons<'a>(lines: &[&'a str]) -> Vec<&'a str> {
    let mut text = Vec::new();
    let mut keep = true;
    for line in lines {
        let usual = line.starts_with("warning: Git tree '") && line.contains("dirty");
        let lock = line.contains("not writing modified lock file") || line.starts_with("warning: creating lock file");
        if lock || usual || is_progress(line) {
            keep = false;
        } else if !line.starts_with(['•', ' ']) {
            keep = true;
        }
        if keep && !line.trim().is_empty() {
            text.push(*line);
        }
    }
    text
}

/// Prefixes of lines that are for people, with the lines after them.
const TOLD: [&str; 3] = ["trace:", "warning:", "evaluation warning:"];
/// Prefixes of lines that report progress.
const PROGRESS: [&str; 9] = [
    "building '",
    "copying path '",
    "copying '",
    "downloading '",
    "evaluating ",
    "fetching ",
    "querying info",
    "unpacking '",
    "waiting for ",
];
/// Replaces what Nix reports, input by input, of a lock file that it did not write.
pub const UNLOCKED: &str = "the flake's inputs are not locked: run `nix flake lock`";

/// Returns the traces and warnings in Nix's standard error after a success, without progress.
pub fn messages(stderr: &str) -> String {
    let clean = without_colours(stderr);
    let mut text: Vec<&str> = Vec::new();
    let mut keep = false;
    for line in clean.lines() {
        if TOLD.iter().any(|word| line.starts_with(word)) {
            keep = !line.contains("not writing modified lock file");
            if !keep {
                text.push(UNLOCKED);
            }
        } else if is_progress(line) {
            keep = false;
        }
        if keep {
            text.push(line);
        }
    }
    text.join("\n")
}

fn is_progress(line: &str) -> bool {
    let to_come = (line.starts_with("these ") || line.starts_with("this ")) && line.contains(" will be ");
    to_come || PROGRESS.iter().any(|word| line.starts_with(word))
}

fn common_indent(lines: &[&str]) -> usize {
    let indents =
        lines.iter().filter(|line| !line.trim().is_empty()).map(|line| line.len() - line.trim_start_matches(' ').len());
    indents.min().unwrap_or(0)
}

fn without_colours(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if c == '\u{1b}' {
            // A control sequence ends with its first letter.
            rest.by_ref().find(char::is_ascii_alphabetic);
        } else {
            clean.push(c);
        }
    }
    clean
}

/// So many targets are named of which Nix says the same.
const NAMED: usize = 3;

/// Says what Nix says of targets, each with its name, once for all of which it says the same.
pub fn once(messages: Vec<(String, String)>) -> Vec<String> {
    let mut targets_of: Vec<(String, Vec<String>)> = Vec::new();
    for (target, said) in messages.into_iter().filter(|(_, said)| !said.is_empty()) {
        match targets_of.iter_mut().find(|(text, _)| *text == said) {
            Some((_, targets)) => targets.push(target),
            None => targets_of.push((said, vec![target])),
        }
    }
    let message = |(said, targets): (String, Vec<String>)| format!("{}: {said}", listed_up_to(&targets, NAMED));
    targets_of.into_iter().map(message).collect()
}

#[cfg(test)]
mod tests {
    use super::{UNLOCKED, messages, once, trim};

    #[test]
    fn traces_and_warnings_are_told_whole_and_progress_is_not() {
        let stderr = "unpacking 'github:a/b' into the Git cache...\ntrace: one\ntwo\n\n  three\n\
            copying path '/nix/store/x' from 'https://e.org'...\nthese 2 derivations will be built:\n  /nix/store/y.drv\n\
            \u{1b}[35;1mwarning:\u{1b}[0m old\nevaluation warning: older\nfetching git input 'x'\n";
        assert_eq!(messages(stderr), "trace: one\ntwo\n\n  three\nwarning: old\nevaluation warning: older");
        assert_eq!(messages("building '/nix/store/x.drv'...\n"), "");
    }

    #[test]
    fn a_lock_file_that_is_not_written_is_one_line() {
        let stderr = "warning: not writing modified lock file of flake 'path:/x':\n• Added input 'a':\n    'github:a/b'\n\
            • Added input 'a/b':\n    follows 'b'\ntrace: one\n";
        assert_eq!(messages(stderr), format!("{UNLOCKED}\ntrace: one"));
    }

    #[test]
    fn an_old_nix() {
        let stderr = "warning: Git tree '/x' is dirty\nerror: attribute 'foo' missing\n\n       at /nix/store/x/flake.nix:3:5:\n\n            2|\n(use '--show-trace' to show detailed location information)\n";
        assert_eq!(trim(stderr), "attribute 'foo' missing\n|\n| at /nix/store/x/flake.nix:3:5:\n|\n|      2|");
    }

    #[test]
    fn a_new_nix_tells_the_error_last() {
        let stderr = "\u{1b}[31;1merror:\u{1b}[0m\n       … while calling the 'head' builtin\n         at x:1:1:\n\n       \u{1b}[31;1merror:\u{1b}[0m artifacts: not there\n";
        assert_eq!(trim(stderr), "artifacts: not there");
    }

    #[test]
    fn several_errors_of_a_build_stay() {
        let stderr = "building '/nix/store/x.drv'...\nerror: builder for 'x' failed\nerror: 1 dependency failed\n";
        assert_eq!(trim(stderr), "builder for 'x' failed\n| error: 1 dependency failed");
    }

    #[test]
    fn why_a_build_failed_is_in_the_first_line() {
        let old = "why\nerror: builder for '/nix/store/x.drv' failed with exit code 3\n";
        assert_eq!(trim(old), "builder for '/nix/store/x.drv' failed with exit code 3\n| why");
        let new = "why\n\u{1b}[31;1merror:\u{1b}[0m Cannot build '/nix/store/x.drv'.\n       Reason: builder failed with exit code 3.\n\
            \u{20}      Output paths:\n         /nix/store/y\n";
        assert_eq!(
            trim(new),
            "Cannot build '/nix/store/x.drv': builder failed with exit code 3\n| Output paths:\n|   /nix/store/y\n| why"
        );
        let platform =
            "error: Cannot build 'x.drv'.\n       Reason: platform mismatch\n       Required system: 'aarch64-linux'\n";
        assert_eq!(trim(platform), "Cannot build 'x.drv': platform mismatch\n| Required system: 'aarch64-linux'");
    }

    #[test]
    fn the_reason_before_the_error_and_what_follows_it_are_kept() {
        let git = "warning: Git tree '/x' is dirty\nfetching git input 'git+file:///x'\nCloning into '/x/sub'...\n\
            fatal: transport 'file' not allowed\nfatal: clone of '/s' into submodule path '/x/sub' failed\n\
            error: program 'git' failed with exit code 1\n";
        assert_eq!(
            trim(git),
            "program 'git' failed with exit code 1\n| Cloning into '/x/sub'...\n| fatal: transport 'file' not allowed\n\
             | fatal: clone of '/s' into submodule path '/x/sub' failed"
        );
        let option = "error:\n       … while calling the 'head' builtin\n         at x:1:1:\n       (stack trace truncated; use \
            '--show-trace' to show the full, detailed trace)\n\n       error: The option `a.b' does not exist. Definition values:\n\
            \u{20}      - In `/x/flake.nix': \"0400\"\n\n       Did you mean `a.c'?\n";
        assert_eq!(
            trim(option),
            "The option `a.b' does not exist. Definition values:\n| - In `/x/flake.nix': \"0400\"\n|\n| Did you mean `a.c'?"
        );
        let trace = "trace: one\ntwo\nbuilding '/nix/store/x.drv'...\nwarning: not writing modified lock file of flake 'path:/x':\n\
            • Added input 'a':\n    'github:a/b'\nlast words\nerror: x\n";
        assert_eq!(trim(trace), "x\n| trace: one\n| two\n| last words");
        // All of it, and not without end.
        let long = (0..3000).map(|line| format!("line {line}")).collect::<Vec<_>>().join("\n");
        let text = trim(&format!("error: x\n{long}"));
        assert!(text.ends_with("| line 999\n| …") && text.lines().count() == 1002, "{}", text.lines().count());
    }

    #[test]
    fn anything_else_is_passed_on() {
        assert_eq!(trim("Segmentation fault\n"), "Segmentation fault");
        assert_eq!(
            trim("copying path 'x'\nterminate called\n  what():  Out of memory\n"),
            "what():  Out of memory\n| terminate called"
        );
        assert_eq!(trim(""), "failed without an error message");
    }

    #[test]
    fn what_is_said_of_many_targets_is_said_once() {
        let said = |target: &str, text: &str| (target.to_owned(), text.to_owned());
        let of = |names: &[&str]| names.iter().map(|name| said(name, "old")).collect::<Vec<_>>();
        let mut all = of(&["a", "b"]);
        all.extend([said("c", ""), said("d", "older")]);
        assert_eq!(once(all), ["a, b: old", "d: older"]);
        assert_eq!(once(of(&["a", "b", "c", "d", "e"])), ["a, b, c and 2 more: old"]);
    }
}
