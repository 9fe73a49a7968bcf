use std::path::{Path, PathBuf};

/// Gives access to the files of the checkout, and to no others.
pub trait Tree {
    /// Returns where a path that Nix evaluated is below the root.
    ///
    /// # Errors
    /// Why it is not there: it is outside the root, or of another source.
    fn locate(&self, path: &str) -> Result<PathBuf, String>;

    /// Reads a file below the root.
    ///
    /// # Errors
    /// Why it cannot be read.
    fn read(&self, path: &Path) -> Result<Vec<u8>, String>;

    /// Lists the files below a directory, each below the root, in order; none where the directory does not exist. Links are among them.
    fn list(&self, dir: &Path) -> Vec<PathBuf>;
}
