//! Where plaintext goes, through the program itself: into memory, and nowhere else.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use artifacts_tests::fleet::{Fleet, Ran, through};
use serde_json::{Value, json};

/// What a generator makes; nothing that is stored or declared has these words.
const CANARY: &str = "canary-7f3a19";
const SINGS: &str = "#!/bin/bash\nprintf 'can%s-7f3a%s' ary 19 > \"$out/secret\"\n";
const SINGS_AND_FAILS: &str = "#!/bin/bash\nprintf 'can%s-7f3a%s' ary 19 > \"$out/secret\"\nexit 1\n";

/// A machine with one artifact of each backend that stores, and one whose generator fails.
fn fleet() -> Result<Fleet> {
    let fleet = Fleet::new()?;
    let artifact =
        |backend: &str, generator: Value| json!({"backend": backend, "files": {"secret": {}}, "generator": generator});
    let artifacts = json!({
        "sealed": artifact("agenix", fleet.generator("sings", SINGS)?),
        "encrypted": artifact("sops-nix", fleet.generator("sings too", SINGS)?),
        "fails": artifact("agenix", fleet.generator("fails", SINGS_AND_FAILS)?),
    });
    let mut fleet = fleet.machine("web1", &artifacts)?;
    let key = fleet.of("web1")["config"]["agenix"]["publicHostKey"].clone();
    fleet.configure("web1", "sops-nix", json!({"publicHostKey": key}));
    Ok(fleet)
}

/// Runs a command with directories mounted over those in RAM. Needs root.
fn with_mounts(command: &Command, mount: &str, after: &str) -> Result<Ran> {
    let script = format!(
        "for at in /dev/shm /run; do {mount} || exit 99; done; mkdir -p /run/user/0; \"$@\"; status=$?; {after}; exit $status"
    );
    let mut unshare = Command::new("unshare");
    unshare.args(["--mount", "--propagation", "private", "bash", "-c", &script, "bash"]);
    let ran = Ran::from(through(unshare, command).env_remove("XDG_RUNTIME_DIR").output().context("unshare")?);
    ensure!(ran.status != Some(99), "nothing can be mounted; this test needs root: {ran}");
    Ok(ran)
}

#[test]
fn nothing_is_left_in_ram_after_success_and_failure() -> Result<()> {
    let fleet = fleet()?;
    for (selector, status) in [("sealed", 0), ("encrypted", 0), ("fails", 1)] {
        let command = fleet.command(["generate", "--accept-recipients", selector])?;
        let look = "echo left: $(find /dev/shm /run -mindepth 1 -not -path /run/user -not -path /run/user/0)";
        with_mounts(&command, "mount -t tmpfs tmpfs $at", look)?.ends(status).says("left:").never_says("left: /");
    }
    Ok(())
}

#[test]
fn without_a_place_in_ram_nothing_is_made() -> Result<()> {
    let fleet = fleet()?;
    // A directory on the disk below the usual names: its kind counts, not where it is.
    let disk = tempfile::tempdir_in(Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"))?;
    let mount = format!("mount --bind '{}' $at", disk.path().display());
    let command = fleet.command(["generate", "--accept-recipients", "sealed"])?;
    with_mounts(&command, &mount, "true")?.ends(1).says("RAM").never_says("made ");
    assert!(fleet.stored()?.is_empty());
    assert_eq!(fs::read_dir(disk.path().join("user/0"))?.count(), 0);
    Ok(())
}

#[test]
fn no_file_holds_plaintext_afterwards() -> Result<()> {
    let fleet = fleet()?;
    let temporary = tempfile::tempdir()?;
    let run = |arguments: &[&str]| -> Result<Ran> {
        Ok(fleet.command(arguments)?.env("TMPDIR", temporary.path()).output()?.into())
    };
    run(&["-v", "generate", "--accept-recipients"])?.ends(1).never_says(CANARY);
    let key = fleet.key_file("web1").display().to_string();
    for artifact in ["sealed", "encrypted"] {
        run(&["get", artifact, "secret", "-i", &key])?.ends(0).says(CANARY);
    }
    for dir in [fleet.path(), fleet.home(), temporary.path()] {
        let found = Command::new("grep").args(["-rlF", CANARY]).arg(dir).output()?;
        assert_eq!(String::from_utf8(found.stdout)?, "");
    }
    Ok(())
}

/// Every write of the program, its workers, its generators and git, with where it went.
#[test]
fn plaintext_is_written_to_pipes_and_ram_only() -> Result<()> {
    let fleet = fleet()?;
    let log = fleet.home().join("trace");
    let mut strace = Command::new("strace");
    strace.args(["--follow-forks", "--decode-fds=all", "--string-limit=65536", "--trace"]);
    strace.arg("write,pwrite64,writev,pwritev,pwritev2,sendto,sendmsg,sendfile,copy_file_range,splice").arg("--output");
    strace.arg(&log);
    let ran =
        Ran::from(through(strace, &fleet.command(["generate", "--accept-recipients"])?).output().context("strace")?)
            .ends(1);
    let text = String::from_utf8_lossy(&fs::read(&log)?).into_owned();
    let holds: Vec<&str> = text.lines().filter(|line| line.contains(CANARY)).collect();
    assert!(
        holds.iter().any(|line| line.contains("<pipe:") || line.contains("<UNIX")),
        "the worker was given it: {ran}"
    );
    for line in holds {
        // `/out` is what a generator sees of the directory in RAM that is its own.
        let well = ["</out/", "</dev/shm/", "<pipe:", "<UNIX", "<socket:"].iter().any(|place| line.contains(place));
        assert!(well, "{line}");
    }
    Ok(())
}
