use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Names a layer of the sandbox around a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SandboxLayer {
    /// A file system in memory of its own, with a quota, that no other process has a path to.
    Tmpfs,
    /// Its root and its working directory are an empty directory of its own.
    OwnRoot,
    /// The same, missing in a worker whose filter allows no system call that takes a path.
    OwnRootBehindFilter,
    /// A namespace of its own for System V IPC and POSIX message queues.
    IpcNamespace,
    /// A namespace of its own for the host name.
    UtsNamespace,
    /// A namespace of its own for network devices and abstract sockets, empty.
    NetworkNamespace,
    /// A namespace of its own for processes.
    ProcessNamespace,
    /// No capability, and no way to one.
    NoCapabilities,
    /// Landlock: no other file can be opened.
    Landlock,
    /// Landlock as newer kernels have it: no port, no device and no other process can be reached either.
    NewerLandlock,
    /// A filter that allows few system calls: no network, no other program, no other process.
    Seccomp,
    /// No dump of its memory, and no debugger of the same user.
    NoCoreDumps,
    /// It dies with the program that started it.
    DiesWithParent,
}

impl SandboxLayer {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::Tmpfs,
        Self::OwnRoot,
        Self::OwnRootBehindFilter,
        Self::IpcNamespace,
        Self::UtsNamespace,
        Self::NetworkNamespace,
        Self::ProcessNamespace,
        Self::NoCapabilities,
        Self::Landlock,
        Self::NewerLandlock,
        Self::Seccomp,
        Self::NoCoreDumps,
        Self::DiesWithParent,
    ];

    /// The namespaces that keep a worker away from what the filter denies already.
    const NAMESPACES: [Self; 4] =
        [Self::IpcNamespace, Self::UtsNamespace, Self::NetworkNamespace, Self::ProcessNamespace];

    /// Returns what is weaker without it, as a sentence.
    pub fn weaker(self) -> &'static str {
        match self {
            Self::Tmpfs => {
                "entries being worked on are in a directory that this user's other programs can open, without a quota"
            }
            Self::OwnRoot => {
                "the worker's root is this machine's: a component that escapes WebAssembly could read names, sizes and times of this user's files, and set their times"
            }
            Self::OwnRootBehindFilter => {
                "the worker's root is this machine's: only the filter, which allows this component no system call that takes a path, keeps it from names, sizes and times of files"
            }
            Self::IpcNamespace => "only the system-call filter keeps the worker from this machine's System V IPC",
            Self::UtsNamespace => "only the system-call filter keeps this machine's name from the worker",
            Self::NetworkNamespace => "only the system-call filter keeps the worker from this machine's network",
            Self::ProcessNamespace => {
                "only the system-call filter keeps the worker from this machine's other processes"
            }
            Self::NoCapabilities => "a component that escapes WebAssembly keeps capabilities",
            Self::Landlock => "a component that escapes WebAssembly could open this user's files",
            Self::NewerLandlock => {
                "this kernel is older than Linux 6.12: only the system-call filter keeps the worker from the network, devices and other processes"
            }
            Self::Seccomp => "a component that escapes WebAssembly could use the network and run programs",
            Self::NoCoreDumps => {
                "a crash could write secrets to a core dump, which other programs of this user could read"
            }
            Self::DiesWithParent => "a worker could outlive this program for a short time",
        }
    }

    /// Returns what is weaker without all of these, one sentence each; one for all namespaces where none can be had.
    pub fn all_weaker(missing: &BTreeSet<Self>) -> Vec<&'static str> {
        let no_namespaces = Self::NAMESPACES.iter().all(|namespace| missing.contains(namespace));
        let single = missing.iter().filter(|wall| !(no_namespaces && Self::NAMESPACES.contains(wall)));
        let together = "the kernel gives the worker no namespaces of its own: only the system-call filter keeps it from this machine's network, processes, IPC and name";
        single.map(|wall| wall.weaker()).chain(no_namespaces.then_some(together)).collect()
    }
}

/// Tells a worker how to lock itself down.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SandboxSetup {
    /// Layers that are left out, for tests.
    pub without: Vec<SandboxLayer>,
    /// The process that it dies with.
    pub parent: u32,
    /// An empty directory on a RAM-backed file system, for where no tmpfs of its own can be had.
    pub fallback: Option<PathBuf>,
    /// Whether it needs a directory to work in. Without, the filter allows no system call that takes a path.
    pub preopen: bool,
    /// Private memory that it may have, in bytes.
    pub memory: u64,
    /// Whether the user namespace is left out: another process could leave it, but was nobody there.
    pub same_user_namespace: bool,
}

/// Says what left a process neither as it was nor as it should be. A fresh one that leaves this out does the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Halfway {
    /// It is in a new user namespace, as nobody.
    User,
    /// Its next child is in a new namespace for processes, and there can be none.
    Processes,
}

impl Halfway {
    /// Has the next process leave it out.
    pub fn leave_out(self, setup: &mut SandboxSetup) {
        match self {
            Self::User => setup.same_user_namespace = true,
            Self::Processes => setup.without.push(SandboxLayer::ProcessNamespace),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_there_are_no_namespaces_one_sentence_tells_it() {
        let sentences = SandboxLayer::all_weaker(&SandboxLayer::ALL.into());
        assert_eq!(sentences.len(), SandboxLayer::ALL.len() - 3);
        assert!(sentences.iter().any(|sentence| sentence.contains("no namespaces of its own")));
        let one = SandboxLayer::all_weaker(&[SandboxLayer::UtsNamespace].into());
        assert_eq!(one, [SandboxLayer::UtsNamespace.weaker()]);
        assert!(SandboxLayer::all_weaker(&BTreeSet::new()).is_empty());
    }
}
