use std::io;
use std::os::fd::BorrowedFd;

use rustix::fs::fstatfs;

/// Describes the file system that a directory is on.
pub(crate) struct FileSystemKind {
    pub(crate) name: String,
    pub(crate) in_ram: bool,
}

/// Returns the type of the file system.
pub(crate) fn kind(dir: BorrowedFd<'_>) -> io::Result<FileSystemKind> {
    // The magic numbers have 32 bits; the field's width and sign differ between architectures.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::unnecessary_cast)]
    let magic = fstatfs(dir)?.f_type as u32;
    let (name, in_ram) = match magic {
        0x0102_1994 => ("tmpfs", true),
        0x8584_58f6 => ("ramfs", true),
        0x0000_ef53 => ("ext2/3/4", false),
        0x5846_5342 => ("xfs", false),
        0x9123_683e => ("btrfs", false),
        0x2fc1_2fc1 => ("zfs", false),
        0xca45_1a4e => ("bcachefs", false),
        0xf2f5_2010 => ("f2fs", false),
        0x794c_7630 => ("overlayfs", false),
        0x6573_5546 => ("fuse", false),
        0x0000_6969 => ("nfs", false),
        0x0102_1997 => ("9p", false),
        other => return Ok(FileSystemKind { name: format!("a file system of type {other:#x}"), in_ram: false }),
    };
    Ok(FileSystemKind { name: name.to_owned(), in_ram })
}
