//! Two runs that write into one storage.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use anyhow::Result;
use artifacts_tests::fleet::{Fleet, Ran, in_session};
use serde_json::json;

/// A machine with an artifact whose generator waits for a file, and one whose generator does not.
fn fleet() -> Result<Fleet> {
    let fleet = Fleet::new()?;
    // A generator sees nothing of the checkout but is given a prompt, which is a named pipe's other end in the fleet's own script.
    let slow = fleet.generator(
        "slow",
        "#!/bin/bash\nexec 3<>/dev/tcp/127.0.0.1/$(cat $prompts/port)\nread -u 3 word\necho $word > $out/f\n",
    )?;
    let quick = fleet.generator("quick", "#!/bin/bash\necho x > $out/f\n")?;
    let artifact = |generator| json!({"backend": "agenix", "files": {"f": {}}, "generator": generator});
    let mut waits = artifact(slow);
    waits["network"] = json!(true);
    waits["prompts"] = json!({"port": {"type": "line"}});
    fleet.machine("web1", &json!({"slow": waits, "quick": artifact(quick)}))
}

/// A run that holds the lock until its generator is answered.
struct Holder {
    child: Child,
    answer: std::net::TcpStream,
}

impl Holder {
    fn start(fleet: &Fleet) -> Result<Self> {
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        let answers: PathBuf = fleet.home().join("answers.toml");
        let port = listener.local_addr()?.port();
        fs::write(&answers, format!("[\"per-machine/web1/slow\"]\nport = \"{port}\"\n"))?;
        let mut command = fleet.command([
            "generate",
            "--accept-recipients",
            "--accept-reading",
            "per-machine/web1/slow",
            "--answers",
        ])?;
        let child = command.arg(answers).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        Ok(Self { child, answer: listener.accept()?.0 })
    }

    fn end(mut self) -> Result<()> {
        std::io::Write::write_all(&mut self.answer, b"word\n")?;
        assert!(self.child.wait()?.success());
        Ok(())
    }
}

fn quick(fleet: &Fleet, more: &[&str]) -> Result<Command> {
    let words = ["generate", "--accept-recipients", "per-machine/web1/quick"];
    Ok(in_session(&fleet.command(words.iter().chain(more))?))
}

#[test]
fn a_held_lock_is_waited_for_and_fails_at_once_without_input() -> Result<()> {
    let fleet = fleet()?;
    let holder = Holder::start(&fleet)?;
    let refused: Ran = quick(&fleet, &["--no-input"])?.output()?.into();
    refused.ends(1).says("in use by another run").never_says("waiting for");

    let mut waits = quick(&fleet, &[])?.stderr(Stdio::piped()).stdout(Stdio::null()).spawn()?;
    let mut said = BufReader::new(waits.stderr.take().unwrap());
    let mut line = String::new();
    said.read_line(&mut line)?;
    assert!(line.starts_with("waiting for another artifacts (process "), "{line}");
    assert!(waits.try_wait()?.is_none());
    holder.end()?;
    assert!(waits.wait()?.success());
    assert_eq!(fleet.decrypt("web1", "secrets/per-machine/web1/quick/f.age")?, b"x\n");
    assert_eq!(fleet.decrypt("web1", "secrets/per-machine/web1/slow/f.age")?, b"word\n");
    Ok(())
}

#[test]
fn who_waits_for_a_lock_can_stop() -> Result<()> {
    let fleet = fleet()?;
    let holder = Holder::start(&fleet)?;
    let mut command = fleet.command(["generate", "--accept-recipients", "per-machine/web1/quick"])?;
    let mut waits = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn()?;
    let mut said = BufReader::new(waits.stderr.take().unwrap());
    let mut line = String::new();
    said.read_line(&mut line)?;
    assert!(line.starts_with("waiting for another artifacts"), "{line}");
    assert!(Command::new("kill").args(["-s", "INT", &waits.id().to_string()]).status()?.success());
    assert!(!waits.wait()?.success());
    assert!(!fleet.path().join("secrets/per-machine/web1/quick").exists());
    holder.end()
}
