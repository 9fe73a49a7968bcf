//! Runs one component: the innermost part, which a worker process holds and nothing else of the host does.

use std::sync::Arc;
use std::time::Instant;

use artifacts_seam::{
    BackendFailure, CallContext, CallError, Checked, EntryFiles, GuestEnd, GuestMessage, InstanceView, ItemHandle,
    Limits, Outcome, Request, RetrieveAnswers, SecretId, Usage,
};
use wasmtime::component::{HasSelf, InstancePre, Linker, ResourceTableError};
use wasmtime::{Engine, Store, Trap};
use wasmtime_wasi::cli::{WasiCli, WasiCliView as _};
use wasmtime_wasi::clocks::{WasiClocks, WasiClocksView as _};
use wasmtime_wasi::p2::bindings::sync::io::{poll, streams};
use wasmtime_wasi::p2::bindings::{cli, clocks, io, random};
use wasmtime_wasi::random::{WasiRandom, WasiRandomView as _};
use wasmtime_wasi::runtime::with_ambient_tokio_runtime;
use wasmtime_wasi::{FsPerms, I32Exit};

use crate::bindings::{age, entries, log, retrieval, secrets, storage, types};
use crate::call_log::CallLog;
use crate::entry_store::EntryStore;
use crate::filesystem;
use crate::fits::{self, Unfit};
use crate::kept;
use crate::preopen::Preopen;
use crate::state::GuestState;
use crate::stop::Stop;
use artifacts_seam::escaped;

/// Bytes that one call into the host may carry, beyond all files of an entry: names, and what stands around each.
const HOSTCALL: usize = 16 << 20;

/// A linked component, ready to be instantiated, and the entry that it works on.
pub(crate) struct Runner {
    engine: Engine,
    component: InstancePre<GuestState>,
    storage: storage::GuestIndices,
    retrieval: Option<retrieval::GuestIndices>,
    entry: Arc<EntryStore>,
    limits: Limits,
    line: Arc<dyn GuestEnd>,
    call_log: Arc<CallLog>,
}

/// A component instance and the store that it lives in.
struct Guest {
    store: Store<GuestState>,
    instance: wasmtime::component::Instance,
}

/// What a call takes, counted over all component instances.
#[derive(Default)]
struct Count {
    memory: u64,
    calls: u64,
}

impl Runner {
    /// Links a compiled component. `room` is the directory of one that imports a file system.
    ///
    /// # Errors
    /// When its types do not fit the contract, or it begins with more than its limits.
    pub(crate) fn new(
        component: &wasmtime::component::Component,
        room: Option<Preopen>,
        limits: Limits,
        line: Arc<dyn GuestEnd>,
    ) -> Result<Self, Unfit> {
        let engine = component.engine().clone();
        let contract = |error: wasmtime::Error| Unfit::Contract(format!("{error:#}"));
        fits::limits(component, &limits)?;
        let component = fits::link(component, &linker(&engine).map_err(contract)?)?;
        let storage = storage::GuestIndices::new(&component).map_err(contract)?;
        let retrieval = fits::retrieves(&component).then(|| retrieval::GuestIndices::new(&component));
        let retrieval = retrieval.transpose().map_err(contract)?;
        let call_log = Arc::new(CallLog::new(Arc::clone(&line)));
        let entry = Arc::new(EntryStore::new(room));
        Ok(Self { engine, component, storage, retrieval, entry, limits, line, call_log })
    }

    /// Does what is wanted. A batch's answers go to the line one by one; its outcome is empty.
    pub(crate) fn run(&self, request: Request) -> (Result<Outcome, CallError>, Usage) {
        let begun = Instant::now();
        let mut count = Count::default();
        // Within the runtime's context each of WASI's calls takes a shorter way through it.
        let outcome = with_ambient_tokio_runtime(|| match request {
            Request::Check(context, batch) => {
                self.check(context, batch, &mut count);
                Ok(Outcome::Checked(Vec::new()))
            }
            Request::Serialize { context, instance, entry, items } => {
                self.serialize(context, instance, &entry, items, &mut count).map(Outcome::Serialized)
            }
            Request::Retrieve { context, instance, entry, names } => {
                self.retrieve(context, &instance, &entry, &names, &mut count).map(Outcome::Retrieved)
            }
        });
        self.call_log.end();
        let cleared = self.entry.clear();
        let outcome = cleared.map_err(|error| room_failed(&error)).and(outcome);
        let micros = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        (outcome, Usage { memory: count.memory, micros, calls: count.calls })
    }

    /// One component instance answers for all, and after a trap a fresh one for the rest.
    fn check(&self, context: CallContext, batch: Vec<(InstanceView, EntryFiles)>, count: &mut Count) {
        let mut alive = None;
        let context = types::Context::from(context);
        for (instance, entry) in batch {
            let answer = self.check_one(&mut alive, &context, (instance, &entry), count);
            self.line.report(GuestMessage::Checked(answer));
        }
    }

    fn check_one(
        &self,
        alive: &mut Option<(Guest, storage::Guest)>,
        context: &types::Context,
        (instance, entry): (InstanceView, &EntryFiles),
        count: &mut Count,
    ) -> Result<Checked, CallError> {
        self.begin(&instance.name, entry)?;
        let instance = types::Instance::from(instance);
        let (mut guest, exports) = match alive.take() {
            Some(guest) => guest,
            None => self.storing(FsPerms::ReadOnly)?,
        };
        let recipients = guest.call(count, &self.call_log, |store| exports.call_recipients(store, &instance))?;
        // A trap ends the component instance, a failure does not.
        let state = match recipients {
            Ok(_) => guest.call(count, &self.call_log, |store| {
                exports.call_check(store, context, &instance, GuestState::readable())
            })?,
            Err(_) => Ok(storage::State::Absent),
        };
        *alive = Some((guest, exports));
        let recipients = recipients.map_err(failed)?.into_iter().map(Into::into).collect();
        Ok(kept::checked(recipients, state.map_err(failed)?))
    }

    fn serialize(
        &self,
        context: CallContext,
        instance: InstanceView,
        entry: &EntryFiles,
        items: Vec<ItemHandle>,
        count: &mut Count,
    ) -> Result<EntryFiles, CallError> {
        self.begin(&instance.name, entry)?;
        let (mut guest, exports) = self.storing(FsPerms::ReadWrite)?;
        let instance = types::Instance::from(instance);
        let items = guest.items(items).map_err(|error| broken(&error))?;
        guest
            .call(count, &self.call_log, |store| {
                exports.call_serialize(store, &context.into(), &instance, &items, GuestState::writable())
            })?
            .map_err(failed)?;
        // Only the host is left with the entry when it looks at it.
        drop(guest);
        self.entry.collect(&self.limits).map_err(CallError::Broken)
    }

    fn retrieve(
        &self,
        context: CallContext,
        instance: &str,
        entry: &EntryFiles,
        names: &[String],
        count: &mut Count,
    ) -> Result<RetrieveAnswers, CallError> {
        let retrieval = self.retrieval.as_ref().ok_or_else(|| CallError::NotCalled {
            why: "it does not export artifacts:backend/retrieval".to_owned(),
            help: None,
        })?;
        self.begin(instance, entry)?;
        let mut guest = self.instantiate(FsPerms::ReadOnly)?;
        guest.store.data_mut().expect_items(names.len());
        let exports = retrieval.load(&mut guest.store, &guest.instance).map_err(|error| broken(&error))?;
        let answers = guest
            .call(count, &self.call_log, |store| {
                exports.call_retrieve(store, &context.into(), names, GuestState::readable())
            })?
            .map_err(failed)?;
        let taken = |retrieval::Answer { file, value, attrs: _ }| {
            let value = match value {
                Ok(handle) => Ok(guest.store.data_mut().take_back(handle)?),
                Err(error) => Err(error.into()),
            };
            Ok((file, value))
        };
        answers.into_iter().map(taken).collect::<wasmtime::Result<_>>().map_err(|error| broken(&error))
    }

    fn begin(&self, instance: &str, entry: &EntryFiles) -> Result<(), CallError> {
        self.call_log.begin(instance);
        self.entry.fill(entry).map_err(|error| room_failed(&error))
    }

    /// A component instance, and what it exports of the interface that every backend has.
    fn storing(&self, perms: FsPerms) -> Result<(Guest, storage::Guest), CallError> {
        let mut guest = self.instantiate(perms)?;
        let exports = self.storage.load(&mut guest.store, &guest.instance).map_err(|error| broken(&error))?;
        Ok((guest, exports))
    }

    fn instantiate(&self, perms: FsPerms) -> Result<Guest, CallError> {
        let room = self.entry.preopen(perms).map_err(|error| room_failed(&error))?;
        let entry = (Arc::clone(&self.entry), room);
        let state = GuestState::new(entry, self.limits, Arc::clone(&self.call_log), Arc::clone(&self.line));
        let mut store = Store::new(&self.engine, state);
        store.limiter(|state| &mut state.meter);
        // A stored file is handed over whole, to be opened: whatever may be stored can be read back.
        store.set_hostcall_fuel(HOSTCALL.saturating_add(usize::try_from(self.limits.output).unwrap_or(usize::MAX)));
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|store| {
            let clock = store.data().clock;
            if clock.over() {
                return Err(Stop::Overrun(format!("it took longer than {} s", clock.limit.as_secs())).into());
            }
            Ok(wasmtime::UpdateDeadline::Continue(1))
        });
        match self.component.instantiate(&mut store) {
            Ok(instance) => Ok(Guest { store, instance }),
            Err(error) => Err(ended(&error, store.data())),
        }
    }
}

impl Guest {
    /// One call of an exported function, timed and judged.
    fn call<T>(
        &mut self,
        count: &mut Count,
        call_log: &CallLog,
        call: impl FnOnce(&mut Store<GuestState>) -> wasmtime::Result<T>,
    ) -> Result<T, CallError> {
        self.store.data_mut().clock.begin();
        let result = call(&mut self.store);
        count.calls += 1;
        count.memory = count.memory.max(self.store.data().meter.used);
        result.map_err(|error| {
            call_log.output(&String::from_utf8_lossy(&self.store.data().output.contents()));
            ended(&error, self.store.data())
        })
    }

    fn items(&mut self, items: Vec<ItemHandle>) -> wasmtime::Result<Vec<storage::Item>> {
        let state = self.store.data_mut();
        state.expect_items(items.len());
        let handle = |ItemHandle { name, secret: SecretId(id), size }| {
            Ok(storage::Item { name, value: state.hand_over(SecretId(id), size)?, attrs: Vec::new() })
        };
        items.into_iter().map(handle).collect()
    }
}

/// A failure that the component itself reported.
fn failed(failure: impl Into<BackendFailure>) -> CallError {
    CallError::Failed(failure.into())
}

/// Why a component instance ended before it answered.
fn ended(error: &wasmtime::Error, state: &GuestState) -> CallError {
    match error.downcast_ref::<Stop>() {
        Some(Stop::Refused(why)) => return CallError::Refused(why.clone()),
        Some(Stop::Overrun(what)) => return CallError::Overrun(what.clone()),
        None => {}
    }
    if state.meter.refused {
        return CallError::Overrun(format!("it needs more than {} of memory", artifacts_text::size(state.meter.limit)));
    }
    if matches!(error.downcast_ref::<ResourceTableError>(), Some(ResourceTableError::Full)) {
        return CallError::Overrun("it holds too many handles".to_owned());
    }
    if let Some(I32Exit(status)) = error.downcast_ref() {
        return CallError::Broken(format!("it exited with status {status} and gave no answer"));
    }
    if let Some(trap) = error.downcast_ref::<Trap>() {
        return CallError::Broken(format!("it crashed: {trap}"));
    }
    broken(error)
}

fn broken(error: &wasmtime::Error) -> CallError {
    let why = error.root_cause().to_string();
    // Which limit that is, the host says: this process cannot look.
    if why.starts_with(&no_memory()) {
        return CallError::Machine { limit: why, help: String::new() };
    }
    CallError::Broken(escaped(&why, 1000))
}

/// "Cannot allocate memory", without the number.
fn no_memory() -> String {
    let text = std::io::Error::from_raw_os_error(rustix::io::Errno::NOMEM.raw_os_error()).to_string();
    text.split(" (").next().unwrap_or(&text).to_owned()
}

fn room_failed(error: &std::io::Error) -> CallError {
    CallError::Broken(format!("its folder cannot be used: {error}"))
}

/// Links one interface.
type Link = fn(&mut Linker<GuestState>) -> wasmtime::Result<()>;

/// The interfaces that a component may import: those that the contract allows, which a test compares.
const LINKED: &[(&str, Link)] = &[
    ("wasi:cli/environment", |l| cli::environment::add_to_linker::<GuestState, WasiCli>(l, GuestState::cli)),
    ("wasi:cli/exit", |l| cli::exit::add_to_linker::<GuestState, WasiCli>(l, GuestState::cli)),
    ("wasi:cli/stderr", |l| cli::stderr::add_to_linker::<GuestState, WasiCli>(l, GuestState::cli)),
    ("wasi:cli/stdin", |l| cli::stdin::add_to_linker::<GuestState, WasiCli>(l, GuestState::cli)),
    ("wasi:cli/stdout", |l| cli::stdout::add_to_linker::<GuestState, WasiCli>(l, GuestState::cli)),
    ("wasi:cli/terminal-input", |l| cli::terminal_input::add_to_linker::<GuestState, WasiCli>(l, GuestState::cli)),
    ("wasi:cli/terminal-output", |l| cli::terminal_output::add_to_linker::<GuestState, WasiCli>(l, GuestState::cli)),
    ("wasi:cli/terminal-stderr", |l| cli::terminal_stderr::add_to_linker::<GuestState, WasiCli>(l, GuestState::cli)),
    ("wasi:cli/terminal-stdin", |l| cli::terminal_stdin::add_to_linker::<GuestState, WasiCli>(l, GuestState::cli)),
    ("wasi:cli/terminal-stdout", |l| cli::terminal_stdout::add_to_linker::<GuestState, WasiCli>(l, GuestState::cli)),
    ("wasi:clocks/monotonic-clock", |l| {
        clocks::monotonic_clock::add_to_linker::<GuestState, WasiClocks>(l, GuestState::clocks)
    }),
    ("wasi:clocks/wall-clock", |l| clocks::wall_clock::add_to_linker::<GuestState, WasiClocks>(l, GuestState::clocks)),
    ("wasi:filesystem/preopens", filesystem::link_preopens),
    ("wasi:filesystem/types", filesystem::link_types),
    ("wasi:io/error", |l| io::error::add_to_linker::<GuestState, HasTable>(l, |state| &mut state.table)),
    ("wasi:io/poll", |l| poll::add_to_linker::<GuestState, HasTable>(l, |state| &mut state.table)),
    ("wasi:io/streams", |l| streams::add_to_linker::<GuestState, HasTable>(l, |state| &mut state.table)),
    ("wasi:random/insecure", |l| random::insecure::add_to_linker::<GuestState, WasiRandom>(l, GuestState::random)),
    ("wasi:random/insecure-seed", |l| {
        random::insecure_seed::add_to_linker::<GuestState, WasiRandom>(l, GuestState::random)
    }),
    ("wasi:random/random", |l| random::random::add_to_linker::<GuestState, WasiRandom>(l, GuestState::random)),
    ("artifacts:backend/age", |l| age::add_to_linker::<GuestState, HasSelf<GuestState>>(l, |state| state)),
    ("artifacts:backend/entries", |l| entries::add_to_linker::<GuestState, HasSelf<GuestState>>(l, |state| state)),
    ("artifacts:backend/log", |l| log::add_to_linker::<GuestState, HasSelf<GuestState>>(l, |state| state)),
    ("artifacts:backend/secrets", |l| secrets::add_to_linker::<GuestState, HasSelf<GuestState>>(l, |state| state)),
    ("artifacts:backend/types", |l| types::add_to_linker::<GuestState, HasSelf<GuestState>>(l, |state| state)),
];

fn linker(engine: &Engine) -> wasmtime::Result<Linker<GuestState>> {
    let mut linker = Linker::new(engine);
    LINKED.iter().try_for_each(|(_, link)| link(&mut linker))?;
    Ok(linker)
}

struct HasTable;

impl wasmtime::component::HasData for HasTable {
    type Data<'a> = &'a mut wasmtime::component::ResourceTable;
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeSet;

    use super::*;

    /// The names, of these, that a linker has, in any version that the contract allows.
    fn defined(link: Link, names: &[&'static str]) -> Vec<&'static str> {
        let engine = Engine::default();
        let empty = wasmtime::Module::new(&engine, b"\0asm\x01\0\0\0").unwrap();
        let mut linker = Linker::new(&engine);
        link(&mut linker).unwrap();
        let versions = |name: &str| {
            let (contract, _) = artifacts_seam::CONTRACT.rsplit_once('.').unwrap();
            let prefix = if name.starts_with("artifacts:") { contract } else { "0.2" };
            (0..100).map(move |patch| format!("{prefix}.{patch}")).collect::<Vec<_>>()
        };
        // What is there already cannot be defined again.
        let mut is_there = |name: &str| {
            versions(name).iter().any(|version| linker.root().module(&format!("{name}@{version}"), &empty).is_err())
        };
        names.iter().copied().filter(|name| is_there(name)).collect()
    }

    #[test]
    fn what_the_contract_allows_is_what_is_linked() {
        let linked: Vec<&str> = LINKED.iter().map(|(name, _)| *name).collect();
        let allowed: BTreeSet<&str> = artifacts_contract::allowed_imports().collect();
        assert_eq!(linked.iter().copied().collect::<BTreeSet<_>>(), allowed);
        assert_eq!(linked.len(), allowed.len());
        // Each line of the table links the interface that it names, and none of the others.
        for (name, link) in LINKED {
            assert_eq!(defined(*link, &linked), [*name]);
        }
    }
}
