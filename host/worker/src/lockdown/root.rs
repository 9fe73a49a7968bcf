use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{Mode, OFlags};
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_string, fsmount, fsopen};

use artifacts_seam::Limits;

/// The root of a tmpfs that is in no tree at all: no other process has a path to it, and the kernel frees it with this process.
/// Two entries fit in it, the one that was and the one that comes.
pub(super) fn tmpfs(limits: &Limits) -> io::Result<OwnedFd> {
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

/// Makes this directory the root and the working directory. Without capabilities there is no way back.
pub(super) fn enter(directory: impl AsFd) -> io::Result<()> {
    rustix::process::fchdir(directory)?;
    Ok(rustix::process::chroot(".")?)
}
