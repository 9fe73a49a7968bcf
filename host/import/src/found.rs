use std::path::PathBuf;

use artifacts_declared::TargetId;
use artifacts_text::{has_hidden, nix_attribute};

/// Names a tool whose secrets are imported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tool {
    /// agenix.
    Agenix,
    /// sops, by sops-nix.
    Sops,
    /// agenix-rekey.
    AgenixRekey,
    /// Vars of clan.
    Clan,
    /// nixos-artifacts, whose declarations are ours.
    NixosArtifacts,
}

impl Tool {
    /// Returns its name, as a person types it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Agenix => "agenix",
            Self::Sops => "sops",
            Self::AgenixRekey => "agenix-rekey",
            Self::Clan => "clan",
            Self::NixosArtifacts => "nixos-artifacts",
        }
    }

    /// Returns the option that has a secret, or all files of one name.
    pub(crate) fn set(self, name: &str) -> String {
        let name = nix_attribute(name);
        match self {
            Self::Agenix | Self::AgenixRekey => format!("age.secrets.{name}"),
            Self::Sops => format!("sops.secrets.{name}"),
            Self::Clan => format!("clan.core.vars.generators.{name}"),
            Self::NixosArtifacts => format!("artifacts.store.{name}"),
        }
    }

    /// Returns the option that has a secret, and its file where it has several.
    pub fn option(self, name: &str, file: &str) -> String {
        match self {
            Self::Agenix | Self::AgenixRekey | Self::Sops => self.set(name),
            Self::Clan | Self::NixosArtifacts => format!("{}.files.{}", self.set(name), nix_attribute(file)),
        }
    }
}

/// Holds one secret as another tool has it for one target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundSecret {
    /// The target that uses it.
    pub target: TargetId,
    /// Its name there: `attic` of `age.secrets.attic`.
    pub name: String,
    /// What secrets of one artifact have in common.
    pub group: FoundGroup,
    /// Name of its file in the artifact.
    pub file: String,
    /// The file that has its value, below the root.
    pub path: PathBuf,
    /// How the value is stored there.
    pub form: FoundForm,
    /// Where and how the target has it.
    pub placement: Placement,
}

/// Says which secrets are one artifact.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum FoundGroup {
    /// Those of one file, which has one value.
    File(PathBuf),
    /// Those of one file with several values.
    KeyedFile(PathBuf),
    /// Those of one generator: of this target, or shared.
    Generator(Option<TargetId>, String),
}

/// Says how a value is stored.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum FoundForm {
    /// An age file, binary or armored.
    Age,
    /// A file of sops in its binary form.
    SopsBinary,
    /// A value of a structured file of sops: `a`, or `a/b` below another key.
    SopsKey {
        /// The form of the file.
        format: KeyedFormat,
        /// The key.
        key: String,
    },
    /// A structured file of sops as a whole.
    SopsWhole {
        /// The form of the file.
        format: KeyedFormat,
    },
    /// A dotenv or INI file of sops, whose text is the value.
    SopsText {
        /// The form of the file.
        format: TextFormat,
    },
    /// The value itself.
    Plain,
}

/// Names the form of a file of sops that is one text to sops-nix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TextFormat {
    /// A line a key.
    Dotenv,
    /// Keys in sections.
    Ini,
}

/// Names the form of a structured file of sops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeyedFormat {
    /// JSON.
    Json,
    /// YAML.
    Yaml,
}

impl TextFormat {
    /// Returns its word in the options.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dotenv => "dotenv",
            Self::Ini => "ini",
        }
    }
}

impl KeyedFormat {
    /// Returns its word in the options.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Yaml => "yaml",
        }
    }
}

/// Says where and how a target has a file. What is the default of ours is absent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Placement {
    /// Absolute path.
    pub path: Option<String>,
    /// Octal mode.
    pub mode: Option<String>,
    /// Owner.
    pub owner: Option<String>,
    /// Group.
    pub group: Option<String>,
    /// Units that are restarted.
    pub restart_units: Vec<String>,
    /// Units that are reloaded.
    pub reload_units: Vec<String>,
    /// Whether it is needed before there are users.
    pub is_for_users: bool,
    /// Whether it stays off the target.
    pub is_kept_back: bool,
    /// Whether it is public.
    pub is_public: bool,
}

impl Placement {
    /// Leaves out what has a hidden character, and returns the options that had one: what a person cannot see is not declared.
    pub(crate) fn leave_hidden(&mut self) -> Vec<String> {
        let Self { path, mode, owner, group, restart_units, reload_units, .. } = self;
        let texts = [("path", path), ("mode", mode), ("owner", owner), ("group", group)];
        let mut left: Vec<String> = Vec::new();
        for (option, text) in texts {
            if text.take_if(|text| has_hidden(text)).is_some() {
                left.push(option.to_owned());
            }
        }
        for (option, units) in [("restartUnits", restart_units), ("reloadUnits", reload_units)] {
            if units.extract_if(.., |unit| has_hidden(unit)).count() > 0 {
                left.push(option.to_owned());
            }
        }
        left
    }
}
