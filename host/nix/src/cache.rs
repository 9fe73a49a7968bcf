use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use std::{fs, io};

use artifacts_spec::SCHEMA;
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::flake::Metadata;
use crate::{Error, Nix};

/// Entries that were made longer ago than this are removed.
const AGE: Duration = Duration::from_hours(30 * 24);

/// What Nix is, as far as answers depend on it.
#[derive(Debug, Deserialize)]
pub(crate) struct Evaluator {
    pure: bool,
    version: String,
    language: u64,
}

/// Asks Nix, with all arguments of evaluations, since they can make it impure.
const EVALUATOR: &str =
    "{ pure = !(builtins ? currentTime); version = builtins.nixVersion; language = builtins.langVersion; }";

impl Nix {
    pub(crate) fn evaluator(&self) -> Result<Evaluator, Error> {
        let what = "asking Nix what it is";
        let mut arguments = vec!["eval".into(), "--json".into()];
        arguments.extend(self.options.arguments.iter().cloned());
        arguments.extend(["--expr".into(), EVALUATOR.into()]);
        let answer = self.nix(what, &arguments)?;
        serde_json::from_slice(&answer.stdout).map_err(|source| Error::Answer {
            what: what.to_owned(),
            bytes: answer.stdout.len(),
            source,
        })
    }
}

/// Earlier answers of Nix on one flake.
///
/// An answer depends on the source, its locked inputs, the question, and Nix: that is the key. So there is a cache only
/// where nothing else can have a part in it: pure evaluation of a fixed source whose inputs its own lock file fixes.
#[derive(Debug)]
pub(crate) struct Cache {
    folder: PathBuf,
    key: Sha256,
}

impl Cache {
    pub(crate) fn new(nix: &Nix, metadata: &Metadata, evaluator: &Evaluator) -> Option<Self> {
        let folder = nix.options.cache.clone().filter(|folder| is_own(folder))?;
        let sound = evaluator.pure
            && nix.options.override_inputs.is_empty()
            && metadata.is_fixed()
            && metadata.inputs_are_locked();
        if !sound {
            return None;
        }
        let mut key = Sha256::new();
        part(&mut key, env!("CARGO_PKG_VERSION").as_bytes());
        part(&mut key, &SCHEMA.to_le_bytes());
        part(&mut key, metadata.path.as_os_str().as_encoded_bytes());
        part(&mut key, metadata.evaluated().as_bytes());
        part(&mut key, metadata.locks.to_string().as_bytes());
        part(&mut key, evaluator.version.as_bytes());
        part(&mut key, &evaluator.language.to_le_bytes());
        for text in nix.identity() {
            part(&mut key, text.as_encoded_bytes());
        }
        Some(Self { folder, key })
    }

    /// The earlier answer to a question.
    pub(crate) fn get(&self, attribute: &str, function: &str) -> Option<Vec<u8>> {
        fs::read(self.file(attribute, function)).ok()
    }

    /// Keeps an answer. Failing to is no fault: the next run asks again.
    pub(crate) fn put(&self, attribute: &str, function: &str, answer: &[u8]) {
        let _ = self.write(&self.file(attribute, function), answer);
    }

    fn file(&self, attribute: &str, function: &str) -> PathBuf {
        let mut key = self.key.clone();
        part(&mut key, attribute.as_bytes());
        part(&mut key, function.as_bytes());
        self.folder.join(format!("{:x}.json", key.finalize()))
    }

    /// A reader sees the whole answer or none.
    fn write(&self, file: &Path, answer: &[u8]) -> io::Result<()> {
        self.forget_old()?;
        let mut temporary = tempfile::NamedTempFile::new_in(&self.folder)?;
        io::Write::write_all(&mut temporary, answer)?;
        temporary.persist(file).map_err(|error| error.error)?;
        Ok(())
    }

    fn forget_old(&self) -> io::Result<()> {
        let now = SystemTime::now();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let age = now.duration_since(entry.metadata()?.modified()?).unwrap_or_default();
            if age > AGE {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }
}

/// Makes the folder if need be. Whoever could write there could tell what is built and run.
fn is_own(folder: &Path) -> bool {
    let me = rustix::process::geteuid().as_raw();
    // Whose home it is: root makes no folder in somebody else's.
    let above = folder.ancestors().find_map(|folder| fs::symlink_metadata(folder).ok());
    if above.is_none_or(|above| above.uid() != me) {
        return false;
    }
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    let found = made.and_then(|()| fs::symlink_metadata(folder));
    found.is_ok_and(|found| found.is_dir() && found.uid() == me && found.mode() & 0o777 == 0o700)
}

/// Its length first, so that no two lists of parts look alike.
fn part(key: &mut Sha256, bytes: &[u8]) {
    key.update((bytes.len() as u64).to_le_bytes());
    key.update(bytes);
}

impl Metadata {
    /// Whether the flake's own lock file names what each input is. Otherwise Nix looks each time, and may find another thing.
    fn inputs_are_locked(&self) -> bool {
        let no_inputs = self.locks["nodes"].as_object().is_some_and(|nodes| nodes.len() == 1);
        let dir = self.locked.dir.as_deref().unwrap_or_default();
        let kept = fs::read(self.path.join(dir).join("flake.lock")).ok();
        let kept = kept.and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
        no_inputs || kept.is_some_and(|kept| kept == self.locks)
    }
}
