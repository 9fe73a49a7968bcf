//! The `.sops.yaml` of a repository: the rules of artifacts are in it beside a person's own.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use artifacts_report::Failure;

use crate::creation_rules::{CreationRule, items};

/// What stands before and after the rules of artifacts.
const BEGIN: &str = "# artifacts: begin, replaced by `artifacts sops-config --write`";
const END: &str = "# artifacts: end";

/// Indentation of rules where a person has none.
const INDENT: &str = "  ";

/// Writes these rules into the file in this directory, and returns it, and whether it changed. All else in it stays to the byte.
///
/// # Errors
/// If the file is not a regular one, cannot be read or written, or has its own rules in a form that is not continued.
pub fn write(dir: &Path, rules: &[CreationRule]) -> Result<(PathBuf, bool), Failure> {
    let file = dir.join(".sops.yaml");
    let cannot = |what: &str, why: io::Error| Failure::new(".sops.yaml", format!("cannot {what} it: {why}"));
    let before = read(&file).map_err(|why| cannot("read", why))?;
    let (text, mode) = before.unwrap_or_default();
    let merged = merged(&text, rules).map_err(|why| {
        let hint = "write its rules as a list below `creation_rules:`, or print those of artifacts and add them by hand: `artifacts sops-config`";
        Failure::new(".sops.yaml", why).hint(Some(hint))
    })?;
    if merged == text {
        return Ok((file, false));
    }
    replace(&file, &merged, mode).map_err(|why| cannot("write", why))?;
    Ok((file, true))
}

/// Returns the text of a file and its mode, if there is one.
fn read(file: &Path) -> io::Result<Option<(String, Option<u32>)>> {
    match fs::symlink_metadata(file) {
        Ok(found) if found.is_file() => Ok(Some((fs::read_to_string(file)?, Some(found.permissions().mode())))),
        Ok(_) => Err(io::Error::other("it is not a regular file")),
        Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(why) => Err(why),
    }
}

/// Puts a new file in the place of one.
fn replace(file: &Path, text: &str, mode: Option<u32>) -> io::Result<()> {
    let new = file.with_extension("yaml.new");
    let mut options = OpenOptions::new();
    let mut written = options.write(true).create_new(true).mode(mode.unwrap_or(0o644)).open(&new)?;
    let done =
        written.write_all(text.as_bytes()).and_then(|()| written.sync_all()).and_then(|()| fs::rename(&new, file));
    done.inspect_err(|_| drop(fs::remove_file(&new)))
}

/// Returns a text with these rules in place of those that artifacts wrote before. They come first, since the first that fits counts
/// and each of them fits the files of one artifact alone.
fn merged(text: &str, rules: &[CreationRule]) -> Result<String, &'static str> {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let at = |marker: &str| lines.iter().position(|line| line.trim() == marker);
    let whole = |before: &[&str], block: String, after: &[&str]| {
        [&before.concat(), &block, &after.concat()].map(String::as_str).concat()
    };
    match (at(BEGIN), at(END)) {
        (Some(begin), Some(end)) if begin < end => {
            let indent = &lines[begin][..lines[begin].len() - lines[begin].trim_start().len()];
            return Ok(whole(&lines[..begin], block(rules, indent), &lines[end + 1..]));
        }
        (None, None) => {}
        _ => return Err("one of the two lines between which the rules of artifacts are is missing"),
    }
    let Some(head) = head(&lines)? else {
        let newline = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
        return Ok(format!("{text}{newline}creation_rules:\n{}", block(rules, INDENT)));
    };
    let (before, after) = (&lines[..head], &lines[head + 1..]);
    Ok(whole(before, format!("creation_rules:\n{}", block(rules, indent(after))), after))
}

fn block(rules: &[CreationRule], indent: &str) -> String {
    format!("{indent}{BEGIN}\n{}{indent}{END}\n", items(rules, indent))
}

/// Returns the line below which a person's own rules are, if there is one.
fn head(lines: &[&str]) -> Result<Option<usize>, &'static str> {
    let name = |line: &&str| line.trim_start_matches(['"', '\'', '{', ' ']).starts_with("creation_rules");
    let Some(at) = lines.iter().position(name) else {
        let is_flow = lines.iter().any(|line| line.starts_with('{'));
        return if is_flow { Err("it is written in braces") } else { Ok(None) };
    };
    match lines[at].trim_end().strip_prefix("creation_rules:").map(str::trim) {
        Some("" | "[]") => Ok(Some(at)),
        Some(comment) if comment.starts_with('#') => Ok(Some(at)),
        _ => Err("its rules are not a list of lines"),
    }
}

/// Returns how far a person's own rules are indented.
fn indent<'a>(after: &[&'a str]) -> &'a str {
    let is_blank = |line: &&&str| line.trim().is_empty() || line.trim_start().starts_with('#');
    let first = after.iter().find(|line| !is_blank(line));
    let rule = first.filter(|line| line.trim_start().starts_with('-'));
    rule.map_or(INDENT, |line| &line[..line.len() - line.trim_start().len()])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn rules(names: &[&str]) -> Vec<CreationRule> {
        let rule = |name: &&str| CreationRule {
            path_regex: format!("^{name}$"),
            age: vec!["age1a".to_owned()],
            pgp: Vec::new(),
        };
        names.iter().map(rule).collect()
    }

    #[test]
    fn what_a_person_wrote_stays_to_the_byte_wherever_it_is() {
        for (before, after) in [
            ("", ""),
            ("# mine\nstores: {json: {indent: 2}}\n", ""),
            ("# mine\n", "  - path_regex: mine$   # kept\n    pgp: 85D77543\n\n# the end"),
            ("", "- path_regex: mine$\n  age: age1b\nstores:\n  yaml: {}\n"),
            ("---\n", "\n    # deeper\n    - age: age1b\n"),
        ] {
            let head = if before.is_empty() && after.is_empty() { "" } else { "creation_rules:\n" };
            let text = format!("{before}{head}{after}");
            let one = merged(&text, &rules(&["one", "two"])).unwrap();
            let expected = one.split_once(BEGIN).unwrap();
            assert_eq!(expected.0.trim_end_matches(' '), format!("{before}creation_rules:\n"));
            assert_eq!(one.split_once(END).unwrap().1, format!("\n{after}"));
            // Again nothing changes, and other rules take the place of these.
            assert_eq!(merged(&one, &rules(&["one", "two"])).unwrap(), one);
            let other = merged(&one, &rules(&["three"])).unwrap();
            assert!(other.contains("^three$") && !other.contains("^one$"), "{other}");
            assert_eq!(merged(&other, &rules(&["one", "two"])).unwrap(), one);
        }
    }

    #[test]
    fn what_is_not_understood_is_not_changed() {
        for text in [
            "{creation_rules: []}",
            "{\"stores\": {}}",
            "creation_rules: [{age: age1b}]\n",
            "\"creation_rules\":\n  - age: age1b\n",
            "creation_rules: &rules\n  - age: age1b\n",
            &format!("creation_rules:\n  {BEGIN}\n"),
            &format!("creation_rules:\n  {END}\n  {BEGIN}\n"),
        ] {
            assert!(merged(text, &rules(&["one"])).is_err(), "{text}");
        }
    }

    #[test]
    fn a_link_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("elsewhere", dir.path().join(".sops.yaml")).unwrap();
        fs::write(dir.path().join("elsewhere"), "").unwrap();
        let failure = write(dir.path(), &rules(&["one"])).unwrap_err();
        assert!(failure.message.contains("not a regular file"), "{}", failure.message);
        assert_eq!(fs::read_to_string(dir.path().join("elsewhere")).unwrap(), "");
    }
}
