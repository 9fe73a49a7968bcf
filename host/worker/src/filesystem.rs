//! The guest's file system: one folder, held open, and a record of every call.

use std::collections::HashMap;
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use artifacts_seam::{FileCall, FileError};
use bytes::Bytes;
use rustix::fs::FileType;
use wasmtime::component::{HasData, Resource, ResourceTable};
use wasmtime_wasi::filesystem::{Descriptor, Dir, WasiFilesystemCtxView};
use wasmtime_wasi::p2::bindings::sync::filesystem::types::{
    Advice, DescriptorFlags, DescriptorStat, DescriptorType, DirectoryEntry, DirectoryEntryStream, ErrorCode, Filesize,
    Host, HostDescriptor, HostDirectoryEntryStream, MetadataHashValue, NewTimestamp, OpenFlags, PathFlags,
};
use wasmtime_wasi::p2::bindings::sync::filesystem::{preopens, types};
use wasmtime_wasi::p2::{
    DynInputStream, DynOutputStream, FsError, FsResult, InputStream, OutputStream, Pollable, StreamError, StreamResult,
};

use wasmtime_wasi::p2::bindings::filesystem::types::ErrorCode as Failed;

use crate::call_log::CallLog;
use crate::listing::listing;
use crate::piece::piece;
use crate::state::GuestState;

/// What the guest calls the directory.
pub(crate) const ENTRY: &str = "/entry";

/// WASI's own file system, recording.
pub(crate) struct RecordingFs<'a> {
    inner: WasiFilesystemCtxView<'a>,
    room: Option<&'a Dir>,
    paths: &'a mut HashMap<u32, String>,
    call_log: &'a Arc<CallLog>,
}

/// Names [`RecordingFs`] to the linker.
pub(crate) struct HasRecordingFs;

impl HasData for HasRecordingFs {
    type Data<'a> = RecordingFs<'a>;
}

pub(crate) fn recording(state: &mut GuestState) -> RecordingFs<'_> {
    RecordingFs {
        inner: WasiFilesystemCtxView { ctx: state.wasi.filesystem(), table: &mut state.table },
        room: state.room.as_ref(),
        paths: &mut state.paths,
        call_log: &state.call_log,
    }
}

type Handle = Resource<Descriptor>;

impl RecordingFs<'_> {
    fn path(&self, handle: &Handle) -> String {
        self.paths.get(&handle.rep()).cloned().unwrap_or_default()
    }

    fn path_at(&self, handle: &Handle, path: &str) -> String {
        below(self.paths.get(&handle.rep()), path)
    }

    fn note<T>(&self, call: FileCall, path: String, bytes: u64, result: FsResult<T>) -> FsResult<T> {
        let error = result.as_ref().err().map(file_error);
        self.call_log.file(call, path, error, bytes).map_err(FsError::trap)?;
        result
    }

    fn table(&mut self) -> &mut ResourceTable {
        self.inner.table
    }
}

fn below(folder: Option<&String>, path: &str) -> String {
    match folder {
        Some(folder) if folder != "." => format!("{folder}/{path}"),
        _ => path.to_owned(),
    }
}

fn file_error(error: &FsError) -> FileError {
    error.downcast_ref().map_or(FileError::Trap, |code: &Failed| from_wasi(*code))
}

fn from_wasi(code: Failed) -> FileError {
    match code {
        Failed::Access => FileError::Access,
        Failed::WouldBlock => FileError::WouldBlock,
        Failed::Already => FileError::Already,
        Failed::BadDescriptor => FileError::BadDescriptor,
        Failed::Busy => FileError::Busy,
        Failed::Deadlock => FileError::Deadlock,
        Failed::Quota => FileError::Quota,
        Failed::Exist => FileError::Exist,
        Failed::FileTooLarge => FileError::FileTooLarge,
        Failed::IllegalByteSequence => FileError::IllegalByteSequence,
        Failed::InProgress => FileError::InProgress,
        Failed::Interrupted => FileError::Interrupted,
        Failed::Invalid => FileError::Invalid,
        Failed::Io => FileError::Io,
        Failed::IsDirectory => FileError::IsDirectory,
        Failed::Loop => FileError::Loop,
        Failed::TooManyLinks => FileError::TooManyLinks,
        Failed::MessageSize => FileError::MessageSize,
        Failed::NameTooLong => FileError::NameTooLong,
        Failed::NoDevice => FileError::NoDevice,
        Failed::NoEntry => FileError::NoEntry,
        Failed::NoLock => FileError::NoLock,
        Failed::InsufficientMemory => FileError::InsufficientMemory,
        Failed::InsufficientSpace => FileError::InsufficientSpace,
        Failed::NotDirectory => FileError::NotDirectory,
        Failed::NotEmpty => FileError::NotEmpty,
        Failed::NotRecoverable => FileError::NotRecoverable,
        Failed::Unsupported => FileError::Unsupported,
        Failed::NoTty => FileError::NoTty,
        Failed::NoSuchDevice => FileError::NoSuchDevice,
        Failed::Overflow => FileError::Overflow,
        Failed::NotPermitted => FileError::NotPermitted,
        Failed::Pipe => FileError::Pipe,
        Failed::ReadOnly => FileError::ReadOnly,
        Failed::InvalidSeek => FileError::InvalidSeek,
        Failed::TextFileBusy => FileError::TextFileBusy,
        Failed::CrossDevice => FileError::CrossDevice,
    }
}

impl preopens::Host for RecordingFs<'_> {
    fn get_directories(&mut self) -> wasmtime::Result<Vec<(Handle, String)>> {
        let Some(room) = self.room else { return Ok(Vec::new()) };
        let handle = self.inner.table.push(Descriptor::Dir(room.clone()))?;
        self.paths.insert(handle.rep(), ".".to_owned());
        Ok(vec![(handle, ENTRY.to_owned())])
    }
}

impl Host for RecordingFs<'_> {
    fn convert_error_code(&mut self, error: FsError) -> wasmtime::Result<ErrorCode> {
        Host::convert_error_code(&mut self.inner, error)
    }

    fn filesystem_error_code(&mut self, error: Resource<wasmtime::Error>) -> wasmtime::Result<Option<ErrorCode>> {
        self.inner.filesystem_error_code(error)
    }
}

/// Calls about an open file or folder, and calls about a path below an open folder. Each is recorded and passed on.
macro_rules! pass_on {
    ($( $call:ident $name:ident ( $handle:ident $(, $argument:ident : $kind:ty )* ) -> $result:ty; )*) => { $(
        fn $name(&mut self, $handle: Handle $(, $argument: $kind)*) -> FsResult<$result> {
            let path = self.path(&$handle);
            let result = self.inner.$name($handle $(, $argument)*);
            self.note(FileCall::$call, path, 0, result)
        }
    )* };
    (at $( $call:ident $name:ident ( $handle:ident $(, $flags:ident : $kind:ty )* ; path $(, $argument:ident : $after:ty )* ) -> $result:ty; )*) => { $(
        fn $name(&mut self, $handle: Handle $(, $flags: $kind)*, path: String $(, $argument: $after)*) -> FsResult<$result> {
            let shown = self.path_at(&$handle, &path);
            let result = self.inner.$name($handle $(, $flags)*, path $(, $argument)*);
            self.note(FileCall::$call, shown, 0, result)
        }
    )* };
}

impl HostDescriptor for RecordingFs<'_> {
    pass_on! {
        Advise advise(handle, offset: Filesize, length: Filesize, advice: Advice) -> ();
        SyncData sync_data(handle) -> ();
        GetFlags get_flags(handle) -> DescriptorFlags;
        GetType get_type(handle) -> DescriptorType;
        SetSize set_size(handle, size: Filesize) -> ();
        SetTimes set_times(handle, accessed: NewTimestamp, modified: NewTimestamp) -> ();
        Sync sync(handle) -> ();
        Stat stat(handle) -> DescriptorStat;
        MetadataHash metadata_hash(handle) -> MetadataHashValue;
    }

    pass_on! { at
        CreateDirectoryAt create_directory_at(handle; path) -> ();
        StatAt stat_at(handle, flags: PathFlags; path) -> DescriptorStat;
        SetTimesAt set_times_at(handle, flags: PathFlags; path, accessed: NewTimestamp, modified: NewTimestamp) -> ();
        ReadlinkAt readlink_at(handle; path) -> String;
        RemoveDirectoryAt remove_directory_at(handle; path) -> ();
        UnlinkFileAt unlink_file_at(handle; path) -> ();
        MetadataHashAt metadata_hash_at(handle, flags: PathFlags; path) -> MetadataHashValue;
    }

    fn open_at(
        &mut self,
        handle: Handle,
        follow: PathFlags,
        path: String,
        open: OpenFlags,
        flags: DescriptorFlags,
    ) -> FsResult<Handle> {
        let shown = self.path_at(&handle, &path);
        let result = self.inner.open_at(handle, follow, path, open, flags);
        if let Ok(opened) = &result {
            self.paths.insert(opened.rep(), shown.clone());
        }
        let writes = flags.intersects(DescriptorFlags::WRITE | DescriptorFlags::MUTATE_DIRECTORY)
            || open.intersects(OpenFlags::CREATE | OpenFlags::TRUNCATE);
        self.note(if writes { FileCall::OpenAtForWriting } else { FileCall::OpenAt }, shown, 0, result)
    }

    fn read_directory(&mut self, handle: Handle) -> FsResult<Resource<DirectoryEntryStream>> {
        let path = self.path(&handle);
        let result = self.listed(&handle);
        if let Ok(entries) = &result {
            self.paths.insert(entries.rep(), path.clone());
        }
        self.note(FileCall::ReadDirectory, path, 0, result)
    }

    fn link_at(
        &mut self,
        handle: Handle,
        follow: PathFlags,
        old: String,
        new_handle: Handle,
        new: String,
    ) -> FsResult<()> {
        let shown = format!("{} -> {}", self.path_at(&handle, &old), self.path_at(&new_handle, &new));
        let result = self.inner.link_at(handle, follow, old, new_handle, new);
        self.note(FileCall::LinkAt, shown, 0, result)
    }

    fn rename_at(&mut self, handle: Handle, old: String, new_handle: Handle, new: String) -> FsResult<()> {
        let shown = format!("{} -> {}", self.path_at(&handle, &old), self.path_at(&new_handle, &new));
        let result = self.inner.rename_at(handle, old, new_handle, new);
        self.note(FileCall::RenameAt, shown, 0, result)
    }

    fn symlink_at(&mut self, handle: Handle, target: String, path: String) -> FsResult<()> {
        let shown = format!("{} -> {target}", self.path_at(&handle, &path));
        let result = self.inner.symlink_at(handle, target, path);
        self.note(FileCall::SymlinkAt, shown, 0, result)
    }

    fn read(&mut self, handle: Handle, length: Filesize, offset: Filesize) -> FsResult<(Vec<u8>, bool)> {
        let path = self.path(&handle);
        let result = self.piece(&handle, length, offset);
        let bytes = result.as_ref().map_or(0, |(bytes, _)| bytes.len() as u64);
        self.note(FileCall::Read, path, bytes, result)
    }

    fn write(&mut self, handle: Handle, bytes: Vec<u8>, offset: Filesize) -> FsResult<Filesize> {
        let path = self.path(&handle);
        let result = self.inner.write(handle, bytes, offset);
        let written = *result.as_ref().unwrap_or(&0);
        self.note(FileCall::Write, path, written, result)
    }

    fn read_via_stream(&mut self, handle: Handle, offset: Filesize) -> FsResult<Resource<DynInputStream>> {
        let path = self.path(&handle);
        let stream = self.inner.read_via_stream(handle, offset);
        let stream = self.note_failure(FileCall::Read, &path, stream)?;
        let inner = self.table().delete(stream)?;
        let counted: DynInputStream = Box::new(RecordingStream::new(inner, FileCall::Read, path, self.call_log));
        Ok(self.table().push(counted)?)
    }

    fn write_via_stream(&mut self, handle: Handle, offset: Filesize) -> FsResult<Resource<DynOutputStream>> {
        let path = self.path(&handle);
        let stream = self.inner.write_via_stream(handle, offset);
        self.counted_output(FileCall::Write, path, stream)
    }

    fn append_via_stream(&mut self, handle: Handle) -> FsResult<Resource<DynOutputStream>> {
        let path = self.path(&handle);
        let stream = self.inner.append_via_stream(handle);
        self.counted_output(FileCall::Append, path, stream)
    }

    fn is_same_object(&mut self, one: Handle, other: Handle) -> wasmtime::Result<bool> {
        let shown = format!("{} = {}", self.path(&one), self.path(&other));
        let result = self.inner.is_same_object(one, other);
        self.call_log.file(FileCall::IsSameObject, shown, None, 0)?;
        result
    }

    fn drop(&mut self, handle: Handle) -> wasmtime::Result<()> {
        self.paths.remove(&handle.rep());
        HostDescriptor::drop(&mut self.inner, handle)
    }
}

impl RecordingFs<'_> {
    /// Lists a folder. WASI's own function opens it anew, and looks at each file.
    fn listed(&mut self, handle: &Handle) -> FsResult<Resource<DirectoryEntryStream>> {
        let Descriptor::Dir(folder) = self.inner.table.get(handle)? else { return Err(Failed::NotDirectory.into()) };
        let listed = Listed(listing(folder.dir.as_fd())?.into_iter());
        Ok(Resource::new_own(self.table().push(listed)?.rep()))
    }

    /// Reads a piece of a file. WASI's own function needs one more call to see the end.
    fn piece(&mut self, handle: &Handle, length: Filesize, offset: Filesize) -> FsResult<(Vec<u8>, bool)> {
        let Descriptor::File(file) = self.inner.table.get(handle)? else { return Err(Failed::BadDescriptor.into()) };
        Ok(piece(&file.file, length, offset)?)
    }

    fn note_failure<T>(&self, call: FileCall, path: &str, result: FsResult<T>) -> FsResult<T> {
        if result.is_ok() { result } else { self.note(call, path.to_owned(), 0, result) }
    }

    fn counted_output(
        &mut self,
        call: FileCall,
        path: String,
        stream: FsResult<Resource<DynOutputStream>>,
    ) -> FsResult<Resource<DynOutputStream>> {
        let stream = self.note_failure(call, &path, stream)?;
        let inner = self.table().delete(stream)?;
        let counted: DynOutputStream = Box::new(RecordingStream::new(inner, call, path, self.call_log));
        Ok(self.table().push(counted)?)
    }
}

impl HostDirectoryEntryStream for RecordingFs<'_> {
    fn read_directory_entry(&mut self, stream: Resource<DirectoryEntryStream>) -> FsResult<Option<DirectoryEntry>> {
        let folder = stream.rep();
        let Some((name, kind)) = self.table().get_mut(&list_of(folder))?.0.next() else { return Ok(None) };
        let path = |name: &str| below(self.paths.get(&folder), name);
        let (path, result) = match String::from_utf8(name) {
            Ok(name) => (path(&name), Ok(Some(DirectoryEntry { type_: descriptor_type(kind), name }))),
            Err(_) => (self.paths.get(&folder).cloned().unwrap_or_default(), Err(Failed::IllegalByteSequence.into())),
        };
        self.note(FileCall::ReadDirectoryEntry, path, 0, result)
    }

    fn drop(&mut self, stream: Resource<DirectoryEntryStream>) -> wasmtime::Result<()> {
        self.paths.remove(&stream.rep());
        self.table().delete(list_of(stream.rep()))?;
        Ok(())
    }
}

/// What is left of a folder's list.
struct Listed(std::vec::IntoIter<(Vec<u8>, FileType)>);

/// The list behind a stream's handle.
fn list_of(handle: u32) -> Resource<Listed> {
    Resource::new_own(handle)
}

fn descriptor_type(kind: FileType) -> DescriptorType {
    match kind {
        FileType::RegularFile => DescriptorType::RegularFile,
        FileType::Directory => DescriptorType::Directory,
        FileType::Symlink => DescriptorType::SymbolicLink,
        FileType::Fifo => DescriptorType::Fifo,
        FileType::Socket => DescriptorType::Socket,
        FileType::CharacterDevice => DescriptorType::CharacterDevice,
        FileType::BlockDevice => DescriptorType::BlockDevice,
        FileType::Unknown => DescriptorType::Unknown,
    }
}

/// A stream that is recorded, with its bytes, when it is closed.
struct RecordingStream<S> {
    inner: S,
    call: FileCall,
    path: String,
    bytes: AtomicU64,
    call_log: Arc<CallLog>,
}

impl<S> RecordingStream<S> {
    fn new(inner: S, call: FileCall, path: String, call_log: &Arc<CallLog>) -> Self {
        Self { inner, call, path, bytes: AtomicU64::new(0), call_log: Arc::clone(call_log) }
    }

    fn count(&self, bytes: usize) {
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

impl<S> RecordingStream<S> {
    /// Records what was refused.
    fn judged<T>(&self, result: StreamResult<T>) -> StreamResult<T> {
        if let Err(StreamError::LastOperationFailed(error)) = &result {
            let code = error.downcast_ref::<std::io::Error>().map_or(Failed::Io, Failed::from);
            let refused = self.call_log.file(self.call, self.path.clone(), Some(from_wasi(code)), 0);
            refused.map_err(|stop| StreamError::Trap(stop.into()))?;
        }
        result
    }
}

impl<S> Drop for RecordingStream<S> {
    fn drop(&mut self) {
        let bytes = self.bytes.load(Ordering::Relaxed);
        // What went well is told or counted, and ends nothing.
        let _ = self.call_log.file(self.call, std::mem::take(&mut self.path), None, bytes);
    }
}

#[async_trait::async_trait]
impl Pollable for RecordingStream<DynInputStream> {
    async fn ready(&mut self) {
        self.inner.ready().await;
    }
}

#[async_trait::async_trait]
impl InputStream for RecordingStream<DynInputStream> {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        let bytes = self.inner.read(size);
        let bytes = self.judged(bytes)?;
        self.count(bytes.len());
        Ok(bytes)
    }

    async fn blocking_read(&mut self, size: usize) -> StreamResult<Bytes> {
        let bytes = self.inner.blocking_read(size).await;
        let bytes = self.judged(bytes)?;
        self.count(bytes.len());
        Ok(bytes)
    }

    async fn cancel(&mut self) {
        self.inner.cancel().await;
    }
}

#[async_trait::async_trait]
impl Pollable for RecordingStream<DynOutputStream> {
    async fn ready(&mut self) {
        self.inner.ready().await;
    }
}

#[async_trait::async_trait]
impl OutputStream for RecordingStream<DynOutputStream> {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.count(bytes.len());
        let result = self.inner.write(bytes);
        self.judged(result)
    }

    async fn blocking_write_and_flush(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.count(bytes.len());
        let result = self.inner.blocking_write_and_flush(bytes).await;
        self.judged(result)
    }

    fn flush(&mut self) -> StreamResult<()> {
        let result = self.inner.flush();
        self.judged(result)
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        let result = self.inner.check_write();
        self.judged(result)
    }

    async fn cancel(&mut self) {
        self.inner.cancel().await;
    }
}

/// Links the file system's operations, which are recorded.
pub(crate) fn link_types(linker: &mut wasmtime::component::Linker<GuestState>) -> wasmtime::Result<()> {
    types::add_to_linker::<GuestState, HasRecordingFs>(linker, recording)
}

/// Links the one directory.
pub(crate) fn link_preopens(linker: &mut wasmtime::component::Linker<GuestState>) -> wasmtime::Result<()> {
    preopens::add_to_linker::<GuestState, HasRecordingFs>(linker, recording)
}
