//! Sessions at a terminal that a page in Markdown shows: blocks of `console`, each with the title of the story that it is of.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};

const FENCE: &str = "```";

/// Compares each session of a page with what was recorded, by the title of its story; `BLESS=1` rewrites the page. Returns how many
/// sessions the page has.
///
/// # Errors
/// When a session has no story, its commands are not in a row in its story, or it shows something else.
pub fn compare(page: &Path, recorded: &BTreeMap<String, String>) -> Result<usize> {
    let text = fs::read_to_string(page)?;
    let (current, count) = rewritten(&text, recorded).with_context(|| page.display().to_string())?;
    if std::env::var_os("BLESS").is_some() && current != text {
        fs::write(page, &current)?;
    } else {
        ensure!(current == text, "{} shows what nobody sees; a person sees:\n{current}", page.display());
    }
    Ok(count)
}

/// Returns the page with its sessions as they were recorded, and how many there are.
fn rewritten(page: &str, recorded: &BTreeMap<String, String>) -> Result<(String, usize)> {
    let (mut current, mut count) = (String::new(), 0);
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        current.push_str(line);
        current.push('\n');
        let Some(title) = line.strip_prefix("```console") else { continue };
        let shown: Vec<&str> = lines.by_ref().take_while(|line| *line != FENCE).collect();
        let story = recorded.get(title.trim()).with_context(|| format!("no story has the title `{}`", title.trim()))?;
        for line in session(&shown, story).with_context(|| format!("not in the story `{}`:{shown:#?}", title.trim()))? {
            current.push_str(line);
            current.push('\n');
        }
        current.push_str(FENCE);
        current.push('\n');
        count += 1;
    }
    Ok((current, count))
}

/// Returns the part of a story that has the commands of a session in a row. Of several it is the one that equals the session, if one does.
fn session<'a>(shown: &[&str], story: &'a str) -> Option<Vec<&'a str>> {
    let is_command = |line: &&&str| line.starts_with("$ ");
    let wanted: Vec<&&str> = shown.iter().filter(is_command).collect();
    let lines: Vec<&str> = story.lines().collect();
    let starts: Vec<usize> = (0..lines.len()).filter(|at| lines[*at].starts_with("$ ")).collect();
    let part = |window: &[usize]| {
        let end = starts.iter().find(|at| **at > window[window.len() - 1]).copied().unwrap_or(lines.len());
        let mut part = lines[window[0]..end].to_vec();
        while part.last().is_some_and(|line| line.is_empty()) {
            part.pop();
        }
        part
    };
    let same = |window: &&[usize]| window.iter().zip(&wanted).all(|(at, command)| lines[*at] == **command);
    let parts: Vec<Vec<&str>> = starts.windows(wanted.len().max(1)).filter(same).map(part).collect();
    let equal = parts.iter().find(|part| *part == shown).cloned();
    equal.or_else(|| parts.into_iter().next().filter(|_| !wanted.is_empty()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn recorded() -> BTreeMap<String, String> {
        BTreeMap::from([("a day".to_owned(), "$ one\n1\n\n$ two\n2\n$ one\nagain\n$ three\n".to_owned())])
    }

    #[test]
    fn what_is_shown_is_what_was_recorded() {
        let page = |session: &str| format!("# Page\n```console a day\n{session}```\nend\n");
        let now = |session: &str| rewritten(&page(session), &recorded()).unwrap().0;
        assert_eq!(now("$ one\nold\n"), page("$ one\n1\n"));
        assert_eq!(now("$ one\nagain\n"), page("$ one\nagain\n"));
        assert_eq!(now("$ two\nold\n$ one\n"), page("$ two\n2\n$ one\nagain\n"));
        assert_eq!(now("$ three\n"), page("$ three\n"));
        assert_eq!(now("$ one\n1\n\n$ two\n2\n"), page("$ one\n1\n\n$ two\n2\n"));
    }

    #[test]
    fn what_nobody_ran_is_an_error() {
        let error = |page: &str| format!("{:#}", rewritten(page, &recorded()).unwrap_err());
        assert!(error("```console a day\n$ four\n```\n").contains("$ four"));
        assert!(error("```console a day\n$ two\n$ three\n```\n").contains("not in the story"));
        assert!(error("```console a day\nno command\n```\n").contains("not in the story"));
        assert!(error("```console a night\n$ one\n```\n").contains("a night"));
        assert!(error("```console\n$ one\n```\n").contains("no story"));
    }
}
