//! Telling git of new files, without letting the checkout's own configuration run anything.
//!
//! The checkout's configuration names programs that git would start: monitors, hooks, filters, and whatever comes next.
//! So git is given a repository folder of the host's own, with an empty configuration, and of the real one only the index
//! and the objects. Nothing is left to switch off.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::folder::Folder;
use crate::{Error, Kind, Writer};

/// The git to run.
#[derive(Debug, Clone)]
pub struct Git {
    /// Its path, or a name to be looked up in the environment's `PATH`.
    pub program: OsString,
    /// Its environment; variables of git's own are left out.
    pub env: BTreeMap<OsString, OsString>,
}

/// Why git was not told. The slices are committed all the same.
#[derive(Debug, thiserror::Error)]
pub enum Warning {
    /// There is a git checkout and no git.
    #[error("git could not be started ({source}): the new files are not in its index")]
    NotStarted {
        /// The system's word.
        source: io::Error,
    },
    /// Git said no: an ignored path, a held lock, a repository it does not trust.
    #[error("git did not take the new files into its index: {}", .said.escape_debug())]
    Refused {
        /// In its own words.
        said: String,
    },
    /// The folder for git's use could not be made.
    #[error("git was not told of the new files: {0}")]
    Prepare(#[from] Error),
}

impl Warning {
    /// What to do about it.
    pub fn help(&self) -> &'static str {
        "run `git add` on them yourself: a flake sees only what git knows"
    }
}

/// The folder for git's use, in the staging folder.
const OWN: &str = "git";
const CONFIG: &[u8] = b"[core]\n\trepositoryformatversion = 0\n\tbare = false\n";
const CONFIG_SHA256: &[u8] =
    b"[core]\n\trepositoryformatversion = 1\n\tbare = false\n[extensions]\n\tobjectFormat = sha256\n";

impl Writer {
    /// Adds committed slices to git's index, each as a whole: a flake sees only what git knows, what it knows by name alone
    /// (`--intent-to-add`) is emptied by `git checkout .`, and half a slice must not be committed. Outside a git checkout there is nothing to do. `paths` are [`crate::Committed::path`]s, of any storage of this root.
    ///
    /// # Errors
    /// A warning: what was committed stays so.
    pub fn add_to_git(&self, git: &Git, paths: &[String]) -> Result<(), Warning> {
        let root = self.storage().root().path();
        let Some(top) = root.ancestors().find(|folder| folder.join(".git").symlink_metadata().is_ok()) else {
            return Ok(());
        };
        if paths.is_empty() {
            return Ok(());
        }
        let repository = Repository::find(git, root)?;
        let disk = self.disk();
        let staging = self.staging();
        let own = disk.make("make git's folder", staging, OWN, 0o700)?;
        let told = repository
            .prepare(disk, &own)
            .map_err(Warning::from)
            .and_then(|()| repository.add(git, root, top, &self.staging_path().join(OWN), paths));
        // What stays is removed by the next run.
        let _ = disk.remove("remove git's folder", staging, OWN, Kind::Folder);
        told
    }
}

/// What is taken of the checkout's repository.
struct Repository {
    index: PathBuf,
    objects: PathBuf,
    sha256: bool,
}

impl Repository {
    fn find(git: &Git, root: &Path) -> Result<Self, Warning> {
        let arguments = [
            "rev-parse",
            "--path-format=absolute",
            "--git-path",
            "index",
            "--git-path",
            "objects",
            "--show-object-format",
        ];
        let output = run(git.command(root).args(arguments), b"")?;
        let refused = || Warning::Refused { said: "its answer to rev-parse is not understood".to_owned() };
        let mut lines = output.stdout.split(|byte| *byte == b'\n');
        let mut path = || lines.next().map(|line| PathBuf::from(os(line))).filter(|path| path.is_absolute());
        let (index, objects) = (path().ok_or_else(refused)?, path().ok_or_else(refused)?);
        let sha256 = match lines.next() {
            Some(b"sha1") => false,
            Some(b"sha256") => true,
            _ => return Err(refused()),
        };
        Ok(Self { index, objects, sha256 })
    }

    /// The least that git takes for a repository.
    fn prepare(&self, disk: &crate::disk::Disk, own: &Folder) -> Result<(), Error> {
        disk.make("make git's folder", own, "objects", 0o700)?;
        disk.make("make git's folder", own, "refs", 0o700)?;
        disk.write(own, "HEAD", b"ref: refs/heads/none\n", 0o600)?;
        disk.write(own, "config", if self.sha256 { CONFIG_SHA256 } else { CONFIG }, 0o600)
    }

    fn add(&self, git: &Git, root: &Path, top: &Path, own: &Path, paths: &[String]) -> Result<(), Warning> {
        let mut command = git.command(root);
        command
            .env("GIT_DIR", own)
            .env("GIT_WORK_TREE", top)
            .env("GIT_INDEX_FILE", &self.index)
            .env("GIT_OBJECT_DIRECTORY", &self.objects)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .args(["add", "--all", "--pathspec-from-file=-", "--pathspec-file-nul"]);
        let list: String = paths.iter().flat_map(|path| [path, "\0"]).collect();
        run(&mut command, list.as_bytes()).map(drop)
    }
}

impl Git {
    fn command(&self, root: &Path) -> Command {
        let mut command = Command::new(&self.program);
        let inherited = self.env.iter().filter(|(name, _)| !name.as_encoded_bytes().starts_with(b"GIT_"));
        command
            .current_dir(root)
            .env_clear()
            .envs(inherited)
            .env("LC_ALL", "C")
            .env("GIT_LITERAL_PATHSPECS", "1")
            .env("GIT_NO_LAZY_FETCH", "1")
            .env("GIT_TERMINAL_PROMPT", "0")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }
}

fn run(command: &mut Command, input: &[u8]) -> Result<Output, Warning> {
    let not_started = |source| Warning::NotStarted { source };
    let mut child = command.spawn().map_err(not_started)?;
    if let Some(mut stdin) = child.stdin.take() {
        // Git that ends without reading says why on its standard error.
        let _ = stdin.write_all(input);
    }
    let output = child.wait_with_output().map_err(not_started)?;
    if output.status.success() {
        return Ok(output);
    }
    let said: String = String::from_utf8_lossy(&output.stderr).trim().chars().take(1000).collect();
    Err(Warning::Refused { said: if said.is_empty() { output.status.to_string() } else { said } })
}

fn os(bytes: &[u8]) -> &OsStr {
    std::os::unix::ffi::OsStrExt::from_bytes(bytes)
}
