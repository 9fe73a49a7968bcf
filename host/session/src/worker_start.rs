//! Runners in processes of their own: started, spoken with and ended by the host, and locked down from the inside.

use std::any::Any;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use artifacts_seam::{Halfway, SandboxLayer};

/// Says how workers are started.
#[derive(Debug, Clone)]
pub struct WorkerStart {
    pub(crate) program: PathBuf,
    pub(crate) fallback: Option<PathBuf>,
    pub(crate) cache: Option<PathBuf>,
    pub(crate) required: bool,
    /// Whether the program has the code inside that comes with a component.
    pub(crate) inside: bool,
    pub(crate) without: BTreeSet<SandboxLayer>,
    pub(crate) compiling: Compiling,
    pub(crate) observer: CompileObserver,
    /// What the fallback belongs to.
    held: Option<Arc<dyn Any + Send + Sync>>,
    /// Where processes stopped half-way, so that the next one does not: the same for all clones.
    learned: Arc<Mutex<BTreeSet<Halfway>>>,
}

/// Is told of a component that is compiled, by its name and size in bytes, and then of the end.
#[derive(Clone, Default)]
pub(crate) struct CompileObserver(Option<Arc<TellCompiled>>);

type TellCompiled = dyn Fn(Option<(&str, usize)>) + Send + Sync;

impl CompileObserver {
    pub(crate) fn tell(&self, compiled: Option<(&str, usize)>) {
        if let Some(tell) = &self.0 {
            tell(compiled);
        }
    }
}

impl std::fmt::Debug for CompileObserver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CompileObserver")
    }
}

/// What compiling one component may take. The largest known guests, with an interpreter inside, take half a GiB and a quarter of a
/// minute; a busy or small machine takes many times that, and keeps the code.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Compiling {
    /// Private memory, in bytes.
    pub(crate) memory: u64,
    pub(crate) time: Duration,
}

impl Default for WorkerStart {
    /// The program itself again, which has to call `artifacts_worker::worker_main` first.
    fn default() -> Self {
        Self {
            program: "/proc/self/exe".into(),
            fallback: None,
            cache: None,
            required: false,
            inside: false,
            without: BTreeSet::new(),
            compiling: Compiling { memory: 4 << 30, time: Duration::from_mins(10) },
            observer: CompileObserver::default(),
            held: None,
            learned: Arc::default(),
        }
    }
}

impl WorkerStart {
    /// Starts another program, which calls `artifacts_worker::worker_main`.
    #[must_use]
    pub fn program(mut self, program: impl Into<PathBuf>) -> Self {
        self.program = program.into();
        self.inside = false;
        self
    }

    /// Has the program, which is this one, look up the code that comes with a component by what it gave to
    /// `artifacts_worker::worker_main`. It is not sent then.
    #[must_use]
    pub fn with_code_inside(mut self) -> Self {
        self.inside = true;
        self
    }

    /// An empty 0700 folder on a RAM-backed file system, of one backend alone, for where a worker cannot have a tmpfs of its own.
    #[must_use]
    pub fn fallback(mut self, folder: impl Into<PathBuf>) -> Self {
        self.fallback = Some(folder.into());
        self
    }

    /// Holds what the fallback belongs to, for as long as a worker may be started.
    #[must_use]
    pub fn holding(mut self, what: impl Any + Send + Sync) -> Self {
        self.held = Some(Arc::new(what));
        self
    }

    /// A folder for compiled code. It is made when it is not there, and used only when it is 0700 and this user's.
    #[must_use]
    pub fn cache(mut self, folder: impl Into<PathBuf>) -> Self {
        self.cache = Some(folder.into());
        self
    }

    /// Tells a function of each component that is compiled, by its name and its size in bytes, and then of the end.
    #[must_use]
    pub fn observed(mut self, tell: impl Fn(Option<(&str, usize)>) + Send + Sync + 'static) -> Self {
        self.observer = CompileObserver(Some(Arc::new(tell)));
        self
    }

    /// Makes a missing sandbox layer an error.
    #[must_use]
    pub fn required(mut self, required: bool) -> Self {
        self.required = required;
        self
    }

    pub(crate) fn learned(&self) -> BTreeSet<Halfway> {
        self.learned.lock().map(|learned| learned.clone()).unwrap_or_default()
    }

    pub(crate) fn learn(&self, halfway: Halfway) {
        if let Ok(mut learned) = self.learned.lock() {
            learned.insert(halfway);
        }
    }

    /// What compiling may take, in bytes and time, instead of 4 GiB and ten minutes: for tests that run into it.
    #[doc(hidden)]
    #[must_use]
    pub fn compiling(mut self, memory: u64, time: Duration) -> Self {
        self.compiling = Compiling { memory, time };
        self
    }

    /// Leaves a protection out: for tests that show that it is noticed.
    #[doc(hidden)]
    #[must_use]
    pub fn without(mut self, protection: SandboxLayer) -> Self {
        self.without.insert(protection);
        self
    }
}
