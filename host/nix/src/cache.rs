use std::ffi::{OsStr, OsString};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use std::{fs, io, thread};

use artifacts_digest::{Hasher, Sha256};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::metadata::FlakeMetadata;
use crate::{Error, Nix};

/// Age at which cached answers are removed.
const AGE: Duration = Duration::from_hours(30 * 24);

/// Describes Nix, as far as answers depend on it.
#[derive(Debug, Deserialize)]
pub(crate) struct Evaluator {
    pure: bool,
    version: String,
    /// SHA-256 of all its settings; `None` if it does not report them.
    #[serde(skip)]
    settings: Option<String>,
}

/// Asks Nix, with all arguments of evaluations, since they can make it impure.
const EVALUATOR: &str = "{ pure = !(builtins ? currentTime); version = builtins.nixVersion; }";

impl Nix {
    pub(crate) fn evaluator(&self) -> Result<Evaluator, Error> {
        let what = "querying the Nix version";
        let mut arguments = vec!["eval".into(), "--json".into()];
        arguments.extend(self.options.arguments.iter().cloned());
        arguments.extend(["--expr".into(), EVALUATOR.into()]);
        thread::scope(|scope| {
            let settings = scope.spawn(|| self.settings());
            let answer = self.nix(what, &arguments)?;
            let fault = |source| Error::Output { what: what.to_owned(), bytes: answer.stdout.len(), source };
            let evaluator: Evaluator = serde_json::from_slice(&answer.stdout).map_err(fault)?;
            let settings = settings.join().ok().flatten().map(|text| Sha256::digest(text).to_string());
            Ok(Evaluator { settings, ..evaluator })
        })
    }
}

/// Caches answers of Nix about one flake.
///
/// The key is the question, unchanged: so there is a cache only where the same question always has the same answer.
/// That is pure evaluation of a reference that names one source for ever, whose own lock file names each input.
#[derive(Debug)]
pub(crate) struct EvaluationCache {
    directory: PathBuf,
    asked: EvaluationKey,
    now: SystemTime,
}

/// Holds what an answer depends on. No part of it follows from another one.
#[derive(Debug, Clone)]
struct EvaluationKey {
    program: PathBuf,
    version: String,
    settings: String,
    /// Configuration of Nix in environment variables.
    configuration: Vec<(OsString, OsString)>,
}

/// Holds an answer, and Nix's other output.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct CachedEvaluation {
    pub said: String,
    pub answer: Value,
}

impl EvaluationCache {
    pub(crate) fn new(nix: &Nix, metadata: &FlakeMetadata, evaluator: Evaluator) -> Option<Self> {
        let directory = nix.options.cache.clone().filter(|directory| is_own(directory))?;
        let sound = evaluator.pure
            && nix.options.override_inputs.is_empty()
            && metadata.is_fixed()
            && metadata.inputs_are_locked(&nix.store_of_flake(metadata).real_path(&metadata.path));
        let asked = EvaluationKey {
            program: nix.program().ok()?,
            version: evaluator.version,
            settings: evaluator.settings?,
            configuration: nix.configuration(),
        };
        sound.then_some(Self { directory, asked, now: nix.options.now })
    }

    /// Returns the cached answer to a question, which is the arguments of Nix.
    pub(crate) fn get(&self, question: &[OsString]) -> Option<CachedEvaluation> {
        serde_json::from_slice(&fs::read(self.file(question)).ok()?).ok()
    }

    /// Keeps an answer. Failing to is no fault: the next run asks again.
    pub(crate) fn put(&self, question: &[OsString], entry: &CachedEvaluation) {
        if let Ok(text) = serde_json::to_vec(entry) {
            let _ = self.write(&self.file(question), &text);
        }
    }

    fn file(&self, question: &[OsString]) -> PathBuf {
        self.directory.join(format!("{}.json", self.asked.digest(question)))
    }

    /// Writes a file so that a reader sees all of the answer or none.
    fn write(&self, file: &Path, answer: &[u8]) -> io::Result<()> {
        self.forget_old();
        replace(file, answer)
    }

    /// Removes old answers. A file that another evaluation has renamed or removed meanwhile keeps none from being written.
    fn forget_old(&self) {
        for entry in fs::read_dir(&self.directory).into_iter().flatten().flatten() {
            let written = entry.metadata().and_then(|metadata| metadata.modified());
            if written.is_ok_and(|written| self.now.duration_since(written).unwrap_or_default() > AGE) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

/// Replaces a file in its directory in one step.
pub(crate) fn replace(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let directory = file.parent().unwrap_or(Path::new("."));
    let mut temporary = tempfile::NamedTempFile::new_in(directory)?;
    io::Write::write_all(&mut temporary, bytes)?;
    temporary.persist(file).map_err(|error| error.error)?;
    Ok(())
}

/// Returns whether only this user can write the directory, which is created if it does not exist: anyone who can write
/// there decides what is built and run.
pub(crate) fn is_own(directory: &Path) -> bool {
    let me = rustix::process::geteuid().as_raw();
    // Whose home it is: root makes no directory in another user's.
    let above = directory.ancestors().find_map(|directory| fs::symlink_metadata(directory).ok());
    if above.is_none_or(|above| above.uid() != me) {
        return false;
    }
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(directory);
    let found = made.and_then(|()| fs::symlink_metadata(directory));
    found.is_ok_and(|found| found.is_dir() && found.uid() == me && found.mode() & 0o777 == 0o700)
}

impl EvaluationKey {
    fn digest(&self, question: &[OsString]) -> String {
        let Self { program, version, settings, configuration } = self;
        let mut key = Hasher::new();
        part(&mut key, program.as_os_str());
        part(&mut key, version.as_ref());
        part(&mut key, settings.as_ref());
        list(&mut key, configuration.iter().flat_map(|(name, value)| [name, value]));
        list(&mut key, question.iter());
        key.finish().to_string()
    }
}

/// Hashes a text with its length first, so that no two lists of parts are alike.
fn part(key: &mut Hasher, text: &OsStr) {
    key.update_part(text.as_encoded_bytes());
}

fn list<'a>(key: &mut Hasher, texts: impl Iterator<Item = &'a OsString>) {
    let texts: Vec<&OsString> = texts.collect();
    key.update((texts.len() as u64).to_le_bytes());
    for text in texts {
        part(key, text);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeSet;

    use super::{CachedEvaluation, EvaluationCache, EvaluationKey};

    fn asked() -> EvaluationKey {
        EvaluationKey { program: "/nix".into(), version: "2.8".into(), settings: "a".into(), configuration: Vec::new() }
    }

    #[test]
    fn of_answers_that_come_at_once_none_is_lost() {
        let directory = tempfile::tempdir().unwrap();
        let now = std::time::SystemTime::now();
        let cache = EvaluationCache { directory: directory.path().to_owned(), asked: asked(), now };
        let entry = CachedEvaluation { said: String::new(), answer: serde_json::Value::Null };
        let questions: Vec<_> = (0..400).map(|number| [format!("{number}").into()]).collect();
        std::thread::scope(|scope| {
            for some in questions.chunks(100) {
                scope.spawn(|| some.iter().for_each(|question| cache.put(question, &entry)));
            }
        });
        let lost = questions.iter().filter(|question| cache.get(*question).is_none()).count();
        assert_eq!(lost, 0);
    }

    #[test]
    fn each_part_counts() {
        let question = |words: &[&str]| words.iter().map(Into::into).collect::<Vec<_>>();
        let plain = question(&["eval", "x"]);
        // Another part is not forgotten here: this does not compile with it.
        let EvaluationKey { program: _, version: _, settings: _, configuration: _ } = asked();
        let one = |name: &str, value: &str| vec![(name.into(), value.into())];
        let keys = [
            asked().digest(&plain),
            EvaluationKey { program: "/nix2".into(), ..asked() }.digest(&plain),
            EvaluationKey { version: "2.9".into(), ..asked() }.digest(&plain),
            EvaluationKey { settings: "b".into(), ..asked() }.digest(&plain),
            EvaluationKey { configuration: one("NIX_A", "b"), ..asked() }.digest(&plain),
            EvaluationKey { configuration: one("NIX_Ab", ""), ..asked() }.digest(&plain),
            asked().digest(&question(&["eval", "y"])),
            asked().digest(&question(&["evalx"])),
            asked().digest(&question(&["eval", "x", ""])),
            EvaluationKey { configuration: one("eval", "x"), ..asked() }.digest(&[]),
        ];
        assert_eq!(asked().digest(&plain), keys[0]);
        assert_eq!(BTreeSet::from(keys.clone()).len(), keys.len(), "{keys:?}");
    }
}
