//! A person who wants out in the middle of a run.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::Result;
use artifacts_tests::fleet::{Fleet, Ran};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Map, Value, json};

/// So many artifacts.
const COUNT: usize = 20;

#[test]
fn a_run_that_was_cut_short_fails_and_tells_how_much_it_did_not_reach() -> Result<()> {
    let fleet = Fleet::new()?;
    // Each says when it is done, so that the signal comes while it is stored.
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    let script = format!("#!/bin/bash\necho made > $out/secret\nexec 3<>/dev/tcp/127.0.0.1/{port}\n");
    let tells = fleet.generator("tells", &script)?;
    let one = json!({"backend": "agenix", "files": {"secret": {}}, "network": true, "generator": tells});
    let all: Map<String, Value> = (0..COUNT).map(|number| (format!("a{number:02}"), one.clone())).collect();
    let fleet = fleet.machine("web1", &Value::Object(all))?;
    let mut command = fleet.command(["--json", "--jobs", "2", "generate", "--accept-recipients"])?;
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    listener.accept()?;
    kill_process(Pid::from_child(&child), Signal::INT)?;
    let ran: Ran = child.wait_with_output()?.into();
    let ran = ran.ends(1);
    let json = ran.json();
    let rows = json["instances"].as_array().unwrap();
    let left = rows.iter().filter(|row| row["state"] == "absent").count();
    let errors: Vec<&str> =
        json["errors"].as_array().unwrap().iter().filter_map(|error| error["message"].as_str()).collect();
    // Those that were under way may have been stored, or not.
    let stopped = errors.len() - 1;
    let told = format!("interrupted; {} artifacts not processed: ", left - stopped);
    let list = errors.iter().find_map(|error| error.strip_prefix(&told)).unwrap_or_else(|| panic!("{ran}"));
    assert!(stopped <= 2 && list.contains("per-machine/web1/a"), "{ran}");
    let (all, more) = list.split_once(" and ").unwrap_or((list, "0 more"));
    let more: usize = more.trim_end_matches(" more").parse()?;
    let names: Vec<&str> = all.split(", ").collect();
    assert_eq!(names.len() + more, left - stopped, "{ran}");
    assert!(names.iter().all(|name| rows.iter().any(|row| row["name"] == **name && row["state"] == "absent")), "{ran}");
    // A state that nothing is in is not counted.
    let unchanged = if left < COUNT { format!(", {} unchanged", COUNT - left) } else { String::new() };
    fleet.run(["generate"])?.ends(0).says(&format!("{left} generated{unchanged}"));
    Ok(())
}

/// Every signal by whose default action a process ends, SIGKILL and what Rust programs ignore apart.
fn deadly() -> Vec<i32> {
    // SIGCHLD, SIGCONT and the like end nothing; 32 and 33 are the C library's own.
    const OTHERS: [i32; 12] = [9, 13, 17, 18, 19, 20, 21, 22, 23, 28, 32, 33];
    (1..=64).filter(|signal| !OTHERS.contains(signal)).collect()
}

#[test]
fn every_signal_that_ends_a_process_takes_the_plaintext_along() -> Result<()> {
    let next = Mutex::new(deadly().into_iter());
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..6)
            .map(|_| {
                scope.spawn(|| -> Result<()> {
                    let fleet = Fleet::new()?;
                    let waits = fleet.generator("waits", "#!/bin/bash\ncat $prompts/p > $out/secret\nsleep 60\n")?;
                    let one =
                        json!({"backend": "agenix", "files": {"secret": {}}, "prompts": {"p": {}}, "generator": waits});
                    let fleet = fleet.machine("web1", &json!({"a": one}))?;
                    let answers = fleet.home().join("answers.json");
                    fs::write(&answers, r#"{"per-machine/web1/a": {"p": "hunter2"}}"#)?;
                    loop {
                        let Some(signal) = next.lock().unwrap().next() else { return Ok(()) };
                        ends_clean(&fleet, &answers, signal)?;
                    }
                })
            })
            .collect();
        workers.into_iter().try_for_each(|worker| worker.join().unwrap())
    })
}

fn ends_clean(fleet: &Fleet, answers: &Path, signal: i32) -> Result<()> {
    let ram = tempfile::Builder::new().prefix("signals-").tempdir_in("/dev/shm")?;
    let mut command = fleet.command(["generate", "--no-input", "--accept-recipients", "--answers"])?;
    command.arg(answers).env("XDG_RUNTIME_DIR", ram.path()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn()?;
    let holds_the_prompt = || {
        let dirs = fs::read_dir(ram.path()).unwrap();
        dirs.flatten().any(|dir| dir.path().join("prompts/p").exists())
    };
    let start = Instant::now();
    while !holds_the_prompt() {
        assert!(start.elapsed() < Duration::from_secs(30) && child.try_wait()?.is_none(), "it did not come so far");
        std::thread::sleep(Duration::from_millis(10));
    }
    let sent = Command::new("kill").arg(format!("-{signal}")).arg(child.id().to_string()).status()?;
    assert!(sent.success());
    let status = child.wait()?;
    let left: Vec<_> = fs::read_dir(ram.path())?.collect();
    assert!(left.is_empty(), "after signal {signal}, {status}: {left:?}");
    // The run ends by itself, having failed, or is ended.
    assert!([Some(1), Some(128 + signal)].contains(&status.code()), "after signal {signal}: {status}");
    Ok(())
}
