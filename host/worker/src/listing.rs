//! What is in a directory, listed by the descriptor that is at hand.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::BorrowedFd;

use rustix::fs::{FileType, RawDir, SeekFrom, seek};

/// Bytes of a directory's list that are read at once.
const LISTED: usize = 8 << 10;

/// Lists names and kinds in a directory from its beginning, by a descriptor that nothing else lists it by meanwhile.
pub(crate) fn listing(dir: BorrowedFd<'_>) -> io::Result<Vec<(Vec<u8>, FileType)>> {
    let mut all = Vec::new();
    seek(dir, SeekFrom::Start(0))?;
    let mut buffer = [MaybeUninit::uninit(); LISTED];
    let mut listed = RawDir::new(dir, &mut buffer);
    while let Some(entry) = listed.next() {
        let entry = entry?;
        let name = entry.file_name().to_bytes().to_vec();
        if name != b"." && name != b".." {
            all.push((name, entry.file_type()));
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::fs::{self, File};
    use std::os::fd::AsFd as _;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn each_time_all_is_listed_with_its_kind_and_nothing_is_followed() {
        let folder = tempfile::TempDir::new().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("file"), "x").unwrap();
        fs::create_dir_all(at("folder/inner")).unwrap();
        symlink("/", at("link")).unwrap();
        let many: Vec<String> = (0..2000).map(|number| format!("many-{number:04}")).collect();
        for name in &many {
            fs::write(at(name), "").unwrap();
        }
        let dir = File::open(folder.path()).unwrap();
        for _ in 0..2 {
            let mut all = listing(dir.as_fd()).unwrap();
            all.sort_by(|(one, _), (other, _)| one.cmp(other));
            let (named, rest) = all.split_at(3);
            let kinds = [("file", FileType::RegularFile), ("folder", FileType::Directory), ("link", FileType::Symlink)];
            assert_eq!(named, kinds.map(|(name, kind)| (name.as_bytes().to_vec(), kind)));
            assert!(rest.iter().map(|(name, _)| name.as_slice()).eq(many.iter().map(String::as_bytes)));
        }
    }
}
