//! For which instance this host sealed, or first opened, what lies in storages.
//!
//! Receipts are committed, so whoever can push can say in one that an age file is another instance's. What was seen here before
//! is kept outside of the repository: one line a header, in one file.

use std::collections::HashMap;

use crate::Error;
use crate::private::Private;

const FILE: &str = "headers";

/// Of more headers than these, the oldest half is forgotten.
const MOST: usize = 1 << 16;

/// SHA-256 in hex.
const HASH: usize = 64;

/// Which instance a header is for.
#[derive(Debug, Clone)]
pub struct Sealed {
    folder: Private,
    owners: Option<HashMap<String, String>>,
    /// How much of the file they are, in bytes.
    read: u64,
}

impl Sealed {
    /// The memory in a folder; it is made when something is remembered first.
    pub fn new(folder: impl Into<std::path::PathBuf>) -> Self {
        Self { folder: Private::new(folder), owners: None, read: 0 }
    }

    /// The instance that the header of this SHA-256, in hex, is remembered for.
    ///
    /// # Errors
    /// When it cannot be told, or others could have written it.
    pub fn owner(&mut self, header: &str) -> Result<Option<&str>, Error> {
        Ok(self.owners()?.get(header).map(String::as_str))
    }

    /// Remembers these headers for an instance. What is remembered for another one stays its own.
    ///
    /// # Errors
    /// When it cannot be written, or others could write there too.
    pub fn remember(&mut self, instance: &str, headers: impl IntoIterator<Item = String>) -> Result<(), Error> {
        let known = self.owners()?;
        let new: Vec<String> = headers.into_iter().filter(|header| !known.contains_key(header)).collect();
        if new.is_empty() {
            return Ok(());
        }
        let lines: Vec<String> = new.iter().map(|header| format!("{header} {instance}\n")).collect();
        let lines = lines.concat();
        let _held = self.folder.lock("lock")?;
        let before = self.folder.append(FILE, lines.as_bytes())?;
        if before == self.read {
            self.owners()?.extend(new.into_iter().map(|header| (header, instance.to_owned())));
            self.read += lines.len() as u64;
        } else {
            // Another run wrote and may have been first: its word holds.
            self.owners = None;
        }
        if self.owners()?.len() > MOST {
            self.forget()?;
        }
        Ok(())
    }

    fn owners(&mut self) -> Result<&mut HashMap<String, String>, Error> {
        let read = match self.owners.take() {
            Some(owners) => owners,
            None => self.lines()?.into_iter().rev().collect(),
        };
        Ok(self.owners.insert(read))
    }

    /// Oldest first.
    fn lines(&mut self) -> Result<Vec<(String, String)>, Error> {
        let text = self.folder.read(FILE)?.unwrap_or_default();
        self.read = text.len() as u64;
        let damaged = |line: usize| Error::Damaged {
            path: self.folder.at(FILE),
            why: format!("line {} is no hash and instance", line + 1),
            lost: "it is unknown for which instance the stored files were encrypted",
        };
        let line = |(number, line): (usize, &str)| {
            let (header, instance) = line.split_once(' ').ok_or_else(|| damaged(number))?;
            let hash = header.len() == HASH && header.bytes().all(|byte| byte.is_ascii_hexdigit());
            if hash { Ok((header.to_owned(), instance.to_owned())) } else { Err(damaged(number)) }
        };
        let text = String::from_utf8(text).map_err(|_| damaged(0))?;
        text.lines().enumerate().map(line).collect()
    }

    fn forget(&mut self) -> Result<(), Error> {
        let lines = self.lines()?;
        let kept = lines.get(lines.len() - MOST / 2..).unwrap_or(&lines);
        let text: Vec<String> = kept.iter().map(|(header, instance)| format!("{header} {instance}\n")).collect();
        self.owners = None;
        self.folder.write(FILE, text.concat().as_bytes())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn header(number: usize) -> String {
        format!("{number:064x}")
    }

    #[test]
    fn a_header_stays_with_the_instance_that_it_was_first_seen_for() {
        let folder = tempfile::tempdir().unwrap();
        let open = || Sealed::new(folder.path().join("sealed"));
        let (mut one, mut other) = (open(), open());
        assert_eq!(other.owner(&header(1)).unwrap(), None);
        assert_eq!(other.owner(&header(2)).unwrap(), None);
        one.remember("per-machine/web1/a b", [header(1), header(2)]).unwrap();
        assert_eq!(one.owner(&header(2)).unwrap(), Some("per-machine/web1/a b"));
        // It has not read what the first wrote since.
        other.remember("per-machine/evil/x", [header(2), header(3)]).unwrap();
        for mut sealed in [one, other, open()] {
            sealed.owners = None;
            assert_eq!(sealed.owner(&header(1)).unwrap(), Some("per-machine/web1/a b"));
            assert_eq!(sealed.owner(&header(2)).unwrap(), Some("per-machine/web1/a b"));
            assert_eq!(sealed.owner(&header(3)).unwrap(), Some("per-machine/evil/x"));
        }
        let mode = fs::metadata(folder.path().join("sealed").join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn it_does_not_grow_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let mut sealed = Sealed::new(folder.path().join("sealed"));
        sealed.remember("a", (0..=MOST).map(header)).unwrap();
        assert_eq!(sealed.owner(&header(0)).unwrap(), None);
        assert_eq!(sealed.owner(&header(MOST)).unwrap(), Some("a"));
        assert_eq!(sealed.lines().unwrap().len(), MOST / 2);
    }

    #[test]
    fn what_others_can_write_and_what_is_damaged_is_not_believed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sealed");
        Sealed::new(&path).remember("a", [header(1)]).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
        assert!(matches!(Sealed::new(&path).owner(&header(1)), Err(Error::Open { .. })));
        assert!(matches!(Sealed::new(&path).remember("a", [header(2)]), Err(Error::Open { .. })));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
        fs::write(path.join(FILE), format!("{} a\n01 b\n", header(1))).unwrap();
        assert!(matches!(Sealed::new(&path).owner(&header(1)), Err(Error::Damaged { .. })));
    }
}
