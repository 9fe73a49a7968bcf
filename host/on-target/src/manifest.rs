//! The manifest: what the Nix modules say of a target's deployed files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use artifacts_declared::Name;
use artifacts_text::Explain;
use serde::Deserialize;

/// The version of the manifest that this program reads.
pub const SCHEMA: u64 = 1;

/// Where a machine's manifest is.
pub const DEFAULT: &str = "/etc/artifacts/manifest.json";

/// All artifacts of one target.
///
/// Fields that this program does not know are left alone: while a machine is switched, the watcher of the old system reads
/// the manifest of the new one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct TargetManifest {
    /// By name.
    pub artifacts: BTreeMap<Name, DeployedArtifact>,
}

/// One artifact as it is deployed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeployedArtifact {
    /// Its systemd unit.
    pub unit: String,
    /// Units that are bound to that unit.
    #[serde(default)]
    pub bind_units: Vec<String>,
    /// Units that put its files in place.
    #[serde(default)]
    pub installers: Vec<String>,
    /// Whether they are made here.
    #[serde(default)]
    pub on_target: bool,
    /// Its files, boxed: a map makes room for eleven values at once, and there may be many maps.
    pub files: BTreeMap<Name, Box<DeployedFile>>,
}

/// One deployed file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeployedFile {
    /// Where it is. `${XDG_RUNTIME_DIR}` or `%r` at its beginning stands for the user's runtime directory.
    pub path: String,
    /// Its mode, as octal text.
    pub mode: String,
    /// Its owner, by name or number; absent for a user's own files.
    #[serde(default)]
    pub owner: Option<String>,
    /// Its group, by name or number; absent for a user's own files.
    #[serde(default)]
    pub group: Option<String>,
    /// Units to restart when its content changes.
    #[serde(default)]
    pub restart_units: Vec<String>,
    /// Units to reload when its content changes.
    #[serde(default)]
    pub reload_units: Vec<String>,
}

/// Why a manifest cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TargetManifestError {
    /// It cannot be read.
    #[error("cannot read the manifest {}: {why}", .path.display())]
    Read {
        /// The manifest.
        path: PathBuf,
        /// The system's word.
        why: std::io::Error,
    },
    /// It is JSON of another shape, or none.
    #[error("invalid manifest {}: {why}", .path.display())]
    Shape {
        /// The manifest.
        path: PathBuf,
        /// What was expected and found.
        why: String,
    },
    /// It does not have this artifact.
    #[error("unknown artifact `{name}` in the manifest {}; its artifacts: {}", .path.display(), listed(.known))]
    Unknown {
        /// The manifest.
        path: PathBuf,
        /// What was asked for.
        name: String,
        /// What there is.
        known: Vec<String>,
    },
}

impl Explain for TargetManifestError {
    fn kind(&self) -> &'static str {
        "manifest"
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Read { .. } => Some("the artifacts module writes it at activation; check that it is imported"),
            Self::Shape { .. } => {
                Some("activate a system whose artifacts module and artifacts-target are of one version")
            }
            Self::Unknown { .. } => None,
        };
        hint.map(str::to_owned)
    }
}

fn listed(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

impl TargetManifest {
    /// Reads a manifest and puts `runtime`, the user's runtime directory, into the paths that ask for it.
    ///
    /// # Errors
    /// See [`TargetManifestError`].
    pub fn read(path: &Path, runtime: Option<&str>) -> Result<Self, TargetManifestError> {
        Self::from_text(&Self::text(path)?, path, runtime)
    }

    /// The text of a manifest.
    pub(crate) fn text(path: &Path) -> Result<String, TargetManifestError> {
        std::fs::read_to_string(path).map_err(|why| TargetManifestError::Read { path: path.to_owned(), why })
    }

    /// The manifest of a text. `path` is for the message.
    pub(crate) fn from_text(text: &str, path: &Path, runtime: Option<&str>) -> Result<Self, TargetManifestError> {
        Self::parse(text, runtime).map_err(|why| TargetManifestError::Shape { path: path.to_owned(), why })
    }

    fn parse(text: &str, runtime: Option<&str>) -> Result<Self, String> {
        let head: ManifestVersion = serde_json::from_str(text).map_err(|e| e.to_string())?;
        if head.schema != SCHEMA {
            return Err(format!("it has schema {}; this program reads schema {SCHEMA}", head.schema));
        }
        let mut manifest: Self = serde_json::from_str(text).map_err(|e| e.to_string())?;
        for file in manifest.artifacts.values_mut().flat_map(|artifact| artifact.files.values_mut()) {
            file.path = expand(&file.path, runtime);
        }
        Ok(manifest)
    }

    /// The artifacts that are made here, each with the paths of its files.
    pub fn made_here(&self) -> BTreeMap<Name, BTreeSet<PathBuf>> {
        let here = self.artifacts.iter().filter(|(_, artifact)| artifact.on_target);
        let paths =
            |artifact: &DeployedArtifact| artifact.files.values().map(|file| PathBuf::from(&file.path)).collect();
        here.map(|(name, artifact)| (name.clone(), paths(artifact))).collect()
    }

    /// One artifact. `path` is for the message.
    ///
    /// # Errors
    /// [`TargetManifestError::Unknown`].
    pub fn artifact(&self, name: &str, path: &Path) -> Result<(&Name, &DeployedArtifact), TargetManifestError> {
        self.artifacts.get_key_value(name).ok_or_else(|| TargetManifestError::Unknown {
            path: path.to_owned(),
            name: name.to_owned(),
            known: self.artifacts.keys().map(ToString::to_string).collect(),
        })
    }
}

#[derive(Deserialize)]
struct ManifestVersion {
    schema: u64,
}

/// A path that begins with `${XDG_RUNTIME_DIR}` or `%r`, with the user's runtime directory `runtime` in the place of that; any
/// other path as it is.
pub fn expand(path: &str, runtime: Option<&str>) -> String {
    let rest = ["${XDG_RUNTIME_DIR}/", "$XDG_RUNTIME_DIR/", "%r/"].iter().find_map(|start| path.strip_prefix(start));
    match (rest, runtime) {
        (Some(rest), Some(runtime)) => format!("{runtime}/{rest}"),
        _ => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const SMALL: &str = r#"{"schema":1,"artifacts":{"attic":{"unit":"artifact-attic.service","files":{
        "env":{"path":"/run/artifacts/attic/env","mode":"0400","owner":"root","group":"root"}}}}}"#;

    #[test]
    fn absent_fields_take_their_defaults() {
        let manifest = TargetManifest::parse(SMALL, None).unwrap();
        let artifact = &manifest.artifacts["attic"];
        assert!(artifact.bind_units.is_empty() && artifact.files["env"].restart_units.is_empty());
    }

    #[test]
    fn a_newer_field_is_left_alone_and_a_newer_schema_is_not() {
        assert!(TargetManifest::parse(&SMALL.replace("\"unit\"", "\"later\":1,\"unit\""), None).is_ok());
        let why = TargetManifest::parse(&SMALL.replace("\"schema\":1", "\"schema\":2"), None).unwrap_err();
        assert_eq!(why, "it has schema 2; this program reads schema 1");
    }

    #[test]
    fn every_cut_is_refused() {
        for end in 0..SMALL.len() {
            assert!(TargetManifest::parse(&SMALL[..end], None).is_err());
        }
    }

    #[test]
    fn the_runtime_directory_is_put_in_at_the_beginning_only() {
        for (path, expected) in [
            ("${XDG_RUNTIME_DIR}/a/b", "/run/user/7/a/b"),
            ("%r/a", "/run/user/7/a"),
            ("/x/%r/a", "/x/%r/a"),
            ("%rest/a", "%rest/a"),
        ] {
            assert_eq!(expand(path, Some("/run/user/7")), expected);
            assert_eq!(expand(path, None), path);
        }
    }

    #[test]
    fn an_unknown_artifact_is_named_with_those_there_are() {
        let manifest = TargetManifest::parse(SMALL, None).unwrap();
        let message = manifest.artifact("x", Path::new("/m")).unwrap_err().to_string();
        assert_eq!(message, "unknown artifact `x` in the manifest /m; its artifacts: attic");
    }
}
