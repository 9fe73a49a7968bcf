//! Editors: a secret that one is given has no copy outside of RAM.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use artifacts_tests::desk::Desk;
use artifacts_tests::fleet::{Fleet, Ran, in_session};
use artifacts_tests::script;
use serde_json::json;

const FILE: &str = "secrets/per-machine/web1/a/f.age";

/// A machine with one stored secret, and a directory of editors.
fn fleet() -> Result<Fleet> {
    let fleet = Fleet::new()?;
    let generator = fleet.generator("make", "#!/bin/bash\nprintf 's3cret before' > $out/f\n")?;
    let fleet =
        fleet.machine("web1", &json!({"a": {"backend": "agenix", "files": {"f": {}}, "generator": generator}}))?;
    fleet.run(["generate", "--accept-recipients"])?.ends(0);
    fs::create_dir(editors(&fleet))?;
    Ok(fleet)
}

fn editors(fleet: &Fleet) -> PathBuf {
    fleet.home().join("editors")
}

/// A program that writes its arguments down, one a line, and edits.
fn fake(fleet: &Fleet, name: &str) -> Result<PathBuf> {
    let called = fleet.home().join("called");
    let script =
        format!("#!/bin/bash\nprintf '%s\\n' \"$@\" > '{}'\nprintf edited > \"${{@: -1}}\"\n", called.display());
    script::write(&editors(fleet).join(name), script)?;
    Ok(called)
}

fn edit(fleet: &Fleet, editor: &str) -> Result<Command> {
    let key = fleet.key_file("web1");
    let mut command = fleet.command(["-i", key.to_str().unwrap(), "edit", "a", "f"])?;
    let own = std::iter::once(editors(fleet));
    let path = std::env::join_paths(own.chain(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())))?;
    command.env("PATH", path).env_remove("VISUAL").env("EDITOR", editor).env("TERM", "dumb");
    Ok(command)
}

#[test]
fn editors_that_keep_copies_are_started_so_that_they_keep_none() -> Result<()> {
    let fleet = fleet()?;
    for (name, more, expected) in [
        ("vim", "-f", "-f\n-n\n-i\nNONE\n-c\nsilent! set nobackup nowritebackup noundofile noswapfile\n"),
        ("nvim", "", "-n\n-i\nNONE\n-c\nsilent! set nobackup nowritebackup noundofile noswapfile\n"),
        ("nano", "-w", "-w\n--ignorercfiles\n"),
        ("emacs", "-nw", "-nw\n--eval\n(progn (setq make-backup-files nil auto-save-default nil"),
        ("other", "-x", "-x\n/"),
    ] {
        let called = fake(&fleet, name)?;
        let command = edit(&fleet, &format!("{name} {more}"))?;
        let ran: Ran = in_session(&command).output()?.into();
        assert_eq!(ran.status, Some(0), "{ran}");
        let arguments = fs::read_to_string(called)?;
        assert!(arguments.starts_with(expected) && arguments.ends_with("/f\n"), "{name}: {arguments}");
    }
    assert_eq!(fleet.decrypt("web1", FILE)?, b"edited");
    Ok(())
}

#[test]
fn an_editor_that_keeps_copies_is_named_once_before_it_gets_a_secret() -> Result<()> {
    let fleet = fleet()?;
    let called = fake(&fleet, "code")?;
    let ran: Ran = in_session(&edit(&fleet, "code --wait")?).output()?.into();
    ran.ends(1).says("`code` may keep copies of the file outside of RAM").says("set EDITOR to vim");
    let mut desk = Desk::start(&edit(&fleet, "code --wait")?)?;
    desk.sees("Edit secrets with `code` on this machine? [y/N]")?.types("n\r")?.sees("the editor was not accepted")?;
    assert_eq!(desk.ends()?.0, Some(1));
    assert!(!called.exists());
    let mut desk = Desk::start(&edit(&fleet, "code --wait")?)?;
    desk.sees("Edit secrets with `code` on this machine? [y/N]")?.types("y\r")?;
    assert_eq!(desk.ends()?.0, Some(0));
    assert!(fs::read_to_string(called)?.starts_with("--wait\n/"));
    assert_eq!(fleet.decrypt("web1", FILE)?, b"edited");
    // It is known from now on; another one is not.
    let ran: Ran = in_session(&edit(&fleet, "code --wait")?).output()?.into();
    ran.ends(0).says("no changes");
    fake(&fleet, "emacsclient")?;
    let ran: Ran = in_session(&edit(&fleet, "emacsclient -t")?).output()?.into();
    ran.ends(1).says("`emacsclient` may keep copies");
    Ok(())
}

/// All files below a directory that contain a text.
fn containing(dir: &Path, text: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for path in fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            found.extend(containing(&path, text));
        } else if fs::read(&path).is_ok_and(|bytes| String::from_utf8_lossy(&bytes).contains(text)) {
            found.push(path);
        }
    }
    found
}

/// A vim that keeps all copies that it can.
const VIMRC: &str = "set nocompatible undofile undodir=~/kept backup writebackup backupdir=~/kept backupskip= \
    directory=~/kept updatecount=1 viminfo='100,<50,n~/kept/viminfo\n";

#[test]
fn the_real_vim_keeps_none_whatever_it_is_configured_to() -> Result<()> {
    let Some(vim) =
        ["/usr/bin/vim", "/run/current-system/sw/bin/vim"].into_iter().find(|path| Path::new(path).exists())
    else {
        return Ok(());
    };
    let fleet = fleet()?;
    fs::create_dir(fleet.home().join("kept"))?;
    fs::write(fleet.home().join(".vimrc"), VIMRC)?;
    let keys = fleet.home().join("keys");
    fs::write(&keys, ":%s/before/after/\r:yank\r:wq\r")?;
    let mut command = edit(&fleet, &format!("{vim} -s '{}'", keys.display()))?;
    command.env_remove("VIMINIT").env("TERM", "xterm");
    let (status, shown) = Desk::start(&command)?.ends()?;
    assert_eq!(status, Some(0), "{shown}");
    assert_eq!(fleet.decrypt("web1", FILE)?, b"s3cret after");
    assert_eq!(containing(fleet.home(), "s3cret"), Vec::<PathBuf>::new());
    Ok(())
}
