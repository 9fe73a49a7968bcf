//! Directories whose programs are the repository's, and are not run for keys.

use std::path::{Path, PathBuf};

/// Returns a root, and each work tree that it lies in.
pub fn of_root(root: &Path) -> Vec<PathBuf> {
    let Ok(root) = root.canonicalize() else { return vec![root.to_owned()] };
    let work_trees = work_trees(&root);
    std::iter::once(root).chain(work_trees).collect()
}

/// Returns each work tree that a directory lies in.
pub fn work_trees(dir: &Path) -> Vec<PathBuf> {
    let Ok(dir) = dir.canonicalize() else { return Vec::new() };
    dir.ancestors().filter(|dir| dir.join(".git").exists()).map(Path::to_owned).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_checkout_is_around_what_lies_in_it() {
        let top = tempfile::tempdir().unwrap();
        let top = top.path().canonicalize().unwrap();
        let inner = top.join("inner/machines");
        std::fs::create_dir_all(&inner).unwrap();
        assert_eq!(work_trees(&inner), Vec::<PathBuf>::new());
        std::fs::create_dir(top.join(".git")).unwrap();
        std::fs::write(top.join("inner/.git"), "gitdir: of a submodule").unwrap();
        assert_eq!(work_trees(&inner), [top.join("inner"), top.clone()]);
        assert_eq!(of_root(&inner), [inner.clone(), top.join("inner"), top]);
    }
}
