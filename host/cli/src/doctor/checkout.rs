//! The checkout that is looked at, without an evaluation.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use artifacts_declared::DEFAULT_STORAGE;
use artifacts_nix::Nix;
use artifacts_report::Failure;

use crate::declarations::Declarations;
use crate::global::Global;

/// Holds where the storages are.
pub struct CheckoutPlace {
    /// The directory that contains the storages.
    pub root: PathBuf,
    /// Storages that are known to be some; others are found by how they look.
    pub storages: BTreeSet<String>,
}

impl CheckoutPlace {
    /// Finds the checkout: as it was passed, as a spec has it, or the directory of a flake on this machine; none where there is none.
    ///
    /// # Errors
    /// When the spec that was passed cannot be read.
    pub fn find(global: &Global, nix: &Nix) -> Result<Option<Self>, Failure> {
        let mut storages = BTreeSet::from([DEFAULT_STORAGE.to_owned()]);
        if global.spec.is_some() {
            let declarations = Declarations::load(global, nix, &[])?;
            storages.extend(declarations.spec.backends.values().map(|entry| entry.storage.clone()));
            return Ok(Some(Self { root: declarations.root, storages }));
        }
        let root = global.root.clone().or_else(|| flake_dir(&global.flake));
        Ok(root.map(|root| Self { root, storages }))
    }
}

/// The directory of a flake that is a directory of this machine.
fn flake_dir(reference: &str) -> Option<PathBuf> {
    let path = ["path:", "git+file://", "git+file:"].iter().find_map(|scheme| reference.strip_prefix(scheme));
    let path = path.unwrap_or(reference);
    let (path, query) = path.split_once(['?', '#']).unwrap_or((path, ""));
    let dir = query.split(['&', '#']).find_map(|part| part.strip_prefix("dir=")).unwrap_or_default();
    let start = Path::new(if path.is_empty() { "." } else { path }).join(dir).canonicalize().ok()?;
    start.ancestors().find(|above| above.join("flake.nix").exists()).map(Path::to_owned)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_flake_is_found_from_below_and_by_its_kinds_of_references() {
        let top = tempfile::tempdir().unwrap();
        let top = top.path().canonicalize().unwrap();
        let sub = top.join("fleet/machines");
        std::fs::create_dir_all(&sub).unwrap();
        std::fs::write(top.join("fleet/flake.nix"), "").unwrap();
        let (top, fleet) = (top.display(), top.join("fleet"));
        for reference in [
            format!("{}", sub.display()),
            format!("path:{top}/fleet"),
            format!("git+file://{top}?dir=fleet"),
            format!("{top}/fleet#x"),
        ] {
            assert_eq!(flake_dir(&reference).as_ref(), Some(&fleet), "{reference}");
        }
        assert_eq!(flake_dir("github:a/b"), None);
        assert_eq!(flake_dir(&format!("{top}/nowhere")), None);
    }
}
