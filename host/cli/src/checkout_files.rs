//! Files of a checkout, read for an import: regular ones below the root, by no link.

use std::fs;
use std::io::Read as _;
use std::path::{Component, Path, PathBuf};

use artifacts_import::{SourceText, Tree};
use artifacts_nix::Flake;

/// The largest file of another tool that is read, in bytes.
const LARGEST: u64 = 16 << 20;
/// The largest text that is searched for references, in bytes.
const LARGEST_TEXT: u64 = 1 << 20;
/// How many files and directories are looked at, and how deep.
const MOST: usize = 100_000;
const DEEPEST: usize = 16;

/// Gives access to the files of a flake's checkout.
pub struct CheckoutFiles<'a> {
    flake: &'a Flake<'a>,
    /// The local directory of which the flake's source is a copy.
    top: PathBuf,
    /// The directory that storages are in.
    root: PathBuf,
}

impl<'a> CheckoutFiles<'a> {
    /// Opens a checkout.
    ///
    /// # Errors
    /// When one of the directories does not exist.
    pub fn new(flake: &'a Flake<'a>, top: &Path, root: &Path) -> std::io::Result<Self> {
        Ok(Self { flake, top: top.canonicalize()?, root: root.canonicalize()? })
    }

    /// Returns where a file below the root is in the flake's source; none if the root is not in it.
    pub fn in_source(&self, path: &Path) -> Option<PathBuf> {
        self.root.strip_prefix(&self.top).ok().map(|below| below.join(path))
    }

    /// Returns the files in Nix, and `.sops.yaml`.
    pub fn texts(&self) -> Vec<SourceText> {
        let is_text = |path: &Path| {
            path.extension().is_some_and(|end| end == "nix")
                || path.file_name().is_some_and(|name| name == ".sops.yaml")
        };
        let paths = self.walk(Path::new(""), true).into_iter().filter(|path| is_text(path));
        let text = |path: PathBuf| {
            let bytes = self.limited(&path, LARGEST_TEXT).ok()?;
            Some(SourceText { path: path.display().to_string(), text: String::from_utf8(bytes).ok()? })
        };
        paths.filter_map(text).collect()
    }

    /// Lists what is below a directory, in order; directories that a dot begins are left out where that is asked for.
    fn walk(&self, dir: &Path, is_plain: bool) -> Vec<PathBuf> {
        let (mut found, mut seen, mut dirs) = (Vec::new(), 0, vec![dir.to_owned()]);
        while let Some(dir) = dirs.pop() {
            let entries = fs::read_dir(self.root.join(&dir)).into_iter().flatten().flatten();
            for entry in entries {
                seen += 1;
                if seen > MOST {
                    return found;
                }
                let path = dir.join(entry.file_name());
                let is_hidden = is_plain && entry.file_name().as_encoded_bytes().starts_with(b".");
                match entry.file_type() {
                    Ok(kind) if kind.is_dir() && !is_hidden && path.components().count() < DEEPEST => dirs.push(path),
                    Ok(kind) if !kind.is_dir() => found.push(path),
                    _ => {}
                }
            }
        }
        found.sort();
        found
    }

    fn limited(&self, path: &Path, most: u64) -> Result<Vec<u8>, String> {
        let whole = self.root.join(path);
        let real = whole.canonicalize().map_err(|why| why.to_string())?;
        let found = fs::symlink_metadata(&whole).map_err(|why| why.to_string())?;
        if real != whole || !found.is_file() {
            return Err("it is not a regular file, or is behind a symbolic link".to_owned());
        }
        if found.len() > most {
            return Err(format!(
                "it has {}, more than the limit of {}",
                artifacts_text::size(found.len()),
                artifacts_text::size(most)
            ));
        }
        let mut bytes = Vec::new();
        let done = fs::File::open(&whole).and_then(|file| file.take(most).read_to_end(&mut bytes));
        done.map(|_| bytes).map_err(|why| why.to_string())
    }
}

impl Tree for CheckoutFiles<'_> {
    fn locate(&self, path: &str) -> Result<PathBuf, String> {
        let elsewhere = || format!("`{path}` is not in the directory of the flake");
        let below = self.flake.below_source(Path::new(path)).ok_or_else(elsewhere)?;
        if below.components().any(|part| part == Component::ParentDir) {
            return Err(elsewhere());
        }
        let local = self.top.join(below);
        let below_root = local.strip_prefix(&self.root).map(Path::to_owned);
        below_root.map_err(|_| format!("{} is outside of {}, the root", local.display(), self.root.display()))
    }

    fn read(&self, path: &Path) -> Result<Vec<u8>, String> {
        self.limited(path, LARGEST)
    }

    fn list(&self, dir: &Path) -> Vec<PathBuf> {
        self.walk(dir, false)
    }
}
