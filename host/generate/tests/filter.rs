//! What of the kernel a generator reaches, and that programs of all kinds do not miss the rest.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::missing_panics_doc)]

mod common;

use artifacts_generate::Job;
use common::{CHILD, RamDir};

/// A job in which this test runs once more, as the generator.
fn inside(place: &RamDir, test: &str) -> Job {
    let program = std::env::current_exe().unwrap();
    let body = format!(
        "export {CHILD}=/out; '{}' --exact {test} --nocapture > /tmp/said 2>&1 || {{ cat /tmp/said; exit 1; }}",
        program.display()
    );
    let mut job = place.job(&body, &["it"]);
    job.closure = vec![program.parent().unwrap().to_owned().into()];
    job
}

#[test]
fn a_filter_is_in_place() {
    let place = RamDir::new();
    assert_eq!(place.says("grep Seccomp: /proc/self/status > $out/it"), "Seccomp:\t2\n");
    // The first process of the sandbox is held to it as well.
    assert_eq!(place.says("grep Seccomp: /proc/1/status > $out/it"), "Seccomp:\t2\n");
}

#[test]
#[allow(unsafe_code)]
fn calls_are_denied_by_the_kernel() {
    const TEST: &str = "calls_are_denied_by_the_kernel";
    if common::child_place().is_none() {
        let place = RamDir::new();
        let said = place.says_in(&inside(&place, TEST));
        let (own, foreign) = said.split_once('\n').unwrap();
        let calls = "io_uring_setup bpf keyctl add_key perf_event_open userfaultfd mount unshare TIOCSTI ";
        assert_eq!(own, format!("{calls}clone3:{} new:{} vsock:{}", libc::ENOSYS, libc::ENOSYS, libc::EAFNOSUPPORT));
        assert!(["", "io_uring_setup keyctl unshare socketcall"].contains(&foreign), "{foreign}");
        if cfg!(target_arch = "x86_64") && std::fs::exists("/proc/sys/abi").unwrap() {
            assert!(!foreign.is_empty(), "the 32-bit calls were not tried");
        }
        return;
    }
    let errno = |done: i64| {
        assert_eq!(done, -1);
        std::io::Error::last_os_error().raw_os_error().unwrap()
    };
    let mut said = String::new();
    // With arguments of which the kernel itself would say something else than "not permitted".
    for (name, call, first, second) in [
        ("io_uring_setup", libc::SYS_io_uring_setup, 0, 0),
        ("bpf", libc::SYS_bpf, 1 << 20, 0),
        ("keyctl", libc::SYS_keyctl, 1 << 20, 0),
        ("add_key", libc::SYS_add_key, 0, 0),
        ("perf_event_open", libc::SYS_perf_event_open, 0, 0),
        ("userfaultfd", libc::SYS_userfaultfd, 1 << 20, 0),
        ("mount", libc::SYS_mount, 0, 1),
        ("unshare", libc::SYS_unshare, i64::from(libc::CLONE_NEWUSER), 0),
        ("TIOCSTI", libc::SYS_ioctl, 0, 0x5412),
    ] {
        // SAFETY: none of these calls is given memory, and none gets past its first look at the arguments.
        if errno(unsafe { libc::syscall(call, first, second, 0, 0, 0) }) == libc::EPERM {
            said += name;
            said += " ";
        }
    }
    // SAFETY: as above.
    let (clone3, new) = unsafe { (errno(libc::syscall(libc::SYS_clone3, 0, 0)), errno(libc::syscall(1_000, 0, 0))) };
    // SAFETY: the call touches no memory.
    let vsock = errno(i64::from(unsafe { libc::socket(libc::AF_VSOCK, libc::SOCK_STREAM, 0) }));
    let said = format!("{said}clone3:{clone3} new:{new} vsock:{vsock}\n{}", foreign());
    std::fs::write("/out/it", said).unwrap();
}

/// Those of a few 32-bit calls that are denied; nothing where the machine has none.
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
fn foreign() -> String {
    fn call(number: i32, first: i32, second: i32) -> i32 {
        let done: i32;
        // SAFETY: the calls below are given no memory. `rbx` is the compiler's own and is put back; the kernel may clear
        // r8 to r11.
        unsafe {
            std::arch::asm!(
                "xchg rsi, rbx", "int 0x80", "xchg rsi, rbx",
                inlateout("eax") number => done, inlateout("rsi") i64::from(first) => _, in("ecx") second, in("edx") 0,
                lateout("r8") _, lateout("r9") _, lateout("r10") _, lateout("r11") _,
            );
        }
        done
    }
    // getpid: without the 32-bit ABI the kernel ends the program, which is not known before.
    if !std::fs::exists("/proc/sys/abi").unwrap_or(false) || call(20, 0, 0) <= 0 {
        return String::new();
    }
    let denied = [
        ("io_uring_setup", call(425, 0, 0), libc::EPERM),
        ("keyctl", call(288, 1 << 20, 0), libc::EPERM),
        ("unshare", call(310, libc::CLONE_NEWUSER, 0), libc::EPERM),
        ("socketcall", call(102, 1, 0), libc::ENOSYS),
    ];
    let names = denied.iter().filter(|(_, done, expected)| *done == -*expected).map(|(name, ..)| *name);
    names.collect::<Vec<_>>().join(" ")
}

#[cfg(not(target_arch = "x86_64"))]
fn foreign() -> String {
    String::new()
}

#[test]
fn bash_perl_openssl_and_ssh_keygen_miss_nothing() {
    let place = RamDir::new();
    let said = place.says(
        "set -euo pipefail
         cd /tmp
         openssl req -x509 -newkey rsa:2048 -nodes -keyout key -out cert -days 1 -subj /CN=x 2> /dev/null
         openssl x509 -in cert -noout -subject | tr -d ' '
         ssh-keygen -q -t ed25519 -N '' -C x -f id
         ssh-keygen -l -f id.pub | cut -d' ' -f4
         perl -e 'my $pid = fork // die; exit 0 unless $pid; waitpid $pid, 0; print \"forked\\n\"'
         perl -MIO::Socket::UNIX -e 'IO::Socket::UNIX->new(Local => \"/tmp/s\", Listen => 1) or die; print \"listens\\n\"'
         sleep 9 & kill %1; wait %1 || echo \"waited $?\"
         exec > $out/it; openssl x509 -in cert -noout -subject | tr -d ' '; ssh-keygen -l -f id.pub | cut -d' ' -f4",
    );
    assert_eq!(said, "subject=CN=x\n(ED25519)\n");
}
