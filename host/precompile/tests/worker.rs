//! The worker: it gives what the runner in process gives, and its walls hold; a wall that is missing is noticed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::missing_panics_doc)]

#[path = "../../session/tests/common/mod.rs"]
mod common;

use std::fs;
use std::num::NonZeroUsize;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use artifacts_contract::{Component, Grants};
use artifacts_declared as _;
use artifacts_seam::SandboxLayer;
use artifacts_seam::{CallError, CheckState, ComponentEvent, EntryFiles, InstanceView};
use artifacts_session::{
    CallFailed, Checks, Decrypted, Error, SerializeCall, Serialized, Session as _, WorkerSession, WorkerStart, Workers,
    probe,
};
use artifacts_text::Explain;
use common::{
    Key, NOW, behaving, check_one, everything, files, guest, instance, key, limits, plugin, present, same, secrets,
    unsealed,
};
use tempfile::TempDir;

fn worker() -> WorkerStart {
    WorkerStart::default().program(env!("CARGO_BIN_EXE_artifacts-precompile"))
}

#[allow(clippy::needless_pass_by_value, reason = "made at each call")]
fn open(component: &Component, worker: WorkerStart) -> WorkerSession {
    let grants = artifacts_contract::effective(&component.manifest().requests, &everything());
    WorkerSession::open(component, grants, limits(), &worker).unwrap()
}

fn hostile() -> WorkerSession {
    open(&Component::read(guest("hostile")).unwrap(), worker())
}

fn check(backend: &mut WorkerSession, mode: &str) -> Result<artifacts_session::Verified, CallError> {
    let config = behaving(&[&key().public], &[("check", mode)]);
    check_one(backend, &instance("a", &["one"], &config), files(&[("one.age", "x")]))
}

/// Whether this test has its process for itself. Where other tests have children at the same time, it is run again in a
/// process of its own, and must go well there.
fn alone(test: &str) -> bool {
    let alone = std::env::var_os("ARTIFACTS_TEST_ALONE").is_some();
    if !alone {
        let mut again = Command::new(std::env::current_exe().unwrap());
        let status = again.args(["--exact", test]).env("ARTIFACTS_TEST_ALONE", "1").status().unwrap();
        assert!(status.success());
    }
    alone
}

/// The worker processes of this test process: those that wait, and the innermost ones.
fn workers() -> (Vec<PathBuf>, Vec<PathBuf>) {
    let waiting = children(&std::process::id().to_string());
    let number = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
    let innermost = waiting.iter().flat_map(|path| children(&number(path))).collect();
    (waiting, innermost)
}

fn children(parent: &str) -> Vec<PathBuf> {
    let parent = format!("PPid:\t{parent}\n");
    let of_it = |path: &Path| fs::read_to_string(path.join("status")).is_ok_and(|status| status.contains(&parent));
    let list = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok().map(|entry| entry.path()));
    list.filter(|path| of_it(path)).collect()
}

/// What this kernel does not have, and what is left out on purpose.
fn lacking(without: &[SandboxLayer]) -> Vec<SandboxLayer> {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let mut numbers = release.split(['.', '-', '+']).map(|number| number.parse::<u32>().unwrap_or(0));
    let older = (numbers.next().unwrap(), numbers.next().unwrap()) < (6, 12);
    let mut lacking = without.to_vec();
    // Without any of it no one asks how much of it there is.
    if older && !without.contains(&SandboxLayer::Landlock) && !without.contains(&SandboxLayer::NewerLandlock) {
        lacking.push(SandboxLayer::NewerLandlock);
    }
    lacking
}

#[test]
fn it_stores_as_the_runner_in_process_does() {
    let mut backend = open(&Component::read(plugin("agenix")).unwrap(), worker().required(lacking(&[]).is_empty()));
    assert_eq!(backend.missing(), lacking(&[]));
    let host = key();
    let instance = instance("attic", &["env"], &serde_json::json!({"publicHostKey": host.public}));
    let absent = check_one(&mut backend, &instance, EntryFiles::new()).unwrap();
    assert_eq!(absent.state, CheckState::Absent);
    let stored = backend
        .serialize(NOW, instance.clone(), EntryFiles::new(), &secrets(&[("env", "A=1\n")]), &absent.recipients)
        .unwrap();
    assert_eq!(unsealed(&stored.files["env.age"], &host), b"A=1\n");
    assert!(present(&check_one(&mut backend, &instance, stored.files)));
}

#[test]
fn a_secret_that_the_component_may_see_reaches_it() {
    let mut backend = open(&Component::read(guest("hostile-plaintext")).unwrap(), worker());
    let key = key();
    let instance = instance("a", &["one"], &behaving(&[&key.public], &[("serialize", "store-plain")]));
    let plain = "x".repeat(1 << 20);
    let refused = backend
        .serialize(
            NOW,
            instance.clone(),
            EntryFiles::new(),
            &secrets(&[("one", &plain)]),
            &same(&instance, &[&key.public]),
        )
        .unwrap_err();
    // It had all of it: what it stored contains it.
    assert!(refused.saw_plaintext && refused.by_host);
    assert!(matches!(&refused.error, CallError::Broken(why) if why.contains("the secret `one` in plain text")));
}

#[test]
fn the_walls_hold() {
    for files in [true, false] {
        let (missing, done) = probe(&worker(), files).unwrap();
        assert_eq!(missing, lacking(&[]));
        // The filter keeps what an older Landlock does not.
        let left: Vec<_> = done.iter().filter(|what| missing.is_empty() || !what.contains("past Landlock")).collect();
        assert!(left.is_empty(), "{done:?}");
    }
}

#[test]
fn each_missing_wall_is_reported_noticed_and_refused_where_all_are_required() {
    let fallback = TempDir::new_in("/dev/shm").unwrap();
    for (protection, word) in [
        (SandboxLayer::Tmpfs, "filling memory"),
        (SandboxLayer::OwnRoot, "seeing the machine's root"),
        (SandboxLayer::OwnRoot, "looking at /etc/shadow"),
        (SandboxLayer::OwnRoot, "looking at /etc/passwd (SYS_statx), on another thread"),
        (SandboxLayer::UtsNamespace, "seeing the machine's name"),
        (SandboxLayer::NetworkNamespace, "seeing the machine's network"),
        (SandboxLayer::ProcessNamespace, "seeing the machine's processes"),
        (SandboxLayer::NoCapabilities, "using capabilities"),
        (SandboxLayer::NoCapabilities, "leaving its root"),
        (SandboxLayer::Landlock, "making a pipe with a name past Landlock"),
        (SandboxLayer::NewerLandlock, "past Landlock"),
        (SandboxLayer::Seccomp, "making a socket"),
        (SandboxLayer::Seccomp, "starting a process"),
        (SandboxLayer::Seccomp, "asking for a signal (SYS_fcntl)"),
        (SandboxLayer::Seccomp, "sharing memory that no limit counts"),
        (SandboxLayer::Seccomp, "making the system call SYS_kill"),
        (SandboxLayer::NoCoreDumps, "dumping its memory"),
        (SandboxLayer::DiesWithParent, "living on"),
    ] {
        let worker = worker().fallback(fallback.path()).without(protection);
        let (missing, done) = probe(&worker, true).unwrap();
        assert_eq!(missing, lacking(&[protection]));
        assert!(done.iter().any(|what| what.contains(word)), "{protection:?}: {done:?}");
        let component = Component::read(guest("hostile")).unwrap();
        let opened = open(&component, worker.clone());
        assert_eq!(opened.missing(), lacking(&[protection]));
        let worker = worker.required(true);
        match WorkerSession::open(&component, Grants::default(), limits(), &worker) {
            Err(error @ Error::Unprotected(_)) => {
                assert!(error.to_string().contains(protection.weaker()), "{error}");
                assert!(error.hint().is_some());
            }
            Err(error) => panic!("{error}"),
            Ok(_) => panic!("{protection:?} was required and missing"),
        }
    }
}

/// What fails, by strace's hand, and what is missing then.
#[test]
fn what_fails_half_way_costs_only_itself() {
    let dir = TempDir::new().unwrap();
    let fallback = TempDir::new_in("/dev/shm").unwrap();
    let lost = [SandboxLayer::DiesWithParent, SandboxLayer::NoCoreDumps];
    // Root has the right to all others without it.
    let root = rustix::process::getuid().is_root();
    let no_user_namespace = [
        SandboxLayer::Tmpfs,
        SandboxLayer::OwnRoot,
        SandboxLayer::IpcNamespace,
        SandboxLayer::UtsNamespace,
        SandboxLayer::NetworkNamespace,
        SandboxLayer::ProcessNamespace,
    ];
    for (number, (fault, costs)) in [
        ("unshare:error=EPERM:when=1", if root { vec![] } else { no_user_namespace.to_vec() }),
        ("unshare:error=ENOSPC:when=2", vec![SandboxLayer::Tmpfs]),
        ("unshare:error=ENOSPC:when=3", vec![SandboxLayer::IpcNamespace]),
        ("unshare:error=ENOSPC:when=4", vec![SandboxLayer::NetworkNamespace]),
        ("unshare:error=ENOSPC:when=5", vec![SandboxLayer::UtsNamespace]),
        ("unshare:error=ENOSPC:when=6", vec![SandboxLayer::ProcessNamespace]),
        ("clone:error=EAGAIN:when=1", vec![SandboxLayer::ProcessNamespace]),
        ("fsopen:error=EPERM", vec![SandboxLayer::Tmpfs]),
        ("chroot:error=EPERM", vec![SandboxLayer::OwnRoot]),
        ("capset:error=EPERM", vec![SandboxLayer::NoCapabilities]),
        ("landlock_restrict_self:error=EPERM", vec![SandboxLayer::Landlock]),
        ("seccomp:error=EINVAL", vec![SandboxLayer::Seccomp]),
        // In the new user namespace as no one, who could not even use the other directory.
        ("write:error=EPERM:when=2", vec![]),
    ]
    .into_iter()
    .enumerate()
    {
        let program = dir.path().join(format!("traced{number}"));
        let precompile = env!("CARGO_BIN_EXE_artifacts-precompile");
        let log = dir.path().join("trace");
        let call = fault.split(':').next().unwrap();
        if call == "write" && !root {
            // Without any namespace one process writes it all, and strace would stop its answer, too.
            continue;
        }
        // The innermost process writes, too.
        let follow = if call == "write" { "" } else { "-f" };
        let script = format!(
            "#!/bin/sh\nexec strace {follow} -qq -o {} -e trace={call} -e inject={fault} {precompile} \"$@\"\n",
            log.display()
        );
        artifacts_tests::script::write(&program, script).unwrap();
        let worker = WorkerStart::default().program(&program).fallback(fallback.path());
        let worker = lost.iter().fold(worker, |worker, protection| worker.without(*protection));
        let (missing, _) = probe(&worker, true).unwrap_or_else(|error| panic!("{fault}: {error}"));
        let mut expected = lacking(&[&lost[..], &costs].concat());
        let mut missing = missing;
        missing.sort();
        expected.sort();
        assert_eq!(missing, expected, "{fault}");
        // The next one knows, and is as good.
        let (mut again, _) = probe(&worker, true).unwrap();
        again.sort();
        assert_eq!(again, expected, "{fault}, again");
    }
}

#[test]
fn a_component_without_a_file_system_needs_no_path_and_no_room() {
    let (missing, done) = probe(&worker().without(SandboxLayer::Tmpfs), false).unwrap();
    assert_eq!(missing, lacking(&[SandboxLayer::Tmpfs, SandboxLayer::OwnRootBehindFilter]));
    let of_paths = |what: &&String| what.contains("(SYS_");
    assert_eq!(done.iter().find(of_paths), None, "{done:?}");
    let place = worker().without(SandboxLayer::Tmpfs).required(true);
    assert!(matches!(probe(&place, false), Err(Error::Unprotected(_))));
}

#[test]
fn lack_of_memory_is_told_as_the_machines_limit() {
    const LIMITED: &str = "ARTIFACTS_TEST_LIMITED";
    /// Addresses for a component's memory, and not for a pool of them.
    const ENOUGH: &str = "-v 20000000";
    let limited = std::env::var(LIMITED);
    if limited.is_err() {
        let test = std::env::current_exe().unwrap();
        for limit in ["-v 2000000", "-v 1000000", ENOUGH] {
            let script = format!("ulimit {limit}; exec \"$0\" --exact lack_of_memory_is_told_as_the_machines_limit");
            let mut again = Command::new("sh");
            let status = again.args(["-c", &script]).arg(&test).env(LIMITED, limit).status().unwrap();
            assert!(status.success(), "{limit}");
        }
        return;
    }
    let component = Component::read(guest("hostile")).unwrap();
    let opened = WorkerSession::open(&component, Grants::default(), limits(), &worker());
    let (why, help) = match opened.map(|mut backend| check(&mut backend, "")) {
        Ok(Err(CallError::Machine { limit, help })) => (limit, help),
        Err(error @ Error::Machine(_)) => (error.to_string(), error.hint().unwrap()),
        Ok(Ok(_)) if limited.as_deref() == Ok(ENOUGH) => return,
        Ok(other) => panic!("{other:?}"),
        Err(other) => panic!("{other}"),
    };
    assert!(why.contains("000 KiB") && why.contains("ulimit -v"), "{why}");
    assert!(help.contains("ulimit -v unlimited"), "{help}");
}

#[test]
fn a_backend_that_sleeps_is_not_waited_for_again_and_again() {
    let mut backend = hostile();
    let config = |mode: &str| behaving(&[&key().public], &[("check", mode)]);
    let batch: Vec<_> = (0..20).map(|_| (instance("a", &["one"], &config("sleep")), EntryFiles::new())).collect();
    let checks = backend.check(NOW, batch);
    assert_eq!(checks.answers.len(), 20);
    for answer in &checks.answers {
        assert!(matches!(answer, Err(CallError::Overrun(_))), "{answer:?}");
    }
    // Three are waited for, the others not any more.
    let (asked, given_up) = checks.answers.split_at(3);
    let is_given_up =
        |answer: &Result<_, CallError>| format!("{:?}", answer.as_ref().err()).contains("not asked again");
    assert!(!asked.iter().any(is_given_up) && given_up.iter().all(is_given_up), "{:?}", checks.answers);
}

#[test]
fn without_a_room_of_any_kind_there_is_no_worker() {
    assert!(probe(&worker().without(SandboxLayer::Tmpfs), true).is_err());
}

#[test]
fn what_hangs_is_ended_and_costs_only_itself() {
    let mut backend = hostile();
    let config = |mode: &str| behaving(&[&key().public], &[("check", mode)]);
    let batch = ["", "sleep", "", "spin", "trap", ""]
        .map(|mode| (instance("a", &["one"], &config(mode)), files(&[("one.age", "x")])));
    let begun = Instant::now();
    let checks = backend.check(NOW, batch.into());
    assert!(begun.elapsed() < Duration::from_secs(30 * limits().time));
    let [first, sleep, third, spin, trap, last] = checks.answers.as_slice() else { panic!() };
    assert!(present(first) && present(third) && present(last), "{:?}", checks.answers);
    assert!(matches!(sleep, Err(CallError::Overrun(_))), "{sleep:?}");
    assert!(matches!(spin, Err(CallError::Overrun(_))), "{spin:?}");
    assert!(matches!(trap, Err(CallError::Broken(_))), "{trap:?}");
    // What it did before it was ended is known.
    assert!(checks.events.iter().filter(|event| matches!(event, ComponentEvent::Instance(_))).count() >= 6);
}

#[test]
fn nothing_outside_is_reached_and_the_quota_holds() {
    let mut backend = hostile();
    for mode in ["read-outside", "list-outside", "stat-outside", "write-outside", "environment", "stdin", "write-entry"]
    {
        assert!(present(&check(&mut backend, mode)), "{mode}");
    }
    let key = key();
    for mode in ["fill", "many-files"] {
        let instance = instance("a", &["one"], &behaving(&[&key.public], &[("serialize", mode)]));
        let recipients = same(&instance, &[&key.public]);
        let failed =
            backend.serialize(NOW, instance, EntryFiles::new(), &secrets(&[("one", "1")]), &recipients).unwrap_err();
        assert!(
            matches!(&failed.error, CallError::Failed(failure) if failure.kind.as_str() == "internal"),
            "{mode}: {:?}",
            failed.error
        );
        let full = |event: &ComponentEvent| matches!(event, ComponentEvent::File { error: Some(why), .. } if why.name() == "insufficient-space");
        assert!(failed.events.iter().any(full), "{mode}: {:?}", failed.events);
        assert!(present(&check(&mut backend, "")), "{mode}");
    }
}

#[test]
fn a_worker_has_nothing_of_its_parent() {
    if !alone("a_worker_has_nothing_of_its_parent") {
        return;
    }
    // A descriptor that a careless program left open for its children.
    let left_open = fs::File::open("/etc/passwd").unwrap();
    rustix::io::fcntl_setfd(&left_open, rustix::io::FdFlags::empty()).unwrap();
    let mut backend = hostile();
    assert!(present(&check(&mut backend, "")));
    let (waiting, innermost) = workers();
    assert_eq!((waiting.len(), innermost.len()), (1, 1));
    for namespace in ["user", "mnt", "ipc", "uts", "net", "pid"] {
        let of = |process: &Path| fs::read_link(process.join("ns").join(namespace)).ok();
        // Who is not root may not look.
        if let Some(theirs) = of(&innermost[0]) {
            assert_ne!(Some(theirs), of(Path::new("/proc/self")), "{namespace}");
        }
    }
    assert!(fs::read_dir(innermost[0].join("root")).map_or(true, |mut root| root.next().is_none()));
    for worker in waiting.iter().chain(&innermost) {
        let status = fs::read_to_string(worker.join("status")).unwrap();
        assert!(status.contains("NoNewPrivs:\t1\n"), "{status}");
        assert!(status.contains("Seccomp:\t2\n"), "{status}");
        for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
            assert!(status.contains(&format!("{set}:\t0000000000000000\n")), "{status}");
        }
        // Its memory and its descriptors are no one's to look at but root's.
        if let Ok(list) = fs::read_dir(worker.join("fd")) {
            for entry in list.flatten() {
                let target = fs::read_link(entry.path()).unwrap_or_default();
                let target = target.to_string_lossy();
                let fine = ["pipe:", "anon_inode:", "/"];
                assert!(fine.iter().any(|fine| target.starts_with(fine)) && !target.contains("passwd"), "{target}");
                assert!(!target.starts_with("/dev"), "{target}");
            }
        }
        if let Ok(environment) = fs::read(worker.join("environ")) {
            assert!(environment.is_empty(), "{}", String::from_utf8_lossy(&environment));
        }
    }
}

#[test]
fn a_worker_ends_with_its_backend() {
    let program = env!("CARGO_BIN_EXE_artifacts-precompile");
    let count = || {
        let output =
            Command::new("ps").args(["--ppid", &std::process::id().to_string(), "-o", "args="]).output().unwrap();
        String::from_utf8_lossy(&output.stdout).lines().filter(|line| line.starts_with(program)).count()
    };
    if !alone("a_worker_ends_with_its_backend") {
        return;
    }
    let backend = hostile();
    assert_eq!(count(), 1);
    drop(backend);
    assert_eq!(count(), 0);
}

#[test]
fn after_the_walls_are_up_no_path_is_opened_but_its_own() {
    let trace = TempDir::new().unwrap();
    let log = trace.path().join("trace");
    let program = trace.path().join("traced");
    let script = format!(
        "#!/bin/sh\nexec strace -f -qq -e trace=%file,%network,%process,landlock_restrict_self -o {} {} \"$@\"\n",
        log.display(),
        env!("CARGO_BIN_EXE_artifacts-precompile")
    );
    artifacts_tests::script::write(&program, script).unwrap();
    // strace stands between, so that the parent is another than the one named.
    let worker = WorkerStart::default()
        .program(&program)
        .without(SandboxLayer::DiesWithParent)
        .without(SandboxLayer::NoCoreDumps);
    let cache = TempDir::new().unwrap();
    fs::set_permissions(cache.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let component = Component::read(guest("hostile")).unwrap();
    drop(open(&component, self::worker().cache(cache.path())));
    let mut backend = open(&component, worker.cache(cache.path()));
    assert!(present(&check(&mut backend, "read-outside")));
    let key = key();
    let one = instance("a", &["one"], &behaving(&[&key.public], &[]));
    backend
        .serialize(NOW, one.clone(), EntryFiles::new(), &secrets(&[("one", "1")]), &same(&one, &[&key.public]))
        .unwrap();
    drop(backend);
    let trace = fs::read_to_string(&log).unwrap();
    let (before, after) = trace.split_once("landlock_restrict_self").expect("no trace of Landlock");
    assert!(before.contains("execve") && before.contains("chroot(\".\")"), "{before}");
    let mut seen = 0;
    for line in after.lines().skip(1) {
        let Some((call, rest)) = line.split_once('(') else { continue };
        let call = call.rsplit(' ').next().unwrap();
        let refused = line.contains("= -1");
        match call {
            "openat" | "openat2" | "newfstatat" | "statx" | "unlinkat" | "mkdirat" | "readlinkat" | "linkat"
            | "renameat" | "symlinkat" => {
                // Relative to a descriptor, with one plain name; or refused.
                let name = rest.split('"').nth(1).unwrap_or_default();
                let below = !rest.starts_with("AT_FDCWD") && !name.starts_with('/') && !name.contains("..");
                assert!(below || refused, "{line}");
                seen += usize::from(below);
            }
            // The process above it begins to wait for it earlier or later.
            "clone" | "clone3" | "exit" | "exit_group" | "wait4" | "waitid" => {}
            _ => assert!(refused || line.contains("+++") || line.contains("resumed"), "{line}"),
        }
    }
    assert!(seen > 10, "{trace}");
}

/// A component that is as it should be but for one huge function that no one calls.
fn bomb(operations: usize) -> Vec<u8> {
    let sums = "local.get 0 i32.add ".repeat(operations);
    let module = wat::parse_str(format!("(module (func (param i32) (result i32) local.get 0 {sums}))")).unwrap();
    let mut bytes = guest("hostile");
    bytes.push(1);
    // Its length, in groups of seven bits.
    let [low, middle, high, top] = [0, 7, 14, 21].map(|bits| u8::try_from(module.len() >> bits & 0x7f).unwrap());
    bytes.extend([low | 0x80, middle | 0x80, high | 0x80, top]);
    bytes.extend(module);
    bytes
}

#[test]
fn what_takes_too_much_to_compile_is_a_clear_error() {
    let open = |operations: usize, worker: WorkerStart| {
        let component = Component::read(bomb(operations)).unwrap();
        WorkerSession::open(&component, Grants::default(), limits(), &worker).map(drop)
    };
    let minute = Duration::from_secs(30 * limits().time);
    open(1, worker().compiling(1 << 30, minute)).unwrap();
    let error = open(1_500_000, worker().compiling(512 << 20, minute)).unwrap_err().to_string();
    assert!(error.contains("more than 512 MiB of memory"), "{error}");
    let error = open(1_500_000, worker().compiling(4 << 30, Duration::from_millis(200))).unwrap_err().to_string();
    assert!(error.contains("longer than 200ms to compile"), "{error}");
}

#[test]
fn compiled_code_is_kept_and_a_spoiled_entry_is_not_run() {
    let cache = TempDir::new().unwrap();
    let dir = cache.path().join("code");
    let component = Component::read(guest("hostile")).unwrap();
    let open = || open(&component, worker().cache(&dir));
    let entry = || {
        let list: Vec<PathBuf> = fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(list.len(), 1, "{list:?}");
        list[0].clone()
    };
    assert!(present(&check(&mut open(), "")));
    assert_eq!(fs::metadata(&dir).unwrap().permissions().mode() & 0o777, 0o700);
    let kept = fs::read(entry()).unwrap();

    let begun = Instant::now();
    drop(open());
    println!("with kept code: {:?}", begun.elapsed());

    // The code of another component under this one's key, with a digest that fits it.
    let other = Component::read(plugin("agenix")).unwrap();
    let elsewhere = cache.path().join("other");
    drop(self::open(&other, worker().cache(&elsewhere)));
    let foreign = fs::read(fs::read_dir(&elsewhere).unwrap().next().unwrap().unwrap().path()).unwrap();
    let mut flipped = kept.clone();
    flipped[100_000] ^= 1;
    for spoiled in [foreign, flipped, kept[..kept.len() / 2].to_vec(), Vec::new(), b"\x7fELF".to_vec()] {
        fs::write(entry(), &spoiled).unwrap();
        assert!(present(&check(&mut open(), "")));
        assert_eq!(fs::read(entry()).unwrap().len(), kept.len());
        assert_ne!(fs::read(entry()).unwrap(), spoiled);
    }

    // An entry that others may write, one that is a link, and a directory that others may write are not used.
    let path = entry();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
    assert!(present(&check(&mut open(), "")));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let aside = cache.path().join("aside");
    fs::rename(&path, &aside).unwrap();
    symlink(&aside, &path).unwrap();
    assert!(present(&check(&mut open(), "")));
    assert!(fs::symlink_metadata(&path).unwrap().is_file());
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o777)).unwrap();
    fs::write(&path, b"planted").unwrap();
    assert!(present(&check(&mut open(), "")));
    assert_eq!(fs::read(&path).unwrap(), b"planted");
}

#[test]
fn code_for_any_processor_is_loaded() {
    let component = Component::read(guest("hostile")).unwrap();
    let code = artifacts_session::precompile(&component, &worker()).unwrap();
    assert!(code.len() > component.size());
    let mut backend = open(&component.with_compiled(code.leak()), worker());
    assert!(present(&check(&mut backend, "")));
    // Code of another component is not taken for it.
    let other = Component::read(plugin("agenix")).unwrap();
    let code = artifacts_session::precompile(&other, &worker()).unwrap();
    let component = Component::read(guest("hostile")).unwrap();
    assert!(present(&check(&mut open(&component.with_compiled(code.leak()), worker()), "")));
}

#[test]
fn code_that_is_not_inside_is_made() {
    let component = Component::read(guest("hostile")).unwrap();
    let code = artifacts_session::precompile(&component, &worker()).unwrap();
    let component = component.with_compiled(code.leak());
    // This program has no component inside, so that what came with this one is not sent, and is not there either.
    let compiled = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&compiled);
    let observed = worker().with_code_inside().observed(move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
    });
    assert!(present(&check(&mut open(&component, observed), "")));
    assert_eq!(compiled.load(Ordering::Relaxed), 2, "its beginning and its end");
}

#[test]
fn a_program_that_is_no_worker_is_an_error() {
    let component = Component::read(guest("hostile")).unwrap();
    for program in ["/bin/true", "/bin/cat", "/nowhere"] {
        let worker = WorkerStart::default().program(program);
        let error = WorkerSession::open(&component, Grants::default(), limits(), &worker).err().unwrap();
        assert!(matches!(error, Error::Worker(_)), "{program}: {error}");
    }
}

/// Up to three workers of a component.
fn several(component: &str) -> Workers {
    let component = Component::read(if component == "agenix" { plugin(component) } else { guest(component) }).unwrap();
    Workers::new(open(&component, worker()), NonZeroUsize::new(3).unwrap(), || Some(worker()))
}

/// Has values written for one file each, and returns what came of each.
fn written(workers: &mut Workers, instances: &[InstanceView], to: &Key) -> Vec<Result<Serialized, CallFailed>> {
    let values: Vec<_> = (0..instances.len()).map(|number| secrets(&[("one", &format!("value {number}"))])).collect();
    let recipients: Vec<_> = instances.iter().map(|instance| same(instance, &[&to.public])).collect();
    let decrypted = Decrypted::new();
    let calls = instances.iter().zip(&values).zip(&recipients).map(|((instance, secrets), recipients)| {
        let (instance, files) = (instance.clone(), EntryFiles::new());
        SerializeCall { instance, files, secrets, recipients, decrypted: &decrypted }
    });
    workers.serialize(NOW, calls.collect())
}

#[test]
fn a_batch_goes_to_several_workers_and_its_answers_keep_their_order() {
    if !alone("a_batch_goes_to_several_workers_and_its_answers_keep_their_order") {
        return;
    }
    let (mut backend, host) = (several("agenix"), key());
    let config = serde_json::json!({"publicHostKey": host.public});
    let instances: Vec<_> = (0..40).map(|number| instance(&format!("a{number}"), &["one"], &config)).collect();
    written(&mut backend, &instances[..3], &host);
    assert_eq!(self::workers().0.len(), 1, "a few calls are not worth another");
    let stored = written(&mut backend, &instances, &host);
    assert_eq!((backend.count(), self::workers().0.len()), (3, 3));
    for (number, stored) in stored.iter().enumerate() {
        let files = &stored.as_ref().unwrap().files;
        assert_eq!(unsealed(&files["one.age"], &host), format!("value {number}").as_bytes());
    }
    drop(backend);
    assert_eq!(self::workers().0.len(), 0);
}

#[test]
fn checks_go_to_several_workers_and_their_answers_keep_their_order() {
    let (mut backend, mut alone, key) = (several("hostile"), several("hostile"), key());
    let checks = |number: usize| match number % 7 {
        0 => "trap",
        1 => "fail",
        2 => "absent",
        _ => "present",
    };
    let batch: Vec<_> = (0..250)
        .map(|number| {
            let config = behaving(&[&key.public], &[("check", checks(number))]);
            (instance(&format!("a{number}"), &["one"], &config), EntryFiles::new())
        })
        .collect();
    let told = |checks: &Checks| checks.answers.iter().map(|answer| format!("{answer:?}")).collect::<Vec<_>>();
    let whole = backend.check(NOW, batch.clone());
    assert_eq!(backend.count(), 3);
    let mut one_by_one = Vec::new();
    for part in batch.chunks(50) {
        one_by_one.extend(told(&alone.check(NOW, part.to_vec())));
    }
    assert_eq!(alone.count(), 1, "a few checks are not worth another");
    assert_eq!(told(&whole), one_by_one);
    assert!(one_by_one[0].contains("crashed") && one_by_one[3].contains("Present"), "{one_by_one:?}");
    assert!(whole.usage.calls > 250 && whole.events.len() >= 250, "{:?}", whole.usage);
    assert!(backend.check(NOW, Vec::new()).answers.is_empty());
}

#[test]
fn in_several_workers_an_end_costs_its_own_call_and_overruns_are_counted_together() {
    let (mut backend, key) = (several("hostile"), key());
    let behaves = |mode: &str| instance("a", &["one"], &behaving(&[&key.public], &[("serialize", mode)]));
    let ends: Vec<_> = (0..30).map(|number| behaves(if number % 5 == 0 { "trap" } else { "" })).collect();
    for (number, one) in written(&mut backend, &ends, &key).into_iter().enumerate() {
        assert_eq!(one.is_err(), number % 5 == 0, "{number}: {one:?}");
    }
    let spins: Vec<_> = (0..30).map(|_| behaves("spin")).collect();
    let errors = written(&mut backend, &spins, &key).into_iter().map(|one| format!("{:?}", one.unwrap_err().error));
    let (given_up, waited): (Vec<_>, Vec<_>) = errors.partition(|error| error.contains("not asked again"));
    // Each worker may be in a call while another one overruns for the third time.
    assert!((3..6).contains(&waited.len()) && given_up.len() >= 25, "{waited:?}");
}

#[test]
fn where_no_other_worker_can_be_had_the_first_does_the_work() {
    let first = open(&Component::read(plugin("agenix")).unwrap(), worker());
    let mut backend = Workers::new(first, NonZeroUsize::new(3).unwrap(), || None);
    let host = key();
    let config = serde_json::json!({"publicHostKey": host.public});
    let instances: Vec<_> = (0..40).map(|number| instance(&format!("a{number}"), &["one"], &config)).collect();
    assert!(written(&mut backend, &instances, &host).iter().all(Result::is_ok));
    assert_eq!(backend.count(), 1);
}
