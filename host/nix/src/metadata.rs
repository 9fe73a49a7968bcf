use std::path::{Path, PathBuf};

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde::Deserialize;
use serde_json::Value;

use crate::error::FlakeSource;

/// Characters with a meaning in the query of a flake reference, among those of a hash.
const IN_QUERY: &AsciiSet = &CONTROLS.add(b'+').add(b'=').add(b'/');

/// Holds the part of `nix flake metadata --json` that is used.
#[derive(Debug, Deserialize)]
pub(crate) struct FlakeMetadata {
    /// Source in the store.
    pub path: PathBuf,
    /// Locked reference.
    pub url: String,
    /// Locks of the inputs.
    pub locks: Value,
    pub original: Reference,
    pub resolved: Reference,
    pub locked: Reference,
}

/// Represents a flake reference as attributes.
#[derive(Debug, Deserialize)]
pub(crate) struct Reference {
    #[serde(rename = "type")]
    pub kind: String,
    pub url: Option<String>,
    pub path: Option<PathBuf>,
    pub dir: Option<String>,
    pub rev: Option<String>,
    #[serde(rename = "ref")]
    pub branch: Option<String>,
    #[serde(rename = "narHash")]
    pub nar_hash: Option<String>,
    #[serde(rename = "lastModified")]
    pub last_modified: Option<u64>,
}

impl FlakeMetadata {
    /// Returns the directory of the store, as its paths name it.
    pub fn store(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("/"))
    }

    /// Returns how messages name the source.
    pub fn source(&self) -> FlakeSource {
        FlakeSource { copy: self.path.clone(), url: self.url.clone() }
    }

    /// Returns the reference of exactly the source that the metadata describe, if Nix has one for it.
    pub fn evaluated(&self) -> String {
        // A directory or a dirty git tree may change from one process to the next; its copy in the store does not. And a
        // directory's name can have what Nix does not quote in its own `url`.
        if self.is_dir() && !self.in_subdir() { self.copy() } else { self.url.clone() }
    }

    /// Returns whether the evaluated reference names one source for ever: a copy in the store, a revision, or a hash.
    pub fn is_fixed(&self) -> bool {
        let named = self.locked.rev.is_some() || self.url.contains("narHash=");
        if self.is_dir() { !self.in_subdir() } else { named }
    }

    /// Returns whether the flake's own lock file names each input. Otherwise Nix resolves it each time, and may find
    /// another one. `source` is where its source really is.
    pub fn inputs_are_locked(&self, source: &Path) -> bool {
        let no_inputs = self.locks["nodes"].as_object().is_some_and(|nodes| nodes.len() == 1);
        let dir = self.locked.dir.as_deref().unwrap_or_default();
        let kept = std::fs::read(source.join(dir).join("flake.lock")).ok();
        let kept = kept.and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
        no_inputs || kept.is_some_and(|kept| kept == self.locks)
    }

    fn is_dir(&self) -> bool {
        self.locked.kind == "path" || self.locked.kind == "git" && self.locked.rev.is_none()
    }

    /// Returns whether it is in a subdirectory. Not all versions of Nix can name a directory inside a copy in the
    /// store.
    fn in_subdir(&self) -> bool {
        self.locked.dir.as_deref().is_some_and(|dir| !dir.is_empty())
    }

    fn copy(&self) -> String {
        let path = self.path.display();
        match (&self.locked.nar_hash, self.locked.last_modified) {
            (Some(hash), Some(modified)) => {
                let hash = utf8_percent_encode(hash, IN_QUERY);
                format!("path:{path}?lastModified={modified}&narHash={hash}")
            }
            _ => format!("path:{path}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::FlakeMetadata;

    #[test]
    fn only_what_names_one_source_for_ever_is_fixed() {
        let fixed = |url: &str, locked: serde_json::Value| {
            let metadata = json!({ "path": "/s/x-source", "url": url, "locks": {}, "original": { "type": "x" },
                "resolved": { "type": "x" }, "locked": locked });
            serde_json::from_value::<FlakeMetadata>(metadata).is_ok_and(|metadata| metadata.is_fixed())
        };
        assert!(fixed("github:o/r/abc", json!({ "type": "github", "rev": "abc" })));
        assert!(!fixed("github:o/r", json!({ "type": "github" })));
        assert!(fixed("https://e.org/x.tar.gz?narHash=sha256-x", json!({ "type": "tarball", "narHash": "sha256-x" })));
        assert!(!fixed("https://e.org/x.tar.gz", json!({ "type": "tarball" })));
        assert!(fixed("git+file:///r", json!({ "type": "git" })), "its copy in the store");
        assert!(!fixed("git+file:///r?dir=a", json!({ "type": "git", "dir": "a" })));
    }
}
