use std::io;
use std::path::{Component, Path, PathBuf};

use percent_encoding::percent_decode_str;

use crate::metadata::{FlakeMetadata, Reference};
use crate::{Error, Flake};

impl Flake<'_> {
    /// Returns the local directory below which files are stored: the place in the checkout of which `root`, the
    /// evaluated `artifacts.root`, is a copy. Without a root it is the flake's own directory.
    ///
    /// # Errors
    /// If the flake is remote or at a fixed revision, or if the root is in one of its inputs or not a directory of the
    /// checkout. The user must pass the directory then.
    pub fn checkout(&self, root: Option<&Path>) -> Result<PathBuf, Error> {
        let metadata = &self.metadata;
        let read_only = || Error::ReadOnly { reference: self.reference.clone() };
        let Some(root) = root else {
            let top = metadata.top().ok_or_else(read_only)?;
            return Ok(join(&top, Path::new(metadata.resolved.dir.as_deref().unwrap_or_default())));
        };
        // Versions before 2.19 name a path where it really is.
        let root = &self.nix.store_of_flake(metadata).named_path(root);
        let directory = match root.strip_prefix(&metadata.path) {
            Ok(below) => join(&metadata.top().ok_or_else(read_only)?, below),
            Err(_) if metadata.in_store(root) => {
                return Err(Error::Elsewhere { reference: self.reference.clone(), root: root.to_owned() });
            }
            // An impure evaluation can name the directory itself.
            Err(_) => root.to_owned(),
        };
        let top = metadata.top().ok_or_else(read_only)?;
        if inside(&top, &directory) {
            return Ok(directory);
        }
        Err(Error::Outside { root: root.to_owned(), checkout: top })
    }
}

/// Returns whether a directory is the checkout or in it, whatever its path looks like: the repository declares the
/// root, and must not decide where else on this machine something is written.
fn inside(top: &Path, directory: &Path) -> bool {
    let climbs = directory.components().any(|part| part == Component::ParentDir);
    let within = || Ok::<bool, io::Error>(directory.canonicalize()?.starts_with(top.canonicalize()?));
    !climbs && within().unwrap_or(false)
}

/// Joins two paths, without the slash that joining an empty path leaves.
fn join(top: &Path, below: &Path) -> PathBuf {
    if below.as_os_str().is_empty() { top.to_owned() } else { top.join(below) }
}

impl FlakeMetadata {
    /// Returns the local directory of which [`FlakeMetadata::path`] is a copy.
    fn top(&self) -> Option<PathBuf> {
        let fixed = self.original.rev.is_some() || self.original.branch.is_some();
        local(&self.resolved).filter(|directory| !fixed && directory.is_absolute() && !self.in_store(directory))
    }

    fn in_store(&self, path: &Path) -> bool {
        path.starts_with(self.store())
    }
}

fn local(reference: &Reference) -> Option<PathBuf> {
    match reference.kind.as_str() {
        "path" => reference.path.clone(),
        "git" => {
            let path = reference.url.as_deref()?.strip_prefix("file://")?;
            let path = path.split(['?', '#']).next()?;
            Some(PathBuf::from(percent_decode_str(path).decode_utf8().ok()?.into_owned()))
        }
        _ => None,
    }
}
