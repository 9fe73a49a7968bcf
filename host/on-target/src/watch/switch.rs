//! Whether the machine is being switched to another configuration.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// What `switch-to-configuration` holds a lock on while it works.
pub(crate) const LOCK: &str = "/run/nixos/switch-to-configuration.lock";

/// Whether someone holds the lock for writing, as a switch does: everyone may read the file, and so may lock it for that. The kernel's list is read instead of trying the lock: a trial, however short,
/// could make a real switch fail.
pub(crate) fn under_way(lock: &Path) -> io::Result<bool> {
    match fs::metadata(lock) {
        Ok(meta) => Ok(held(&fs::read_to_string("/proc/locks")?, meta.dev(), meta.ino())),
        Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(why) => Err(why),
    }
}

fn held(locks: &str, device: u64, inode: u64) -> bool {
    let file = format!("{:02x}:{:02x}:{inode}", rustix::fs::major(device), rustix::fs::minor(device));
    // A line with `->` is someone who waits for the lock.
    locks.lines().filter(|line| !line.contains("->")).any(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        words.get(3) == Some(&"WRITE") && words.contains(&file.as_str())
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use rustix::fs::{FlockOperation, flock};

    #[test]
    fn who_waits_for_a_lock_does_not_hold_it() {
        let holds = "1: FLOCK  ADVISORY  WRITE 77 00:1a:99 0 EOF\n";
        let waits = "1: FLOCK  ADVISORY  WRITE 77 00:1a:98 0 EOF\n1: -> FLOCK  ADVISORY  WRITE 78 00:1a:99 0 EOF\n";
        let device = rustix::fs::makedev(0, 0x1a);
        assert!(held(holds, device, 99));
        assert!(!held(waits, device, 99));
        assert!(!held(holds, device, 9));
    }

    #[test]
    fn a_lock_is_seen_while_it_is_held() {
        let dir = tempfile::tempdir_in("/dev/shm").unwrap();
        let path = dir.path().join("lock");
        assert!(!under_way(&path).unwrap());
        let file = fs::File::create(&path).unwrap();
        assert!(!under_way(&path).unwrap());
        flock(&file, FlockOperation::NonBlockingLockShared).unwrap();
        assert!(!under_way(&path).unwrap(), "everybody may lock it so");
        flock(&file, FlockOperation::NonBlockingLockExclusive).unwrap();
        assert!(under_way(&path).unwrap());
        flock(&file, FlockOperation::Unlock).unwrap();
        assert!(!under_way(&path).unwrap());
    }
}
