//! Asks git about files: their object names, and whether it ignores or filters them.

use std::collections::{BTreeMap, BTreeSet};

use super::tree::{EntryFile, Group};
use super::view::View;
use super::{Warning, listed, run, run_to, words};

/// Maps files to their object names, in hex, by path of the file relative to the root.
pub type Hashes = BTreeMap<String, String>;

/// Computes the object names of these files; with `write`, writes the objects as well.
pub fn hashes<'f>(
    view: &View<'_>,
    group: &Group,
    files: impl IntoIterator<Item = &'f EntryFile>,
    write: bool,
) -> Result<Hashes, Warning> {
    let files: Vec<(&str, String)> =
        files.into_iter().filter_map(|file| Some((file.path.as_str(), group.in_git(&file.path)?))).collect();
    if files.is_empty() {
        return Ok(Hashes::new());
    }
    // A path that begins with a quote would be read as a quoted one.
    let input: String = files.iter().flat_map(|(_, path)| ["./", path, "\n"]).collect();
    let mut command = view.command();
    command.args(["hash-object", "--no-filters", "--stdin-paths"]).args(write.then_some("-w"));
    let answer = run(&mut command, input.as_bytes())?;
    let names: Vec<String> = String::from_utf8_lossy(&answer).lines().map(str::to_owned).collect();
    if names.len() != files.len() {
        return Err(Warning::Refused { said: "its list of objects is not understood".to_owned() });
    }
    Ok(files.iter().map(|(path, _)| (*path).to_owned()).zip(names).collect())
}

/// Returns those of these files that git ignores. A tracked file is not ignored.
pub fn ignored(view: &View<'_>, group: &Group, files: &[String]) -> Result<BTreeSet<String>, Warning> {
    if files.is_empty() {
        return Ok(BTreeSet::new());
    }
    let mut command = view.command();
    // It takes no patterns, and does not like to be told so. Status 1 says that there is none.
    command.env_remove("GIT_LITERAL_PATHSPECS").args(["check-ignore", "-z", "--stdin"]);
    let answer = run_to(&mut command, list_in_git(group, files).as_bytes(), 1)?;
    Ok(words(&answer).map(|path| group.below_root(&path)).collect())
}

/// Returns those of these files that have a filter with a program. Nothing else gives them other bytes.
pub fn filtered(
    view: &View<'_>,
    group: &Group,
    files: impl IntoIterator<Item = String>,
) -> Result<BTreeSet<String>, Warning> {
    if view.filters.is_empty() {
        return Ok(BTreeSet::new());
    }
    let files: Vec<String> = files.into_iter().collect();
    if files.is_empty() {
        return Ok(BTreeSet::new());
    }
    let mut command = view.command();
    command.args(["check-attr", "-z", "--stdin", "filter"]);
    let answer = run(&mut command, list_in_git(group, &files).as_bytes())?;
    let answers: Vec<String> = words(&answer).collect();
    let set = answers.chunks_exact(3).filter(|answer| view.filters.contains(&answer[2]));
    Ok(set.map(|answer| group.below_root(&answer[0])).collect())
}

fn list_in_git(group: &Group, files: &[String]) -> String {
    let paths: Vec<String> = files.iter().filter_map(|path| group.in_git(path)).collect();
    listed(paths.iter().map(String::as_str))
}
