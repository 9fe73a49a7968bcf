//! Files of other tools as they would be in an entry: from there a backend reads their values, or takes them unchanged.

use std::collections::{BTreeMap, BTreeSet};

use artifacts_declared::Name;
use artifacts_plan::Instance;
use artifacts_report::Failure;
use artifacts_seam::EntryFiles;
use artifacts_store::{HeaderHash, Root};
use artifacts_text::{listed, shell_word};

use super::import_source::{ImportSource, SourceForm};
use super::sops_recipients::sops_recipients;
use super::source::secret_file;
use crate::declared_keys::DeclaredKeys;
use crate::failure;

/// The bundled backend that reads age files.
const AGENIX: &str = "agenix";

/// The bundled backend that reads files of sops.
const SOPS_NIX: &str = "sops-nix";

/// Stands for the way into a map in the name under which that backend reads a value: no name has a slash.
const BELOW: &str = "→";

/// First line of an age file that is not armored.
const BINARY: &[u8] = b"age-encryption.org/v1\n";

/// Holds what the sources of one instance are.
#[derive(Debug, Default)]
pub(crate) struct SourceFiles {
    /// The encrypted ones.
    pub documents: Vec<SourceDocument>,
    /// The public ones, by declared file.
    pub public: EntryFiles,
}

/// Holds one encrypted file of another tool.
#[derive(Debug, Clone)]
pub(crate) struct SourceDocument {
    /// A source that is in it, for messages.
    pub source: ImportSource,
    /// The backend that reads it.
    pub backend: Name,
    /// Its name in an entry of that backend.
    pub stored: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// The names under which its values are read, each with the declared file that gets the value.
    pub values: Vec<(Name, Name)>,
}

impl SourceFiles {
    /// Reads the sources of an instance.
    ///
    /// # Errors
    /// When a declared file has no source, a source belongs to no declared file, or one cannot be read.
    pub(crate) fn read(
        root: &Root,
        instance: &Instance,
        sources: &BTreeMap<Name, ImportSource>,
    ) -> Result<Self, Failure> {
        check_files(instance, sources)?;
        let mut files = Self::default();
        for (name, source) in sources {
            let is_secret = instance.artifact.files.get(name).is_some_and(|file| file.secret);
            check_form(instance, source, is_secret)?;
            if !is_secret {
                files.public.insert(name.to_string(), source.read(root)?);
                continue;
            }
            let (backend, stored, value) = placed(instance, source)?;
            let same = |one: &&mut SourceDocument| one.source.path == source.path && one.stored == stored;
            if let Some(document) = files.documents.iter_mut().find(same) {
                document.values.push((value, name.clone()));
                continue;
            }
            let document = SourceDocument {
                bytes: source.read(root)?,
                source: source.clone(),
                backend,
                stored,
                values: vec![(value, name.clone())],
            };
            document.check(instance)?;
            files.documents.push(document);
        }
        Ok(files)
    }

    /// Returns the files that the entry has when nothing is decrypted; none where values come from files with other values or under
    /// other names.
    pub(crate) fn unchanged(&self) -> Option<EntryFiles> {
        let mut files = EntryFiles::new();
        for document in &self.documents {
            let is_own = document.values.iter().all(|(read, declared)| read == declared);
            let bytes = document.armored()?;
            if !is_own || files.insert(document.stored.clone(), bytes).is_some() {
                return None;
            }
        }
        Some(files)
    }
}

impl SourceDocument {
    /// Returns the headers of its age files.
    pub(crate) fn headers(&self) -> BTreeSet<HeaderHash> {
        artifacts_age::headers(&self.bytes)
    }

    /// Returns it as the one file of an entry.
    pub(crate) fn entry(&self) -> EntryFiles {
        EntryFiles::from([(self.stored.clone(), self.bytes.clone())])
    }

    /// Returns an instance whose files are the values in it.
    pub(crate) fn instance(&self, instance: &Instance) -> Instance {
        let mut instance = instance.clone();
        instance.artifact.backend = Some(self.backend.clone());
        instance.artifact.files = self.values.iter().map(|(read, _)| (read.clone(), secret_file())).collect();
        instance
    }

    /// Returns whether it is encrypted to exactly these recipients, as far as that shows without an identity. A file of sops has to
    /// list them, and may list the SSH keys as well that they were converted from.
    pub(crate) fn is_for(&self, declared: &BTreeSet<String>, keys: &DeclaredKeys) -> bool {
        if self.is_age() {
            return artifacts_age::is_encrypted_to(&self.bytes, declared);
        }
        let Some(listed) = sops_recipients(&self.bytes) else { return false };
        let second: BTreeSet<&String> = declared.iter().flat_map(|recipient| keys.ssh_forms(recipient)).collect();
        let first: BTreeSet<String> = listed.iter().filter(|one| !second.contains(one)).cloned().collect();
        first == *declared && artifacts_age::is_encrypted_to(&self.bytes, &listed)
    }

    fn is_age(&self) -> bool {
        self.backend.as_str() == AGENIX
    }

    /// An age file as armor: the same file in another encoding.
    fn armored(&self) -> Option<Vec<u8>> {
        if self.is_age() && self.bytes.starts_with(BINARY) {
            artifacts_age::armored(&self.bytes).ok()
        } else {
            Some(self.bytes.clone())
        }
    }

    fn check(&self, instance: &Instance) -> Result<(), Failure> {
        if self.is_age() {
            let broken = artifacts_age::header_hash(&self.bytes).err();
            return broken.map_or(Ok(()), |why| {
                Err(self.source.failure(&why.to_string()).hint(Some("restore the file from a commit or a backup")))
            });
        }
        if self.headers().is_empty() {
            let why = "expected a file of sops with an age recipient, found none: without one, only PGP or a key service decrypts it";
            return Err(self.source.failure(why).hint(Some(by_hand(instance, &self.source))));
        }
        Ok(())
    }
}

/// Every declared file has a source, and no other.
fn check_files(instance: &Instance, sources: &BTreeMap<Name, ImportSource>) -> Result<(), Failure> {
    let name = failure::quoted_name(&instance.name);
    let missing: Vec<String> =
        instance.artifact.files.keys().filter(|file| !sources.contains_key(*file)).map(ToString::to_string).collect();
    if !missing.is_empty() {
        let why = format!("not imported: no file of the old configuration has a value for {}", listed(&missing));
        return Err(failure::for_instance(instance, why).hint(Some(format!(
            "remove it from the artifact, or run `artifacts generate {name}` for all of its files"
        ))));
    }
    let stranger = sources.values().find(|source| !instance.artifact.files.contains_key(&source.file));
    stranger.map_or(Ok(()), |source| {
        let why = "the artifact declares no such file";
        Err(source.failure(why).hint(Some(format!("declare the file in {}, then import again", instance.name))))
    })
}

/// What is encrypted stays secret, and what is not was never secret.
fn check_form(instance: &Instance, source: &ImportSource, is_secret: bool) -> Result<(), Failure> {
    match (&source.form, is_secret) {
        (SourceForm::Plain, true) => {
            let (name, file) = (failure::quoted_name(&instance.name), shell_word(source.file.as_str()));
            let path = shell_word(&source.path.to_string_lossy());
            Err(source
                .failure("the file is stored in plain text, and the artifact declares it as a secret")
                .hint(Some(format!("if it is to become one: `artifacts set {name} {file} < {path}`"))))
        }
        (SourceForm::Plain, false) => Ok(()),
        (_, false) => Err(source
            .failure("the file is encrypted, and the artifact declares it as public")
            .hint(Some("remove `secret = false` from its declaration"))),
        (SourceForm::SopsWhole { .. }, true) => Err(source
            .failure("the whole decrypted file is the value, which is not read here")
            .hint(Some(by_hand(instance, source)))),
        (_, true) => Ok(()),
    }
}

/// Which backend reads a source, the name of its file in an entry of that backend, and the name of the value there.
fn placed(instance: &Instance, source: &ImportSource) -> Result<(Name, String, Name), Failure> {
    let file = &source.file;
    let (backend, stored, value) = match &source.form {
        SourceForm::SopsKey { format, key } => {
            let value = Name::new(key.replace('/', BELOW)).map_err(|_| {
                let why = format!("the key `{}` is not read here, as no name can have it", key.escape_debug());
                source.failure(&why).hint(Some(by_hand(instance, source)))
            })?;
            (SOPS_NIX, format!("secrets.sops.{}", format.as_str()), value)
        }
        SourceForm::SopsBinary => (SOPS_NIX, format!("{file}.sops"), file.clone()),
        SourceForm::SopsText { format } => (SOPS_NIX, format!("{file}.sops.{}", format.as_str()), file.clone()),
        SourceForm::Age | SourceForm::SopsWhole { .. } | SourceForm::Plain => {
            (AGENIX, format!("{file}.age"), file.clone())
        }
    };
    let backend = Name::new(backend).map_err(|error| source.failure(&error.to_string()))?;
    Ok((backend, stored, value))
}

/// What a person does who can decrypt a file in another way.
fn by_hand(instance: &Instance, source: &ImportSource) -> String {
    let name = failure::quoted_name(&instance.name);
    let file = shell_word(source.file.as_str());
    match (source.decrypting(), instance.artifact.files.len()) {
        (Some(decrypt), 1) => format!("`{decrypt} | artifacts set {name} {file}`"),
        (Some(decrypt), _) => format!("`{decrypt}` prints the value; `artifacts generate {name}` asks for it"),
        (None, 1) => format!("decrypt it with sops, and pass the value to `artifacts set {name} {file}`"),
        (None, _) => format!("decrypt it with sops; `artifacts generate {name}` asks for the value"),
    }
}
