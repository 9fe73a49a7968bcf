use std::fmt::Write as _;

use anstyle::AnsiColor;
use artifacts_text::{size, terminal};
use similar::{ChangeTag, TextDiff};

/// A public file of more bytes is told by its size.
const LONGEST: usize = 64 << 10;

/// What changes in a public file, line by line; nothing when it stays as it is.
pub fn diff(name: &str, before: Option<&[u8]>, after: Option<&[u8]>) -> String {
    if before == after {
        return String::new();
    }
    let of = |bytes: Option<&[u8]>| bytes.map_or_else(|| "nothing".to_owned(), |bytes| size(bytes.len() as u64));
    let mut text = format!("{}: {} -> {}\n", terminal(name), of(before), of(after));
    let (before, after) = (before.unwrap_or_default(), after.unwrap_or_default());
    let (Some(old), Some(new)) = (readable(before), readable(after)) else { return text };
    let (green, red) = (AnsiColor::Green.on_default(), AnsiColor::Red.on_default());
    for change in TextDiff::from_lines(old, new).iter_all_changes() {
        let line = terminal(change.value().trim_end_matches('\n'));
        let _ = match change.tag() {
            ChangeTag::Equal => continue,
            ChangeTag::Delete => writeln!(text, "  {red}- {line}{red:#}"),
            ChangeTag::Insert => writeln!(text, "  {green}+ {line}{green:#}"),
        };
    }
    text
}

/// Text that is short enough to be shown.
pub fn readable(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok().filter(|text| text.len() <= LONGEST)
}

#[cfg(test)]
mod tests {
    use super::diff;

    #[test]
    fn only_what_changes_is_shown_and_no_byte_of_it_reaches_the_terminal_raw() {
        let text = diff("public/pub", Some(b"same\nold\n"), Some(b"same\nnew\x1b[2J\n"));
        assert!(text.starts_with("public/pub: 9 B -> 13 B\n"), "{text}");
        assert!(text.contains("- old") && text.contains("+ new\\u{1b}[2J") && !text.contains("same"), "{text}");
        assert_eq!(diff("p", Some(b"x"), Some(b"x")), "");
        assert_eq!(diff("p", Some(b"\xff"), None), "p: 1 B -> nothing\n");
    }
}
