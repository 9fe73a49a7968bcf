//! Compares entries with git's index and stages them, without running anything of the repository.
//!
//! The configuration of a repository names programs that git would start: monitors, hooks, filters, and what later
//! versions add. So git gets a directory of this program as its repository, with settings from an allowlist, and of
//! the real one only the index and the objects.

mod compare;
mod conflict;
mod entry_note;
mod file_note;
mod files;
mod history;
mod index;
mod intact;
mod objects;
mod stage;
mod staged;
mod tracks;
mod tree;
mod untouched;
mod view;

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::{self, BufRead as _, BufReader, Read as _, Write};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output, Stdio};

use artifacts_text::{Explain, pathspec, shell_word};
use rustix::fs::{Access, access};

use crate::{Error, Repository};

pub use entry_note::{EntryNote, EntryNotes};
pub use history::HistoryGaps;
pub use staged::{Choice, IndexReport, MergeSide, Settlement, Staged};

/// Describes the git to run.
#[derive(Debug, Clone)]
pub struct Git {
    /// Path of the program, or a name that is searched for in the `PATH` of `env`.
    pub program: OsString,
    /// Environment; git's own variables are left out.
    pub env: BTreeMap<OsString, OsString>,
    /// Directory of this run alone, outside of every repository.
    pub scratch: PathBuf,
}

/// Reports why git's index does not have entries as they are stored. They are stored all the same.
#[derive(Debug, thiserror::Error)]
pub enum Warning {
    /// There is a git checkout, and git cannot be started.
    #[error("cannot start git ({source}): its index may lack stored entries")]
    NotStarted {
        /// Error of the operating system.
        source: io::Error,
    },
    /// Git failed, for example because of a lock or a damaged index.
    #[error("git cannot use its index: {said}")]
    Refused {
        /// Git's message.
        said: String,
    },
    /// The repository ignores files of entries, and an entry is not staged in part.
    #[error("git ignores `{path}`: {} not in its index", entries(*.count))]
    Ignored {
        /// First such file, relative to the root.
        path: String,
        /// Number of entries with such a file.
        count: usize,
        /// Command that stages them all the same.
        command: String,
    },
    /// A filter with a program, such as one that encrypts, is set for files of entries; this program does not run it.
    #[error("git has a filter for `{path}`, which artifacts does not run: {} in its index by name only", entries(*.count))]
    Filtered {
        /// First such file, relative to the root.
        path: String,
        /// Number of entries with such a file.
        count: usize,
        /// Command that stages them.
        command: String,
    },
    /// A repository in the storage hides files of the repository above.
    #[error("`{path}` is a git repository among files that the repository above tracks: nothing in it is staged")]
    Hidden {
        /// Working tree of that repository, relative to the root.
        path: String,
    },
    /// The repository cannot be used, or git's directory could not be created.
    #[error("git was not asked about the stored entries: {0}")]
    Prepare(#[from] Error),
}

fn entries(count: usize) -> String {
    if count == 1 { "the entry is".to_owned() } else { format!("{count} entries are") }
}

impl Explain for Warning {
    fn kind(&self) -> &'static str {
        "git"
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Ignored { command, .. } => {
                format!("remove the rule from .gitignore, or stage the entries alone: `{command}`")
            }
            Self::Filtered { command, .. } => format!("`{command}` runs the filter"),
            Self::Hidden { path } => format!("review `{path}`, and remove its .git"),
            Self::Prepare(error) => error.hint().unwrap_or_else(|| "run `git add` on the entries yourself".to_owned()),
            _ => "the next run stages them; a flake sees only files that git knows".to_owned(),
        })
    }
}

impl Git {
    /// Starts git in a directory, without git's variables and without relative paths in `PATH`: a push could put a
    /// program there.
    fn command(&self, dir: &Path) -> Command {
        let mut command = Command::new(self.path());
        command.current_dir(dir).env_clear();
        for (name, value) in self.env.iter().filter(|(name, _)| !name.as_bytes().starts_with(b"GIT_")) {
            if name == "PATH" {
                command.env(name, absolute(value))
            } else {
                command.env(name, value)
            };
        }
        command
            .env("LC_ALL", "C")
            .env("GIT_LITERAL_PATHSPECS", "1")
            .env("GIT_NO_LAZY_FETCH", "1")
            .env("GIT_NO_REPLACE_OBJECTS", "1")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_ADVICE", "0")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }
}

impl Git {
    /// Finds the program. The standard library would search for a name in a copy of this process, and the kernel copies a large one for as
    /// long as it is large.
    fn path(&self) -> OsString {
        if self.program.as_bytes().contains(&b'/') {
            return self.program.clone();
        }
        let search_path = self.env.get(OsStr::new("PATH")).map(|path| absolute(path)).unwrap_or_default();
        let is_program = |file: &PathBuf| file.is_file() && access(file, Access::EXEC_OK).is_ok();
        let found = std::env::split_paths(&search_path).map(|dir| dir.join(&self.program)).find(is_program);
        found.map_or_else(|| self.program.clone(), PathBuf::into_os_string)
    }

    /// Starts git over a repository itself, to read its references or its configuration, which starts no program.
    fn over(&self, repository: &Repository) -> Command {
        let mut command = self.command(&repository.work_tree);
        command
            .env("GIT_DIR", &repository.git_dir)
            .env("GIT_WORK_TREE", &repository.work_tree)
            .env("GIT_CONFIG_COUNT", "1")
            .env("GIT_CONFIG_KEY_0", "safe.bareRepository")
            .env("GIT_CONFIG_VALUE_0", "explicit");
        command
    }

    /// Returns whether the user's own configuration trusts a repository of another owner (`safe.directory`).
    fn is_safe(&self, work_tree: &Path) -> bool {
        let named = |scope: &str| {
            let mut command = self.command(Path::new("/"));
            command.env("GIT_DIR", "/dev/null").args([
                "config",
                scope,
                "--includes",
                "-z",
                "--get-all",
                "safe.directory",
            ]);
            run_to(&mut command, b"", 1).map(|answer| words(&answer).collect::<Vec<_>>()).unwrap_or_default()
        };
        let mut is_safe = false;
        for directory in ["--system", "--global"].into_iter().flat_map(named) {
            // An empty one takes back those before it.
            is_safe = !directory.is_empty() && (is_safe || directory == "*" || Path::new(&directory) == work_tree);
        }
        is_safe
    }
}

fn absolute(search_path: &OsStr) -> OsString {
    let parts = search_path.as_bytes().split(|byte| *byte == b':').filter(|part| part.starts_with(b"/"));
    OsString::from_vec(parts.collect::<Vec<_>>().join(&b':'))
}

fn run(command: &mut Command, input: &[u8]) -> Result<Vec<u8>, Warning> {
    run_to(command, input, 0)
}

/// Runs git, which may exit with one more status than 0. Its input is written on a thread, since it answers before it has read all.
fn run_to(command: &mut Command, input: &[u8], allowed: i32) -> Result<Vec<u8>, Warning> {
    let not_started = |source| Warning::NotStarted { source };
    let mut child = command.spawn().map_err(not_started)?;
    let output: io::Result<Output> = std::thread::scope(|scope| {
        if let Some(mut stdin) = child.stdin.take() {
            // Git that exits without reading says why on its standard error. Without a thread it is given no input, and ends.
            std::thread::Builder::new().spawn_scoped(scope, move || stdin.write_all(input))?;
        }
        child.wait_with_output()
    });
    let output = output.map_err(not_started)?;
    if output.status.success() || output.status.code() == Some(allowed) {
        return Ok(output.stdout);
    }
    Err(Warning::Refused { said: message(output.status, &output.stderr) })
}

/// Runs git, and shows what it prints line by line until `each` has seen enough.
fn each_line(command: &mut Command, input: &[u8], mut each: impl FnMut(&[u8]) -> bool) -> Result<(), Warning> {
    let not_started = |source| Warning::NotStarted { source };
    let mut child = command.spawn().map_err(not_started)?;
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let mut said = Vec::new();
    let heard = &mut said;
    let is_whole = std::thread::scope(|scope| -> io::Result<bool> {
        if let Some(mut stdin) = stdin {
            std::thread::Builder::new().spawn_scoped(scope, move || stdin.write_all(input))?;
        }
        if let Some(mut stderr) = stderr {
            std::thread::Builder::new().spawn_scoped(scope, move || stderr.read_to_end(heard))?;
        }
        let mut lines = BufReader::new(stdout.ok_or(io::ErrorKind::BrokenPipe)?);
        let mut line = Vec::new();
        while lines.read_until(b'\n', &mut line)? > 0 {
            if !each(line.strip_suffix(b"\n").unwrap_or(&line)) {
                let _ = child.kill();
                return Ok(false);
            }
            line.clear();
        }
        Ok(true)
    });
    if is_whole.is_err() {
        let _ = child.kill();
    }
    let status = child.wait().map_err(not_started)?;
    match is_whole {
        Ok(true) if !status.success() => Err(Warning::Refused { said: message(status, &said) }),
        Ok(_) => Ok(()),
        Err(error) => Err(not_started(error)),
    }
}

/// Returns git's message in one line, without its hints.
fn message(status: ExitStatus, stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("hint:"));
    let said: String = lines.collect::<Vec<_>>().join(" ").chars().take(1000).collect();
    if said.is_empty() { status.to_string() } else { said }
}

/// Splits an answer at NUL.
fn words(answer: &[u8]) -> impl Iterator<Item = String> {
    let words = answer.split(|byte| *byte == 0).filter(|word| !word.is_empty());
    words.map(|word| String::from_utf8_lossy(word).into_owned())
}

/// Lists paths as git reads them from its standard input, each followed by NUL.
fn listed<'p>(paths: impl IntoIterator<Item = &'p str>) -> String {
    paths.into_iter().flat_map(|path| [path, "\0"]).collect()
}

/// Formats a git command over these paths and no others, ready to be copied, for a working tree that is at `dir` relative to the root
/// (empty: at the root or above it).
pub(crate) fn command_over<'p>(dir: &str, verb: &str, paths: impl IntoIterator<Item = &'p str>) -> String {
    let mut command = if dir.is_empty() { "git".to_owned() } else { format!("git -C {}", shell_word(dir)) };
    command.extend([" ", verb, " --"]);
    for path in paths {
        command.push(' ');
        command.push_str(&shell_word(&pathspec(path)));
    }
    command
}
