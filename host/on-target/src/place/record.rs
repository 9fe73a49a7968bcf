//! Where links to an artifact's files were made: so that those can be found that no one declares any more.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Mode, OFlags, openat, renameat, unlinkat};
use rustix::io::Errno;

use super::{DIR, DeployDir, LINKS, PlaceError, at};

/// A note before it takes its place. The lock keeps it single.
const NEW_NOTE: &str = "links.new";

impl DeployDir {
    /// Notes a link before it is made.
    pub(super) fn record_link(&self, artifact: &str, path: &Path) -> Result<(), PlaceError> {
        let mut paths = self.recorded_links(artifact)?;
        if paths.insert(path.to_owned()) { self.write_links(artifact, &paths) } else { Ok(()) }
    }

    /// The links of an artifact that were ever made and not removed.
    pub(super) fn recorded_links(&self, artifact: &str) -> Result<BTreeSet<PathBuf>, PlaceError> {
        self.read_note(artifact).map_err(|why| at(&self.path.join(LINKS).join(artifact), why))
    }

    fn read_note(&self, artifact: &str) -> io::Result<BTreeSet<PathBuf>> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match openat(&self.notes()?, artifact, flags, Mode::empty()) {
            Ok(file) => file,
            Err(Errno::NOENT) => return Ok(BTreeSet::new()),
            Err(why) => return Err(why.into()),
        };
        let mut text = String::new();
        File::from(file).read_to_string(&mut text)?;
        Ok(serde_json::from_str(&text)?)
    }

    /// Notes exactly these, whole or not at all; none leaves no note.
    pub(super) fn write_links(&self, artifact: &str, paths: &BTreeSet<PathBuf>) -> Result<(), PlaceError> {
        self.write_note(artifact, paths).map_err(|why| at(&self.path.join(LINKS).join(artifact), why))
    }

    fn write_note(&self, artifact: &str, paths: &BTreeSet<PathBuf>) -> io::Result<()> {
        let notes = self.notes()?;
        (self.step)("note links")?;
        if paths.is_empty() {
            return Ok(unlinkat(&notes, artifact, AtFlags::empty())?);
        }
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let new = openat(&self.bytes, NEW_NOTE, flags, Mode::RUSR | Mode::WUSR)?;
        File::from(new).write_all(&serde_json::to_vec(paths)?)?;
        (self.step)("put the note in place")?;
        Ok(renameat(&self.bytes, NEW_NOTE, &notes, artifact)?)
    }

    fn notes(&self) -> Result<OwnedFd, Errno> {
        openat(&self.bytes, LINKS, DIR, Mode::empty())
    }
}
