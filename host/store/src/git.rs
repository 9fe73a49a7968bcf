//! Telling git of new files, without letting the checkout's own configuration run anything.
//!
//! The checkout's configuration names programs that git would start: monitors, hooks, filters, and whatever comes next.
//! So git is given a repository folder of the host's own, with an empty configuration, and of the real one only the index
//! and the objects. Nothing is left to switch off. Of the person's own configuration two files count, which say what is ignored
//! and what has filters everywhere; what the checkout's names in their place does not.

use std::collections::{BTreeMap, BTreeSet};
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
    /// The checkout ignores a file of a slice, and half a slice is not staged.
    #[error("git ignores `{path}`: {} not in its index", whole(*.slices))]
    Ignored {
        /// The first such file.
        path: String,
        /// How many slices have one.
        slices: usize,
    },
    /// A file of a slice goes through a filter of the checkout's, such as one that encrypts, which the host does not run.
    #[error("git has a filter for `{path}`, which is not run here: {} in its index by name only", whole(*.slices))]
    Filtered {
        /// The first such file.
        path: String,
        /// How many slices have one.
        slices: usize,
    },
    /// The folder for git's use could not be made.
    #[error("git was not told of the new files: {0}")]
    Prepare(#[from] Error),
}

fn whole(slices: usize) -> String {
    if slices == 1 { "the slice is".to_owned() } else { format!("{slices} slices are") }
}

impl Warning {
    /// What to do about it.
    pub fn help(&self) -> &'static str {
        match self {
            Self::Ignored { .. } => "leave slices out of what .gitignore names, or `git add --force` them yourself",
            Self::Filtered { .. } => "run `git add` on the storage yourself before you commit: that runs the filter",
            _ => "run `git add` on them yourself: a flake sees only what git knows",
        }
    }
}

/// The folder for git's use, in the staging folder.
const OWN: &str = "git";
/// Receipts have hashes of what was stored, so these bytes are staged, whatever other attributes say; the last line of this file
/// has the last word. It leaves filters, which are asked for.
const AS_IT_IS: &[u8] = b"\n* -text -ident -working-tree-encoding\n";
const CONFIG: &[u8] = b"[core]\n\trepositoryformatversion = 0\n\tbare = false\n";
const CONFIG_SHA256: &[u8] =
    b"[core]\n\trepositoryformatversion = 1\n\tbare = false\n[extensions]\n\tobjectFormat = sha256\n";

impl Writer {
    /// Adds committed slices to git's index, each as a whole: a flake sees only what git knows, what it knows by name alone
    /// (`--intent-to-add`) is emptied by `git checkout .`, and half a slice must not be committed. What a filter is declared for
    /// is added by name, since its bytes are not what git would store. Outside a git checkout there is nothing to do. `paths` are
    /// [`crate::Committed::path`]s, of any storage of this root.
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
        let root_folder = Folder::ambient(root)?;
        let slices = paths.iter().map(|path| Ok((path.as_str(), files(&root_folder, path)?)));
        let slices: Vec<_> = slices.collect::<Result<_, Error>>()?;
        let disk = self.disk();
        let staging = self.staging();
        let own = disk.make("make git's folder", staging, OWN, 0o700)?;
        let told = repository.prepare(disk, &own).map_err(Warning::from).and_then(|()| {
            let own = self.staging_path().join(OWN);
            let index = Index { git, repository: &repository, root, top, own, settings: settings(git, root) };
            index.add_slices(&slices)
        });
        // What stays is removed by the next run.
        let _ = disk.remove("remove git's folder", staging, OWN, Kind::Folder);
        told
    }
}

/// What is taken of the checkout's repository.
struct Repository {
    index: PathBuf,
    objects: PathBuf,
    /// What is ignored, and which files have filters, besides what the work tree says.
    info: PathBuf,
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
            "--git-path",
            "info",
            "--show-object-format",
        ];
        let output = run(git.command(root).args(arguments), b"")?;
        let refused = || Warning::Refused { said: "its answer to rev-parse is not understood".to_owned() };
        let mut lines = output.stdout.split(|byte| *byte == b'\n');
        let mut path = || lines.next().map(|line| PathBuf::from(os(line))).filter(|path| path.is_absolute());
        let mut next = || path().ok_or_else(refused);
        let (index, objects, info) = (next()?, next()?, next()?);
        let sha256 = match lines.next() {
            Some(b"sha1") => false,
            Some(b"sha256") => true,
            _ => return Err(refused()),
        };
        Ok(Self { index, objects, info, sha256 })
    }

    /// The least that git takes for a repository.
    fn prepare(&self, disk: &crate::disk::Disk, own: &Folder) -> Result<(), Error> {
        disk.make("make git's folder", own, "objects", 0o700)?;
        disk.make("make git's folder", own, "refs", 0o700)?;
        let info = disk.make("make git's folder", own, "info", 0o700)?;
        // One that is not there says nothing, and neither does one that git could not read.
        let said = |name| std::fs::read(self.info.join(name)).unwrap_or_default();
        disk.write(&info, "exclude", &said("exclude"), 0o600)?;
        disk.write(&info, "attributes", &[&said("attributes"), AS_IT_IS].concat(), 0o600)?;
        disk.write(own, "HEAD", b"ref: refs/heads/none\n", 0o600)?;
        disk.write(own, "config", if self.sha256 { CONFIG_SHA256 } else { CONFIG }, 0o600)
    }
}

/// The checkout's index, and the host's own folder in place of its repository.
struct Index<'a> {
    git: &'a Git,
    repository: &'a Repository,
    root: &'a Path,
    top: &'a Path,
    own: PathBuf,
    /// The person's own settings that count, by name.
    settings: Vec<(&'static str, OsString)>,
}

/// Files that say of every checkout of a person what is ignored in it, and which files have filters.
const SETTINGS: [&str; 2] = ["core.excludesFile", "core.attributesFile"];

/// The person's own settings, or else the system's. What git does not tell is not set; where these files are when nothing is set,
/// git knows by itself.
fn settings(git: &Git, root: &Path) -> Vec<(&'static str, OsString)> {
    let get = |scope: &str, name: &str| {
        let mut command = git.command(root);
        let output =
            run(command.args(["config", scope, "--includes", "--type=path", "-z", "--get", name]), b"").ok()?;
        let value = output.stdout.strip_suffix(b"\0").unwrap_or(&output.stdout);
        Some(os(value).to_owned())
    };
    let set = |name| Some((name, get("--global", name).or_else(|| get("--system", name))?));
    SETTINGS.into_iter().filter_map(set).collect()
}

impl Index<'_> {
    /// Adds slices, each with the files in it.
    fn add_slices(&self, slices: &[(&str, Vec<String>)]) -> Result<(), Warning> {
        let files: Vec<&str> = slices.iter().flat_map(|(_, files)| files).map(String::as_str).collect();
        let (ignored, filtered) = (self.ignored(&files)?, self.filtered(&files)?);
        let with = |which: &BTreeSet<String>, files: &[String]| files.iter().any(|file| which.contains(file));
        let (left_out, rest): (Vec<_>, Vec<_>) = slices.iter().partition(|(_, files)| with(&ignored, files));
        let (by_name, whole): (Vec<_>, Vec<_>) = rest.into_iter().partition(|(_, files)| with(&filtered, files));
        self.add(&["--all"], whole.iter().map(|(slice, _)| *slice))?;
        self.add(&["--intent-to-add"], by_name.iter().map(|(slice, _)| *slice))?;
        let first = |which: &BTreeSet<String>| which.first().cloned().unwrap_or_default();
        match (left_out.len(), by_name.len()) {
            (0, 0) => Ok(()),
            (0, slices) => Err(Warning::Filtered { path: first(&filtered), slices }),
            (slices, _) => Err(Warning::Ignored { path: first(&ignored), slices }),
        }
    }

    fn add<'p>(&self, how: &[&str], paths: impl Iterator<Item = &'p str>) -> Result<(), Warning> {
        let list = listed(paths);
        if list.is_empty() {
            return Ok(());
        }
        let mut command = self.command();
        command.arg("add").args(how).args(["--pathspec-from-file=-", "--pathspec-file-nul"]);
        run(&mut command, list.as_bytes()).map(drop)
    }

    /// Those of these files that `git add` leaves out.
    fn ignored(&self, files: &[&str]) -> Result<BTreeSet<String>, Warning> {
        let mut command = self.command();
        // It takes no patterns, and does not like to be told so. Status 1 says that there is none.
        command.env_remove("GIT_LITERAL_PATHSPECS");
        let output =
            run_to(command.args(["check-ignore", "-z", "--stdin"]), listed(files.iter().copied()).as_bytes(), 1)?;
        Ok(words(&output.stdout).collect())
    }

    /// Those of these files that have a filter. Nothing else makes other bytes of them, see [`AS_IT_IS`].
    fn filtered(&self, files: &[&str]) -> Result<BTreeSet<String>, Warning> {
        let mut command = self.command();
        command.args(["check-attr", "-z", "--stdin", "filter"]);
        let output = run(&mut command, listed(files.iter().copied()).as_bytes())?;
        let answers: Vec<String> = words(&output.stdout).collect();
        let set = answers.chunks_exact(3).filter(|answer| !["unspecified", "unset"].contains(&answer[2].as_str()));
        Ok(set.map(|answer| answer[0].clone()).collect())
    }

    fn command(&self) -> Command {
        let mut command = self.git.command(self.root);
        command
            .env("GIT_DIR", &self.own)
            .env("GIT_WORK_TREE", self.top)
            .env("GIT_INDEX_FILE", &self.repository.index)
            .env("GIT_OBJECT_DIRECTORY", &self.repository.objects)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_COUNT", self.settings.len().to_string());
        for (number, (name, value)) in self.settings.iter().enumerate() {
            command.env(format!("GIT_CONFIG_KEY_{number}"), name).env(format!("GIT_CONFIG_VALUE_{number}"), value);
        }
        command
    }
}

/// The files of a slice, by their paths below the root.
fn files(root: &Folder, path: &str) -> Result<Vec<String>, Error> {
    let mut found = Vec::new();
    if let Some(folder) = root.open(path)? {
        for (name, kind) in folder.entries()? {
            let path = format!("{path}/{name}");
            match kind {
                Kind::Folder => found.extend(files(root, &path)?),
                _ => found.push(path),
            }
        }
    }
    Ok(found)
}

fn listed<'p>(paths: impl Iterator<Item = &'p str>) -> String {
    paths.flat_map(|path| [path, "\0"]).collect()
}

fn words(answer: &[u8]) -> impl Iterator<Item = String> {
    let words = answer.split(|byte| *byte == 0).filter(|word| !word.is_empty());
    words.map(|word| String::from_utf8_lossy(word).into_owned())
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
    run_to(command, input, 0)
}

/// Runs git, which may end with one more status than 0. It is written to beside, since it answers before it has read all.
fn run_to(command: &mut Command, input: &[u8], allowed: i32) -> Result<Output, Warning> {
    let not_started = |source| Warning::NotStarted { source };
    let mut child = command.spawn().map_err(not_started)?;
    let output = std::thread::scope(|scope| {
        if let Some(mut stdin) = child.stdin.take() {
            // Git that ends without reading says why on its standard error.
            scope.spawn(move || stdin.write_all(input));
        }
        child.wait_with_output()
    });
    let output = output.map_err(not_started)?;
    if output.status.success() || output.status.code() == Some(allowed) {
        return Ok(output);
    }
    let said: String = String::from_utf8_lossy(&output.stderr).trim().chars().take(1000).collect();
    Err(Warning::Refused { said: if said.is_empty() { output.status.to_string() } else { said } })
}

fn os(bytes: &[u8]) -> &OsStr {
    std::os::unix::ffi::OsStrExt::from_bytes(bytes)
}
