use std::ffi::{OsStr, OsString};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use crate::real_store::StoreDirs;
use crate::run::{NixOutput, run};
use crate::{Error, program};

/// How often a question is asked again that met another process of Nix at a new store.
const MEETINGS: usize = 3;

/// Describes one step of an evaluation.
#[derive(Debug, Clone, Copy)]
pub struct EvaluationStep<'a> {
    /// Name of the target that begins, or is done.
    pub target: &'a str,
    /// Whether it is done.
    pub is_over: bool,
    /// How many targets are done.
    pub done: usize,
    /// How many are evaluated.
    pub total: usize,
}

/// Is told of each step of an evaluation, from several threads. By default no one is.
#[derive(Clone, Default)]
pub struct EvaluationObserver(Option<Arc<TellStep>>);

type TellStep = dyn Fn(EvaluationStep<'_>) + Send + Sync;

impl EvaluationObserver {
    /// Tells a function.
    pub fn new(tell: impl Fn(EvaluationStep<'_>) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(tell)))
    }

    pub(crate) fn tell(&self, step: EvaluationStep<'_>) {
        if let Some(tell) = &self.0 {
            tell(step);
        }
    }
}

impl std::fmt::Debug for EvaluationObserver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EvaluationObserver")
    }
}

/// Configures how Nix is run.
#[derive(Debug, Clone)]
pub struct NixOptions {
    /// Additional arguments of every evaluation. Settings among them (`--store`, `--option`) are used for builds, too.
    pub arguments: Vec<OsString>,
    /// Inputs of the flake that are replaced: name and flake reference.
    pub override_inputs: Vec<(String, String)>,
    /// Number of targets that are evaluated in parallel; each takes a processor and up to a gigabyte of memory.
    pub jobs: NonZeroUsize,
    /// System of generators, as Nix names it.
    pub system: Option<String>,
    /// Working directory of Nix, from which relative flake references start; `None` for the caller's.
    pub directory: Option<PathBuf>,
    /// Directory of the store, if it is known; otherwise Nix is asked.
    pub store: Option<PathBuf>,
    /// Directory, of this user alone, for answers that are used again while nothing that they depend on has changed.
    pub cache: Option<PathBuf>,
    /// Moment of the run. Cached answers that are more than 30 days older are removed.
    pub now: SystemTime,
    /// Is told how far an evaluation is.
    pub observer: EvaluationObserver,
    /// Once it is true, running processes are stopped and everything returns [`Error::Cancelled`].
    pub cancel: Arc<AtomicBool>,
}

impl Default for NixOptions {
    fn default() -> Self {
        Self {
            arguments: Vec::new(),
            override_inputs: Vec::new(),
            jobs: NonZeroUsize::MIN,
            system: own_system(),
            directory: None,
            store: None,
            cache: None,
            now: SystemTime::UNIX_EPOCH,
            observer: EvaluationObserver::default(),
            cancel: Arc::default(),
        }
    }
}

/// Returns the system that this program was built for, as Nix names it.
fn own_system() -> Option<String> {
    let kernel = match std::env::consts::OS {
        "linux" => "linux",
        "macos" => "darwin",
        _ => return None,
    };
    Some(format!("{}-{kernel}", std::env::consts::ARCH))
}

/// Represents a Nix on this machine.
#[derive(Debug, Clone)]
pub struct Nix {
    program: Option<PathBuf>,
    pub(crate) environment: Vec<(OsString, OsString)>,
    pub(crate) options: NixOptions,
    pub(crate) store: Arc<OnceLock<StoreDirs>>,
    pub(crate) settings: Arc<OnceLock<Option<String>>>,
}

impl Nix {
    /// Uses `program`, or `nix` in the `PATH` of `environment`, which is its complete environment. Nothing is run yet:
    /// a missing Nix is an error where one is needed.
    pub fn new(program: Option<PathBuf>, environment: Vec<(OsString, OsString)>, options: NixOptions) -> Self {
        let store = options.store.clone().map(StoreDirs::plain).map(OnceLock::from).unwrap_or_default();
        Self { program, environment, options, store: Arc::new(store), settings: Arc::default() }
    }

    /// Returns the version, as Nix prints it.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn version(&self) -> Result<String, Error> {
        let answer = self.nix("asking Nix for its version", &["--version"])?;
        Ok(String::from_utf8_lossy(&answer.stdout).trim().to_owned())
    }

    /// Runs `nix`.
    pub(crate) fn nix(&self, what: &str, arguments: &[impl AsRef<OsStr>]) -> Result<NixOutput, Error> {
        let program = self.program()?;
        let ask = || {
            let mut command = self.command(&program);
            command.args(["--extra-experimental-features", "nix-command flakes"]);
            // It is of no use to what is evaluated here, and processes side by side would wait for each other at it.
            command.args(["--option", "eval-cache", "false"]).args(arguments);
            run(command, what, &self.options.cancel)
        };
        let mut ended = ask();
        for _ in 0..MEETINGS {
            match &ended {
                Err(error) if error.is_of_new_store() => ended = ask(),
                _ => break,
            }
        }
        ended
    }

    /// Runs `nix-store`, whose arguments mean the same in all versions.
    pub(crate) fn nix_store(&self, what: &str, arguments: &[impl AsRef<OsStr>]) -> Result<NixOutput, Error> {
        let beside = self.program()?.with_file_name("nix-store");
        let program =
            if program::executable(&beside) { beside } else { program::find("nix-store", &self.environment)? };
        let mut command = self.command(&program);
        command.args(self.setting_arguments()).args(arguments);
        run(command, what, &self.options.cancel)
    }

    /// Returns those of the additional arguments that are settings, and mean the same to each command of Nix.
    pub(crate) fn setting_arguments(&self) -> Vec<OsString> {
        let mut settings = Vec::new();
        let mut rest = self.options.arguments.as_slice();
        while let Some((word, after)) = rest.split_first() {
            let values = match word.to_str() {
                Some("--store") => 1,
                Some("--option") => 2,
                _ => 0,
            };
            let taken = 1 + values.min(after.len());
            if values > 0 {
                settings.extend_from_slice(&rest[..taken]);
            }
            rest = &rest[taken..];
        }
        settings
    }

    /// Returns its configuration, as far as it is in the environment.
    pub(crate) fn configuration(&self) -> Vec<(OsString, OsString)> {
        let own = |name: &OsString| name.to_string_lossy().starts_with("NIX_");
        self.environment.iter().filter(|(name, _)| own(name)).cloned().collect()
    }

    pub(crate) fn program(&self) -> Result<PathBuf, Error> {
        match &self.program {
            None => program::find("nix", &self.environment),
            Some(file) if program::executable(file) => Ok(file.clone()),
            Some(file) => Err(Error::Missing { program: file.display().to_string(), path: None }),
        }
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env_clear().envs(self.environment.iter().map(|(name, value)| (name, value)));
        if let Some(directory) = &self.options.directory {
            command.current_dir(directory);
        }
        command
    }
}
