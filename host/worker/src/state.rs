//! What belongs to one component instance, and nothing else: all that its calls can reach.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use artifacts_seam::{Ask, GuestEnd, HostReply, Limits, MOST_HANDLES, MOST_RANDOM, PlaintextRef, Secret, SecretId};
use wasmtime::ResourceLimiter;
use wasmtime::component::{Resource, ResourceTable};
use wasmtime_wasi::filesystem::Dir;
use wasmtime_wasi::p2::pipe::MemoryOutputPipe;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use crate::bindings::{age, log, secrets, types};
use crate::call_log::CallLog;
use crate::entry_store::EntryStore;
use crate::plaintext::Plaintext;
use crate::stop::Stop;

/// Instances of core modules in one component instance: a composed component has some ten for each of its parts.
pub(crate) const MOST_INSTANCES: u32 = 1000;
/// Memories in one component instance, and tables: each memory reserves gigabytes of addresses.
pub(crate) const MOST_MEMORIES: u32 = 100;
/// Standard output and error together, in bytes.
const OUTPUT: usize = 16 << 10;

pub(crate) struct GuestState {
    pub(crate) wasi: WasiCtx,
    pub(crate) table: ResourceTable,
    pub(crate) meter: MemoryMeter,
    pub(crate) clock: Clock,
    /// The entry as a directory.
    pub(crate) room: Option<Dir>,
    /// The same entry.
    pub(crate) entry: Arc<EntryStore>,
    pub(crate) limits: Limits,
    pub(crate) paths: HashMap<u32, String>,
    pub(crate) call_log: Arc<CallLog>,
    pub(crate) output: MemoryOutputPipe,
    line: Arc<dyn GuestEnd>,
}

impl GuestState {
    pub(crate) fn new(
        (entry, room): (Arc<EntryStore>, Option<Dir>),
        limits: Limits,
        call_log: Arc<CallLog>,
        line: Arc<dyn GuestEnd>,
    ) -> Self {
        let output = MemoryOutputPipe::new(OUTPUT);
        let wasi = WasiCtx::builder()
            .stdout(output.clone())
            .stderr(output.clone())
            .allow_blocking_current_thread(true)
            .allow_tcp(false)
            .allow_udp(false)
            .max_random_size(MOST_RANDOM)
            .build();
        let mut table = ResourceTable::new();
        table.set_max_capacity(MOST_HANDLES);
        let meter = MemoryMeter::new(limits.memory);
        let clock = Clock::new(Duration::from_secs(limits.time));
        Self { wasi, table, meter, clock, room, entry, limits, paths: HashMap::new(), call_log, output, line }
    }

    /// Makes room for handles of items.
    pub(crate) fn expect_items(&mut self, items: usize) {
        self.table.set_max_capacity(MOST_HANDLES + items);
    }

    pub(crate) fn hand_over(&mut self, secret: SecretId, size: u64) -> wasmtime::Result<Resource<Plaintext>> {
        Ok(self.table.push(Plaintext { value: PlaintextRef::Kept(secret), size })?)
    }

    /// Takes a plaintext that the component gives back.
    pub(crate) fn take_back(&mut self, handle: Resource<Plaintext>) -> wasmtime::Result<PlaintextRef> {
        Ok(self.table.delete(handle)?.value)
    }

    fn ask(&mut self, ask: Ask) -> wasmtime::Result<HostReply> {
        let asked = Instant::now();
        let answer = self.line.ask(ask);
        self.clock.waited += asked.elapsed();
        match answer {
            HostReply::Denied(why) => Err(Stop::Refused(why).into()),
            answer => Ok(answer),
        }
    }
}

impl WasiView for GuestState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

fn nonsense(call: &str) -> wasmtime::Error {
    wasmtime::format_err!("the host answered {call} with something else")
}

impl types::Host for GuestState {}

impl secrets::Host for GuestState {}

impl secrets::HostSecret for GuestState {
    fn new(&mut self, bytes: Vec<u8>) -> wasmtime::Result<Resource<Plaintext>> {
        let secret = Secret::new(bytes);
        let size = secret.size();
        Ok(self.table.push(Plaintext { value: PlaintextRef::Made(secret), size })?)
    }

    fn size(&mut self, handle: Resource<Plaintext>) -> wasmtime::Result<u64> {
        Ok(self.table.get(&handle)?.size)
    }

    fn bytes(&mut self, handle: Resource<Plaintext>) -> wasmtime::Result<Vec<u8>> {
        match self.table.get(&handle)?.value.clone() {
            PlaintextRef::Made(secret) => Ok(secret.expose().to_vec()),
            PlaintextRef::Kept(id) => match self.ask(Ask::SecretBytes(id))? {
                HostReply::Bytes(secret) => Ok(secret.expose().to_vec()),
                _ => Err(nonsense("secrets.bytes")),
            },
        }
    }

    fn drop(&mut self, handle: Resource<Plaintext>) -> wasmtime::Result<()> {
        self.table.delete(handle)?;
        Ok(())
    }
}

impl age::Host for GuestState {
    fn seal(
        &mut self,
        files: Vec<String>,
        handle: Resource<Plaintext>,
        form: age::Form,
    ) -> wasmtime::Result<Result<Vec<u8>, types::Failure>> {
        let value = self.table.get(&handle)?.value.clone();
        let armor = matches!(form, age::Form::Armored);
        match self.ask(Ask::Seal { files, value, armor })? {
            HostReply::Sealed(file) => Ok(Ok(file)),
            HostReply::Failed(failure) => Ok(Err(failure.into())),
            _ => Err(nonsense("age.seal")),
        }
    }

    fn seal_each(
        &mut self,
        files: Vec<String>,
        handle: Resource<Plaintext>,
        to: Vec<String>,
        form: age::Form,
    ) -> wasmtime::Result<Result<Vec<Vec<u8>>, types::Failure>> {
        let value = self.table.get(&handle)?.value.clone();
        let armor = matches!(form, age::Form::Armored);
        let asked = to.len();
        match self.ask(Ask::SealEach { files, value, to, armor })? {
            HostReply::SealedEach(sealed) if sealed.len() == asked => Ok(Ok(sealed)),
            HostReply::Failed(failure) => Ok(Err(failure.into())),
            _ => Err(nonsense("age.seal-each")),
        }
    }

    fn open(&mut self, file: Vec<u8>) -> wasmtime::Result<Result<Resource<Plaintext>, types::OpenError>> {
        match self.ask(Ask::Open { file })? {
            HostReply::Opened { secret, size } => Ok(Ok(self.hand_over(secret, size)?)),
            HostReply::Failed(failure) => Ok(Err(failure.into())),
            _ => Err(nonsense("age.open")),
        }
    }
}

impl log::Host for GuestState {
    fn log(&mut self, level: log::Level, message: String) -> wasmtime::Result<()> {
        self.call_log.log(level.into(), &message);
        Ok(())
    }
}

/// Memory of one component instance: all of its memories and tables together, however many components it is composed of.
pub(crate) struct MemoryMeter {
    pub(crate) limit: u64,
    pub(crate) used: u64,
    pub(crate) refused: bool,
}

impl MemoryMeter {
    pub(crate) fn new(limit: u64) -> Self {
        Self { limit, used: 0, refused: false }
    }

    /// Takes so many bytes more, if there are any left.
    fn take(&mut self, bytes: u64) -> bool {
        let total = self.used.saturating_add(bytes);
        if total <= self.limit {
            self.used = total;
        } else {
            self.refused = true;
        }
        total <= self.limit
    }
}

/// What an element of a table takes, in bytes.
const ELEMENT: u64 = size_of::<usize>() as u64;

impl ResourceLimiter for MemoryMeter {
    fn memory_growing(&mut self, now: usize, wanted: usize, most: Option<usize>) -> wasmtime::Result<bool> {
        Ok(most.is_none_or(|most| wanted <= most) && self.take(wanted.saturating_sub(now) as u64))
    }

    fn table_growing(&mut self, now: usize, wanted: usize, most: Option<usize>) -> wasmtime::Result<bool> {
        let more = (wanted.saturating_sub(now) as u64).saturating_mul(ELEMENT);
        Ok(most.is_none_or(|most| wanted <= most) && self.take(more))
    }

    fn instances(&self) -> usize {
        MOST_INSTANCES as usize
    }

    fn tables(&self) -> usize {
        MOST_MEMORIES as usize
    }

    fn memories(&self) -> usize {
        MOST_MEMORIES as usize
    }
}

/// Time of one call. What the host does for it does not count.
#[derive(Clone, Copy)]
pub(crate) struct Clock {
    begun: Instant,
    waited: Duration,
    pub(crate) limit: Duration,
}

impl Clock {
    pub(crate) fn new(limit: Duration) -> Self {
        Self { begun: Instant::now(), waited: Duration::ZERO, limit }
    }

    pub(crate) fn begin(&mut self) {
        *self = Self::new(self.limit);
    }

    pub(crate) fn over(&self) -> bool {
        self.begun.elapsed().saturating_sub(self.waited) > self.limit
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use wasmtime::Store;
    use wasmtime::component::{Component, Linker};

    use super::*;
    use crate::engine::engine;

    /// Two modules with a memory of a page each and one with a table, grown by so many pages or elements.
    const PARTS: &str = r#"(component
        (core module $m
            (memory 1)
            (func (export "grow") (param i32) (result i32) local.get 0 memory.grow))
        (core module $t
            (table 0 funcref)
            (func (export "grow") (param i32) (result i32) ref.null func local.get 0 table.grow))
        (core instance $a (instantiate $m))
        (core instance $b (instantiate $m))
        (core instance $c (instantiate $t))
        (func (export "a") (param "by" u32) (result s32) (canon lift (core func $a "grow")))
        (func (export "b") (param "by" u32) (result s32) (canon lift (core func $b "grow")))
        (func (export "c") (param "by" u32) (result s32) (canon lift (core func $c "grow"))))"#;

    /// What each growing gives, and the meter after them.
    fn grown(limit: u64, steps: &[(&str, u32)]) -> wasmtime::Result<(Vec<i32>, MemoryMeter)> {
        let engine = engine()?;
        let component = Component::new(&engine, wat::parse_str(PARTS).unwrap())?;
        let mut store = Store::new(&engine, MemoryMeter::new(limit));
        store.limiter(|meter| meter);
        store.set_epoch_deadline(1);
        let instance = Linker::new(&engine).instantiate(&mut store, &component)?;
        let mut results = Vec::new();
        for (part, by) in steps {
            let grow = instance.get_typed_func::<(u32,), (i32,)>(&mut store, part)?;
            results.push(grow.call(&mut store, (*by,))?.0);
        }
        Ok((results, store.into_data()))
    }

    #[test]
    fn the_limit_of_memory_is_for_all_memories_and_tables_together() {
        const PAGE: u64 = 64 << 10;
        // Each memory alone stays below the limit; both do not.
        let (results, meter) = grown(10 * PAGE, &[("a", 5), ("b", 4), ("b", 3)]).unwrap();
        assert_eq!(results, [1, -1, 1]);
        assert!(meter.refused);
        assert_eq!(meter.used, 10 * PAGE);
        let (results, meter) = grown(4 * PAGE, &[("c", 8192), ("a", 2), ("a", 1), ("c", 1)]).unwrap();
        assert_eq!(results, [0, -1, 1, -1]);
        assert_eq!(meter.used, 4 * PAGE);
        // What it begins with counts as well.
        assert!(grown(2 * PAGE, &[]).is_ok());
        assert!(grown(2 * PAGE - 1, &[]).is_err());
    }
}
