//! Starting a process that shares nothing with this one. The memory of this process is not copied for it, however large it is: the
//! child borrows it until it is another program, and the calling thread waits for that, as with `posix_spawn`, which cannot do what
//! has to be done between the two.

use std::ffi::{CStr, CString, OsString, c_char, c_int, c_void};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::ExitStatus;
use std::ptr;
use std::sync::atomic::{AtomicI32, Ordering};

use rustix::io::retry_on_intr;
use rustix::mount::{MountFlags, MountPropagationFlags, mount_bind, mount_change, mount_remount};
use rustix::process::{
    Pid, Resource, Rlimit, Signal, WaitOptions, kill_process, set_parent_process_death_signal, setpgid, setrlimit,
    waitpid,
};
use rustix::thread::{UnshareFlags, unshare_unsafe};

/// Describes a program to start. It has an empty environment and begins in `/`.
pub(crate) struct Start<'a> {
    pub(crate) program: &'a Path,
    /// Arguments without the program's own name.
    pub(crate) arguments: Vec<OsString>,
    pub(crate) stdin: BorrowedFd<'a>,
    /// Standard output and standard error.
    pub(crate) output: BorrowedFd<'a>,
    /// Descriptors that it inherits besides, which stay open until it is started.
    pub(crate) kept: Vec<RawFd>,
    /// Largest size of a file that it writes, in bytes.
    pub(crate) file_size: u64,
}

/// Represents a process that was started. Its number is its own until it was waited for.
pub(crate) struct Started(Pid);

impl Started {
    /// Waits for its end, once.
    pub(crate) fn wait(&self) -> io::Result<ExitStatus> {
        match retry_on_intr(|| waitpid(Some(self.0), WaitOptions::empty()))? {
            Some((_, status)) => Ok(ExitStatus::from_raw(status.as_raw())),
            None => Err(io::Error::other("it did not end")),
        }
    }

    /// Kills it. It has to be waited for all the same.
    pub(crate) fn kill(&self) -> io::Result<()> {
        Ok(kill_process(self.0, Signal::KILL)?)
    }
}

/// Starts a program that inherits only its standard streams and what is kept: every other descriptor is closed, the session's key
/// ring is left, no core is dumped, no file exceeds a size, no signal is blocked or ignored, and it dies with the calling thread. It
/// leads a process group of its own.
pub(crate) fn spawn(start: Start<'_>) -> io::Result<Started> {
    let text = |words: Vec<u8>| CString::new(words).map_err(io::Error::from);
    let program = text(start.program.as_os_str().as_bytes().to_vec())?;
    let arguments = start.arguments.into_iter().map(|word| text(word.into_vec())).collect::<io::Result<Vec<_>>>()?;
    let words = std::iter::once(&program).chain(&arguments).map(|word| word.as_ptr());
    let child = Child {
        program: &program,
        words: words.chain([ptr::null()]).collect(),
        streams: [start.stdin.as_raw_fd(), start.output.as_raw_fd(), start.output.as_raw_fd()],
        kept: &start.kept,
        file_size: start.file_size,
        as_root: rustix::process::geteuid().is_root(),
        fault: AtomicI32::new(0),
    };
    let started = Started(child.started()?);
    match child.fault.load(Ordering::Relaxed) {
        0 => Ok(started),
        fault => {
            started.wait()?;
            Err(io::Error::from_raw_os_error(fault))
        }
    }
}

/// What the child needs: all of it is there before it begins.
struct Child<'a> {
    program: &'a CStr,
    /// The arguments with the program's own name, and the null at their end.
    words: Vec<*const c_char>,
    streams: [RawFd; 3],
    kept: &'a [RawFd],
    file_size: u64,
    as_root: bool,
    /// Why the program was not started; 0 if it was.
    fault: AtomicI32,
}

/// Bytes of the child's stack. It makes few calls, none of which calls itself.
const STACK: usize = 64 << 10;
/// The highest number of a signal on Linux.
const SIGNALS: c_int = 64;

impl Child<'_> {
    /// Starts the child, and returns when it is another program or has ended.
    #[allow(unsafe_code)]
    fn started(&self) -> io::Result<Pid> {
        let mut stack: Vec<MaybeUninit<u8>> = Vec::with_capacity(STACK);
        let top = stack.spare_capacity_mut().as_mut_ptr_range().end.cast::<c_void>();
        let this = ptr::from_ref(self).cast_mut().cast::<c_void>();
        // A handler of this process would run in the child, and on its memory.
        let blocked = block_signals()?;
        // SAFETY: with CLONE_VFORK this thread goes on when the child has executed a program or has ended, so `self` and `stack`
        // outlive its use of them. It has the memory to itself as far as it goes: `begin` writes to its own stack and to `fault`,
        // which is atomic, and otherwise makes system calls; it neither allocates, nor locks, nor panics, nor returns. What it changes
        // by them is its own, since nothing but memory is shared: no CLONE_FILES, CLONE_FS, CLONE_SIGHAND or CLONE_THREAD. `errno`, which
        // is this thread's, is read after it. `top` is the end of the stack, which glibc aligns.
        let child = unsafe { libc::clone(begin, top, libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD, this) };
        let failed = io::Error::last_os_error();
        set_signals(&blocked);
        Pid::from_raw(child).filter(|_| child > 0).ok_or(failed)
    }

    /// Becomes the program; returns only the reason why not.
    #[allow(unsafe_code)]
    fn execute(&self) -> io::Error {
        if let Err(error) = self.prepare() {
            return error;
        }
        let environment = [ptr::null::<c_char>()];
        // SAFETY: all pointers are to strings that end with a null byte, and both lists end with a null pointer.
        unsafe { libc::execve(self.program.as_ptr(), self.words.as_ptr(), environment.as_ptr()) };
        io::Error::last_os_error()
    }

    fn prepare(&self) -> io::Result<()> {
        default_signals();
        for (number, fd) in (0..).zip(self.streams) {
            duplicate(fd, number)?;
        }
        setpgid(None, None)?;
        rustix::process::chdir(c"/")?;
        close_on_exec();
        for fd in self.kept {
            inherit(*fd)?;
        }
        let limit = |bytes| Rlimit { current: Some(bytes), maximum: Some(bytes) };
        setrlimit(Resource::Core, limit(0))?;
        // A hard limit that is lower already cannot be raised, and is as good.
        let _ = setrlimit(Resource::Fsize, limit(self.file_size));
        rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
        leave_keyring();
        if self.as_root {
            // Best effort: a container's root may not be allowed to.
            let _ = keep_devices();
        }
        Ok(set_parent_process_death_signal(Some(Signal::KILL))?)
    }
}

/// Where the child begins, and ends if it becomes no other program.
#[allow(unsafe_code)]
extern "C" fn begin(child: *mut c_void) -> c_int {
    // SAFETY: it is the `Child` that `started` gave to `clone`, and which lives until the child is gone.
    let child = unsafe { &*child.cast::<Child<'_>>() };
    let error = child.execute();
    child.fault.store(error.raw_os_error().unwrap_or(libc::EIO), Ordering::Relaxed);
    // SAFETY: the call ends the child and nothing else: no destructor, no handler of this process's exit runs.
    unsafe { libc::_exit(127) }
}

/// Blocks every signal in this thread, and returns what was blocked before.
#[allow(unsafe_code)]
fn block_signals() -> io::Result<libc::sigset_t> {
    let (mut all, mut before) = (MaybeUninit::uninit(), MaybeUninit::uninit());
    // SAFETY: the calls fill the sets that they are given, and read the one that was filled.
    unsafe {
        libc::sigfillset(all.as_mut_ptr());
        match libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr()) {
            0 => Ok(before.assume_init()),
            error => Err(io::Error::from_raw_os_error(error)),
        }
    }
}

/// Blocks these signals in this thread and no others.
#[allow(unsafe_code)]
fn set_signals(blocked: &libc::sigset_t) {
    // SAFETY: the call reads a set that was filled.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, blocked, ptr::null_mut()) };
}

/// Gives every signal its default action, and then lets all of them through.
#[allow(unsafe_code)]
fn default_signals() {
    let mut none = MaybeUninit::uninit();
    // SAFETY: an action that is all zero is the default one without flags, and `sigaction` reads it. A number that is no signal, or one
    // that has no other action, is an error of no interest. The set is filled before it is read.
    unsafe {
        let default: libc::sigaction = std::mem::zeroed();
        for signal in 1..=SIGNALS {
            libc::sigaction(signal, &raw const default, ptr::null_mut());
        }
        libc::sigemptyset(none.as_mut_ptr());
        set_signals(none.assume_init_ref());
    }
}

#[allow(unsafe_code)]
fn duplicate(fd: RawFd, number: RawFd) -> io::Result<()> {
    // SAFETY: the call takes numbers. What it replaces is a standard stream of the child, which no value of it owns.
    if unsafe { libc::dup2(fd, number) } == number { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Marks every descriptor but the standard streams.
#[allow(unsafe_code)]
fn close_on_exec() {
    // SAFETY: close_range with CLOSE_RANGE_CLOEXEC sets a flag on descriptors and touches no memory.
    let done = unsafe { libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    if done == 0 {
        return;
    }
    // Linux before 5.11: one by one.
    let highest = rustix::process::getrlimit(Resource::Nofile).current.unwrap_or(1 << 20);
    for fd in 3..highest {
        let Ok(fd) = RawFd::try_from(fd) else { break };
        // SAFETY: F_SETFD sets a flag and touches no memory; a descriptor that is not open is an error that is of no interest.
        unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) };
    }
}

#[allow(unsafe_code)]
fn inherit(fd: RawFd) -> io::Result<()> {
    // SAFETY: F_SETFD clears a flag and touches no memory; the caller holds the descriptor open.
    if unsafe { libc::fcntl(fd, libc::F_SETFD, 0) } == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Joins a new, empty session key ring. A kernel without key rings has none to leave.
#[allow(unsafe_code)]
fn leave_keyring() {
    // SAFETY: with a null name the call reads no memory.
    unsafe { libc::syscall(libc::SYS_keyctl, libc::KEYCTL_JOIN_SESSION_KEYRING, std::ptr::null::<libc::c_char>()) };
}

/// Devices that bubblewrap binds in its `/dev`.
const DEVICES: [&CStr; 6] = [c"/dev/null", c"/dev/zero", c"/dev/full", c"/dev/random", c"/dev/urandom", c"/dev/tty"];

/// Makes the permissions and times of devices read-only in a separate mount namespace, from which bubblewrap binds
/// them: they belong to root, whatever user root is inside. Writing to a device works all the same.
#[allow(unsafe_code)]
fn keep_devices() -> io::Result<()> {
    // SAFETY: a new mount namespace changes no descriptor, and this process has one thread.
    unsafe { unshare_unsafe(UnshareFlags::NEWNS) }?;
    mount_change(c"/", MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC)?;
    for device in DEVICES {
        if mount_bind(device, device).is_ok() {
            mount_remount(device, MountFlags::BIND | MountFlags::RDONLY | MountFlags::NOSUID, c"")?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::fs::File;
    use std::io::Read as _;
    use std::os::fd::AsFd as _;

    use super::*;

    /// Runs a script, and returns how it ended and what it printed.
    fn ran(script: &str, kept: Vec<RawFd>) -> (ExitStatus, String) {
        let (mut output, end) = std::io::pipe().unwrap();
        let nothing = File::open("/dev/null").unwrap();
        let started = spawn(Start {
            program: Path::new("/bin/sh"),
            arguments: ["-c", script].map(OsString::from).into(),
            stdin: nothing.as_fd(),
            output: end.as_fd(),
            kept,
            file_size: 4096,
        });
        drop(end);
        let mut printed = String::new();
        output.read_to_string(&mut printed).unwrap();
        (started.unwrap().wait().unwrap(), printed)
    }

    #[test]
    fn it_begins_with_nothing_but_what_it_is_given() {
        let (read, write) = std::io::pipe().unwrap();
        // The shell looks at itself without starting a program: it blocks signals and has pipes open while it does.
        let inside = r#"echo $(env | grep -v -e ^PWD= -e ^_= -e ^SHLVL=); pwd; umask; ulimit -c; ulimit -f
            number=0; open=0
            while [ $number -lt 100 ]; do
                [ -e /proc/$$/fd/$number ] && open=$((open + 1))
                number=$((number + 1))
            done
            echo $open
            while read -r line; do case $line in SigBlk*|SigIgn*) echo "$line";; esac; done < /proc/$$/status
            read line; echo $?; echo error >&2; exit 7"#;
        let (status, printed) = ran(inside, vec![write.as_raw_fd()]);
        assert_eq!(status.code(), Some(7));
        let lines: Vec<&str> = printed.lines().map(str::trim).collect();
        let [env, dir, umask, cores, files, descriptors, blocked, ignored, at_end, error] = lines[..] else {
            panic!("{printed}")
        };
        assert_eq!((env, dir, umask, cores, files), ("", "/", "0022", "0", "8"), "{printed}");
        assert_eq!(descriptors, "4", "standard streams and what was kept: {printed}");
        // The C library keeps two for itself, and lets no one change what they do.
        let own = (1_u64 << 31) | (1 << 32);
        for signals in [blocked, ignored] {
            let (_, set) = signals.split_once('\t').unwrap();
            assert_eq!(u64::from_str_radix(set, 16).unwrap() & !own, 0, "{printed}");
        }
        assert_eq!((at_end, error), ("1", "error"), "{printed}");
        drop(read);
    }

    #[test]
    fn it_leads_its_group_and_can_be_killed() {
        let script = "set -- $(cat /proc/$$/stat); [ $5 = $$ ] && echo leads; exec sleep 1000";
        let (mut output, end) = std::io::pipe().unwrap();
        let nothing = File::open("/dev/null").unwrap();
        let arguments = ["-c", script].map(OsString::from).into();
        let (program, stdin, output_end) = (Path::new("/bin/sh"), nothing.as_fd(), end.as_fd());
        let started =
            spawn(Start { program, arguments, stdin, output: output_end, kept: Vec::new(), file_size: 4096 }).unwrap();
        let mut word = [0; 6];
        output.read_exact(&mut word).unwrap();
        assert_eq!(&word, b"leads\n");
        started.kill().unwrap();
        assert_eq!(started.wait().unwrap().signal(), Some(libc::SIGKILL));
    }

    #[test]
    fn what_cannot_be_executed_is_an_error_and_leaves_no_process() {
        let nothing = File::open("/dev/null").unwrap();
        let (stdin, output) = (nothing.as_fd(), nothing.as_fd());
        for (program, error) in [("/nowhere", libc::ENOENT), ("/", libc::EACCES), ("/dev/null", libc::EACCES)] {
            let (program, arguments, kept) = (Path::new(program), Vec::new(), Vec::new());
            let started = spawn(Start { program, arguments, stdin, output, kept, file_size: 0 });
            assert_eq!(started.err().and_then(|error| error.raw_os_error()), Some(error), "{}", program.display());
        }
        let (program, kept) = (Path::new("/bin/sh"), vec![RawFd::MAX]);
        let started = spawn(Start { program, arguments: Vec::new(), stdin, output, kept, file_size: 0 });
        assert_eq!(started.err().and_then(|error| error.raw_os_error()), Some(libc::EBADF));
        let arguments = vec![OsString::from("a\0b")];
        assert!(spawn(Start { program, arguments, stdin, output, kept: Vec::new(), file_size: 0 }).is_err());
    }

    #[test]
    fn many_are_started_at_once_and_each_has_its_own_words() {
        std::thread::scope(|scope| {
            for thread in 0..4 {
                scope.spawn(move || {
                    for number in 0..50 {
                        let (status, printed) = ran(&format!("echo {thread} {number}"), Vec::new());
                        assert!(status.success());
                        assert_eq!(printed, format!("{thread} {number}\n"));
                    }
                });
            }
        });
        let blocked = block_signals().unwrap();
        set_signals(&blocked);
        // SAFETY: the call reads a set that was filled.
        #[allow(unsafe_code)]
        let is_blocked = unsafe { libc::sigismember(&raw const blocked, libc::SIGTERM) };
        assert_eq!(is_blocked, 0, "what was let through before is again");
    }
}
