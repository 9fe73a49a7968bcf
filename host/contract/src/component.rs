use std::fmt;
use std::sync::Arc;

use artifacts_digest::Sha256;
use bytes::Bytes;

use crate::config::SchemaOrigin;
use crate::inspect::inspect_with_schema;
use crate::{BackendManifest, ConfigSchema, Inspection, Refusal, imports};

/// Holds a component that this host would run: its bytes, read once, and what they say.
#[derive(Clone)]
pub struct Component {
    bytes: Bytes,
    sha256: Sha256,
    manifest: Arc<BackendManifest>,
    config: Arc<ConfigSchema>,
    imports: Vec<String>,
    exports: Vec<String>,
    compiled: Option<&'static [u8]>,
}

impl Component {
    /// Hashes and inspects the bytes, and keeps them to be run as they are.
    ///
    /// # Errors
    /// When this host would not run them.
    pub fn read(bytes: impl Into<Vec<u8>>) -> Result<Self, Refusal> {
        let bytes = Bytes::from(bytes.into());
        let sha256 = Sha256::digest(&bytes);
        Self::new(bytes, sha256, SchemaOrigin::Anyone)
    }

    /// Does the same with a component that is part of this program: it stays where it is, was hashed when the program was built, and
    /// the schema of its configurations is compiled when the first is checked.
    ///
    /// # Errors
    /// When this host would not run it.
    pub fn bundled(bytes: &'static [u8], sha256: Sha256) -> Result<Self, Refusal> {
        Self::new(Bytes::from_static(bytes), sha256, SchemaOrigin::Bundled)
    }

    fn new(bytes: Bytes, sha256: Sha256, origin: SchemaOrigin) -> Result<Self, Refusal> {
        let (found, config) = inspect_with_schema(&bytes, sha256, origin);
        let Inspection { manifest, imports, exports, refusal, .. } = found;
        if let Some(refusal) = refusal {
            return Err(refusal);
        }
        let (manifest, config) = manifest.zip(config).ok_or(Refusal::NoManifest)?;
        let (manifest, config) = (Arc::new(manifest), Arc::new(config));
        Ok(Self { bytes, sha256, manifest, config, imports, exports, compiled: None })
    }

    /// Returns what it says of itself.
    pub fn manifest(&self) -> &BackendManifest {
        &self.manifest
    }

    /// Returns the schema of what it takes as the configuration of a target.
    pub fn config(&self) -> &Arc<ConfigSchema> {
        &self.config
    }

    /// Returns the SHA-256 of its bytes.
    pub fn sha256(&self) -> Sha256 {
        self.sha256
    }

    /// Returns its size, in bytes.
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// Returns the names of the interfaces that it imports.
    pub fn imports(&self) -> &[String] {
        &self.imports
    }

    /// Returns the names of what it exports.
    pub fn exports(&self) -> &[String] {
        &self.exports
    }

    /// Returns whether it can read secrets back.
    pub fn retrieves(&self) -> bool {
        self.exports.iter().any(|name| imports::exports(name, imports::RETRIEVAL))
    }

    /// Returns whether it imports a file system.
    pub fn uses_files(&self) -> bool {
        self.imports.iter().any(|name| imports::split(name).0.starts_with("wasi:filesystem/"))
    }

    /// With code that `artifacts-precompile` made of it and that is part of this program. Code of another component is not taken.
    ///
    /// The code will run: it must come from this program's own build and from nowhere else.
    #[must_use]
    pub fn with_compiled(mut self, code: &'static [u8]) -> Self {
        self.compiled = code.strip_prefix(self.sha256.0.as_slice());
        self
    }

    /// Returns the code that came with it, if there is any.
    pub fn compiled(&self) -> Option<&'static [u8]> {
        self.compiled
    }

    /// Returns its bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl fmt::Debug for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Component({} {}, {} bytes)", self.manifest.name, self.manifest.version, self.size())
    }
}
