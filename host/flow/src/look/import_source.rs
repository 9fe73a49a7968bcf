//! Files of other tools that have the values of declared instances.

use std::path::{Component, Path, PathBuf};

use artifacts_declared::{InstanceName, Name};
use artifacts_report::Failure;
use artifacts_store::Root;
use artifacts_text::{shell_word, size, sops_extract, sops_text};

/// Largest source, in bytes.
const LARGEST: u64 = 16 << 20;

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
    /// A dotenv or INI file of sops: the value is its text, as sops-nix has it.
    SopsText {
        /// The form of the file.
        format: SopsTextFormat,
    },
    /// The value itself, which is public.
    Plain,
}

/// Names the form of a file of sops that is one text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SopsTextFormat {
    /// A line a key.
    Dotenv,
    /// Keys in sections.
    Ini,
}

impl SopsTextFormat {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Dotenv => "dotenv",
            Self::Ini => "ini",
        }
    }
}

/// Names the form of a structured file of sops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SopsFormat {
    /// JSON.
    Json,
    /// YAML.
    Yaml,
}

impl SopsFormat {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Yaml => "yaml",
        }
    }
}

impl ImportSource {
    /// Returns the path, for messages.
    pub(crate) fn shown(&self) -> String {
        format!("`{}`", self.path.display().to_string().escape_debug())
    }

    /// Returns a failure of the instance that is about this source.
    pub(crate) fn failure(&self, why: &str) -> Failure {
        Failure::new(self.instance.to_string(), format!("`{}` from {}: {why}", self.file, self.shown()))
    }

    /// Returns a failure as one of this source.
    pub(crate) fn about(&self, failure: &Failure) -> Failure {
        let Failure { message, .. } = self.failure(&failure.message);
        Failure { message, ..failure.clone() }
    }

    /// Returns the failure of a source that is the same file as another one.
    pub(crate) fn copied(&self, other: &Self) -> Failure {
        let (why, hint) = if self.path == other.path {
            let why =
                format!("`{}` of {} takes the same file, which belongs to one artifact", other.file, other.instance);
            (why, "declare one artifact with all of its values, `shared` where several machines read it")
        } else {
            let why = format!("the same encrypted file is also in {}, the source of {}", other.shown(), other.instance);
            (why, "a file was copied: find out which one is meant, and encrypt the other one again")
        };
        self.failure(&why).hint(Some(hint))
    }

    /// Returns the command of sops that prints the value; none if sops has none.
    pub(crate) fn decrypting(&self) -> Option<String> {
        let path = self.path.to_string_lossy();
        match &self.form {
            SourceForm::SopsKey { key, .. } => sops_extract(key, &path),
            SourceForm::SopsText { format } => Some(sops_text(format.as_str(), &path)),
            _ => Some(format!("sops decrypt {}", shell_word(&path))),
        }
    }

    /// Reads the file: a regular one below the root, reached without a symbolic link.
    ///
    /// # Errors
    /// When it is none, does not exist or is too large.
    pub(crate) fn read(&self, root: &Root) -> Result<Vec<u8>, Failure> {
        let failed = |why: &str, hint: &str| Err(self.failure(why).hint(Some(hint)));
        let is_below = |path: &Path| path.components().all(|part| matches!(part, Component::Normal(_)));
        let Some(path) = self.path.to_str().filter(|path| !path.is_empty() && is_below(&self.path)) else {
            return failed("not a path below the root", "move the file into the checkout");
        };
        match root.read(path, LARGEST) {
            Ok(Some(bytes)) => Ok(bytes),
            Ok(None) => failed("the file does not exist", "check the path in the old configuration"),
            Err(artifacts_store::Error::TooLarge { limit, .. }) => failed(
                &format!("the file exceeds the limit of {}", size(limit)),
                "no artifact holds such a file; leave it where it is",
            ),
            Err(error) => failed(&error.to_string(), "put the file itself in this place"),
        }
    }
}
