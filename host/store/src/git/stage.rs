//! Adding entries to git's index.

use std::collections::BTreeSet;

use super::files::{filtered, hashes, ignored};
use super::index::{Index, check_above};
use super::tree::{self, EntryFile, Group, attributes_of};
use super::view::View;
use super::{Git, Warning, listed, run};
use crate::Root;

/// Git compares each path that it is given with each that it tracks: more than so many are not named one by one.
const FEW: usize = 500;

/// Describes an entry to be staged.
struct StagedEntry {
    path: String,
    files: Vec<EntryFile>,
}

impl Git {
    /// Adds entries (paths below the root, of these storages) to the index of the repository that holds them, each as a whole and
    /// byte for byte: a flake sees only what git knows, what it knows by name alone (`--intent-to-add`) is emptied by
    /// `git checkout .`, and half an entry must not be committed. What a filter with a program is declared for is added by name,
    /// since its bytes are not what git would store. One entry that git refuses keeps no other out. Outside of git there is
    /// nothing to do.
    pub fn stage(&self, root: &Root, storages: &[String], entries: &[String]) -> Vec<Warning> {
        let mut warnings = Vec::new();
        if entries.is_empty() {
            return warnings;
        }
        let attributes: Vec<String> = attributes_of(root, storages).into_iter().map(|(path, _)| path).collect();
        let all: Vec<String> = entries.iter().chain(&attributes).cloned().collect();
        for group in tree::groups(self, root, &all, &mut warnings, &mut Vec::new()) {
            if let Err(warning) = self.stage_group(root, storages, &group, &mut warnings) {
                warnings.push(warning);
            }
        }
        warnings
    }

    fn stage_group(
        &self,
        root: &Root,
        storages: &[String],
        group: &Group,
        warnings: &mut Vec<Warning>,
    ) -> Result<(), Warning> {
        let view = View::open(self, &group.repository)?;
        check_above(self, group)?;
        let index = Index::read(&view, group, storages)?;
        let mut entries = Vec::new();
        let attributes = attributes_of(root, storages);
        for path in &group.entries {
            let is_attributes = attributes.iter().any(|(own, _)| own == path);
            let files = if is_attributes {
                Ok(vec![EntryFile { path: path.clone(), executable: false }])
            } else {
                tree::files(root, path)
            };
            match files {
                Ok(files) => entries.push(StagedEntry { path: path.clone(), files }),
                Err(error) => warnings.push(error.into()),
            }
        }
        let is_attributes = |path: &str| attributes.iter().any(|(own, _)| own == path);
        let paths = |entry: &StagedEntry| entry.files.iter().map(|file| file.path.clone()).collect::<Vec<_>>();
        // What git tracks already is staged, ignored or not.
        let new: Vec<String> =
            entries.iter().filter(|entry| !index.knows(group, &entry.path)).flat_map(paths).collect();
        let all: Vec<String> = entries.iter().flat_map(paths).collect();
        let (ignored, filtered) = (ignored(&view, group, &new)?, filtered(&view, group, all.iter().cloned())?);
        let with =
            |which: &BTreeSet<String>, entry: &StagedEntry| entry.files.iter().any(|file| which.contains(&file.path));
        let (mut left_out, rest): (Vec<_>, Vec<_>) = entries.into_iter().partition(|entry| with(&ignored, entry));
        let (mut by_name, whole): (Vec<_>, Vec<_>) = rest.into_iter().partition(|entry| with(&filtered, entry));
        left_out.retain(|entry| !is_attributes(&entry.path));
        by_name.retain(|entry| !is_attributes(&entry.path));
        add_whole(&view, group, &Staging { index: &index, storages }, &whole, warnings)?;
        add_names(&view, group, &by_name)?;
        let first = |which: &BTreeSet<String>, entries: &[StagedEntry]| {
            let mut files = entries.iter().flat_map(|entry| &entry.files);
            files.find(|file| which.contains(&file.path)).map(|file| file.path.clone()).unwrap_or_default()
        };
        let command =
            |verb, entries: &[StagedEntry]| group.command(verb, entries.iter().map(|entry| entry.path.as_str()));
        if !left_out.is_empty() {
            let command = command("add --force", &left_out);
            warnings.push(Warning::Ignored { path: first(&ignored, &left_out), count: left_out.len(), command });
        }
        if !by_name.is_empty() {
            let command = command("add", &by_name);
            warnings.push(Warning::Filtered { path: first(&filtered, &by_name), count: by_name.len(), command });
        }
        Ok(())
    }
}

/// Holds the index as it was found, and what is read of it.
struct Staging<'a> {
    index: &'a Index,
    storages: &'a [String],
}

/// Stages all entries at once, or one by one where git rejects that.
fn add_whole(
    view: &View<'_>,
    group: &Group,
    staging: &Staging<'_>,
    entries: &[StagedEntry],
    warnings: &mut Vec<Warning>,
) -> Result<(), Warning> {
    let all: Vec<&StagedEntry> = entries.iter().collect();
    let Err(refused) = add(view, group, staging, &all) else { return Ok(()) };
    if entries.len() < 2 {
        return Err(refused);
    }
    let mut failed = Vec::new();
    for entry in entries {
        failed.extend(add(view, group, staging, &[entry]).err());
    }
    if failed.len() == entries.len() {
        return Err(refused);
    }
    warnings.extend(failed);
    Ok(())
}

fn add(view: &View<'_>, group: &Group, staging: &Staging<'_>, entries: &[&StagedEntry]) -> Result<(), Warning> {
    let index = staging.index;
    let files = || entries.iter().flat_map(|entry| &entry.files);
    let known = hashes(view, group, files(), false)?;
    let new: Vec<&EntryFile> = files().filter(|file| !index.has_file(view, group, file, &known)).collect();
    let made = hashes(view, group, new.iter().copied(), true)?;
    let nothing = "0".repeat(if view.sha256 { 64 } else { 40 });
    let mut lines = String::new();
    let mut paths = Vec::new();
    for entry in entries {
        for path in index.gone(view, group, &entry.path) {
            lines.extend(["0 ", &nothing, "\t", &path, "\0"]);
        }
    }
    for file in &new {
        let (Some(object), Some(path)) = (made.get(&file.path), group.in_git(&file.path)) else { continue };
        let bits = if file.executable && view.file_mode { "100755" } else { "100644" };
        lines.extend([bits, " ", object, "\t", &path, "\0"]);
        paths.push(path);
    }
    if lines.is_empty() {
        return Ok(());
    }
    run(view.command().args(["update-index", "-z", "--replace", "--index-info"]), lines.as_bytes())?;
    // It passes over a path that it would not check out, and says so to no one.
    let now = Index::read(view, group, staging.storages)?;
    if let Some(file) = new.iter().find(|file| !now.has_file(view, group, file, &made)) {
        return Err(Warning::Refused { said: format!("it does not accept the path `{}`", file.path) });
    }
    refresh(view, group, staging.storages, paths);
    Ok(())
}

/// Has git note files as they are, only so that it need not read them again. What it does not like here, it reads later.
fn refresh(view: &View<'_>, group: &Group, storages: &[String], paths: Vec<String>) {
    if paths.is_empty() {
        return;
    }
    // Without a filter it runs no program for what else lies there.
    let by_storage = paths.len() > FEW && view.filters.is_empty();
    let places = if by_storage { group.pathspecs(storages) } else { paths };
    let mut command = view.command();
    command.args(["add", "--refresh", "--sparse", "--pathspec-from-file=-", "--pathspec-file-nul"]);
    let _ = run(&mut command, listed(places.iter().map(String::as_str)).as_bytes());
}

fn add_names(view: &View<'_>, group: &Group, entries: &[StagedEntry]) -> Result<(), Warning> {
    let files = entries.iter().flat_map(|entry| &entry.files);
    let paths: Vec<String> = files.filter_map(|file| group.in_git(&file.path)).collect();
    if paths.is_empty() {
        return Ok(());
    }
    let mut command = view.command();
    command.args(["add", "--intent-to-add", "--force", "--sparse", "--pathspec-from-file=-", "--pathspec-file-nul"]);
    run(&mut command, listed(paths.iter().map(String::as_str)).as_bytes()).map(drop)
}
