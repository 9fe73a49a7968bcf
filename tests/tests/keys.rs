//! Private keys from the environment, as sops takes them.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

use std::fs;
use std::process::Command;

use anyhow::Result;
use artifacts_tests::fleet::{Fleet, Ran, in_session};
use artifacts_tests::script;
use serde_json::json;

fn fleet() -> Result<Fleet> {
    let fleet = Fleet::new()?;
    let generator = fleet.generator("make", "#!/bin/bash\necho hunter2 > $out/f\n")?;
    let artifact = json!({"backend": "agenix", "files": {"f": {}}, "generator": generator});
    let fleet = fleet.machine("web1", &json!({"a": artifact}))?;
    fleet.run(["generate", "--accept-recipients"])?.ends(0);
    Ok(fleet)
}

fn got(fleet: &Fleet, change: impl FnOnce(&mut Command) -> &mut Command) -> Result<Ran> {
    let mut command = fleet.command(["get", "a", "f"])?;
    for name in ["SOPS_AGE_KEY", "SOPS_AGE_KEY_FILE", "SOPS_AGE_KEY_CMD", "ARTIFACTS_IDENTITY"] {
        command.env_remove(name);
    }
    command.env_remove("XDG_CONFIG_HOME");
    change(&mut command);
    Ok(in_session(&command).output()?.into())
}

#[test]
fn each_variable_gives_the_key() -> Result<()> {
    let fleet = fleet()?;
    let file = fleet.key_file("web1");
    let key = fs::read_to_string(&file)?;
    let elsewhere = fleet.home().join("key");
    fs::copy(&file, &elsewhere)?;
    got(&fleet, |command| command)?.ends(1).never_says("hunter2");
    for (name, value) in [
        ("SOPS_AGE_KEY", key.clone()),
        ("SOPS_AGE_KEY_FILE", file.display().to_string()),
        ("SOPS_AGE_KEY_CMD", format!("cat {}", elsewhere.display())),
        ("ARTIFACTS_IDENTITY", file.display().to_string()),
    ] {
        let ran = got(&fleet, |command| command.env(name, &value))?.ends(0);
        assert_eq!(ran.stdout, "hunter2\n", "{name}");
    }
    // One that does not fit is no obstacle to another, and what is passed is all there is.
    let other = fleet.home().join("other");
    artifacts_tests::age::new_key(&other)?;
    got(&fleet, |command| command.env("SOPS_AGE_KEY_FILE", "/no/such").env("SOPS_AGE_KEY", &key))?.ends(0);
    got(&fleet, |command| command.args(["-i".as_ref(), other.as_os_str()]).env("SOPS_AGE_KEY", &key))?.ends(1);
    got(&fleet, |command| command.env("ARTIFACTS_IDENTITY", &other).env("SOPS_AGE_KEY", &key))?.ends(1);
    Ok(())
}

#[test]
fn a_program_of_the_repository_is_not_run_for_keys() -> Result<()> {
    let fleet = fleet()?;
    let program = fleet.path().join("keys");
    script::write(&program, format!("#!/bin/sh\ntouch {}\n", fleet.home().join("ran").display()))?;
    let path = format!("{}:/usr/bin:/bin", fleet.path().display());
    // The checkout's own path has a blank, which no command line can have.
    let link = fleet.home().join("link");
    std::os::unix::fs::symlink(&program, &link)?;
    for line in ["keys", link.to_str().unwrap(), "./keys"] {
        let ran = got(&fleet, |command| command.env("SOPS_AGE_KEY_CMD", line).env("PATH", &path))?;
        ran.ends(1).says("SOPS_AGE_KEY_CMD");
        assert!(!fleet.home().join("ran").exists(), "{line}");
    }
    Ok(())
}

#[test]
fn neither_nix_nor_git_nor_a_generator_sees_a_key() -> Result<()> {
    let fleet = fleet()?;
    fleet.generator("make", "#!/bin/bash\nenv > $out/f\n")?;
    // Whatever is called git or nix tells what it sees, each in a file of its own. Nix has nothing to evaluate here, and fails.
    let bin = fleet.home().join("bin");
    fs::create_dir(&bin)?;
    for (name, then) in [("git", "exec /usr/bin/git \"$@\""), ("nix", "exit 1")] {
        let seen = fleet.home().join(name);
        script::write(&bin.join(name), format!("#!/bin/sh\nenv >> {}\n{then}\n", seen.display()))?;
    }
    assert!(Command::new("git").arg("init").arg("-q").arg(fleet.path()).status()?.success());
    let generate = fleet.command(["generate", "--accept-recipients", "--regenerate", "--yes"])?;
    let mut evaluate = Command::new(artifacts_tests::fleet::program()?);
    evaluate.args(["status", "--flake"]).arg(fleet.path()).env("HOME", fleet.home());
    let path = format!("{}:/usr/bin:/bin", bin.display());
    for (mut command, status) in [(generate, 0), (evaluate, 1)] {
        command.env("PATH", &path).env("SOPS_AGE_KEY", "AGE-SECRET-KEY-1").env("ARTIFACTS_IDENTITY", "x");
        let ran: Ran = in_session(&command).output()?.into();
        ran.ends(status);
    }
    let by_generator = String::from_utf8(fleet.decrypt("web1", "secrets/per-machine/web1/a/f.age")?)?;
    let by_others = ["git", "nix"].map(|name| fs::read_to_string(fleet.home().join(name)).unwrap());
    for seen in by_others.iter().chain([&by_generator]) {
        assert!(seen.contains("PWD=") && !seen.contains("SOPS_AGE") && !seen.contains("ARTIFACTS_IDENTITY"), "{seen}");
    }
    Ok(())
}

#[test]
fn an_editor_sees_no_key() -> Result<()> {
    let fleet = fleet()?;
    let (editor, seen) = (fleet.home().join("editor"), fleet.home().join("seen"));
    script::write(&editor, format!("#!/bin/sh\nenv > {}\n", seen.display()))?;
    let mut command = fleet.command(["edit", "a", "f"])?;
    command.env("EDITOR", &editor).env_remove("VISUAL");
    command.env("SOPS_AGE_KEY", fs::read_to_string(fleet.key_file("web1"))?).env("SOPS_AGE_KEY_CMD", "false");
    let ran: Ran = in_session(&command).output()?.into();
    ran.ends(0);
    let seen = fs::read_to_string(seen)?;
    assert!(seen.contains("TMPDIR=") && !seen.contains("SOPS_AGE") && !seen.contains("AGE-SECRET"), "{seen}");
    Ok(())
}
