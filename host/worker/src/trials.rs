//! How each system call that the filter allows is tried from the inside: with something outside, or why there is nothing to try.

use std::os::fd::BorrowedFd;
use std::sync::OnceLock;

use libc::c_long;
use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, RenameFlags, ResolveFlags, StatxFlags, Timespec, Timestamps, UTIME_NOW,
    UTIME_OMIT, linkat, mkdirat, openat2, readlinkat, renameat, renameat_with, statat, statx, symlinkat, unlinkat,
    utimensat,
};
use rustix::io::Errno;
use rustix::process::Pid;

use crate::lockdown::{Call, Takes};
use crate::proven;

/// How a call is tried.
pub(crate) enum Trial {
    /// There is nothing outside that it could be tried with, for this reason.
    Harmless(#[allow(dead_code, reason = "for who reads this table")] &'static str),
    /// It is: what could be done that should not be possible.
    Tried(fn() -> Vec<String>),
}

/// Places outside: those of the machine, and ways up and around.
const OUTSIDE: &[&str] = &[
    "/etc",
    "/etc/passwd",
    "/etc/shadow",
    "/tmp",
    "/root",
    "/home",
    "/dev/null",
    "/dev/shm",
    "/proc",
    "/proc/1",
    "/proc/self/exe",
    "/proc/self/environ",
    "/proc/self/fd/0",
    "/proc/self/root",
    "/sys",
    "/nix/store",
    "../etc/passwd",
    "../../../../../../../../etc/passwd",
    "./../proc/self/root",
    "etc/passwd",
];

/// Which signal is sent when there is something to read; the crate `libc` does not have it.
const F_SETSIG: i32 = 10;

/// The device of the root, as it was seen before the filter.
pub(crate) static ROOT: OnceLock<u64> = OnceLock::new();

/// The trial of a call, if somebody thought of one.
pub(crate) fn of(call: &Call) -> Option<Trial> {
    match call.takes {
        Takes::Nothing => by_itself(call.number),
        Takes::Process => process(call.number),
        Takes::Descriptor => descriptor(call.number),
        Takes::Path => path(call.number),
    }
}

fn by_itself(number: c_long) -> Option<Trial> {
    Some(match number {
        libc::SYS_clone => Trial::Tried(|| done("starting a process", proven::can_fork())),
        libc::SYS_mmap => Trial::Tried(|| done("sharing memory that no limit counts", proven::can_share_memory())),
        libc::SYS_brk | libc::SYS_madvise | libc::SYS_mprotect | libc::SYS_mremap | libc::SYS_munmap => {
            Trial::Harmless("memory of its own, within its limit")
        }
        libc::SYS_eventfd2 => Trial::Harmless("a new descriptor that nothing else has"),
        libc::SYS_exit | libc::SYS_exit_group => Trial::Harmless("its own end"),
        libc::SYS_futex | libc::SYS_set_robust_list | libc::SYS_rseq => Trial::Harmless("memory that only it has"),
        libc::SYS_getpid | libc::SYS_gettid | libc::SYS_getrandom | libc::SYS_membarrier => {
            Trial::Harmless("numbers, and none of another process")
        }
        libc::SYS_nanosleep | libc::SYS_sched_yield | libc::SYS_restart_syscall => Trial::Harmless("waiting"),
        libc::SYS_rt_sigaction | libc::SYS_rt_sigprocmask | libc::SYS_rt_sigreturn | libc::SYS_sigaltstack => {
            Trial::Harmless("its own signals, of which it can send none")
        }
        _ => return None,
    })
}

fn process(number: c_long) -> Option<Trial> {
    Some(match number {
        libc::SYS_clock_gettime => Trial::Tried(|| {
            // Clocks of processes and threads: the complement of the number, and two kinds in the lower bits.
            let clocks = (1..64).flat_map(|pid: i32| (0..8).map(move |kind| (!pid << 3) | kind));
            done("reading the clock of a process", clocks.chain([i32::MIN, -1]).any(proven::can_read_clock))
        }),
        libc::SYS_clock_getres | libc::SYS_clock_nanosleep => {
            Trial::Harmless("the same numbers as for `clock_gettime`, by the same condition")
        }
        libc::SYS_sched_getaffinity => Trial::Tried(|| {
            let asked = |pid| rustix::thread::sched_getaffinity(Pid::from_raw(pid)).is_ok();
            done("asking for another process", (1..64).any(asked))
        }),
        _ => return None,
    })
}

fn descriptor(number: c_long) -> Option<Trial> {
    Some(match number {
        // Whatever a call does with a descriptor, it does it with one of these.
        libc::SYS_fstat => Trial::Tried(foreign_descriptors),
        libc::SYS_fcntl => Trial::Tried(|| {
            let commands = [
                ("asking for a signal", libc::F_SETOWN, 1),
                ("choosing a signal", F_SETSIG, libc::SIGKILL),
                ("watching for changes", libc::F_NOTIFY, 1),
                ("taking a lease", libc::F_SETLEASE, libc::F_RDLCK),
                ("making a pipe larger", libc::F_SETPIPE_SZ, 1 << 20),
                ("asking for signals when there is something to read", libc::F_SETFL, libc::O_ASYNC),
            ];
            let can = |(_, command, value): &(_, i32, i32)| {
                (0..3).any(|descriptor| proven::can_control(descriptor, *command, *value))
            };
            commands.into_iter().filter(can).map(|(what, ..)| what.to_owned()).collect()
        }),
        libc::SYS_close
        | libc::SYS_dup
        | libc::SYS_epoll_ctl
        | libc::SYS_epoll_pwait
        | libc::SYS_fadvise64
        | libc::SYS_fdatasync
        | libc::SYS_fsync
        | libc::SYS_ftruncate
        | libc::SYS_getdents64
        | libc::SYS_lseek
        | libc::SYS_ppoll
        | libc::SYS_pread64
        | libc::SYS_preadv
        | libc::SYS_preadv2
        | libc::SYS_pwrite64
        | libc::SYS_pwritev
        | libc::SYS_pwritev2
        | libc::SYS_read
        | libc::SYS_readv
        | libc::SYS_write
        | libc::SYS_writev => Trial::Harmless("only descriptors that `fstat` is tried with"),
        #[cfg(target_arch = "x86_64")]
        libc::SYS_epoll_wait | libc::SYS_poll => Trial::Harmless("only descriptors that `fstat` is tried with"),
        _ => return None,
    })
}

/// Descriptors that are neither a pipe nor of the kernel's own making nor below the root.
fn foreign_descriptors() -> Vec<String> {
    let root = ROOT.get();
    let mut foreign = Vec::new();
    for number in 0..1024 {
        let Some(stat) = proven::stat_of(number) else { continue };
        let kind = FileType::from_raw_mode(stat.st_mode);
        // What has no type is an event counter or the like.
        let own = kind == FileType::Fifo || stat.st_mode & libc::S_IFMT == 0;
        if !own && root != Some(&stat.st_dev) {
            foreign.push(format!("using descriptor {number}, a {kind:?} outside"));
        }
    }
    foreign
}

fn path(number: c_long) -> Option<Trial> {
    Some(Trial::Tried(match number {
        libc::SYS_newfstatat => look_at,
        libc::SYS_statx => || each("looking at", |path| statx(CWD, path, AtFlags::empty(), StatxFlags::ALL).is_ok()),
        libc::SYS_readlinkat => || each("reading the link", |path| readlinkat(CWD, path, Vec::new()).is_ok()),
        libc::SYS_openat => open_outside,
        libc::SYS_openat2 => open_resolved,
        libc::SYS_utimensat => set_times,
        libc::SYS_mkdirat => make_directory,
        // Onto itself: nothing happens, and the answer tells whether it is there.
        libc::SYS_linkat => || each("linking", |path| exists(linkat(CWD, path, CWD, path, AtFlags::empty()))),
        libc::SYS_renameat => || each("renaming", |path| exists(renameat(CWD, path, CWD, path))),
        libc::SYS_renameat2 => {
            || each("renaming", |path| exists(renameat_with(CWD, path, CWD, path, RenameFlags::NOREPLACE)))
        }
        libc::SYS_symlinkat => make_links,
        libc::SYS_unlinkat => remove,
        _ => return None,
    }))
}

fn look_at() -> Vec<String> {
    let flags = [AtFlags::empty(), AtFlags::SYMLINK_NOFOLLOW];
    each("looking at", |path| flags.into_iter().any(|flags| statat(CWD, path, flags).is_ok()))
}

fn open_outside() -> Vec<String> {
    let flags = [
        OFlags::RDONLY | OFlags::NONBLOCK,
        OFlags::PATH,
        OFlags::PATH | OFlags::NOFOLLOW,
        OFlags::WRONLY | OFlags::NONBLOCK,
    ];
    let mut opened = each("opening", |path| flags.into_iter().any(|flags| open(CWD, path, flags)));
    // The root is its own: it is empty, or holds what was put there.
    opened.extend(done("listing the machine's root", listed("/") || listed("..")));
    opened.extend(done("writing to /tmp", open(CWD, "/tmp/.artifacts-probe", OFlags::WRONLY | OFlags::CREATE)));
    let _ = unlinkat(CWD, "/tmp/.artifacts-probe", AtFlags::empty());
    opened
}

fn open_resolved() -> Vec<String> {
    let ways = [ResolveFlags::empty(), ResolveFlags::IN_ROOT];
    let flags = [OFlags::RDONLY | OFlags::NONBLOCK, OFlags::PATH];
    let can = |path: &str, way| flags.into_iter().any(|flags| openat2(CWD, path, flags, Mode::empty(), way).is_ok());
    each("opening", |path| ways.into_iter().any(|way| can(path, way)))
}

fn set_times() -> Vec<String> {
    // Their time is always about now.
    let time = |tv_nsec| Timespec { tv_sec: 0, tv_nsec };
    let times = Timestamps { last_access: time(UTIME_OMIT), last_modification: time(UTIME_NOW) };
    let set = |path: &&&str| utimensat(CWD, **path, &times, AtFlags::empty()).is_ok();
    let told = |path: &&str| format!("setting the time of {path}");
    ["/tmp", "/dev/shm", "/dev/null", "../tmp"].iter().filter(set).map(told).collect()
}

fn make_directory() -> Vec<String> {
    let path = format!("/tmp/.artifacts-probe-{}", std::process::id());
    let made = mkdirat(CWD, &path, Mode::RWXU).is_ok();
    let _ = unlinkat(CWD, &path, AtFlags::REMOVEDIR);
    done("writing to /tmp", made)
}

fn make_links() -> Vec<String> {
    let made = symlinkat("x", CWD, "/tmp/.artifacts-probe-link").is_ok();
    let _ = unlinkat(CWD, "/tmp/.artifacts-probe-link", AtFlags::empty());
    // A link that it makes itself leads nowhere either.
    let _ = symlinkat("/etc/passwd", CWD, "way-out");
    let followed = open(CWD, "way-out", OFlags::PATH);
    let _ = unlinkat(CWD, "way-out", AtFlags::empty());
    [done("writing to /tmp", made), done("following its own link", followed)].concat()
}

fn remove() -> Vec<String> {
    // As if they were files: they stay, and the answer tells whether they are there.
    let found = |path: &&&str| exists(unlinkat(CWD, **path, AtFlags::empty()));
    let told = |path: &&str| format!("removing {path}");
    ["/etc", "/proc", "/tmp", "../etc"].iter().filter(found).map(told).collect()
}

fn exists(result: rustix::io::Result<()>) -> bool {
    matches!(result, Ok(()) | Err(Errno::EXIST | Errno::ISDIR | Errno::BUSY))
}

fn open(directory: BorrowedFd<'_>, path: &str, flags: OFlags) -> bool {
    rustix::fs::openat(directory, path, flags | OFlags::CLOEXEC, Mode::RUSR).is_ok()
}

fn listed(path: &str) -> bool {
    std::fs::read_dir(path).is_ok_and(|mut entries| {
        entries
            .any(|entry| entry.is_ok_and(|entry| ["etc", "proc", "usr"].iter().any(|name| entry.file_name() == *name)))
    })
}

fn done(what: &str, could: bool) -> Vec<String> {
    if could { vec![what.to_owned()] } else { Vec::new() }
}

/// What can be done with the places outside.
fn each(what: &str, could: impl Fn(&str) -> bool) -> Vec<String> {
    OUTSIDE.iter().filter(|path| could(path)).map(|path| format!("{what} {path}")).collect()
}

/// Calls that the filter denies, each with arguments that do nothing: those that could be made all the same.
pub(crate) fn not_denied(paths: bool) -> Vec<String> {
    let with_paths = PATHS.iter().filter(|_| !paths);
    let made = DENIED.iter().chain(with_paths).filter(|(_, number)| !proven::is_denied(*number));
    made.map(|(name, _)| format!("making the system call {name}")).collect()
}

macro_rules! named {
    ($( $name:ident ),* $(,)?) => { &[ $( (stringify!($name), libc::$name) ),* ] };
}

/// What the filter is there for.
const DENIED: &[(&str, c_long)] = named![
    SYS_add_key,
    SYS_bpf,
    SYS_capset,
    SYS_chdir,
    SYS_chroot,
    SYS_clone3,
    SYS_copy_file_range,
    SYS_execve,
    SYS_execveat,
    SYS_faccessat,
    SYS_fanotify_mark,
    SYS_fchdir,
    SYS_fchmodat,
    SYS_fchownat,
    SYS_fgetxattr,
    SYS_flistxattr,
    SYS_fsmount,
    SYS_fsopen,
    SYS_fstatfs,
    SYS_getpgid,
    SYS_getpriority,
    SYS_getsid,
    SYS_getxattr,
    SYS_inotify_add_watch,
    SYS_io_uring_setup,
    SYS_ioctl,
    SYS_kcmp,
    SYS_keyctl,
    SYS_kill,
    SYS_landlock_create_ruleset,
    SYS_memfd_create,
    SYS_mknodat,
    SYS_mount,
    SYS_move_mount,
    SYS_mq_open,
    SYS_name_to_handle_at,
    SYS_open_by_handle_at,
    SYS_open_tree,
    SYS_perf_event_open,
    SYS_pidfd_getfd,
    SYS_pidfd_open,
    SYS_pidfd_send_signal,
    SYS_pivot_root,
    SYS_prctl,
    SYS_prlimit64,
    SYS_process_madvise,
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_ptrace,
    SYS_rt_sigqueueinfo,
    SYS_rt_tgsigqueueinfo,
    SYS_sched_getattr,
    SYS_sched_setaffinity,
    SYS_seccomp,
    SYS_semget,
    SYS_sendfile,
    SYS_setns,
    SYS_setrlimit,
    SYS_setxattr,
    SYS_shmget,
    SYS_socket,
    SYS_socketpair,
    SYS_splice,
    SYS_statfs,
    SYS_tee,
    SYS_tgkill,
    SYS_timer_create,
    SYS_tkill,
    SYS_truncate,
    SYS_umount2,
    SYS_uname,
    SYS_unshare,
    SYS_userfaultfd,
    SYS_vmsplice,
    SYS_waitid,
];

/// What it is there for besides where no path is needed.
const PATHS: &[(&str, c_long)] = named![
    SYS_linkat,
    SYS_mkdirat,
    SYS_newfstatat,
    SYS_openat,
    SYS_openat2,
    SYS_readlinkat,
    SYS_renameat,
    SYS_renameat2,
    SYS_statx,
    SYS_symlinkat,
    SYS_unlinkat,
    SYS_utimensat,
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lockdown::allowed;

    #[test]
    fn every_allowed_call_is_tried_or_said_to_be_harmless() {
        for call in allowed(true) {
            assert!(of(call).is_some(), "{} is allowed, and nobody tries it", call.name);
            let tried = matches!(of(call), Some(Trial::Tried(_)));
            assert!(tried || call.takes != Takes::Path, "{} takes a path, and nobody tries it", call.name);
        }
    }

    #[test]
    fn no_call_is_both_allowed_and_denied() {
        for (name, number) in DENIED {
            assert!(allowed(true).all(|call| call.number != *number), "{name}");
        }
        let without: Vec<_> = allowed(false).map(|call| call.number).collect();
        for (name, number) in PATHS {
            assert!(!without.contains(number), "{name}");
        }
        assert_eq!(allowed(true).count() - without.len(), PATHS.len());
    }
}
