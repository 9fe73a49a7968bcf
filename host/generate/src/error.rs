use std::io;
use std::path::PathBuf;
use std::time::Duration;

use artifacts_declared::Name;
use artifacts_seam::Secret;
use artifacts_text::{Comparison, Explain};

/// Reports why there is no sandbox, or why a run failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Bubblewrap cannot be started.
    #[error("cannot run bubblewrap as `{}`: {why}", .path.display())]
    NoBubblewrap {
        /// Path of the program.
        path: PathBuf,
        /// Error of the operating system.
        why: io::Error,
    },
    /// The program is not bubblewrap, or lacks an option that the sandbox needs.
    #[error("`{}` is not bubblewrap 0.6 or later: missing options {}", .path.display(), .missing.join(" "))]
    OldBubblewrap {
        /// Path of the program.
        path: PathBuf,
        /// Options that it does not know.
        missing: Vec<&'static str>,
    },
    /// A run of a generator failed.
    #[error(transparent)]
    Run(Box<GeneratorFailure>),
}

/// Reports why a run failed.
#[derive(Debug, thiserror::Error)]
pub enum GeneratorFailure {
    /// The generator is not an executable program.
    #[error("the generator `{}` {why}", .program.display())]
    Program {
        /// Path of the generator.
        program: PathBuf,
        /// What was expected and found.
        why: String,
    },
    /// The generator is built for another system.
    #[error("the generator is built for {system} and does not run on {}: {why}", host())]
    System {
        /// System of the generator, as Nix names it.
        system: String,
        /// How the attempt ended.
        why: String,
        /// Output, at most the last 64 KiB.
        output: Secret,
    },
    /// The sandbox could not be set up, so nothing ran.
    #[error("cannot set up the generator's sandbox: {message}")]
    Sandbox {
        /// Message of bubblewrap or the operating system.
        message: String,
    },
    /// The private directory failed.
    #[error(transparent)]
    Ram(#[from] artifacts_ram::Error),
    /// The generator failed.
    #[error("the generator exited with status {status}")]
    Failed {
        /// Exit status. Bubblewrap and shells report 128 and the signal's number after a signal, but a program may
        /// exit with that status by itself: it does not prove a signal.
        status: i32,
        /// Last 64 KiB of the output. It may contain a secret: never to be logged unasked.
        output: Secret,
    },
    /// The sandbox was stopped from outside.
    #[error("the generator's sandbox was killed from outside by signal {signal}{}", signal_name(*.signal))]
    Killed {
        /// Number of the signal.
        signal: i32,
        /// Output, at most the last 64 KiB.
        output: Secret,
    },
    /// The time limit was exceeded.
    #[error("the generator timed out after {} s", .limit.as_secs_f64())]
    Timeout {
        /// Declared time limit.
        limit: Duration,
        /// Output, at most the last 64 KiB.
        output: Secret,
    },
    /// The run was canceled.
    #[error("the generator was stopped: the run was canceled")]
    Cancelled,
    /// `$out` exceeds a limit.
    #[error("the generator was stopped: {found} in $out exceed the limit of {limit}")]
    TooMuch {
        /// Bytes, files or levels found.
        found: String,
        /// Limit, in the same unit.
        limit: u64,
    },
    /// The kernel did not stop it in time.
    #[error("the generator was killed, but its processes did not end")]
    Stuck,
    /// A declared file does not exist.
    #[error("the generator did not write $out/{file}")]
    Missing {
        /// Name of the declared file.
        file: Name,
        /// Names in `$out`.
        found: Vec<String>,
        /// Declared files.
        expected: Vec<String>,
    },
    /// `$out` has a file that is not declared.
    #[error("the generator wrote {kind} `{}`, which is not declared", .name.escape_debug())]
    Extra {
        /// Name of that file.
        name: String,
        /// Kind of that file.
        kind: &'static str,
        /// Declared files.
        expected: Vec<String>,
    },
    /// A declared file is not a regular file with one link.
    #[error("`{file}` in $out: {fault}")]
    File {
        /// Name of the declared file.
        file: Name,
        /// Reason.
        fault: artifacts_ram::IrregularFile,
    },
    /// Error of the operating system.
    #[error("running the generator: {0}")]
    Io(#[from] io::Error),
}

impl From<rustix::io::Errno> for GeneratorFailure {
    fn from(errno: rustix::io::Errno) -> Self {
        Self::Io(errno.into())
    }
}

impl Error {
    /// Returns the output of the generator. It may contain a secret: show it only to a person who asked.
    pub fn output(&self) -> Option<&Secret> {
        match self {
            Self::Run(fault) => match fault.as_ref() {
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

    fn comparison(&self) -> Comparison {
        match self {
            Self::Run(fault) => match fault.as_ref() {
                GeneratorFailure::Missing { found, expected, .. } => Comparison::new(in_out(found), in_out(expected)),
                GeneratorFailure::Extra { expected, .. } => {
                    Comparison { found: None, expected: Some(in_out(expected)) }
                }
                _ => Comparison::default(),
            },
            Self::NoBubblewrap { .. } | Self::OldBubblewrap { .. } => Comparison::default(),
        }
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
            Self::Run(fault) => fault.hint(),
        }
    }
}

impl GeneratorFailure {
    fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Program { .. } => {
                "a generator is an executable file or a directory with exactly one bin/*: a program for this system, or a script whose first line names its interpreter (`#!`)"
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
            Self::Failed { status, output } => {
                return joined([show_output(output), shells_status(*status)]);
            }
            Self::Timeout { output, .. } => {
                let raise = "raise `timeout`, or find out what the generator waits for".to_owned();
                return joined([Some(raise), show_output(output)]);
            }
            Self::Killed { output, .. } => return show_output(output),
            Self::Missing { .. } | Self::Extra { .. } => {
                "write each declared file to $out/<file>; use /tmp for scratch files"
            }
            Self::File { .. } => "write a regular file; links and directories are not accepted",
            Self::TooMuch { .. } => "write scratch files to /tmp",
            Self::Ram(error) => return error.hint(),
            Self::Sandbox { .. } | Self::Cancelled | Self::Stuck | Self::Io(_) => return None,
        };
        Some(text.to_owned())
    }
}

fn host() -> String {
    format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS)
}

/// What shows the output of a generator, if there is some.
fn show_output(output: &Secret) -> Option<String> {
    let is_some = !output.expose().is_empty();
    is_some.then(|| "`--show-output` shows what it printed, which may contain secrets".to_owned())
}

/// What an exit status means that shells give when they cannot run a command, or after a signal.
fn shells_status(status: i32) -> Option<String> {
    let why = match status {
        126 => "when a command is no file that it can execute",
        127 => {
            "when it does not find a command: a generator has those that it names by their paths in the store, `runtimeInputs` of a \
             `script`, and the system's"
        }
        _ => return signal_of_shell(status),
    };
    Some(format!("a shell exits with status {status} {why}"))
}

fn signal_of_shell(status: i32) -> Option<String> {
    let signal = (129..=LAST_OF_SIGNALS).contains(&status).then_some(status - 128)?;
    let why = if status == 137 { ", as the kernel does when memory runs out" } else { "" };
    let name = signal_name(signal);
    Some(format!("a shell exits with status {status} when signal {signal}{name} ended its program{why}"))
}

/// Several hints in one line.
fn joined(hints: [Option<String>; 2]) -> Option<String> {
    let hints: Vec<String> = hints.into_iter().flatten().collect();
    (!hints.is_empty()).then(|| hints.join("; "))
}

/// Largest exit status that may stand for a signal: no signal's number is greater than 64.
const LAST_OF_SIGNALS: i32 = 128 + 64;

/// Returns the name of a signal in parentheses; an empty text if it has none.
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

/// Names files in `$out`.
fn in_out(names: &[String]) -> String {
    if names.is_empty() {
        return "nothing in $out".to_owned();
    }
    names.iter().map(|name| format!("$out/{}", name.escape_debug())).collect::<Vec<_>>().join(", ")
}
