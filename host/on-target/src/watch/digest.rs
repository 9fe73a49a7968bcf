//! Digests of contents that tell nothing to anyone who does not have the key.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use artifacts_digest::{KeyedHasher, Sha256};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::place::walk;
use crate::regular;

/// A larger file is no secret; reading stops here.
const LARGEST: u64 = 64 << 20;

/// A key that is made once a boot and never leaves RAM.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct DigestKey(Zeroizing<[u8; 32]>);

impl std::fmt::Debug for DigestKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key")
    }
}

impl DigestKey {
    pub(crate) fn new() -> io::Result<Self> {
        let mut key = Zeroizing::new([0; 32]);
        getrandom::fill(key.as_mut_slice()).map_err(|why| io::Error::other(why.to_string()))?;
        Ok(Self(key))
    }

    /// The digest of a regular file. Its owner may put a device, a pipe, a link or an endless file in its place: none holds the
    /// watcher, or leads it elsewhere.
    pub(crate) fn digest(&self, path: &Path) -> io::Result<Sha256> {
        let unfit = || io::Error::new(io::ErrorKind::InvalidInput, "not a regular file");
        let (parent, name) = path.parent().zip(path.file_name()).ok_or_else(unfit)?;
        let directory = walk(parent, false).map_err(io::Error::other)?;
        let (file, _) = regular::open(&directory, name)?.ok_or_else(unfit)?;
        self.digest_all(File::from(file).take(LARGEST))
    }

    /// The digest of all that can be read.
    pub(crate) fn digest_all(&self, mut rest: impl Read) -> io::Result<Sha256> {
        let mut hasher = KeyedHasher::new(&self.0);
        let mut buffer = Zeroizing::new([0; 8192]);
        loop {
            match rest.read(buffer.as_mut_slice())? {
                0 => return Ok(hasher.finish()),
                count => hasher.update(&buffer[..count]),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn it_depends_on_content_and_key_alone() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            std::fs::write(dir.path().join(name), text).unwrap();
            dir.path().join(name)
        };
        let key = DigestKey::new().unwrap();
        let one = key.digest(&write("a", "same")).unwrap();
        assert_eq!(one, key.digest(&write("b", "same")).unwrap());
        assert_ne!(one, key.digest(&write("a", "other")).unwrap());
        assert_ne!(one, DigestKey::new().unwrap().digest(&write("b", "same")).unwrap());
    }

    #[test]
    fn a_pipe_is_refused_without_waiting_and_a_link_leads_nowhere() {
        let dir = tempfile::tempdir().unwrap();
        let base = dir.path().canonicalize().unwrap();
        let key = DigestKey::new().unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, base.join("pipe"), rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0)
            .unwrap();
        assert!(key.digest(&base.join("pipe")).is_err());
        std::fs::create_dir(base.join("folder")).unwrap();
        std::fs::write(base.join("folder/f"), "text").unwrap();
        std::os::unix::fs::symlink("folder", base.join("led")).unwrap();
        std::os::unix::fs::symlink("folder/f", base.join("link")).unwrap();
        // These tests run as root.
        std::os::unix::fs::chown(&base, Some(4711), None).unwrap();
        assert!(key.digest(&base.join("folder/f")).is_ok());
        assert!(key.digest(&base.join("led/f")).is_err() && key.digest(&base.join("link")).is_err());
    }
}
