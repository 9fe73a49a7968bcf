//! The entry of a call, by WASI's own functions: the standard library opens, lists and stats several times what these do once.

use wasip2::filesystem::preopens;
use wasip2::filesystem::types::{Descriptor, DescriptorFlags, ErrorCode, OpenFlags, PathFlags};

/// The first piece that is read of a file. Each further one is as large as all before it.
const PIECE: u64 = 4096;

/// The preopened directory. `None` if the host gave none.
#[derive(Debug)]
pub struct Folder(Option<Descriptor>);

impl Folder {
    /// Takes the one directory that a backend is given.
    pub fn here() -> Self {
        Self(preopens::get_directories().pop().map(|(directory, _)| directory))
    }

    pub fn names(&self) -> Result<Vec<String>, String> {
        let list = || -> Result<Vec<String>, ErrorCode> {
            let (mut names, entries) = (Vec::new(), self.directory()?.read_directory()?);
            while let Some(entry) = entries.read_directory_entry()? {
                names.push(entry.name);
            }
            Ok(names)
        };
        list().map_err(shown)
    }

    /// Returns at most so many bytes from the beginning of a file.
    pub fn read(&self, name: &str, most: u64) -> Result<Option<Vec<u8>>, String> {
        found(self.open(name, OpenFlags::empty(), DescriptorFlags::READ).and_then(|file| read(&file, most)))
    }

    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), String> {
        let write = || {
            let file = self.open(name, OpenFlags::CREATE | OpenFlags::TRUNCATE, DescriptorFlags::WRITE)?;
            let mut written = 0;
            while let Some(rest @ [_, ..]) = bytes.get(written..) {
                match usize::try_from(file.write(rest, written as u64)?) {
                    Ok(more @ 1..) => written += more,
                    _ => return Err(ErrorCode::Io),
                }
            }
            Ok(())
        };
        write().map_err(shown)
    }

    pub fn remove(&self, name: &str) -> Result<(), String> {
        found(self.directory().and_then(|directory| directory.unlink_file_at(name))).map(drop)
    }

    fn open(&self, name: &str, how: OpenFlags, flags: DescriptorFlags) -> Result<Descriptor, ErrorCode> {
        self.directory()?.open_at(PathFlags::empty(), name, how, flags)
    }

    fn directory(&self) -> Result<&Descriptor, ErrorCode> {
        self.0.as_ref().ok_or(ErrorCode::BadDescriptor)
    }
}

/// Reads until the end, or until there are so many bytes.
fn read(file: &Descriptor, most: u64) -> Result<Vec<u8>, ErrorCode> {
    let mut bytes = Vec::new();
    loop {
        let have = bytes.len() as u64;
        if have >= most {
            return Ok(bytes);
        }
        let (piece, end) = file.read(have.max(PIECE).min(most - have), have)?;
        bytes.extend(piece);
        if end {
            return Ok(bytes);
        }
    }
}

/// `None` if there is no such file.
fn found<T>(result: Result<T, ErrorCode>) -> Result<Option<T>, String> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(ErrorCode::NoEntry) => Ok(None),
        Err(error) => Err(shown(error)),
    }
}

fn shown(error: ErrorCode) -> String {
    error.message().to_owned()
}
