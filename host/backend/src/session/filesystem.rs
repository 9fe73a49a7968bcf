//! The guest's file system: one folder, held open, and a record of every call.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
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

use super::journal::Journal;
use super::state::State;

/// What the guest calls the folder.
pub(crate) const SLICE: &str = "/slice";

/// WASI's own file system, watched.
pub(crate) struct Watched<'a> {
    inner: WasiFilesystemCtxView<'a>,
    room: Option<&'a Dir>,
    paths: &'a mut HashMap<u32, String>,
    journal: &'a Arc<Journal>,
}

/// Names [`Watched`] to the linker.
pub(crate) struct HasWatched;

impl HasData for HasWatched {
    type Data<'a> = Watched<'a>;
}

pub(crate) fn watched(state: &mut State) -> Watched<'_> {
    Watched {
        inner: WasiFilesystemCtxView { ctx: state.wasi.filesystem(), table: &mut state.table },
        room: state.room.as_ref(),
        paths: &mut state.paths,
        journal: &state.journal,
    }
}

type Handle = Resource<Descriptor>;

const TRAP: &str = "trap";
/// Every operation and every error that there is, as they are told. A runner that tells of another is not what it was.
const OPERATIONS: &[&str] = &[
    "advise",
    "append",
    "create-directory-at",
    "get-flags",
    "get-type",
    "is-same-object",
    "link-at",
    "metadata-hash",
    "metadata-hash-at",
    "open-at",
    "open-at for writing",
    "read",
    "read-directory",
    "read-directory-entry",
    "readlink-at",
    "remove-directory-at",
    "rename-at",
    "set-size",
    "set-times",
    "set-times-at",
    "stat",
    "stat-at",
    "symlink-at",
    "sync",
    "sync-data",
    "unlink-file-at",
    "write",
];
const ERRORS: &[&str] = &[
    TRAP,
    "access",
    "would-block",
    "already",
    "bad-descriptor",
    "busy",
    "deadlock",
    "quota",
    "exist",
    "file-too-large",
    "illegal-byte-sequence",
    "in-progress",
    "interrupted",
    "invalid",
    "io",
    "is-directory",
    "loop",
    "too-many-links",
    "message-size",
    "name-too-long",
    "no-device",
    "no-entry",
    "no-lock",
    "insufficient-memory",
    "insufficient-space",
    "not-directory",
    "not-empty",
    "not-recoverable",
    "unsupported",
    "no-tty",
    "no-such-device",
    "overflow",
    "not-permitted",
    "pipe",
    "read-only",
    "invalid-seek",
    "text-file-busy",
    "cross-device",
];

/// Whether there is such a call, with such an error.
pub(crate) fn exists(operation: &str, error: Option<&str>) -> bool {
    OPERATIONS.contains(&operation) && error.is_none_or(|error| ERRORS.contains(&error))
}

impl Watched<'_> {
    fn path(&self, handle: &Handle) -> String {
        self.paths.get(&handle.rep()).cloned().unwrap_or_default()
    }

    fn path_at(&self, handle: &Handle, path: &str) -> String {
        below(self.paths.get(&handle.rep()), path)
    }

    fn note<T>(&self, operation: &'static str, path: String, bytes: u64, result: FsResult<T>) -> FsResult<T> {
        let error = result.as_ref().err().map(error_name);
        self.journal.file(operation, path, error, bytes).map_err(FsError::trap)?;
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

fn error_name(error: &FsError) -> String {
    error.downcast_ref().map_or(TRAP, |code| code.name()).to_owned()
}

impl preopens::Host for Watched<'_> {
    fn get_directories(&mut self) -> wasmtime::Result<Vec<(Handle, String)>> {
        let Some(room) = self.room else { return Ok(Vec::new()) };
        let handle = self.inner.table.push(Descriptor::Dir(room.clone()))?;
        self.paths.insert(handle.rep(), ".".to_owned());
        Ok(vec![(handle, SLICE.to_owned())])
    }
}

impl Host for Watched<'_> {
    fn convert_error_code(&mut self, error: FsError) -> wasmtime::Result<ErrorCode> {
        Host::convert_error_code(&mut self.inner, error)
    }

    fn filesystem_error_code(&mut self, error: Resource<wasmtime::Error>) -> wasmtime::Result<Option<ErrorCode>> {
        self.inner.filesystem_error_code(error)
    }
}

/// Calls about an open file or folder, and calls about a path below an open folder. Each is recorded and passed on.
macro_rules! pass_on {
    ($( $name:ident ( $handle:ident $(, $argument:ident : $kind:ty )* ) -> $result:ty; )*) => { $(
        fn $name(&mut self, $handle: Handle $(, $argument: $kind)*) -> FsResult<$result> {
            let path = self.path(&$handle);
            let result = self.inner.$name($handle $(, $argument)*);
            self.note(stringify!($name), path, 0, result)
        }
    )* };
    (at $( $name:ident ( $handle:ident $(, $flags:ident : $kind:ty )* ; path $(, $argument:ident : $after:ty )* ) -> $result:ty; )*) => { $(
        fn $name(&mut self, $handle: Handle $(, $flags: $kind)*, path: String $(, $argument: $after)*) -> FsResult<$result> {
            let shown = self.path_at(&$handle, &path);
            let result = self.inner.$name($handle $(, $flags)*, path $(, $argument)*);
            self.note(stringify!($name), shown, 0, result)
        }
    )* };
}

impl HostDescriptor for Watched<'_> {
    pass_on! {
        advise(handle, offset: Filesize, length: Filesize, advice: Advice) -> ();
        sync_data(handle) -> ();
        get_flags(handle) -> DescriptorFlags;
        get_type(handle) -> DescriptorType;
        set_size(handle, size: Filesize) -> ();
        set_times(handle, accessed: NewTimestamp, modified: NewTimestamp) -> ();
        sync(handle) -> ();
        stat(handle) -> DescriptorStat;
        metadata_hash(handle) -> MetadataHashValue;
    }

    pass_on! { at
        create_directory_at(handle; path) -> ();
        stat_at(handle, flags: PathFlags; path) -> DescriptorStat;
        set_times_at(handle, flags: PathFlags; path, accessed: NewTimestamp, modified: NewTimestamp) -> ();
        readlink_at(handle; path) -> String;
        remove_directory_at(handle; path) -> ();
        unlink_file_at(handle; path) -> ();
        metadata_hash_at(handle, flags: PathFlags; path) -> MetadataHashValue;
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
        self.note(if writes { "open_at for writing" } else { "open_at" }, shown, 0, result)
    }

    fn read_directory(&mut self, handle: Handle) -> FsResult<Resource<DirectoryEntryStream>> {
        let path = self.path(&handle);
        let result = self.inner.read_directory(handle);
        if let Ok(entries) = &result {
            self.paths.insert(entries.rep(), path.clone());
        }
        self.note("read_directory", path, 0, result)
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
        self.note("link_at", shown, 0, result)
    }

    fn rename_at(&mut self, handle: Handle, old: String, new_handle: Handle, new: String) -> FsResult<()> {
        let shown = format!("{} -> {}", self.path_at(&handle, &old), self.path_at(&new_handle, &new));
        let result = self.inner.rename_at(handle, old, new_handle, new);
        self.note("rename_at", shown, 0, result)
    }

    fn symlink_at(&mut self, handle: Handle, target: String, path: String) -> FsResult<()> {
        let shown = format!("{} -> {target}", self.path_at(&handle, &path));
        let result = self.inner.symlink_at(handle, target, path);
        self.note("symlink_at", shown, 0, result)
    }

    fn read(&mut self, handle: Handle, length: Filesize, offset: Filesize) -> FsResult<(Vec<u8>, bool)> {
        let path = self.path(&handle);
        let result = self.inner.read(handle, length, offset);
        let bytes = result.as_ref().map_or(0, |(bytes, _)| bytes.len() as u64);
        self.note("read", path, bytes, result)
    }

    fn write(&mut self, handle: Handle, bytes: Vec<u8>, offset: Filesize) -> FsResult<Filesize> {
        let path = self.path(&handle);
        let result = self.inner.write(handle, bytes, offset);
        let written = *result.as_ref().unwrap_or(&0);
        self.note("write", path, written, result)
    }

    fn read_via_stream(&mut self, handle: Handle, offset: Filesize) -> FsResult<Resource<DynInputStream>> {
        let path = self.path(&handle);
        let stream = self.inner.read_via_stream(handle, offset);
        let stream = self.note_failure("read", &path, stream)?;
        let inner = self.table().delete(stream)?;
        let counted: DynInputStream = Box::new(Counted::new(inner, "read", path, self.journal));
        Ok(self.table().push(counted)?)
    }

    fn write_via_stream(&mut self, handle: Handle, offset: Filesize) -> FsResult<Resource<DynOutputStream>> {
        let path = self.path(&handle);
        let stream = self.inner.write_via_stream(handle, offset);
        self.counted_output("write", path, stream)
    }

    fn append_via_stream(&mut self, handle: Handle) -> FsResult<Resource<DynOutputStream>> {
        let path = self.path(&handle);
        let stream = self.inner.append_via_stream(handle);
        self.counted_output("append", path, stream)
    }

    fn is_same_object(&mut self, one: Handle, other: Handle) -> wasmtime::Result<bool> {
        let shown = format!("{} = {}", self.path(&one), self.path(&other));
        let result = self.inner.is_same_object(one, other);
        self.journal.file("is_same_object", shown, None, 0)?;
        result
    }

    fn drop(&mut self, handle: Handle) -> wasmtime::Result<()> {
        self.paths.remove(&handle.rep());
        HostDescriptor::drop(&mut self.inner, handle)
    }
}

impl Watched<'_> {
    fn note_failure<T>(&self, operation: &'static str, path: &str, result: FsResult<T>) -> FsResult<T> {
        if result.is_ok() { result } else { self.note(operation, path.to_owned(), 0, result) }
    }

    fn counted_output(
        &mut self,
        operation: &'static str,
        path: String,
        stream: FsResult<Resource<DynOutputStream>>,
    ) -> FsResult<Resource<DynOutputStream>> {
        let stream = self.note_failure(operation, &path, stream)?;
        let inner = self.table().delete(stream)?;
        let counted: DynOutputStream = Box::new(Counted::new(inner, operation, path, self.journal));
        Ok(self.table().push(counted)?)
    }
}

impl HostDirectoryEntryStream for Watched<'_> {
    fn read_directory_entry(&mut self, stream: Resource<DirectoryEntryStream>) -> FsResult<Option<DirectoryEntry>> {
        let folder = stream.rep();
        let result = self.inner.read_directory_entry(stream);
        let path = match &result {
            Ok(None) => return result,
            Ok(Some(entry)) => below(self.paths.get(&folder), &entry.name),
            Err(_) => self.paths.get(&folder).cloned().unwrap_or_default(),
        };
        self.note("read_directory_entry", path, 0, result)
    }

    fn drop(&mut self, stream: Resource<DirectoryEntryStream>) -> wasmtime::Result<()> {
        self.paths.remove(&stream.rep());
        HostDirectoryEntryStream::drop(&mut self.inner, stream)
    }
}

/// A stream that is recorded, with its bytes, when it is closed.
struct Counted<S> {
    inner: S,
    operation: &'static str,
    path: String,
    bytes: AtomicU64,
    journal: Arc<Journal>,
}

impl<S> Counted<S> {
    fn new(inner: S, operation: &'static str, path: String, journal: &Arc<Journal>) -> Self {
        Self { inner, operation, path, bytes: AtomicU64::new(0), journal: Arc::clone(journal) }
    }

    fn count(&self, bytes: usize) {
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

impl<S> Counted<S> {
    /// Records what was refused.
    fn judged<T>(&self, result: StreamResult<T>) -> StreamResult<T> {
        if let Err(StreamError::LastOperationFailed(error)) = &result {
            let code = error.downcast_ref::<std::io::Error>().map_or(Failed::Io, Failed::from);
            let refused = self.journal.file(self.operation, self.path.clone(), Some(code.name().to_owned()), 0);
            refused.map_err(|stop| StreamError::Trap(stop.into()))?;
        }
        result
    }
}

impl<S> Drop for Counted<S> {
    fn drop(&mut self) {
        let bytes = self.bytes.load(Ordering::Relaxed);
        // What went well is told or counted, and ends nothing.
        let _ = self.journal.file(self.operation, std::mem::take(&mut self.path), None, bytes);
    }
}

#[async_trait::async_trait]
impl Pollable for Counted<DynInputStream> {
    async fn ready(&mut self) {
        self.inner.ready().await;
    }
}

#[async_trait::async_trait]
impl InputStream for Counted<DynInputStream> {
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
impl Pollable for Counted<DynOutputStream> {
    async fn ready(&mut self) {
        self.inner.ready().await;
    }
}

#[async_trait::async_trait]
impl OutputStream for Counted<DynOutputStream> {
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

/// Links the watched file system.
pub(crate) fn link(linker: &mut wasmtime::component::Linker<State>) -> wasmtime::Result<()> {
    types::add_to_linker::<State, HasWatched>(linker, watched)?;
    preopens::add_to_linker::<State, HasWatched>(linker, watched)
}
