//! A repository as git is let see it.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Git, Warning, run, run_to};
use crate::{Error, Repository};

/// Settings for the form in which the repository stores its data. None of them names a program.
const INERT: [&str; 16] = [
    "core.bigfilethreshold",
    "core.checkstat",
    "core.compression",
    "core.filemode",
    "core.fsync",
    "core.fsyncmethod",
    "core.ignorecase",
    "core.loosecompression",
    "core.precomposeunicode",
    "core.protecthfs",
    "core.protectntfs",
    "core.sharedrepository",
    "core.sparsecheckout",
    "core.sparsecheckoutcone",
    "core.trustctime",
    "index.sparse",
];
/// Extensions of a repository that change nothing of the index and of objects, or that are taken over.
const EXTENSIONS: [&str; 8] = [
    "noop",
    "noop-v1",
    "objectformat",
    "partialclone",
    "preciousobjects",
    "refstorage",
    "relativeworktrees",
    "worktreeconfig",
];
/// Settings that name files with ignored paths and filters, in addition to those of the working tree.
const FILES: [&str; 2] = ["core.excludesfile", "core.attributesfile"];
/// Attributes that stage stored bytes unchanged, whatever other attributes say, because receipts have their hashes;
/// the last line of the file wins. Filters are kept.
const AS_IT_IS: &[u8] = b"\n* -text -ident -working-tree-encoding\n";
const CONFIG: &str = "[core]\n\trepositoryformatversion = 0\n\tbare = false\n";
const CONFIG_SHA256: &str =
    "[core]\n\trepositoryformatversion = 1\n\tbare = false\n[extensions]\n\tobjectFormat = sha256\n";

/// File of a repository with attributes that come before those of its working tree.
const ATTRIBUTES: &str = "info/attributes";

/// Numbers the directories of this process.
static NUMBER: AtomicU64 = AtomicU64::new(0);

/// Represents a repository, and the directory that git gets in place of it, which has only what is listed here.
pub struct View<'a> {
    pub git: &'a Git,
    pub repository: Repository,
    own: PathBuf,
    settings: BTreeMap<String, OsString>,
    /// Filters that have a program in the configuration.
    pub filters: BTreeSet<String>,
    /// Whether object names are SHA-256.
    pub sha256: bool,
    /// Whether the file mode counts (`core.fileMode`).
    pub file_mode: bool,
    /// Whether something gives files attributes against `.gitattributes` beside them.
    pub has_attributes: bool,
}

impl Drop for View<'_> {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.own);
    }
}

impl<'a> View<'a> {
    pub fn open(git: &'a Git, repository: &Repository) -> Result<Self, Warning> {
        let configured = configuration(git, repository)?;
        let last =
            |name: &str| configured.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_os_str());
        if let Some((key, _)) = configured.iter().find(|(key, _)| is_unknown_extension(key)) {
            return Err(Warning::Refused {
                said: format!("the repository uses `{key}`, which artifacts does not know"),
            });
        }
        let mut settings = BTreeMap::new();
        for name in INERT {
            settings.extend(last(name).map(|value| (name.to_owned(), value.to_owned())));
        }
        for name in FILES {
            settings.extend(path_setting(git, repository, name)?.map(|value| (name.to_owned(), value)));
        }
        // The index is written as a whole: its shared part would be written into the directory that goes away.
        settings.insert("core.splitindex".to_owned(), "false".into());
        settings.insert("safe.barerepository".to_owned(), "explicit".into());
        let program = |(key, value): &(String, OsString)| {
            let name = key.strip_prefix("filter.")?;
            let name = name.strip_suffix(".clean").or_else(|| name.strip_suffix(".process"))?;
            (!value.is_empty()).then(|| name.to_owned())
        };
        // One that does not exist says nothing, and neither does one that git could not read.
        let attributes = fs::read(repository.common_dir.join(ATTRIBUTES)).unwrap_or_default();
        let view = Self {
            git,
            repository: repository.clone(),
            own: git.scratch.join(format!("git-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed))),
            filters: configured.iter().filter_map(program).collect(),
            has_attributes: !attributes.is_empty() || last("attr.tree").is_some(),
            sha256: last("extensions.objectformat").is_some_and(|format| format.eq_ignore_ascii_case("sha256")),
            file_mode: !last("core.filemode").is_some_and(is_false),
            settings,
        };
        let made = view.make();
        made.map_err(|error| Warning::Prepare(Error::io(view.own.to_string_lossy(), "make git's directory", error)))?;
        Ok(view)
    }

    /// Creates the least that git accepts as a repository.
    fn make(&self) -> io::Result<()> {
        let Repository { git_dir, common_dir, .. } = &self.repository;
        let mut builder = fs::DirBuilder::new();
        builder.mode(0o700);
        builder.create(&self.own)?;
        for dir in ["objects", "refs", "info"] {
            builder.create(self.own.join(dir))?;
        }
        // One that does not exist says nothing, and neither does one that git could not read.
        let said = |path: PathBuf| fs::read(path).unwrap_or_default();
        let info = self.own.join("info");
        fs::write(info.join("exclude"), said(common_dir.join("info/exclude")))?;
        fs::write(info.join("attributes"), [&said(common_dir.join(ATTRIBUTES)), AS_IT_IS].concat())?;
        if let Ok(sparse) = fs::read(git_dir.join("info/sparse-checkout")) {
            fs::write(info.join("sparse-checkout"), sparse)?;
        }
        // Without it, git looks for the parents that a shallow clone does not have.
        if let Ok(shallow) = fs::read(common_dir.join("shallow")) {
            fs::write(self.own.join("shallow"), shallow)?;
        }
        fs::write(self.own.join("HEAD"), "ref: refs/heads/none\n")?;
        fs::write(self.own.join("config"), if self.sha256 { CONFIG_SHA256 } else { CONFIG })?;
        // Git looks for the shared part of a split index in its repository, not beside the index.
        for entry in fs::read_dir(git_dir)?.flatten() {
            if entry.file_name().as_bytes().starts_with(b"sharedindex.") {
                std::os::unix::fs::symlink(entry.path(), self.own.join(entry.file_name()))?;
            }
        }
        Ok(())
    }

    /// Starts git over this view.
    pub fn command(&self) -> Command {
        let Repository { work_tree, git_dir, common_dir } = &self.repository;
        let mut command = self.git.command(work_tree);
        command
            .env("GIT_DIR", &self.own)
            .env("GIT_WORK_TREE", work_tree)
            .env("GIT_INDEX_FILE", git_dir.join("index"))
            .env("GIT_OBJECT_DIRECTORY", common_dir.join("objects"))
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_COUNT", self.settings.len().to_string());
        for (number, (name, value)) in self.settings.iter().enumerate() {
            command.env(format!("GIT_CONFIG_KEY_{number}"), name).env(format!("GIT_CONFIG_VALUE_{number}"), value);
        }
        command
    }
}

/// Starts git to read the configuration of the repository.
fn reading(git: &Git, repository: &Repository) -> Command {
    let mut command = git.over(repository);
    command.args(["config", "--includes", "-z"]);
    command
}

/// Reads the configuration of the repository, in git's order: the last value of a name counts.
fn configuration(git: &Git, repository: &Repository) -> Result<Vec<(String, OsString)>, Warning> {
    let listed = run(reading(git, repository).arg("--list"), b"")?;
    let entries = listed.split(|byte| *byte == 0).filter(|entry| !entry.is_empty());
    let pair = |entry: &[u8]| {
        let (key, value) = match entry.iter().position(|byte| *byte == b'\n') {
            Some(at) => (&entry[..at], &entry[at + 1..]),
            // A name alone is true.
            None => (entry, &b"true"[..]),
        };
        (String::from_utf8_lossy(key).into_owned(), OsStr::from_bytes(value).to_owned())
    };
    Ok(entries.map(pair).collect())
}

fn path_setting(git: &Git, repository: &Repository, name: &str) -> Result<Option<OsString>, Warning> {
    // Status 1: it is not set.
    let value = run_to(reading(git, repository).args(["--type=path", "--get", name]), b"", 1)?;
    Ok(value.strip_suffix(b"\0").map(|value| OsStr::from_bytes(value).to_owned()))
}

fn is_unknown_extension(key: &str) -> bool {
    key.strip_prefix("extensions.").is_some_and(|name| !EXTENSIONS.contains(&name))
}

fn is_false(value: &OsStr) -> bool {
    ["false", "no", "off", "0", ""].iter().any(|no| value.eq_ignore_ascii_case(no))
}
