/// Describes one ABI of the kernel.
#[derive(Clone, Copy)]
pub(super) struct Abi {
    /// Number of the ABI, `AUDIT_ARCH_*` of `linux/audit.h`.
    pub(super) audit: u32,
    /// Its column in [`Call::numbers`].
    pub(super) column: usize,
    /// Numbers below the last known one that no call has, first and last.
    pub(super) unknown: &'static [(u32, u32)],
    /// Last number of the calls that only this ABI has, if they are above all others.
    pub(super) last_own: Option<u32>,
    pub(super) clone: u32,
    pub(super) clone3: u32,
    pub(super) unshare: u32,
    pub(super) ioctl: u32,
    pub(super) socket: u32,
    pub(super) socketcall: Option<u32>,
}

/// Last call that was reviewed: `removexattrat` of Linux 6.13. From 424 on all ABIs have the same numbers.
pub(super) const LAST: u32 = 466;

const X86_64: Abi = Abi {
    audit: 0xc000_003e,
    column: 0,
    unknown: &[(337, 423)],
    last_own: None,
    clone: 56,
    clone3: 435,
    unshare: 272,
    ioctl: 16,
    socket: 41,
    socketcall: None,
};
const I386: Abi = Abi {
    audit: 0x4000_0003,
    column: 1,
    unknown: &[],
    last_own: None,
    clone: 120,
    clone3: 435,
    unshare: 310,
    ioctl: 54,
    socket: 359,
    socketcall: Some(102),
};
const AARCH64: Abi = Abi {
    audit: 0xc000_00b7,
    column: 2,
    unknown: &[(295, 423)],
    last_own: None,
    clone: 220,
    clone3: 435,
    unshare: 97,
    ioctl: 29,
    socket: 198,
    socketcall: None,
};
const ARM: Abi = Abi {
    audit: 0x4000_0028,
    column: 3,
    // `__ARM_NR_breakpoint` to `__ARM_NR_get_tls` are above.
    unknown: &[(LAST + 1, 0x000f_0000)],
    last_own: Some(0x000f_0006),
    clone: 120,
    clone3: 435,
    unshare: 337,
    ioctl: 54,
    socket: 281,
    // ARM's EABI has one call each.
    socketcall: None,
};

/// Returns the ABIs of a machine, its own first.
pub(super) fn abis(machine: &str) -> Option<&'static [Abi]> {
    match machine {
        "x86_64" => Some(&[X86_64, I386]),
        "aarch64" => Some(&[AARCH64, ARM]),
        _ => None,
    }
}

/// Describes a call that generators are denied.
pub(super) struct Call {
    #[cfg_attr(not(test), allow(dead_code))]
    pub(super) name: &'static str,
    /// Its number on x86-64, i386, `AArch64` and 32-bit ARM.
    pub(super) numbers: [Option<u32>; 4],
}

const fn call(name: &'static str, numbers: [u32; 4]) -> Call {
    let mut some = [None; 4];
    let mut column = 0;
    while column < 4 {
        if numbers[column] != NONE {
            some[column] = Some(numbers[column]);
        }
        column += 1;
    }
    Call { name, numbers: some }
}

const fn everywhere(name: &'static str, number: u32) -> Call {
    call(name, [number; 4])
}

const NONE: u32 = u32::MAX;

/// Calls of large parts of the kernel that an ordinary program does not use, and calls that need an administrator
/// anyway.
pub(super) const DENIED: &[Call] = &[
    // Work that the kernel does unseen by any filter.
    everywhere("io_uring_setup", 425),
    everywhere("io_uring_enter", 426),
    everywhere("io_uring_register", 427),
    // Programs and counters inside the kernel; faults handled by another process.
    call("bpf", [321, 357, 280, 386]),
    call("perf_event_open", [298, 336, 241, 364]),
    call("userfaultfd", [323, 374, 282, 388]),
    call("fanotify_init", [300, 338, 262, 367]),
    // Keys of the machine and of the user.
    call("add_key", [248, 286, 217, 309]),
    call("request_key", [249, 287, 218, 310]),
    call("keyctl", [250, 288, 219, 311]),
    // Mounts, roots and namespaces.
    call("mount", [165, 21, 40, 21]),
    call("umount", [NONE, 22, NONE, 22]),
    call("umount2", [166, 52, 39, 52]),
    call("pivot_root", [155, 217, 41, 218]),
    call("chroot", [161, 61, 51, 61]),
    call("setns", [308, 346, 268, 375]),
    everywhere("open_tree", 428),
    everywhere("move_mount", 429),
    everywhere("fsopen", 430),
    everywhere("fsconfig", 431),
    everywhere("fsmount", 432),
    everywhere("fspick", 433),
    everywhere("mount_setattr", 442),
    call("open_by_handle_at", [304, 342, 265, 371]),
    // Another kernel, and modules of this one.
    call("kexec_load", [246, 283, 104, 347]),
    call("kexec_file_load", [320, NONE, 294, 401]),
    call("init_module", [175, 128, 105, 128]),
    call("finit_module", [313, 350, 273, 379]),
    call("delete_module", [176, 129, 106, 129]),
    call("create_module", [174, 127, NONE, NONE]),
    call("get_kernel_syms", [177, 130, NONE, NONE]),
    call("query_module", [178, 167, NONE, NONE]),
    // The machine's state.
    call("reboot", [169, 88, 142, 88]),
    call("swapon", [167, 87, 224, 87]),
    call("swapoff", [168, 115, 225, 115]),
    call("acct", [163, 51, 89, 51]),
    call("quotactl", [179, 131, 60, 131]),
    everywhere("quotactl_fd", 443),
    call("syslog", [103, 103, 116, 103]),
    call("vhangup", [153, 111, 58, 111]),
    call("settimeofday", [164, 79, 170, 79]),
    call("clock_settime", [227, 264, 112, 262]),
    call("clock_settime64", [NONE, 404, NONE, 404]),
    call("stime", [NONE, 25, NONE, 25]),
    // The processor's ports, and its old mode.
    call("iopl", [172, 110, NONE, NONE]),
    call("ioperm", [173, 101, NONE, NONE]),
    call("vm86old", [NONE, 113, NONE, NONE]),
    call("vm86", [NONE, 166, NONE, NONE]),
    // Left over from other times.
    call("lookup_dcookie", [212, 253, 18, 249]),
    call("nfsservctl", [180, 169, 42, 169]),
    call("uselib", [134, 86, NONE, 86]),
    call("_sysctl", [156, 149, NONE, 149]),
    call("sysfs", [139, 135, NONE, 135]),
    call("ustat", [136, 62, NONE, 62]),
    call("bdflush", [NONE, 134, NONE, 134]),
];

/// `CLONE_NEWNS`, `NEWCGROUP`, `NEWUTS`, `NEWIPC`, `NEWUSER`, `NEWPID` and `NEWNET` of `linux/sched.h`.
pub(super) const NAMESPACES: u32 = 0x7e02_0000;
/// `CLONE_NEWTIME` of `linux/sched.h`, which is part of the signal's number where `clone(2)` has it.
pub(super) const NEW_TIME: u32 = 0x80;
/// `TIOCSTI` and `TIOCLINUX` of `asm-generic/ioctls.h`.
pub(super) const TERMINAL: [u32; 2] = [0x5412, 0x541c];
/// `AF_UNIX`, `AF_INET`, `AF_INET6` and `AF_NETLINK`. Others, such as `AF_VSOCK` to the host of a virtual machine,
/// have no network namespace.
pub(super) const FAMILIES: [u32; 4] = [1, 2, 10, 16];
