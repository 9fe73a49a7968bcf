//! Files of other tools that have the values of declared instances.

use std::path::PathBuf;

use artifacts_declared::{InstanceName, Name};

/// Names the file of another tool that has the value of a declared file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportSource {
    /// The instance.
    pub instance: InstanceName,
    /// Its declared file.
    pub file: Name,
    /// Where the value is: a path below the root.
    pub path: PathBuf,
    /// How it is stored there.
    pub form: SourceForm,
}

/// How another tool stores a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceForm {
    /// An age file, binary or armored.
    Age,
    /// A file of sops in its binary form.
    SopsBinary,
    /// One value of a structured file of sops.
    SopsKey {
        /// The form of the file.
        format: SopsFormat,
        /// The key of the value, as sops-nix names it: `a`, or `a/b` below another key.
        key: String,
    },
    /// The text of a structured file of sops as a whole, as `sops decrypt` prints it.
    SopsWhole {
        /// The form of the file.
        format: SopsFormat,
    },
    /// The value itself, which is public.
    Plain,
}

/// Names the form of a structured file of sops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SopsFormat {
    /// JSON.
    Json,
    /// YAML.
    Yaml,
}
