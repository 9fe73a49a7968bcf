//! `$SOPS_AGE_KEY_CMD`: a program that prints private keys.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, OnceLock};

use artifacts_age::Programs;
use artifacts_seam::Secret;

use crate::environment::Environment;
use crate::limited_input;

/// A program that prints private keys: run at most once, without a shell, and never from the repository.
#[derive(Clone)]
pub struct KeyCommand {
    /// The program and its arguments.
    words: Vec<OsString>,
    /// Where a program without a path is looked for.
    programs: Programs,
    /// What it sees of the environment: no private key.
    environment: Vec<(OsString, OsString)>,
    printed: Arc<OnceLock<Result<Secret, String>>>,
}

impl KeyCommand {
    /// Takes a command line, which is split at blanks.
    pub fn new(line: &OsStr, environment: &Environment, programs: Programs) -> Self {
        let words = line.to_string_lossy().split_whitespace().map(OsString::from).collect();
        let others = environment.variables().iter().filter(|(name, _)| name != "PATH").cloned();
        let environment = others.chain([("PATH".into(), programs.search_path())]).collect();
        Self { words, programs, environment, printed: Arc::default() }
    }

    /// Returns what the program prints. It runs when that is wanted first.
    pub fn output(&self, largest: usize) -> Result<Secret, String> {
        self.printed.get_or_init(|| self.run(largest)).clone()
    }

    fn run(&self, largest: usize) -> Result<Secret, String> {
        let Some((program, arguments)) = self.words.split_first() else { return Err("it is empty".to_owned()) };
        let program = self.find(Path::new(program))?;
        let failed = |error: std::io::Error| format!("cannot run {}: {error}", program.display());
        let mut command = Command::new(&program);
        command.args(arguments).env_clear().envs(self.environment.iter().cloned());
        // A relative path would name something in the repository.
        command.current_dir("/").stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(failed)?;
        let printed = child.stdout.take().map(|output| limited_input::read_from(output, largest));
        if !matches!(printed, Some(Ok(_))) {
            let _ = child.kill();
        }
        let status = child.wait().map_err(failed)?;
        let printed = printed.ok_or("it has no output")?.map_err(|error| format!("cannot read its output: {error}"))?;
        if status.success() { Ok(printed) } else { Err(format!("{} failed: {status}", program.display())) }
    }

    /// Finds the program: by its absolute path, or in the directories of `PATH`.
    fn find(&self, program: &Path) -> Result<PathBuf, String> {
        if program.is_absolute() {
            return match program.metadata() {
                Ok(_) if self.programs.is_outside(program) => Ok(program.to_owned()),
                Ok(_) => {
                    Err(format!("{} is in the repository, whose programs are not run for keys", program.display()))
                }
                Err(error) => Err(format!("cannot run {}: {error}", program.display())),
            };
        }
        if program.components().count() > 1 {
            return Err(format!("{} is not an absolute path", program.display()));
        }
        let found = self.programs.find(program);
        found.ok_or_else(|| format!("no program `{}` in PATH, outside of the repository", program.display()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::os::unix::fs::symlink;

    use super::*;

    /// Another process writes it: what this one has open for writing, another thread's child may have open when it is run.
    fn program(path: &Path, script: &str) {
        let text = path.with_extension("text");
        std::fs::write(&text, format!("#!/bin/sh\n{script}\n")).unwrap();
        assert!(Command::new("install").args(["-m", "0755"]).args([&text, path]).status().unwrap().success());
    }

    fn command(line: &str, path: &[&Path], repository: &Path) -> KeyCommand {
        let path = std::env::join_paths(path.iter().chain(&[Path::new("/usr/bin"), Path::new("/bin")])).unwrap();
        let environment = Environment::of([("PATH".into(), path), ("SOPS_AGE_KEY".into(), "s3cret".into())]);
        let programs = Programs::new(environment.search_path(), vec![repository.canonicalize().unwrap()]);
        KeyCommand::new(OsStr::new(line), &environment, programs)
    }

    fn text(output: Result<Secret, String>) -> String {
        output.map_or_else(|why| why, |secret| String::from_utf8_lossy(secret.expose()).into_owned())
    }

    #[test]
    fn it_runs_once_without_a_shell_and_sees_no_key() {
        let (bin, repository) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let count = bin.path().join("count");
        program(
            &bin.path().join("keys"),
            &format!("echo x >> {}; echo \"$1 $2 ${{SOPS_AGE_KEY-none}} $(pwd)\"", count.display()),
        );
        let command = command("keys  $(id) `id`", &[bin.path()], repository.path());
        for _ in 0..2 {
            assert_eq!(text(command.clone().output(100)), "$(id) `id` none /\n");
        }
        assert_eq!(std::fs::read_to_string(count).unwrap(), "x\n");
    }

    #[test]
    fn it_never_comes_from_the_repository() {
        let (bin, repository) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let here = repository.path().join("keys");
        program(&here, "echo mine");
        symlink(&here, bin.path().join("linked")).unwrap();
        let said = |line: &str, path: &[&Path]| text(command(line, path, repository.path()).output(100));
        assert!(said(here.to_str().unwrap(), &[]).contains("is in the repository"));
        assert!(said("keys", &[repository.path()]).contains("no program `keys` in PATH"));
        assert!(said("linked", &[bin.path()]).contains("no program `linked`"));
        assert!(said(bin.path().join("linked").to_str().unwrap(), &[]).contains("is in the repository"));
        assert!(said("./keys", &[]).contains("not an absolute path"));
        assert!(said(" ", &[]).contains("empty"));
        program(&bin.path().join("path"), "echo $PATH");
        assert!(!said("path", &[repository.path(), bin.path()]).contains(repository.path().to_str().unwrap()));
        // Of the same name, elsewhere.
        program(&bin.path().join("keys"), "echo theirs");
        assert_eq!(said("keys", &[repository.path(), bin.path()]), "theirs\n");
    }

    #[test]
    fn what_fails_or_never_ends_gives_no_key() {
        let (bin, repository) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        program(&bin.path().join("fails"), "echo s3cret; exit 3");
        program(&bin.path().join("long"), "yes");
        let said = |line: &str| text(command(line, &[bin.path()], repository.path()).output(100));
        assert!(said("fails").contains("failed: exit status: 3") && !said("fails").contains("s3cret"));
        assert!(said("long").contains("too large"));
    }
}
