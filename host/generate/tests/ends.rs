//! Every way a run can end leaves no process and no file.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::missing_panics_doc)]

mod common;

use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use artifacts_generate::{Error, GeneratorFailure, Sandbox};
use artifacts_ram::Ram;
use artifacts_text::Explain;
use common::{RamDir, again, child_place, left_in, marker, processes, sandbox, secret, soon};

#[test]
fn a_failure_keeps_its_output_to_itself() {
    let place = RamDir::new();
    let mut job = place.job("cat $prompts/pin; cat $prompts/pin >&2; exit 7", &["it"]);
    job.prompts = [("pin".parse().unwrap(), secret("s3cret."))].into();
    let error = place.run(&job).unwrap_err();
    assert_eq!(error.to_string(), "the generator exited with status 7");
    assert_eq!(error.output().unwrap().expose(), b"s3cret.s3cret.");
    let help = error.hint().unwrap();
    assert!(help.contains("`--show-output`"), "{help}");
    assert!(![error.to_string(), format!("{error:?}"), help].iter().any(|text| text.contains("s3cret")), "{error:?}");
    assert!(matches!(place.fault("kill -9 $$", &[]), GeneratorFailure::Failed { status: 137, .. }));
}

#[test]
fn a_signal_is_named_only_where_there_may_have_been_one() {
    let place = RamDir::new();
    for status in [1, 127, 128, 193, 255] {
        let error = place.run(&place.job(&format!("exit {status}"), &["it"])).unwrap_err();
        assert_eq!(error.to_string(), format!("the generator exited with status {status}"));
        // It printed nothing, and there may have been no signal.
        let hint = error.hint().unwrap_or_default();
        assert!(!hint.contains("signal") && !hint.contains("--show-output"), "{hint}");
    }
    // A shell's status is the same as that of the signal itself: said of the shell, not of the generator.
    for body in ["exit 143", "kill -TERM $$"] {
        let error = place.run(&place.job(body, &["it"])).unwrap_err();
        assert!(error.to_string().ends_with("the generator exited with status 143"), "{error}");
        assert!(
            error.hint().unwrap().contains("a shell exits with status 143 when signal 15 (SIGTERM) ended"),
            "{error}"
        );
    }
}

#[test]
fn a_command_that_a_shell_does_not_find_is_told_from_a_generator_that_fails() {
    let place = RamDir::new();
    let hint = |body: &str| place.run(&place.job(body, &["it"])).unwrap_err().hint().unwrap_or_default();
    assert!(hint("no-such-command").contains("127 when it does not find a command"), "{}", hint("no-such-command"));
    assert!(hint("/etc/passwd").contains("126 when a command is no file"), "{}", hint("/etc/passwd"));
    assert!(!hint("exit 1").contains("shell"));
}

#[test]
fn files_of_a_failed_run_are_not_taken() {
    let place = RamDir::new();
    assert!(matches!(place.fault("echo x > $out/it; exit 1", &["it"]), GeneratorFailure::Failed { status: 1, .. }));
}

#[test]
fn only_the_end_of_a_long_output_is_kept() {
    let place = RamDir::new();
    let error = place.run(&place.job("head -c 10000000 /dev/zero; echo -n the end; exit 1", &[])).unwrap_err();
    let output = error.output().unwrap();
    assert_eq!(output.size(), 64 << 10);
    assert!(output.expose().ends_with(b"the end"));
}

#[test]
fn a_slow_generator_is_ended_with_all_it_started() {
    let place = RamDir::new();
    let marker = marker();
    // It ignores every signal that it can, has many children, and some have left its session and closed everything.
    let body = format!(
        "trap '' TERM INT HUP; echo begun; for i in $(seq 50); do sleep {marker} & (setsid sleep {marker} <&- >&- 2>&- &); done; sleep {marker}"
    );
    let mut job = place.job(&body, &[]);
    job.timeout = Some(Duration::from_millis(500));
    let start = Instant::now();
    let fault = place.fault_in(&job);
    assert!(matches!(&fault, GeneratorFailure::Timeout { output, .. } if output.expose() == b"begun\n"), "{fault:?}");
    assert_eq!(fault.to_string(), "the generator timed out after 0.5 s");
    assert!((0.5..5.0).contains(&start.elapsed().as_secs_f64()));
    assert_eq!(processes(&marker), 0);
}

#[test]
fn a_generator_that_breeds_is_ended() {
    let place = RamDir::new();
    let marker = marker();
    // Each dies at once after two others: none can be caught by its number.
    let body = format!(
        "f() {{ [ $1 -gt 9 ] && exec sleep {marker}; f $(($1+1)) & f $(($1+1)) & }}; f 0; wait; sleep {marker}"
    );
    let mut job = place.job(&body, &[]);
    job.timeout = Some(Duration::from_millis(700));
    assert!(matches!(place.fault_in(&job), GeneratorFailure::Timeout { .. }));
    assert_eq!(processes(&marker), 0);
}

#[test]
fn a_cancelled_run_ends_at_once() {
    let place = RamDir::new();
    let marker = marker();
    let mut job = place.job(&format!("trap '' TERM; sleep {marker}; sleep {marker}"), &[]);
    job.timeout = Some(Duration::from_secs(20));
    let cancel = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let run = scope.spawn(|| place.sandbox.run(&job, &cancel));
        assert!(soon(|| processes(&marker) == 1));
        let start = Instant::now();
        cancel.store(true, Ordering::Relaxed);
        let error = run.join().unwrap().unwrap_err();
        assert!(matches!(&error, Error::Run(fault) if matches!(**fault, GeneratorFailure::Cancelled)), "{error}");
        assert!(start.elapsed() < Duration::from_secs(1));
    });
    assert_eq!(processes(&marker), 0);
    assert_eq!(left_in(place.shm.path()), Vec::<String>::new());
    // One that is cancelled before it begins runs nothing.
    let error = place.sandbox.run(&place.job("echo x > $out/it", &["it"]), &AtomicBool::new(true)).unwrap_err();
    assert!(error.to_string().contains("canceled"));
}

#[test]
fn a_daemon_does_not_outlive_the_run() {
    let place = RamDir::new();
    let marker = marker();
    // It keeps writing to the file that was taken, and holds the output open.
    let body = format!(
        "echo -n done > $out/it; (setsid bash -c 'while true; do echo more >> /out/it; done' {marker} &)
         (setsid sleep {marker} &); sleep 0.1; echo -n done > $out/it; exit 0"
    );
    let start = Instant::now();
    let result = place.run(&place.job(&body, &["it"]));
    assert!(start.elapsed() < Duration::from_secs(5), "it waited for the daemon");
    assert_eq!(processes(&marker), 0);
    // What came out is whole, though the daemon may have added to it.
    assert!(result.unwrap().values().all(|value| value.expose().starts_with(b"done")));
}

#[test]
fn kill_9_of_the_host_leaves_no_process_and_the_next_run_sweeps() {
    const TEST: &str = "kill_9_of_the_host_leaves_no_process_and_the_next_run_sweeps";
    if let Some(ram) = child_place() {
        let program = std::env::var_os("PROGRAM").unwrap();
        let job = common::job_of("shared/x", program);
        let _ = sandbox(&ram).run(&job, &AtomicBool::new(false));
        unreachable!("it is killed before");
    }
    let place = RamDir::new();
    let marker = marker();
    let job = place.job(&format!("trap '' TERM; (setsid sleep {marker} &); sleep {marker}; true"), &[]);
    let mut child =
        again(TEST, place.shm.path(), &[]).env("PROGRAM", &job.program).stdout(Stdio::null()).spawn().unwrap();
    assert!(soon(|| processes(&marker) == 2), "it did not come up");
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(soon(|| processes(&marker) == 0), "a process is left");
    assert_eq!(left_in(place.shm.path()).len(), 1);
    assert_eq!(Ram::find(&[place.shm.path().to_owned()]).unwrap().sweep(), 1);
    assert_eq!(left_in(place.shm.path()), Vec::<String>::new());
}

#[test]
fn a_sandbox_that_is_killed_from_outside_is_a_failure_of_its_run() {
    let place = RamDir::new();
    let marker = marker();
    let mut job = place.job(&format!("cat $prompts/pin; sleep {marker}"), &[]);
    job.prompts = [("pin".parse().unwrap(), secret("s3cret"))].into();
    std::thread::scope(|scope| {
        let run = scope.spawn(|| place.run(&job));
        assert!(soon(|| processes(&marker) == 1));
        let me = std::process::id();
        let bubblewrap = children(me).into_iter().find(|&child| has_descendant(child, &marker)).unwrap();
        rustix::process::kill_process(
            rustix::process::Pid::from_raw(bubblewrap).unwrap(),
            rustix::process::Signal::KILL,
        )
        .unwrap();
        let error = run.join().unwrap().unwrap_err();
        assert!(error.to_string().ends_with("sandbox was killed from outside by signal 9 (SIGKILL)"), "{error}");
        assert!(error.output().is_some_and(|output| output.expose() == b"s3cret"), "{error:?}");
        assert!(!format!("{error} {error:?}").contains("s3cret"), "{error:?}");
    });
    assert_eq!(processes(&marker), 0);
}

fn children(of: u32) -> Vec<i32> {
    let tasks = std::fs::read_dir(format!("/proc/{of}/task")).into_iter().flatten();
    let lists = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("children")).ok());
    lists.flat_map(|list| list.split_whitespace().map(|pid| pid.parse().unwrap()).collect::<Vec<_>>()).collect()
}

fn has_descendant(pid: i32, marker: &str) -> bool {
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    line.split(|&byte| byte == 0).any(|word| word == marker.as_bytes())
        || children(pid.unsigned_abs()).into_iter().any(|child| has_descendant(child, marker))
}

#[test]
fn many_run_side_by_side() {
    let place = RamDir::new();
    let job = place.job("sleep 0.05; cat /proc/sys/kernel/random/uuid > $out/it", &["it"]);
    let all: std::collections::BTreeSet<Vec<u8>> = std::thread::scope(|scope| {
        let runs: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| place.sandbox.run(&job, &AtomicBool::new(false)).unwrap().pop_first().unwrap().1))
            .collect();
        runs.into_iter().map(|run| run.join().unwrap().expose().to_vec()).collect()
    });
    assert_eq!(all.len(), 8);
    assert_eq!(left_in(place.shm.path()), Vec::<String>::new());
}

#[test]
fn a_missing_bubblewrap_says_what_to_install() {
    let place = RamDir::new();
    let ram = Ram::find(&[place.shm.path().to_owned()]).unwrap();
    let error = Sandbox::new("/nowhere/bwrap".into(), &ram).unwrap_err();
    assert!(
        error.to_string().contains("/nowhere/bwrap") && error.hint().unwrap().contains("install bubblewrap"),
        "{error}"
    );
    let error = Sandbox::new("/usr/bin/true".into(), &ram).unwrap_err();
    assert!(error.to_string().contains("--unshare-all") && error.hint().is_some(), "{error}");
    assert_eq!(Sandbox::find("/nowhere:relative:".as_ref()), None);
    assert!(Sandbox::find("/nowhere:/usr/local/bin:/usr/bin:/run/current-system/sw/bin".as_ref()).is_some());
}

#[test]
fn forbidden_namespaces_say_what_to_allow() {
    const TEST: &str = "forbidden_namespaces_say_what_to_allow";
    if child_place().is_some() {
        let place = RamDir::new();
        let error = place.run(&place.job("echo x > $out/it", &["it"])).unwrap_err();
        assert!(matches!(&error, Error::Run(fault) if matches!(**fault, GeneratorFailure::Sandbox { .. })), "{error}");
        assert!(error.hint().unwrap_or_default().contains("user namespaces"), "{error}");
        return;
    }
    let wrapper = ["bwrap", "--dev-bind", "/", "/", "--unshare-user", "--disable-userns", "--cap-drop", "ALL", "--"];
    assert!(again(TEST, Path::new("/"), &wrapper).status().unwrap().success());
}

#[test]
fn a_run_is_quick() {
    let place = RamDir::new();
    let job = place.job("echo x > $out/it", &["it"]);
    let mut times: Vec<Duration> = (0..15)
        .map(|_| {
            let start = Instant::now();
            place.run(&job).unwrap();
            start.elapsed()
        })
        .collect();
    times.sort();
    println!("a run takes {:?} in the median, {:?} to {:?}", times[7], times[0], times[14]);
    assert!(times[7] < Duration::from_millis(500), "{times:?}");
}
