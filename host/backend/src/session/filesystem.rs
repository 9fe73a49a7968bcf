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
    DynInputStream, DynOutputStream, FsError, FsResult, InputStream, OutputStream, Pollable, StreamResult,
};

use super::journal::Journal;
use super::state::State;

/// What the guest calls the folder.
pub(crate) const SLICE: &str = "/slice";

/// WASI's own file system, watched.
pub(crate) struct Watched<'a> {
    inner: WasiFilesystemCtxView<'a>,
    room: &'a Dir,
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
        room: &state.room,
        paths: &mut state.paths,
        journal: &state.journal,
    }
}

type Handle = Resource<Descriptor>;

impl Watched<'_> {
    fn path(&self, handle: &Handle) -> String {
        self.paths.get(&handle.rep()).cloned().unwrap_or_default()
    }

    fn path_at(&self, handle: &Handle, path: &str) -> String {
        match self.paths.get(&handle.rep()) {
            Some(folder) if folder != "." => format!("{folder}/{path}"),
            _ => path.to_owned(),
        }
    }

    fn note<T>(&self, operation: &str, path: String, bytes: u64, result: FsResult<T>) -> FsResult<T> {
        self.journal.file(operation, path, result.as_ref().err().map(error_name), bytes);
        result
    }

    fn table(&mut self) -> &mut ResourceTable {
        self.inner.table
    }
}

fn error_name(error: &FsError) -> String {
    error.downcast_ref().map_or("trap", |code| code.name()).to_owned()
}

impl preopens::Host for Watched<'_> {
    fn get_directories(&mut self) -> wasmtime::Result<Vec<(Handle, String)>> {
        let handle = self.inner.table.push(Descriptor::Dir(self.room.clone()))?;
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
        read_directory(handle) -> Resource<DirectoryEntryStream>;
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
        self.note_failure("read", &path, &stream);
        let inner = self.table().delete(stream?)?;
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
        self.journal.file("is_same_object", shown, None, 0);
        result
    }

    fn drop(&mut self, handle: Handle) -> wasmtime::Result<()> {
        self.paths.remove(&handle.rep());
        HostDescriptor::drop(&mut self.inner, handle)
    }
}

impl Watched<'_> {
    fn note_failure<T>(&self, operation: &str, path: &str, result: &FsResult<T>) {
        if let Err(error) = result {
            self.journal.file(operation, path.to_owned(), Some(error_name(error)), 0);
        }
    }

    fn counted_output(
        &mut self,
        operation: &'static str,
        path: String,
        stream: FsResult<Resource<DynOutputStream>>,
    ) -> FsResult<Resource<DynOutputStream>> {
        self.note_failure(operation, &path, &stream);
        let inner = self.table().delete(stream?)?;
        let counted: DynOutputStream = Box::new(Counted::new(inner, operation, path, self.journal));
        Ok(self.table().push(counted)?)
    }
}

impl HostDirectoryEntryStream for Watched<'_> {
    fn read_directory_entry(&mut self, stream: Resource<DirectoryEntryStream>) -> FsResult<Option<DirectoryEntry>> {
        self.inner.read_directory_entry(stream)
    }

    fn drop(&mut self, stream: Resource<DirectoryEntryStream>) -> wasmtime::Result<()> {
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

impl<S> Drop for Counted<S> {
    fn drop(&mut self) {
        let bytes = self.bytes.load(Ordering::Relaxed);
        self.journal.file(self.operation, std::mem::take(&mut self.path), None, bytes);
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
        let bytes = self.inner.read(size)?;
        self.count(bytes.len());
        Ok(bytes)
    }

    async fn blocking_read(&mut self, size: usize) -> StreamResult<Bytes> {
        let bytes = self.inner.blocking_read(size).await?;
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
        self.inner.write(bytes)
    }

    async fn blocking_write_and_flush(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.count(bytes.len());
        self.inner.blocking_write_and_flush(bytes).await
    }

    fn flush(&mut self) -> StreamResult<()> {
        self.inner.flush()
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        self.inner.check_write()
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
