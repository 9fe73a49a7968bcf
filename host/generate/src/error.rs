use std::io;
use std::path::PathBuf;
use std::time::Duration;

use artifacts_declared::{InstanceName, Name};
use artifacts_seam::Secret;
use artifacts_text::Explain;

/// Why there is no sandbox, or why a run gave nothing.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It could not be started at all.
    #[error("cannot run bubblewrap as `{}`: {why}", .path.display())]
    NoBubblewrap {
        /// What was started.
        path: PathBuf,
        /// What the system says.
        why: io::Error,
    },
    /// It is no bubblewrap, or lacks what the sandbox needs.
    #[error("`{}` is no bubblewrap of version 0.6 or later: expected the options {}, found none of that name", .path.display(), .missing.join(" "))]
    OldBubblewrap {
        /// What was started.
        path: PathBuf,
        /// The options that it does not know.
        missing: Vec<&'static str>,
    },
    /// A run of a generator.
    #[error("{instance}: {fault}")]
    Run {
        /// What it was to make.
        instance: InstanceName,
        /// What went wrong.
        fault: Box<GeneratorFailure>,
    },
}

/// What went wrong in a run.
#[derive(Debug, thiserror::Error)]
pub enum GeneratorFailure {
    /// It is nothing that can be executed.
    #[error("the generator `{}` {why}", .program.display())]
    Program {
        /// The generator.
        program: PathBuf,
        /// What was expected and found.
        why: String,
    },
    /// It is for another kind of machine.
    #[error("the generator is built for {system}, and this machine ({}) could not run it: {why}", host())]
    System {
        /// The generator's system.
        system: String,
        /// How the attempt ended.
        why: String,
        /// What was printed.
        output: Secret,
    },
    /// The sandbox was not set up, so nothing ran.
    #[error("the sandbox for the generator could not be set up: {message}")]
    Sandbox {
        /// What bubblewrap or the system says.
        message: String,
    },
    /// Its private folder.
    #[error(transparent)]
    Ram(#[from] artifacts_ram::Error),
    /// The generator itself failed.
    #[error("the generator exited with status {status}")]
    Failed {
        /// Its exit status. Bubblewrap reports 128 and the signal's number when a signal ended it, and so does a shell; a program
        /// may exit with that status by itself, so it is no evidence of a signal.
        status: i32,
        /// The last 64 KiB of what it printed. It may echo a secret: never to be logged unasked.
        output: Secret,
    },
    /// Something outside ended its sandbox.
    #[error("the generator's sandbox was killed from outside by signal {signal}{}", signal_name(*.signal))]
    Killed {
        /// The signal's number.
        signal: i32,
        /// What the generator printed.
        output: Secret,
    },
    /// It took too long.
    #[error("the generator was stopped: expected an end within {} s", .limit.as_secs_f64())]
    Timeout {
        /// The declared limit.
        limit: Duration,
        /// What it printed.
        output: Secret,
    },
    /// The caller said so.
    #[error("the generator was stopped because the run was cancelled")]
    Cancelled,
    /// It filled `$out`.
    #[error("the generator was stopped: {found} in $out, expected at most {limit}")]
    TooMuch {
        /// Bytes, entries or levels found.
        found: String,
        /// How many are allowed.
        limit: u64,
    },
    /// The kernel did not end it.
    #[error("the generator was killed, but its processes did not end")]
    Stuck,
    /// A declared file did not come out.
    #[error("expected the file `{file}` in $out, found {}", list(.found))]
    Missing {
        /// The declared file.
        file: Name,
        /// What is in `$out`.
        found: Vec<String>,
    },
    /// Something came out that is not declared.
    #[error("expected in $out only {}, found also {kind} `{}`", list(.expected), .name.escape_debug())]
    Extra {
        /// Its name.
        name: String,
        /// What it is.
        kind: &'static str,
        /// The declared files.
        expected: Vec<String>,
    },
    /// A declared file is not a plain one.
    #[error("`{file}` in $out: {fault}")]
    File {
        /// The declared file.
        file: Name,
        /// What is wrong with it.
        fault: artifacts_ram::IrregularFile,
    },
    /// The system says no.
    #[error("running the generator: {0}")]
    Io(#[from] io::Error),
}

impl From<rustix::io::Errno> for GeneratorFailure {
    fn from(errno: rustix::io::Errno) -> Self {
        Self::Io(errno.into())
    }
}

impl Error {
    /// What the generator printed. It may echo a secret: show it only to a person who asked.
    pub fn output(&self) -> Option<&Secret> {
        match self {
            Self::Run { fault, .. } => match fault.as_ref() {
                GeneratorFailure::Failed { output, .. }
                | GeneratorFailure::Killed { output, .. }
                | GeneratorFailure::Timeout { output, .. }
                | GeneratorFailure::System { output, .. } => Some(output),
                _ => None,
            },
            _ => None,
        }
    }
}

impl Explain for Error {
    fn kind(&self) -> &'static str {
        "generator"
    }

    fn hint(&self) -> Option<String> {
        match self {
            // Processes or memory are used up.
            Self::NoBubblewrap { why, .. } if matches!(why.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::OutOfMemory) => {
                Some("see the limits for processes and memory (`ulimit -u`, `ulimit -v`, `TasksMax` of a unit)".to_owned())
            }
            Self::NoBubblewrap { .. } | Self::OldBubblewrap { .. } => Some(
                "install bubblewrap 0.6 or later (Debian, Ubuntu, Fedora: package `bubblewrap`; NixOS: `pkgs.bubblewrap`)"
                    .to_owned(),
            ),
            Self::Run { fault, .. } => fault.hint(),
        }
    }
}

impl GeneratorFailure {
    fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Program { .. } => {
                "a generator is an executable file or a folder with exactly one bin/*: a program for this system, or a script whose first line names its interpreter (`#!`)"
            }
            Self::System { .. } => {
                "run the command on such a machine, let the configuration make the generator for this system, or set up emulation (NixOS: boot.binfmt.emulatedSystems)"
            }
            Self::Sandbox { message } if message.contains("namespace") || message.contains("uid map") => {
                "allow user namespaces: `sysctl kernel.unprivileged_userns_clone=1` (Debian), `sysctl kernel.apparmor_restrict_unprivileged_userns=0` or an AppArmor profile for bwrap (Ubuntu), `sysctl user.max_user_namespaces=10000`; in a container, one that may make them"
            }
            Self::Sandbox { message } if message.contains("SECCOMP") || message.contains("seccomp") => {
                "the kernel has to support filters of system calls (CONFIG_SECCOMP_FILTER); in a container, one that allows them"
            }
            Self::Failed { status, .. } if (129..=LAST_OF_SIGNALS).contains(status) => {
                return Some(format!(
                    "{SHOW_OUTPUT}; a shell exits with status {status} when signal {}{} ended its program{}",
                    status - 128,
                    signal_name(status - 128),
                    if *status == 137 { ", as the kernel does when memory runs out" } else { "" }
                ));
            }
            Self::Failed { .. } => SHOW_OUTPUT,
            Self::Timeout { .. } => "set the artifact's `timeout` higher, or see what it waits for",
            Self::Missing { .. } | Self::Extra { .. } => {
                "the generator writes each declared file as $out/<file>, and scratch files to /tmp"
            }
            Self::File { .. } => "the generator writes each declared file itself; links and folders are not taken",
            Self::TooMuch { .. } => "write scratch files to /tmp",
            Self::Ram(error) => return error.hint(),
            Self::Sandbox { .. } | Self::Killed { .. } | Self::Cancelled | Self::Stuck | Self::Io(_) => return None,
        };
        Some(text.to_owned())
    }
}

fn host() -> String {
    format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS)
}

const SHOW_OUTPUT: &str = "look at what it printed; it may hold secrets, so only `--show-output` shows it";

/// No signal's number is greater than 64.
const LAST_OF_SIGNALS: i32 = 128 + 64;

/// Its name in parentheses; nothing for one that has none.
fn signal_name(number: i32) -> &'static str {
    match number {
        libc::SIGHUP => " (SIGHUP)",
        libc::SIGINT => " (SIGINT)",
        libc::SIGQUIT => " (SIGQUIT)",
        libc::SIGILL => " (SIGILL)",
        libc::SIGTRAP => " (SIGTRAP)",
        libc::SIGABRT => " (SIGABRT)",
        libc::SIGBUS => " (SIGBUS)",
        libc::SIGFPE => " (SIGFPE)",
        libc::SIGKILL => " (SIGKILL)",
        libc::SIGUSR1 => " (SIGUSR1)",
        libc::SIGSEGV => " (SIGSEGV)",
        libc::SIGUSR2 => " (SIGUSR2)",
        libc::SIGPIPE => " (SIGPIPE)",
        libc::SIGALRM => " (SIGALRM)",
        libc::SIGTERM => " (SIGTERM)",
        libc::SIGXCPU => " (SIGXCPU)",
        libc::SIGXFSZ => " (SIGXFSZ)",
        libc::SIGSYS => " (SIGSYS)",
        _ => "",
    }
}

fn list(names: &[String]) -> String {
    if names.is_empty() {
        return "nothing".to_owned();
    }
    names.iter().map(|name| format!("`{}`", name.escape_debug())).collect::<Vec<_>>().join(", ")
}
