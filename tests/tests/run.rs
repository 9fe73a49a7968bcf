//! Files for a command: in RAM while it runs, and for it alone.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Result;
use artifacts_tests::desk::Desk;
use artifacts_tests::fleet::{Fleet, Ran, in_session};
use serde_json::json;
use tempfile::TempDir;

const MAKE: &str = "#!/bin/bash\nprintf 'the token\\n' > $out/token\nprintf 'a\\0b' > $out/binary\n";

/// Two machines with an artifact each, and a directory for all that is in RAM.
struct Case {
    fleet: Fleet,
    ram: TempDir,
}

impl Case {
    fn new() -> Result<Self> {
        let fleet = Fleet::new()?;
        let generator = fleet.generator("make", MAKE)?;
        let one = json!({"backend": "agenix", "files": {"token": {}, "binary": {}}, "generator": generator});
        let only = fleet.generator("only", "#!/bin/bash\nprintf 'only\\n' > $out/only\n")?;
        let only = json!({"backend": "agenix", "files": {"only": {}}, "generator": only});
        let fleet = fleet.machine("web1", &json!({"attic": one}))?;
        let fleet = fleet.machine("web2", &json!({"attic": one, "one": only}))?;
        fleet.run(["generate", "--accept-recipients"])?.ends(0);
        Ok(Self { fleet, ram: tempfile::Builder::new().prefix("run-").tempdir_in("/dev/shm")? })
    }

    fn command(&self, arguments: &[&str]) -> Result<Command> {
        let keys = ["web1", "web2"].map(|name| self.fleet.key_file(name));
        let identities = keys.iter().flat_map(|key| [Path::new("-i"), key.as_path()]);
        let words = identities.map(Path::as_os_str).chain(["run".as_ref()]);
        let mut command = self.fleet.command(words.chain(arguments.iter().map(AsRef::as_ref)))?;
        command.env("XDG_RUNTIME_DIR", self.ram.path());
        Ok(command)
    }

    fn run(&self, arguments: &[&str]) -> Result<Ran> {
        let ran = in_session(&self.command(arguments)?).output()?.into();
        assert!(self.left().is_empty(), "{:?}", self.left());
        Ok(ran)
    }

    fn left(&self) -> Vec<PathBuf> {
        fs::read_dir(self.ram.path()).unwrap().map(|entry| entry.unwrap().path()).collect()
    }

    /// A command that says that it runs, waits until it may go on, and what it says that with.
    fn waiting(&self, then: &str) -> String {
        let (here, on) = (self.fleet.home().join("here"), self.fleet.home().join("on"));
        format!(
            "echo $ARTIFACTS_DIR > {0}.new; mv {0}.new {0}; until [ -e {1} ]; do sleep 0.05; done; {then}",
            here.display(),
            on.display()
        )
    }

    /// Waits for it, and returns the directory that it was given.
    fn runs(&self) -> PathBuf {
        loop {
            if let Ok(dir) = fs::read_to_string(self.fleet.home().join("here")) {
                return PathBuf::from(dir.trim());
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }
}

#[test]
fn a_command_finds_the_files_below_the_names_of_their_instances() -> Result<()> {
    let case = Case::new()?;
    let look = "cd $ARTIFACTS_DIR && find . -type f -printf '%m %p\\n' | sort && cat web1/attic/token && stat -fc %T . && stat -c %a .";
    let ran = case.run(&["attic", "--", "sh", "-c", look])?.ends(0);
    assert_eq!(
        ran.stdout,
        "400 ./web1/attic/binary\n400 ./web1/attic/token\n400 ./web2/attic/binary\n400 ./web2/attic/token\nthe token\ntmpfs\n700\n"
    );
    let ran = case.run(&["web2", "--", "sh", "-c", "ls $ARTIFACTS_DIR"])?.ends(0);
    assert_eq!(ran.stdout, "web2\n");
    Ok(())
}

#[test]
fn a_variable_has_the_value_of_a_file_without_its_last_newline() -> Result<()> {
    let case = Case::new()?;
    let show = "printf '<%s>' \"$T\" \"$U\"; ls $ARTIFACTS_DIR";
    let named = ["--env", "T=per-machine/web1/attic/token", "--env=U=per-machine/web2/attic/token"];
    let ran = case.run(&[&named[..], &["--", "sh", "-c", show]].concat())?.ends(0);
    assert_eq!(ran.stdout, "<the token><the token>", "no file is asked for");
    let ran = case.run(&["--env", "T=web1/attic/token", "--env=U=web2/one", "--", "sh", "-c", show])?.ends(0);
    assert_eq!(ran.stdout, "<the token><only>", "short names, and the only file of an artifact");
    case.run(&["--env", "T=per-machine/web1/attic/binary", "--", "echo", "ran"])?
        .ends(1)
        .says("NUL byte")
        .never_says("ran");
    case.run(&["--env", "T=attic/token", "--", "echo", "ran"])?.ends(1).says("matches 2 instances").never_says("ran");
    case.run(&["--env", "1=attic/token", "--", "echo", "ran"])?.ends(2);
    case.run(&["--", "echo", "ran"])?.ends(2).never_says("ran");
    Ok(())
}

#[test]
fn the_exit_status_is_that_of_the_command() -> Result<()> {
    let case = Case::new()?;
    let status = |words: &[&str]| -> Result<Option<i32>> { Ok(case.run(&[&["attic", "--"], words].concat())?.status) };
    assert_eq!(status(&["sh", "-c", "exit 37"])?, Some(37));
    assert_eq!(status(&["sh", "-c", "kill -9 $$"])?, Some(137));
    assert_eq!(status(&["/no/such/program"])?, Some(127));
    assert_eq!(status(&["/etc/passwd"])?, Some(126));
    Ok(())
}

#[test]
fn where_one_file_cannot_be_decrypted_nothing_runs() -> Result<()> {
    let case = Case::new()?;
    fs::remove_dir_all(case.fleet.path().join("secrets/per-machine/web2"))?;
    case.run(&["attic", "--", "echo", "ran"])?.ends(1).says("not generated yet").never_says("ran");
    case.run(&["nothing", "--", "echo", "ran"])?.ends(1).says("no artifact matches").never_says("ran");
    Ok(())
}

#[test]
fn the_files_are_gone_however_it_ends() -> Result<()> {
    let case = Case::new()?;
    for signal in ["TERM", "HUP"] {
        let _ = fs::remove_file(case.fleet.home().join("here"));
        let script = case.waiting("exit 3");
        let mut child = case.command(&["attic", "--", "sh", "-c", &script])?.stdout(Stdio::null()).spawn()?;
        let dir = case.runs();
        assert!(dir.join("web1/attic/token").exists());
        assert!(Command::new("kill").args(["-s", signal, &child.id().to_string()]).status()?.success());
        let status = child.wait()?;
        assert!(!status.success(), "{status}");
        assert!(case.left().is_empty(), "{signal}: {:?}", case.left());
    }
    Ok(())
}

#[test]
fn ctrl_c_is_the_commands_affair() -> Result<()> {
    let case = Case::new()?;
    let script = case.waiting("exit 5");
    let script = format!("trap 'echo caught; touch {}' INT; {script}", case.fleet.home().join("on").display());
    let mut desk = Desk::start(&case.command(&["attic", "--", "sh", "-c", &script])?)?;
    let dir = case.runs();
    desk.types("\u{3}")?.sees("caught")?;
    assert_eq!(desk.ends()?.0, Some(5));
    assert!(!dir.exists());
    Ok(())
}

#[test]
fn no_variable_leads_a_command_to_a_private_key() -> Result<()> {
    let case = Case::new()?;
    let key = fs::read_to_string(case.fleet.key_file("web1"))?;
    let mut command = case.fleet.command(["run", "per-machine/web1/attic", "--", "env"])?;
    command.env("SOPS_AGE_KEY", &key).env("SOPS_AGE_KEY_FILE", case.fleet.key_file("web2"));
    command.env("SOPS_AGE_KEY_CMD", "cat /dev/null").env("SEEN", "yes").env("ARTIFACTS_IDENTITY", "");
    let ran: Ran = in_session(&command).output()?.into();
    let ran = ran.ends(0).never_says("SOPS_AGE").never_says("ARTIFACTS_IDENTITY");
    assert!(ran.stdout.contains("SEEN=yes") && ran.stdout.contains("ARTIFACTS_DIR="), "{ran}");
    Ok(())
}

#[test]
fn what_was_decrypted_is_in_the_audit_log_and_the_command_is_not() -> Result<()> {
    let case = Case::new()?;
    case.run(&["per-machine/web1/attic", "--", "echo", "hunter2"])?.ends(0);
    let log = fs::read_to_string(case.fleet.audit_log())?;
    let run = log.lines().rfind(|line| line.contains("\"kind\":\"run\"")).unwrap();
    assert!(run.contains("\"command\":\"run\"") && run.contains("per-machine/web1/attic"), "{run}");
    let after = &log[log.find(run).unwrap()..];
    assert!(after.contains("retrieve") && !log.contains("hunter2") && !log.contains("the token"), "{after}");
    Ok(())
}
