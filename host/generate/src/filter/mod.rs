//! The system-call filter of generators: a list of what is denied, since a generator may be any program.
//!
//! Bubblewrap takes away what has a name: files, processes, network. The filter takes away parts of the kernel that need no
//! name and no capability. A call that is newer than the filter does not exist, so that a library falls back to an older one.
//! Debuggers (`ptrace`, `process_vm_readv`) stay: they reach the generator's own processes and no other.

mod bpf;
mod calls;

use bpf::{Assembler, Field};
use calls::{Abi, DENIED, FAMILIES, LAST, NAMESPACES, NEW_TIME, TERMINAL};

const EPERM: u32 = libc::EPERM.unsigned_abs();
const ENOSYS: u32 = libc::ENOSYS.unsigned_abs();
const EAFNOSUPPORT: u32 = libc::EAFNOSUPPORT.unsigned_abs();

/// Returns the filter as bubblewrap reads it. None where the machine's processor has no list: there is no build for it.
pub(crate) fn program(network: bool) -> Option<Vec<u8>> {
    let abis = calls::abis(std::env::consts::ARCH)?;
    Some(bpf::encode(&assemble(abis, network)))
}

/// Builds one section for each ABI in which programs of this machine may call the kernel.
fn assemble(abis: &[Abi], network: bool) -> Vec<bpf::Instruction> {
    let mut filter = Assembler::default();
    for abi in abis {
        let section = section(abi, network);
        filter.load(Field::Architecture);
        filter.when_equal(abi.audit, section);
    }
    filter.fail(ENOSYS);
    filter.instructions()
}

fn section(abi: &Abi, network: bool) -> Assembler {
    let mut section = Assembler::default();
    section.load(Field::Number);
    // Above the last known one are new calls, and those of x32: anyone who wants one falls back, or does without.
    for (from, to) in abi.unknown {
        section.fail_between(*from, *to, ENOSYS);
    }
    section.fail_above(abi.last_own.unwrap_or(LAST), ENOSYS);
    // Its flags are in memory, where a filter cannot look; libraries fall back to `clone`.
    section.fail_when_equal(abi.clone3, ENOSYS);
    for number in DENIED.iter().filter_map(|call| call.numbers[abi.column]) {
        section.fail_when_equal(number, EPERM);
    }
    section.when_equal(abi.clone, flags(NAMESPACES));
    section.when_equal(abi.unshare, flags(NAMESPACES | NEW_TIME));
    section.when_equal(abi.ioctl, requests());
    section.when_equal(abi.socket, families());
    // One call for all of a 32-bit program's sockets, whose arguments are in memory as well.
    if let Some(number) = abi.socketcall.filter(|_| !network) {
        section.fail_when_equal(number, ENOSYS);
    }
    section.allow();
    section
}

/// Denies flags of a call's first argument.
fn flags(denied: u32) -> Assembler {
    let mut check = Assembler::default();
    check.load(Field::Argument(0));
    check.fail_when_any_bit(denied, EPERM);
    check.allow();
    check
}

/// Denies what types at a terminal in another's place.
fn requests() -> Assembler {
    let mut check = Assembler::default();
    check.load(Field::Argument(1));
    for request in TERMINAL {
        check.fail_when_equal(request, EPERM);
    }
    check.allow();
    check
}

/// Allows those families of sockets that a network namespace separates.
fn families() -> Assembler {
    let mut check = Assembler::default();
    check.load(Field::Argument(0));
    for family in FAMILIES {
        check.allow_when_equal(family);
    }
    check.fail(EAFNOSUPPORT);
    check
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::bpf::{ALLOW, Data, ERRNO, run};
    use super::*;

    const MACHINES: [&str; 2] = ["x86_64", "aarch64"];

    fn says(machine: &str, abi: &Abi, network: bool, number: u32, arguments: [u32; 2]) -> u32 {
        let filter = assemble(calls::abis(machine).unwrap(), network);
        assert!(filter.len() <= 4096, "the kernel takes no more");
        run(&filter, &Data { architecture: abi.audit, number, arguments })
    }

    fn each(check: impl Fn(&dyn Fn(u32, [u32; 2]) -> u32, &Abi)) {
        for machine in MACHINES {
            for abi in calls::abis(machine).unwrap() {
                check(&|number, arguments| says(machine, abi, false, number, arguments), abi);
            }
        }
    }

    #[test]
    fn what_is_listed_is_denied_in_every_abi() {
        each(|says, abi| {
            for call in DENIED {
                if let Some(number) = call.numbers[abi.column] {
                    assert_eq!(says(number, [0, 0]), ERRNO | EPERM, "{} as {number}", call.name);
                }
            }
            assert_eq!(says(abi.clone3, [0, 0]), ERRNO | ENOSYS);
        });
    }

    #[test]
    fn what_is_new_does_not_exist() {
        each(|says, _| {
            assert_eq!(says(LAST, [0, 0]), ALLOW);
            for number in [LAST + 1, 1000, 0x4000_0000, 0x4000_0209, u32::MAX] {
                assert_eq!(says(number, [0, 0]), ERRNO | ENOSYS, "{number}");
            }
        });
        let [own, ..] = calls::abis("aarch64").unwrap() else { panic!("no ABI") };
        assert_eq!(says("aarch64", &Abi { audit: 0x8000_0016, ..*own }, false, 0, [0, 0]), ERRNO | ENOSYS);
        // What only the kernel's 32-bit ARM has: cache flushes and thread pointers.
        let arm = &calls::abis("aarch64").unwrap()[1];
        assert_eq!(says("aarch64", arm, false, 0x000f_0002, [0, 0]), ALLOW);
        assert_eq!(says("aarch64", arm, false, 0x000f_0005, [0, 0]), ALLOW);
        assert_eq!(says("aarch64", arm, false, 0x000f_0007, [0, 0]), ERRNO | ENOSYS);
    }

    #[test]
    fn arguments_decide_where_they_can() {
        each(|says, abi| {
            assert_eq!(says(abi.clone, [0x003d_0f00, 0]), ALLOW, "a thread");
            assert_eq!(says(abi.clone, [0x4111, 0]), ALLOW, "vfork, with SIGCHLD");
            assert_eq!(says(abi.clone, [0x1000_0011, 0]), ERRNO | EPERM, "a user namespace");
            assert_eq!(says(abi.unshare, [0x200, 0]), ALLOW);
            assert_eq!(says(abi.unshare, [0x80, 0]), ERRNO | EPERM);
            assert_eq!(says(abi.ioctl, [0, 0x5401]), ALLOW);
            assert_eq!(says(abi.ioctl, [0, 0x5412]), ERRNO | EPERM, "TIOCSTI");
            assert_eq!(says(abi.ioctl, [0, 0x541c]), ERRNO | EPERM, "TIOCLINUX");
            for family in [1, 2, 10, 16] {
                assert_eq!(says(abi.socket, [family, 1]), ALLOW);
            }
            for family in [0, 17, 38, 40, 45] {
                assert_eq!(says(abi.socket, [family, 1]), ERRNO | EAFNOSUPPORT);
            }
        });
        let i386 = &calls::abis("x86_64").unwrap()[1];
        assert_eq!(says("x86_64", i386, false, 102, [1, 0]), ERRNO | ENOSYS);
        assert_eq!(says("x86_64", i386, true, 102, [1, 0]), ALLOW);
    }

    #[test]
    fn numbers_of_this_machine_are_those_of_its_kernel() {
        let Some([own, ..]) = calls::abis(std::env::consts::ARCH) else { return };
        let denied = |name: &str| {
            let call = DENIED.iter().find(|call| call.name == name).unwrap();
            i64::from(call.numbers[own.column].unwrap())
        };
        for (name, number) in [
            ("acct", libc::SYS_acct),
            ("add_key", libc::SYS_add_key),
            ("bpf", libc::SYS_bpf),
            ("chroot", libc::SYS_chroot),
            ("clock_settime", libc::SYS_clock_settime),
            ("delete_module", libc::SYS_delete_module),
            ("fanotify_init", libc::SYS_fanotify_init),
            ("finit_module", libc::SYS_finit_module),
            ("init_module", libc::SYS_init_module),
            ("io_uring_setup", libc::SYS_io_uring_setup),
            ("io_uring_enter", libc::SYS_io_uring_enter),
            ("io_uring_register", libc::SYS_io_uring_register),
            ("kexec_file_load", libc::SYS_kexec_file_load),
            ("kexec_load", libc::SYS_kexec_load),
            ("keyctl", libc::SYS_keyctl),
            ("lookup_dcookie", libc::SYS_lookup_dcookie),
            ("mount", libc::SYS_mount),
            ("move_mount", libc::SYS_move_mount),
            ("open_by_handle_at", libc::SYS_open_by_handle_at),
            ("open_tree", libc::SYS_open_tree),
            ("perf_event_open", libc::SYS_perf_event_open),
            ("pivot_root", libc::SYS_pivot_root),
            ("quotactl", libc::SYS_quotactl),
            ("reboot", libc::SYS_reboot),
            ("request_key", libc::SYS_request_key),
            ("setns", libc::SYS_setns),
            ("settimeofday", libc::SYS_settimeofday),
            ("swapoff", libc::SYS_swapoff),
            ("swapon", libc::SYS_swapon),
            ("syslog", libc::SYS_syslog),
            ("umount2", libc::SYS_umount2),
            ("userfaultfd", libc::SYS_userfaultfd),
            ("vhangup", libc::SYS_vhangup),
        ] {
            assert_eq!(denied(name), number, "{name}");
        }
        let read = [own.clone, own.clone3, own.unshare, own.ioctl, own.socket].map(i64::from);
        assert_eq!(read, [libc::SYS_clone, libc::SYS_clone3, libc::SYS_unshare, libc::SYS_ioctl, libc::SYS_socket]);
    }
}
