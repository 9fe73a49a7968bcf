//! Removing what no one declares any more.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use artifacts_declared::Name;
use rustix::fs::{AtFlags, Mode, RenameFlags, openat, readlinkat, renameat_with, unlinkat};
use rustix::io::Errno;

use super::walk::walk;
use super::{DIR, DeployDir, LINKS, Lock, NEW, NOW, PlaceError, at, entries};

impl DeployDir {
    /// Removes artifacts that are not among those declared, each with the paths of its links, and links at other paths than
    /// those. First the links go, then the note of them, then the bytes: anyone who is stopped half-way finds the rest the next time.
    /// Returns the artifacts that are gone, and what could not be removed; one keeps none of the others.
    ///
    /// # Errors
    /// When it cannot be seen what is there.
    pub fn clean(
        &self,
        _: &Lock,
        declared: &BTreeMap<Name, BTreeSet<PathBuf>>,
    ) -> Result<(Vec<String>, Vec<PlaceError>), PlaceError> {
        let mut names = BTreeSet::new();
        for dir in [NOW, NEW, LINKS] {
            let path = self.path.join(dir);
            let open = openat(&self.bytes, dir, DIR, Mode::empty()).map_err(|why| at(&path, why))?;
            let found = entries(&open).map_err(|why| at(&path, why))?;
            names.extend(found.into_iter().filter_map(|name| String::from_utf8(name).ok()));
        }
        let (mut gone, mut failed) = (Vec::new(), Vec::new());
        for name in names {
            let paths = declared.get(name.as_str());
            // The bytes go even where a link does not.
            let links = self.clean_links(&name, paths.unwrap_or(&BTreeSet::new()));
            match links.and(self.clean_bytes(&name, paths.is_some())) {
                Ok(()) if paths.is_some() => {}
                Ok(()) => gone.push(name),
                Err(why) => failed.push(why),
            }
        }
        Ok((gone, failed))
    }

    fn clean_links(&self, artifact: &str, keep: &BTreeSet<PathBuf>) -> Result<(), PlaceError> {
        let noted = self.recorded_links(artifact)?;
        if noted.is_subset(keep) {
            return Ok(());
        }
        for path in noted.difference(keep) {
            self.unlink(artifact, path)?;
        }
        let dir = self.links.join(artifact);
        if noted.iter().any(|path| path.parent() == Some(&dir)) {
            // It stays when it is not empty, and then it is not ours alone.
            let _ = unlinkat(walk(&self.links, false)?, artifact, AtFlags::REMOVEDIR);
        }
        self.write_links(artifact, &(&noted & keep))
    }

    /// Removes a link that leads to a file of the artifact. Anything else is another user's by now.
    fn unlink(&self, artifact: &str, path: &Path) -> Result<(), PlaceError> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return Ok(()) };
        let dir = match walk(parent, false) {
            Ok(dir) => dir,
            Err(PlaceError::Path { why, .. }) if why.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(why) => return Err(why),
        };
        let own = self.path.join(NOW).join(artifact);
        match readlinkat(&dir, name, Vec::new()) {
            Ok(to) if Path::new(std::ffi::OsStr::from_bytes(to.to_bytes())).starts_with(&own) => {}
            Ok(_) | Err(Errno::NOENT | Errno::INVAL) => return Ok(()),
            Err(why) => return Err(at(path, why)),
        }
        (self.step)("remove a link").map_err(|why| at(path, why))?;
        unlinkat(&dir, name, AtFlags::empty()).map_err(|why| at(path, why))
    }

    /// What an interrupted run left goes in any case, and what is in place unless it is kept.
    fn clean_bytes(&self, artifact: &str, keep: bool) -> Result<(), PlaceError> {
        if !keep {
            self.forget_outdated(artifact)?;
        }
        self.try_clean_bytes(artifact, keep).map_err(|why| at(&self.path.join(NOW).join(artifact), why))
    }

    fn try_clean_bytes(&self, artifact: &str, keep: bool) -> std::io::Result<()> {
        let new = openat(&self.bytes, NEW, DIR, Mode::empty())?;
        let now = openat(&self.bytes, NOW, DIR, Mode::empty())?;
        self.remove(&new, artifact)?;
        if keep {
            return Ok(());
        }
        (self.step)("take the directory away")?;
        match renameat_with(&now, artifact, &new, artifact, RenameFlags::NOREPLACE) {
            Ok(()) => self.remove(&new, artifact),
            Err(Errno::NOENT) => Ok(()),
            Err(why) => Err(why.into()),
        }
    }
}
