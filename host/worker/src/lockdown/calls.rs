//! The system calls that a worker may make, and what each takes that could lead outside.

use libc::c_long;

/// A system call that the filter allows.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) number: c_long,
    pub(crate) name: &'static str,
    /// What it takes.
    pub(crate) takes: Takes,
    /// With which arguments: all conditions of one of these. Without any, with all arguments.
    pub(super) only: &'static [&'static [Argument]],
}

/// What a call takes that could lead outside of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Takes {
    /// Numbers and memory of its own.
    Nothing,
    /// A descriptor that is open already.
    Descriptor,
    /// A path.
    Path,
    /// The number of a process, or of a clock, which may be a process's.
    Process,
}

/// A condition on one argument.
#[derive(Debug)]
pub(super) enum Argument {
    /// The lower 32 bits are this.
    Is(u8, u32),
    /// The lower 32 bits are at most this.
    AtMost(u8, u32),
    /// These bits are as in the last number.
    Bits(u8, u64, u64),
}

use Argument::{AtMost, Bits, Is};

macro_rules! calls {
    ($( $takes:ident: $( $name:ident $(($only:expr))? ),* ; )*) => {
        &[ $( $( Call {
            number: libc::$name,
            name: stringify!($name),
            takes: Takes::$takes,
            only: calls!(@ $($only)?),
        }, )* )* ]
    };
    (@ $only:expr) => { $only };
    (@) => { &[] };
}

const CLOCK: &[&[Argument]] = &[&[AtMost(0, libc::CLOCK_TAI.unsigned_abs())]];
/// A thread ends with its process; another process would live on when this one is ended.
const THREADS: &[&[Argument]] = &[&[Bits(0, libc::CLONE_THREAD as u64, libc::CLONE_THREAD as u64)]];
/// What is shared counts as nobody's memory, and outlives its mapping.
const PRIVATE: &[&[Argument]] = &[&[Bits(3, 0xf, libc::MAP_PRIVATE as u64)]];
/// No signal is sent when something is ready, no lease is taken, no lock, no pipe is made larger.
const FLAGS: &[&[Argument]] = &[
    &[Is(1, libc::F_DUPFD_CLOEXEC as u32)],
    &[Is(1, libc::F_GETFD as u32)],
    &[Is(1, libc::F_SETFD as u32)],
    &[Is(1, libc::F_GETFL as u32)],
    &[Is(1, libc::F_SETFL as u32), Bits(2, libc::O_ASYNC as u64, 0)],
];

/// Memory, threads, time, the pipes, and open files. Everything else is "operation not permitted": sockets, other programs, other
/// processes, signals, mounts, keys, devices' own calls, `io_uring`.
const ALLOWED: &[Call] = calls! {
    Nothing:
        SYS_brk, SYS_clone(THREADS), SYS_eventfd2, SYS_exit, SYS_exit_group, SYS_futex, SYS_getpid, SYS_getrandom, SYS_gettid,
        SYS_madvise, SYS_membarrier, SYS_mmap(PRIVATE), SYS_mprotect, SYS_mremap, SYS_munmap, SYS_nanosleep,
        SYS_restart_syscall, SYS_rseq, SYS_rt_sigaction, SYS_rt_sigprocmask, SYS_rt_sigreturn, SYS_sched_yield,
        SYS_set_robust_list, SYS_sigaltstack;
    Process:
        SYS_clock_getres(CLOCK), SYS_clock_gettime(CLOCK), SYS_clock_nanosleep(CLOCK), SYS_sched_getaffinity(&[&[Is(0, 0)]]);
    Descriptor:
        SYS_close, SYS_dup, SYS_epoll_ctl, SYS_epoll_pwait, SYS_fadvise64, SYS_fcntl(FLAGS), SYS_fdatasync, SYS_fstat,
        SYS_fsync, SYS_ftruncate, SYS_getdents64, SYS_lseek, SYS_ppoll, SYS_pread64, SYS_preadv, SYS_preadv2, SYS_pwrite64,
        SYS_pwritev, SYS_pwritev2, SYS_read, SYS_readv, SYS_write, SYS_writev;
    Path:
        SYS_linkat, SYS_mkdirat, SYS_newfstatat, SYS_openat, SYS_openat2, SYS_readlinkat, SYS_renameat, SYS_renameat2,
        SYS_statx, SYS_symlinkat, SYS_unlinkat, SYS_utimensat;
};

/// Older forms of the same, which only x86-64 has.
#[cfg(target_arch = "x86_64")]
const OLDER: &[Call] = calls! { Descriptor: SYS_epoll_wait, SYS_poll; };
#[cfg(not(target_arch = "x86_64"))]
const OLDER: &[Call] = &[];

/// What does not exist in a worker, so that libraries do without. What `clone3` is to make is in memory, where a filter cannot
/// look. A `memfd` is memory that no limit of a process counts.
pub(super) const ABSENT: &[c_long] = &[libc::SYS_clone3, libc::SYS_memfd_create];

/// What the filter allows, with or without calls that take a path.
pub(crate) fn allowed(paths: bool) -> impl Iterator<Item = &'static Call> {
    ALLOWED.iter().chain(OLDER).filter(move |call| paths || call.takes != Takes::Path)
}
