//! A tree of files in RAM that appears whole or not at all.

use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Component, Path, PathBuf};

use artifacts_ram::{PrivateDir, Ram, make_or_open_dir, write_new};
use artifacts_report::Failure;
use rustix::fs::{Mode, fchmod};

/// Where it grows before it appears.
const GROWING: &str = "tree";

pub struct ProvisionTree {
    growing: PrivateDir,
    root: OwnedFd,
    place: PathBuf,
}

impl ProvisionTree {
    /// A tree that shall appear at `place`, where nothing is or an empty directory.
    pub fn begin(place: &Path) -> Result<Self, Failure> {
        let failed = |why: String| Failure::new(place.display().to_string(), why);
        let ram = |error: artifacts_ram::Error| Failure::about(place.display().to_string(), error);
        let growing = Self::check(place)?.private_dir().map_err(ram)?;
        let root = growing.subdir(GROWING).map_err(ram)?;
        // An installer gives the machine's own directories the modes that it finds here.
        readable(&root).map_err(|e| failed(e.to_string()))?;
        Ok(Self { growing, root, place: place.to_owned() })
    }

    /// Whether a tree can appear there: where in RAM it may grow.
    pub fn check(place: &Path) -> Result<Ram, Failure> {
        let failed = |why: String| Failure::new(place.display().to_string(), why);
        if std::fs::symlink_metadata(place).is_ok() && !empty(place) {
            return Err(
                failed("already exists and is not an empty directory".to_owned()).hint(Some("pass a new directory"))
            );
        }
        let above = match place.parent() {
            Some(above) if !above.as_os_str().is_empty() => above.to_owned(),
            _ => PathBuf::from("."),
        };
        Ram::find(&[above]).map_err(|e| {
            failed(format!("refusing to write private keys to disk: {e}")).hint(Some(
                "pass a directory on a RAM-backed file system, for example below $XDG_RUNTIME_DIR or /dev/shm",
            ))
        })
    }

    /// Writes a file that the new machine shall have at this absolute path.
    pub fn write(&self, path: &Path, bytes: &[u8], mode: u32) -> Result<(), String> {
        let mut names = Vec::new();
        for part in path.components() {
            match part {
                Component::RootDir => {}
                Component::Normal(name) => names.push(name.to_str().ok_or("its path is not UTF-8")?),
                _ => return Err("its path contains `..`".to_owned()),
            }
        }
        let (file, dirs) = names.split_last().ok_or("its path has no file name")?;
        let mut here = self.root.as_fd().try_clone_to_owned().map_err(|e| e.to_string())?;
        for dir in dirs {
            let (inner, is_new) = make_or_open_dir(&here, dir).map_err(|e| e.to_string())?;
            if is_new {
                readable(&inner).map_err(|e| e.to_string())?;
            }
            here = inner;
        }
        write_new(&here, file, bytes, mode).map_err(|e| e.to_string())
    }

    /// Lets it appear.
    pub fn appear(self) -> Result<(), String> {
        std::fs::rename(self.growing.path().join(GROWING), &self.place).map_err(|e| e.to_string())
    }
}

fn empty(dir: &Path) -> bool {
    std::fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_none())
}

fn readable(dir: &OwnedFd) -> std::io::Result<()> {
    Ok(fchmod(dir, Mode::from_raw_mode(0o755))?)
}
