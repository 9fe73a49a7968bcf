/// The longest message that is passed on, in lines.
const LINES: usize = 60;

/// What matters of what Nix wrote to stderr when it failed: the error itself, without colours, warnings, progress and hints.
pub fn trim(stderr: &str) -> String {
    let clean = without_colours(stderr);
    let lines: Vec<&str> = clean.lines().filter(|line| !line.starts_with("(use '--show-trace'")).collect();
    let chosen = &lines[start(&lines)..];
    let indent = common_indent(chosen.get(1..).unwrap_or_default());
    let mut text: Vec<&str> = Vec::new();
    for (number, line) in chosen.iter().enumerate().take(LINES) {
        text.push(if number == 0 { line.trim_start() } else { line.get(indent..).unwrap_or(line.trim_start()) });
    }
    if chosen.len() > LINES {
        text.push("…");
    }
    let text = text.join("\n");
    let text = text.trim().trim_start_matches("error:").trim();
    if text.is_empty() { "it failed without a word".to_owned() } else { text.to_owned() }
}

/// What a line begins with that is for the person, with those after it.
const TOLD: [&str; 3] = ["trace:", "warning:", "evaluation warning:"];
/// What a line begins with that tells how far Nix is.
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
/// Stands for what Nix says, input by input, of a lock file that it did not write.
pub const UNLOCKED: &str = "the flake's inputs are not locked: run `nix flake lock`";

/// What is worth telling again of what Nix wrote to stderr when it ended well: traces and warnings, whole, and no progress.
pub fn told(stderr: &str) -> String {
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

/// Where the error begins. Newer versions print the trace first, below a bare `error:`, and the error itself last.
fn start(lines: &[&str]) -> usize {
    let Some(first) = lines.iter().position(|line| line.starts_with("error:")) else { return 0 };
    if lines[first].trim() != "error:" {
        return first;
    }
    lines.iter().rposition(|line| line.trim_start().starts_with("error:")).unwrap_or(first)
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

#[cfg(test)]
mod tests {
    use super::{UNLOCKED, told, trim};

    #[test]
    fn traces_and_warnings_are_told_whole_and_progress_is_not() {
        let stderr = "unpacking 'github:a/b' into the Git cache...\ntrace: one\ntwo\n\n  three\n\
            copying path '/nix/store/x' from 'https://e.org'...\nthese 2 derivations will be built:\n  /nix/store/y.drv\n\
            \u{1b}[35;1mwarning:\u{1b}[0m old\nevaluation warning: older\nfetching git input 'x'\n";
        assert_eq!(told(stderr), "trace: one\ntwo\n\n  three\nwarning: old\nevaluation warning: older");
        assert_eq!(told("building '/nix/store/x.drv'...\n"), "");
    }

    #[test]
    fn a_lock_file_that_is_not_written_is_one_line() {
        let stderr = "warning: not writing modified lock file of flake 'path:/x':\n• Added input 'a':\n    'github:a/b'\n\
            • Added input 'a/b':\n    follows 'b'\ntrace: one\n";
        assert_eq!(told(stderr), format!("{UNLOCKED}\ntrace: one"));
    }

    #[test]
    fn an_old_nix() {
        let stderr = "warning: Git tree '/x' is dirty\nerror: attribute 'foo' missing\n\n       at /nix/store/x/flake.nix:3:5:\n\n            2|\n(use '--show-trace' to show detailed location information)\n";
        assert_eq!(trim(stderr), "attribute 'foo' missing\n\nat /nix/store/x/flake.nix:3:5:\n\n     2|");
    }

    #[test]
    fn a_new_nix_tells_the_error_last() {
        let stderr = "\u{1b}[31;1merror:\u{1b}[0m\n       … while calling the 'head' builtin\n         at x:1:1:\n\n       \u{1b}[31;1merror:\u{1b}[0m artifacts: not there\n";
        assert_eq!(trim(stderr), "artifacts: not there");
    }

    #[test]
    fn several_errors_of_a_build_stay() {
        let stderr = "building '/nix/store/x.drv'...\nerror: builder for 'x' failed\nerror: 1 dependency failed\n";
        assert_eq!(trim(stderr), "builder for 'x' failed\nerror: 1 dependency failed");
    }

    #[test]
    fn anything_else_is_passed_on() {
        assert_eq!(trim("Segmentation fault\n"), "Segmentation fault");
        assert_eq!(trim(""), "it failed without a word");
    }
}
