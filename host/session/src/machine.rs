//! What of this machine limits memory.

use std::fs;
use std::path::{Path, PathBuf};

use artifacts_seam::CallError;
use artifacts_text::Explain;
use rustix::process::{Resource, getrlimit};

/// Says what makes memory short on this machine.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Shortage {
    /// `ulimit -v`, in bytes.
    #[error("its address space is limited to {} KiB (`RLIMIT_AS`, `ulimit -v`)", .0 >> 10)]
    AddressSpace(u64),
    /// `ulimit -d`, in bytes.
    #[error("its private memory is limited to {} KiB (`RLIMIT_DATA`, `ulimit -d`)", .0 >> 10)]
    Data(u64),
    /// A control group's limit, in bytes.
    #[error("its control group is limited to {bytes} bytes (`{}`)", .file.display())]
    Group {
        /// Where it is set.
        file: PathBuf,
        /// How much it is.
        bytes: u64,
    },
    /// None that could be found.
    #[error("the machine has no more memory")]
    Everything,
}

/// Private memory that a worker may need, in bytes: what is limited further is no reason.
const ENOUGH: u64 = 8 << 30;

impl Shortage {
    /// After memory was asked for and not given.
    pub(crate) fn of_failed() -> Self {
        Self::limit().unwrap_or(Self::Everything)
    }

    /// After a process ended without a word. One that was killed may have been killed for its memory.
    pub(crate) fn of_ended(killed: bool) -> Option<Self> {
        let group = || if killed { group() } else { None };
        Self::limit().or_else(group)
    }

    fn limit() -> Option<Self> {
        let below = |resource| getrlimit(resource).current.filter(|bytes| *bytes < ENOUGH);
        below(Resource::As).map(Self::AddressSpace).or_else(|| below(Resource::Data).map(Self::Data))
    }
}

impl Explain for Shortage {
    fn kind(&self) -> &'static str {
        "memory"
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::AddressSpace(_) => {
                "run `ulimit -v unlimited` before (or `LimitAS=infinity` in a unit): a worker reserves 4 GiB of addresses for each of its component's memories and uses little of it"
            }
            Self::Data(_) => "run `ulimit -d unlimited` before (or `LimitDATA=infinity` in a unit)",
            Self::Group { .. } => "raise it: `MemoryMax=` of the unit, or the container's limit of memory",
            Self::Everything => "end other programs, or add memory or swap",
        };
        Some(hint.to_owned())
    }
}

impl From<Shortage> for CallError {
    fn from(shortage: Shortage) -> Self {
        Self::Machine { limit: shortage.to_string(), help: shortage.hint().unwrap_or_default() }
    }
}

/// The tightest limit of the control groups that this process is in.
fn group() -> Option<Shortage> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let path = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    tightest(Path::new("/sys/fs/cgroup"), path)
}

fn tightest(root: &Path, group: &str) -> Option<Shortage> {
    let files = root
        .join(group)
        .ancestors()
        .take_while(|path| path.starts_with(root))
        .map(|path| path.join("memory.max"))
        .collect::<Vec<_>>();
    let limit = |file: PathBuf| {
        let bytes = fs::read_to_string(&file).ok()?.trim().parse().ok()?;
        Some((bytes, file))
    };
    files.into_iter().filter_map(limit).min().map(|(bytes, file)| Shortage::Group { file, bytes })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_tightest_group_is_named() {
        let root = tempfile::tempdir().unwrap();
        let inner = root.path().join("user.slice/shell.scope");
        fs::create_dir_all(&inner).unwrap();
        assert_eq!(tightest(root.path(), "user.slice/shell.scope"), None);
        fs::write(inner.join("memory.max"), "max\n").unwrap();
        assert_eq!(tightest(root.path(), "user.slice/shell.scope"), None);
        let above = root.path().join("user.slice/memory.max");
        fs::write(&above, "1048576\n").unwrap();
        let found = tightest(root.path(), "user.slice/shell.scope").unwrap();
        assert_eq!(found, Shortage::Group { file: above, bytes: 1 << 20 });
        assert!(found.to_string().contains("1048576 bytes") && found.to_string().contains("memory.max"));
    }
}
