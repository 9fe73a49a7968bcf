//! Which entries the index has as they are stored, as far as what git noted of their files tells: none of them is read.
//!
//! A note tells that a file is as git read it. That git keeps its very bytes is told by attributes: where others count than those
//! that this program gives the storage, nothing is known here, and contents are compared.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use super::entry_note::EntryNote;
use super::file_note::FileNote;
use super::files::filtered;
use super::index::{Index, Tracked};
use super::tree::{Group, is_below};
use super::view::View;
use crate::{Root, attributes};

/// Compares the entries of one repository with what git noted.
pub struct Untouched<'a> {
    root: &'a Root,
    view: &'a View<'a>,
    group: &'a Group,
    index: &'a Index,
    /// Storages with the attributes of this program, in which each byte is kept.
    storages: Vec<&'a String>,
    /// Files that a filter with a program is for, by path relative to the root.
    filtered: BTreeSet<String>,
    /// Whether a directory between a storage and its entries gives no attributes, by path.
    plain: RefCell<BTreeMap<String, bool>>,
}

impl<'a> Untouched<'a> {
    pub fn new(root: &'a Root, view: &'a View<'a>, group: &'a Group, index: &'a Index, storages: &'a [String]) -> Self {
        let filtered = filtered(view, group, index.paths(group));
        let is_known = filtered.is_ok() && !view.has_attributes;
        // Outside of the working tree the file gives its files nothing.
        let keeps = |storage: &&String| {
            is_known && group.in_git(storage).is_some() && attributes::is_own(root.store_dir(), storage)
        };
        let storages = storages.iter().filter(keeps).collect();
        let filtered = filtered.unwrap_or_default();
        Self { root, view, group, index, storages, filtered, plain: RefCell::default() }
    }

    /// Returns whether all files that lie in an entry are tracked as they are, and no others. Of another entry nothing is known.
    pub fn has(&self, entry: &str, note: &EntryNote) -> bool {
        let Some(written) = self.index.written else { return false };
        let Some(path) = self.group.in_git(entry) else { return false };
        let of_file = |(file, tracked): (&'a String, &'a Tracked)| {
            let name = file.strip_prefix(&path)?.strip_prefix('/')?;
            // Git notes nothing of a file that was not merged. That is not relied on.
            let is_plain = !tracked.is_unmerged && tracked.has_mode(self.view, note.is_executable());
            tracked.note.filter(|_| is_plain).map(|note| (name, note))
        };
        let notes: Option<Vec<(&str, FileNote)>> = self.index.below(self.group, entry).map(of_file).collect();
        notes.is_some_and(|notes| note.is_of(notes.into_iter(), written)) && self.keeps_bytes(entry)
    }

    /// Returns whether git stages the files of an entry byte for byte.
    fn keeps_bytes(&self, entry: &str) -> bool {
        let Some(storage) = self.storages.iter().find(|storage| is_below(entry, storage)) else { return false };
        let between =
            entry.match_indices('/').map(|(at, _)| &entry[..at]).skip_while(|above| above.len() <= storage.len());
        let inside = format!("{entry}/");
        if self.filtered.range(inside.clone()..).next().is_some_and(|file| file.starts_with(&inside)) {
            return false;
        }
        let mut known = self.plain.borrow_mut();
        let mut between = between;
        between.all(|above| match known.get(above) {
            Some(is_plain) => *is_plain,
            None => *known.entry(above.to_owned()).or_insert_with(|| self.is_plain(above)),
        })
    }

    /// Returns whether a directory gives its files no attributes. Git takes a file that is gone from the index.
    fn is_plain(&self, directory: &str) -> bool {
        let path = format!("{directory}/{}", attributes::NAME);
        let is_tracked = self.group.in_git(&path).is_none_or(|path| self.index.at(&path).is_some());
        !is_tracked && matches!(self.root.store_dir().kind(&path), Ok(None))
    }
}
