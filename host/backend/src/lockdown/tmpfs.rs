use std::fs;
use std::io;
use std::os::fd::OwnedFd;

use rustix::fs::{Mode, OFlags};
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_string, fsmount, fsopen};
use rustix::thread::UnshareFlags;

use crate::{Limits, proven};

/// The root of a tmpfs that is in no tree at all: no other process has a path to it, and the kernel frees it with this process.
/// Two slices fit in it, the one that was and the one that comes.
pub(super) fn own(limits: &Limits) -> io::Result<OwnedFd> {
    namespaces()?;
    let fs = fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_set_string(&fs, "size", (limits.output * 2 + (1 << 20)).to_string())?;
    fsconfig_set_string(&fs, "nr_inodes", (limits.files * 2 + 64).to_string())?;
    fsconfig_set_string(&fs, "mode", "0700")?;
    fsconfig_create(&fs)?;
    let attributes =
        MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    let mount = fsmount(&fs, FsMountFlags::FSMOUNT_CLOEXEC, attributes)?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = rustix::fs::openat(&mount, ".", flags, Mode::empty())?;
    // The mount lives as long as its descriptor, and that as long as the process.
    std::mem::forget(mount);
    Ok(root)
}

/// Where mounting is allowed: namespaces of one's own, with this user as itself (without a map nothing could be created).
fn namespaces() -> io::Result<()> {
    let (user, group) = (rustix::process::getuid(), rustix::process::getgid());
    match proven::leave(UnshareFlags::NEWUSER | UnshareFlags::NEWNS) {
        Ok(()) => {
            fs::write("/proc/self/setgroups", "deny")?;
            fs::write("/proc/self/uid_map", format!("{0} {0} 1", user.as_raw()))?;
            fs::write("/proc/self/gid_map", format!("{0} {0} 1", group.as_raw()))
        }
        Err(_) if user.is_root() => proven::leave(UnshareFlags::NEWNS),
        Err(error) => Err(error),
    }
}
