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
    use super::trim;

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
