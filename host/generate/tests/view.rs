//! What a generator sees of the caller: its prompts and inputs, and nothing else.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::missing_panics_doc)]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::os::fd::AsRawFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};

use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, openpt, unlockpt};

use common::{RamDir, again, child_place, name, secret};

/// The variables that a generator prints, without what bash adds by itself.
fn environment(place: &RamDir, instance: &str) -> BTreeMap<String, String> {
    let mut job = place.job("/usr/bin/env -0 > $out/it", &["it"]);
    job.instance = instance.parse().unwrap();
    let said = place.says_in(&job);
    let pairs = said.split_terminator('\0').map(|line| line.split_once('=').unwrap());
    pairs.filter(|(key, _)| !["_", "SHLVL"].contains(key)).map(|(key, value)| (key.into(), value.into())).collect()
}

fn with(own: &[(&str, &str)]) -> BTreeMap<String, String> {
    let fixed = [
        ("HOME", "/homeless-shelter"),
        ("LOG_LEVEL", "info"),
        ("PATH", "/usr/bin:/bin"),
        ("PWD", "/tmp"),
        ("TMPDIR", "/tmp"),
        ("in", "/in"),
        ("out", "/out"),
        ("prompts", "/prompts"),
    ];
    fixed.iter().chain(own).map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn the_environment_is_exactly_the_promised_one() {
    let place = RamDir::new();
    assert_eq!(
        environment(&place, "per-machine/web1/attic"),
        with(&[("artifact", "attic"), ("artifact_context", "nixos"), ("machine", "web1")])
    );
    assert_eq!(
        environment(&place, "per-user/alice@laptop/ssh key"),
        with(&[("artifact", "ssh key"), ("artifact_context", "homemanager"), ("username", "alice@laptop")])
    );
    assert_eq!(environment(&place, "shared/ca"), with(&[("artifact_context", "shared")]));
}

#[test]
fn no_name_reaches_the_generator_of_a_shared_artifact() {
    let place = RamDir::new();
    let mut job =
        place.job("{ cat /proc/*/cmdline /proc/*/environ /proc/self/mountinfo; hostname; } > $out/it", &["it"]);
    job.instance = "shared/very-special-name".parse().unwrap();
    let said = place.says_in(&job);
    assert!(said.contains("artifact_context=shared"), "{said}");
    assert!(!said.contains("very-special-name"), "{said}");
}

#[test]
fn more_directories_can_come_first_in_path() {
    let place = RamDir::new();
    let tool = place.script("store/tools/bin/tool", "#!/bin/sh\necho from the tool\n");
    let mut job = place.job("tool > $out/it; echo $PATH >> $out/it", &["it"]);
    let dir = tool.parent().unwrap().to_owned();
    job.closure = vec![dir.parent().unwrap().to_owned().into()];
    job.path = vec![dir.clone()];
    assert_eq!(place.says_in(&job), format!("from the tool\n{}:/usr/bin:/bin\n", dir.display()));
}

#[test]
fn a_store_path_that_is_a_link_shows_nothing_but_the_closure() {
    let place = RamDir::new();
    let store = place.disk.path().join("store");
    fs::create_dir_all(store.join("member")).unwrap();
    fs::write(store.join("member/file"), "of the closure").unwrap();
    fs::create_dir(place.disk.path().join("home")).unwrap();
    fs::write(place.disk.path().join("home/key"), "of the caller").unwrap();
    let link = |name: &str, target: &std::path::Path| {
        std::os::unix::fs::symlink(target, store.join(name)).unwrap();
        store.join(name)
    };
    let [dir, file] = ["home", "home/key"].map(|path| place.disk.path().join(path));
    let links = [link("to-dir", &dir), link("to-file", &file), link("to-root", "/".as_ref())];
    let inner = link("to-member", &store.join("member"));
    let script = format!(
        "cat {0}/to-dir/key {0}/to-file {0}/to-root{1} > $out/it 2>/dev/null; cat {0}/to-member/file >> $out/it",
        store.display(),
        file.display()
    );
    let mut job = place.job(&script, &["it"]);
    job.closure = links.into_iter().chain([inner, store.join("member")]).map(Into::into).collect();
    assert_eq!(place.says_in(&job), "of the closure");
}

#[test]
fn neither_home_nor_working_directory_nor_anything_else_of_the_caller_is_there() {
    let place = RamDir::new();
    fs::write(place.disk.path().join("beside-the-generator"), "x").unwrap();
    let said = place.says("{ pwd; ls -A /; } > $out/it; ls /home /root /work /var /run /sys > /dev/null 2>&1; true");
    let mut words: Vec<_> = said.split_whitespace().collect();
    words.retain(|word| !["lib32", "lib64", "libx32"].contains(word));
    assert_eq!(
        words,
        ["/tmp", "bin", "dev", "etc", "generator", "in", "lib", "out", "proc", "prompts", "sbin", "tmp", "usr"]
    );
    assert_eq!(place.says("cd /generator; ls -A > $out/it"), "generator\n");
    let etc = place.says("ls -A /etc > $out/it");
    for file in etc.split_whitespace() {
        let known = ["alternatives", "crypto-policies", "group", "hosts", "ld.so.cache", "passwd", "pki", "ssl"];
        assert!(known.contains(&file), "{file} in /etc");
    }
    assert_eq!(place.says("ls -A /etc/ssl > $out/it"), "openssl.cnf\n");
    // Where the caller works is not even to be read from the table of mounts.
    let mounts = place.says("cat /proc/self/mountinfo > $out/it");
    assert!(!mounts.contains(place.disk.path().to_str().unwrap().trim_start_matches("/work")), "{mounts}");
}

#[test]
fn the_user_is_made_up_and_has_no_rights() {
    let place = RamDir::new();
    assert_eq!(
        place.says("{ id -u; id -un; hostname; cat /etc/hosts; } > $out/it"),
        "1000\ngenerator\nartifacts\n127.0.0.1 localhost\n::1 localhost\n"
    );
    let status = place.says("cat /proc/self/status > $out/it");
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert!(status.contains(&format!("{set}:\t0000000000000000")), "{status}");
    }
    assert!(status.contains("NoNewPrivs:\t1"), "{status}");
    assert_eq!(place.says("unshare -U true && echo new namespace > $out/it || echo none > $out/it"), "none\n");
    assert_eq!(place.says("umask > $out/it"), "0022\n");
}

#[test]
fn only_out_scratch_and_the_copy_of_inputs_can_be_written() {
    let place = RamDir::new();
    let mut job = place.job(
        "for at in / /usr /etc /generator /prompts /in /in/ca /dev /proc /tmp /dev/shm $out; do
           (echo x > $at/written) 2>/dev/null && echo $at >> /tmp/it; done; rm -f $out/written; cp /tmp/it $out/it",
        &["it"],
    );
    job.inputs = BTreeMap::from([(name("ca"), BTreeMap::new())]);
    assert_eq!(place.says_in(&job), "/in\n/in/ca\n/tmp\n/dev/shm\n/out\n");
}

#[test]
fn the_machines_settings_cannot_be_changed_by_roots_generators_either() {
    let place = RamDir::new();
    // Only root, by its number alone, could write one. Nothing is written: opening it tells.
    let said = place.says(
        "for at in /proc/sys/kernel/core_pattern /proc/sys/kernel/hostname /proc/sys/vm/drop_caches /proc/sysrq-trigger /proc/acpi/wakeup; do
            { : >> $at; } 2> /dev/null && echo $at; done > $out/it; true",
    );
    assert_eq!(said, "");
}

#[test]
fn devices_work_and_their_rights_cannot_be_changed_by_roots_generators_either() {
    let place = RamDir::new();
    let said = place.says(
        "for at in null zero full random urandom tty; do
            chmod \"$(stat -c %a /dev/$at)\" /dev/$at && echo $at; touch -r /dev/$at /dev/$at && echo $at; done > $out/it 2> /dev/null
         echo x > /dev/null; head -c 3 /dev/zero | wc -c >> $out/it; head -c 3 /dev/urandom | wc -c >> $out/it
         echo x 2> /dev/null > /dev/full || echo full >> $out/it",
    );
    assert_eq!(said, "3\n3\nfull\n");
}

#[test]
fn prompts_and_inputs_are_files() {
    let place = RamDir::new();
    let mut job =
        place.job("cat \"$prompts/the pin\" $in/ca/key.pem > $out/it; ls -R $prompts $in >> $out/it", &["it"]);
    job.prompts = BTreeMap::from([(name("the pin"), secret("1234\n"))]);
    job.inputs = BTreeMap::from([(name("ca"), BTreeMap::from([(name("key.pem"), secret("KEY\n"))]))]);
    assert_eq!(place.says_in(&job), "1234\nKEY\n/in:\nca\n\n/in/ca:\nkey.pem\n\n/prompts:\nthe pin\n");
}

#[test]
fn inputs_are_the_generators_own_copy() {
    let place = RamDir::new();
    let mut job = place.job(
        "set -e; cd $in/ca; stat -c '%a %U' . key.pem > $out/it; echo more >> key.pem; mv key.pem 'a key'; chmod 0644 'a key'
         cat 'a key' >> $out/it; rm 'a key'; cp -r $in/other $in/ca/; cat $in/ca/other/f >> $out/it
         head -c 100000000 /dev/zero > $in/much 2> /dev/null || echo full >> $out/it",
        &["it"],
    );
    let files = |file: &str, value: &str| BTreeMap::from([(name(file), secret(value))]);
    job.inputs = BTreeMap::from([(name("ca"), files("key.pem", "KEY\n")), (name("other"), files("f", "f\n"))]);
    job.limits.scratch = 1 << 20;
    for _ in 0..2 {
        assert_eq!(place.says_in(&job), "755 generator\n600 generator\nKEY\nmore\nf\nfull\n");
    }
    assert_eq!(job.inputs[&name("ca")][&name("key.pem")].expose(), b"KEY\n");
}

#[test]
fn no_descriptor_is_inherited() {
    let place = RamDir::new();
    let mut secret = tempfile::tempfile().unwrap();
    secret.write_all(b"s3cret").unwrap();
    // Without the flag that closes it, as a shell's `50<file` hands it on, and above any number that a shell takes for itself.
    let leaked = rustix::io::fcntl_dupfd_cloexec(&secret, 50).unwrap();
    rustix::io::fcntl_setfd(&leaked, rustix::io::FdFlags::empty()).unwrap();
    // Bash would add some of its own.
    let list = place.script("list", "#!/bin/sh\ncd /proc/self/fd; echo * > $out/it; cat >> $out/it\n");
    let mut job = place.job("", &["it"]);
    job.program = list;
    let said = place.says_in(&job);
    let open: Vec<i32> = said.split_whitespace().map(|fd| fd.parse().unwrap()).collect();
    assert!(!open.contains(&leaked.as_raw_fd()), "{said}");
    // 10 is dash's own script; 1 is the shell's redirection.
    assert!(open.iter().all(|fd| [0, 1, 2, 3, 10].contains(fd)), "{said}");
}

#[test]
fn the_terminal_cannot_be_reached() {
    const TEST: &str = "the_terminal_cannot_be_reached";
    if child_place().is_some() {
        assert!(fs::File::open("/dev/tty").is_ok(), "the caller has a terminal");
        let place = RamDir::new();
        assert_eq!(
            place.says("(: > /dev/tty) 2> /dev/null && echo terminal > $out/it || echo none > $out/it"),
            "none\n"
        );
        return;
    }
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    unlockpt(&master).unwrap();
    let tty = ioctl_tiocgptpeer(&master, OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    let mut command = again(TEST, "/".as_ref(), &["setsid", "--ctty", "--wait"]);
    assert!(command.stdin(tty).status().unwrap().success());
}

#[test]
fn no_network_is_there_unless_declared() {
    let place = RamDir::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let abstract_name = format!("artifacts-test-{}", std::process::id());
    let _abstract = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&abstract_name).unwrap()).unwrap();
    let port = listener.local_addr().unwrap().port();
    let body = format!(
        "(echo > /dev/tcp/127.0.0.1/{port}) 2>/dev/null && echo reached > $out/it || echo nothing > $out/it
         tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' ' >> $out/it
         grep -c {abstract_name} /proc/net/unix >> $out/it; true"
    );
    assert_eq!(place.says(&body), "nothing\nlo\n0\n");
    let mut job = place.job(&body, &["it"]);
    job.network = true;
    assert!(place.says_in(&job).starts_with("reached\n"));
    // What look-ups and TLS need, and no private key of the machine.
    let mut job = place.job("cat /etc/hosts > $out/it; ls /etc/ssl/private 2>/dev/null >> $out/it; true", &["it"]);
    job.network = true;
    assert_eq!(place.says_in(&job), fs::read_to_string("/etc/hosts").unwrap_or_default());
}

#[test]
fn other_processes_are_not_seen() {
    let place = RamDir::new();
    let said = place.says("cd /proc; echo [0-9]* > $out/it");
    let numbers: Vec<u32> = said.split_whitespace().map(|word| word.parse().unwrap()).collect();
    assert!(numbers.len() <= 3 && numbers.iter().all(|&number| number < 10), "{said}");
}

#[test]
#[allow(unsafe_code)]
fn the_key_ring_of_the_session_is_left_behind() {
    const TEST: &str = "the_key_ring_of_the_session_is_left_behind";
    if child_place().is_none() {
        // In a process of its own, since it changes the session.
        assert!(again(TEST, "/".as_ref(), &[]).status().unwrap().success());
        return;
    }
    let (kind, description, payload) = (c"user", c"artifacts-test-key", b"s3cret");
    let session = libc::KEY_SPEC_SESSION_KEYRING;
    // SAFETY: the calls read the arguments given here and nothing else.
    let (joined, key) = unsafe {
        let joined = libc::syscall(libc::SYS_keyctl, libc::KEYCTL_JOIN_SESSION_KEYRING, std::ptr::null::<u8>());
        let (kind, description) = (kind.as_ptr(), description.as_ptr());
        (joined, libc::syscall(libc::SYS_add_key, kind, description, payload.as_ptr(), payload.len(), session))
    };
    if joined < 0 {
        eprintln!("not tried: this kernel has no key rings");
        return;
    }
    // Everything for who possesses it, nothing for the user as such: who sees it could read it.
    // SAFETY: the call reads no memory.
    assert_eq!(unsafe { libc::syscall(libc::SYS_keyctl, libc::KEYCTL_SETPERM, key, 0x3f00_0000_u32) }, 0);
    assert!(fs::read_to_string("/proc/keys").unwrap().contains("artifacts-test-key"));
    let place = RamDir::new();
    assert!(!place.says("cat /proc/keys > $out/it").contains("artifacts-test-key"));
}
