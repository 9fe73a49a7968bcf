//! The entry as the contract's resource: each call is recorded as the same call of a file system would be.

use artifacts_seam::{FileCall, FileError};
use wasmtime::component::Resource;

use crate::bindings::entries;
use crate::bindings::entries::EntryError;
use crate::entry_handle::{ReadHandle, WriteHandle};
use crate::state::GuestState;

/// What a component gets of a call.
type Answer<T> = wasmtime::Result<Result<T, EntryError>>;

impl GuestState {
    /// Lends the entry for one call.
    pub(crate) fn readable() -> Resource<ReadHandle> {
        Resource::new_borrow(0)
    }

    /// Lends the entry for one call.
    pub(crate) fn writable() -> Resource<WriteHandle> {
        Resource::new_borrow(0)
    }

    fn entry_names(&self) -> Answer<Vec<String>> {
        let names = self.entry.names();
        self.recorded(FileCall::ReadDirectory, ".".to_owned(), 0, names)
    }

    fn entry_size(&self, name: String) -> Answer<u64> {
        let size = self.entry.size(&name);
        self.recorded(FileCall::StatAt, name, 0, size)
    }

    fn entry_read(&self, name: String, offset: u64, length: u64) -> Answer<Vec<u8>> {
        let read = self.entry.read(&name, offset, length);
        let bytes = read.as_ref().map_or(0, |read| read.len() as u64);
        self.recorded(FileCall::Read, name, bytes, read)
    }

    fn entry_write(&self, name: String, bytes: Vec<u8>) -> Answer<()> {
        let size = bytes.len() as u64;
        let written = self.entry.write(&name, bytes, &self.limits);
        let size = if written.is_ok() { size } else { 0 };
        self.recorded(FileCall::Write, name, size, written)
    }

    fn entry_remove(&self, name: String) -> Answer<()> {
        let removed = self.entry.remove(&name);
        self.recorded(FileCall::UnlinkFileAt, name, 0, removed)
    }

    fn recorded<T>(&self, call: FileCall, path: String, bytes: u64, result: Result<T, FileError>) -> Answer<T> {
        self.call_log.file(call, path, result.as_ref().err().copied(), bytes)?;
        Ok(result.map_err(|error| match error {
            FileError::NoEntry => EntryError::NoSuchFile,
            FileError::Invalid | FileError::NameTooLong => EntryError::InvalidName,
            FileError::InsufficientSpace | FileError::Quota | FileError::FileTooLarge => EntryError::Full,
            _ => EntryError::Unreadable,
        }))
    }
}

impl entries::Host for GuestState {}

impl entries::HostEntry for GuestState {
    fn names(&mut self, _: Resource<ReadHandle>) -> Answer<Vec<String>> {
        self.entry_names()
    }

    fn size(&mut self, _: Resource<ReadHandle>, name: String) -> Answer<u64> {
        self.entry_size(name)
    }

    fn read(&mut self, _: Resource<ReadHandle>, name: String, offset: u64, length: u64) -> Answer<Vec<u8>> {
        self.entry_read(name, offset, length)
    }

    fn drop(&mut self, _: Resource<ReadHandle>) -> wasmtime::Result<()> {
        Ok(())
    }
}

impl entries::HostEntryWriter for GuestState {
    fn names(&mut self, _: Resource<WriteHandle>) -> Answer<Vec<String>> {
        self.entry_names()
    }

    fn size(&mut self, _: Resource<WriteHandle>, name: String) -> Answer<u64> {
        self.entry_size(name)
    }

    fn read(&mut self, _: Resource<WriteHandle>, name: String, offset: u64, length: u64) -> Answer<Vec<u8>> {
        self.entry_read(name, offset, length)
    }

    fn write(&mut self, _: Resource<WriteHandle>, name: String, bytes: Vec<u8>) -> Answer<()> {
        self.entry_write(name, bytes)
    }

    fn remove(&mut self, _: Resource<WriteHandle>, name: String) -> Answer<()> {
        self.entry_remove(name)
    }

    fn drop(&mut self, _: Resource<WriteHandle>) -> wasmtime::Result<()> {
        Ok(())
    }
}
