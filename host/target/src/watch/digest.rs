//! Digests of contents that tell nothing to whoever does not have the key.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use hmac::{Hmac, Mac};
use rustix::fs::{CWD, Mode, OFlags, fstat, openat};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use zeroize::Zeroizing;

/// A larger file is no secret; reading stops here.
const LARGEST: u64 = 64 << 20;

/// A key that is made once a boot and never leaves RAM.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Key(Zeroizing<[u8; 32]>);

/// HMAC-SHA256 of a content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Digest([u8; 32]);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key")
    }
}

impl Key {
    pub(crate) fn new() -> io::Result<Self> {
        let mut key = Zeroizing::new([0; 32]);
        getrandom::fill(key.as_mut_slice()).map_err(|why| io::Error::other(why.to_string()))?;
        Ok(Self(key))
    }

    /// The digest of a regular file. Its owner may put a pipe or an endless file in its place: neither holds the watcher.
    pub(crate) fn of(&self, path: &Path) -> io::Result<Digest> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let file = openat(CWD, path, flags, Mode::empty())?;
        if !rustix::fs::FileType::from_raw_mode(fstat(&file)?.st_mode).is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file"));
        }
        let mut rest = File::from(file).take(LARGEST);
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.as_slice()).map_err(io::Error::other)?;
        let mut buffer = Zeroizing::new([0; 8192]);
        loop {
            match rest.read(buffer.as_mut_slice())? {
                0 => return Ok(Digest(mac.finalize().into_bytes().into())),
                count => mac.update(&buffer[..count]),
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
        let key = Key::new().unwrap();
        let one = key.of(&write("a", "same")).unwrap();
        assert_eq!(one, key.of(&write("b", "same")).unwrap());
        assert_ne!(one, key.of(&write("a", "other")).unwrap());
        assert_ne!(one, Key::new().unwrap().of(&write("b", "same")).unwrap());
    }

    #[test]
    fn a_pipe_is_refused_without_waiting() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pipe");
        rustix::fs::mknodat(CWD, &path, rustix::fs::FileType::Fifo, Mode::RUSR, 0).unwrap();
        assert!(Key::new().unwrap().of(&path).is_err());
    }
}
