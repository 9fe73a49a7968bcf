use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Artifact, Name, Target, TargetKind};

/// The name of one stored copy of an artifact, which is also its path below the storage: `per-machine/web1/attic`,
/// `per-user/alice@laptop/ssh`, `shared/ca`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum InstanceName {
    /// Of one machine.
    Machine {
        /// The machine.
        target: Name,
        /// The artifact.
        artifact: Name,
    },
    /// Of one user.
    User {
        /// The user's target.
        target: Name,
        /// The artifact.
        artifact: Name,
    },
    /// Of all targets that declare it shared.
    Shared {
        /// The artifact.
        artifact: Name,
    },
}

impl InstanceName {
    /// The first directories of full names.
    pub const SCOPES: [&str; 3] = ["per-machine", "per-user", "shared"];

    /// The instance of a target's own artifact.
    pub fn new(kind: TargetKind, target: Name, artifact: Name) -> Self {
        match kind {
            TargetKind::Nixos | TargetKind::Darwin => Self::Machine { target, artifact },
            TargetKind::HomeManager => Self::User { target, artifact },
        }
    }

    /// The artifact's name.
    pub fn artifact(&self) -> &Name {
        match self {
            Self::Machine { artifact, .. } | Self::User { artifact, .. } | Self::Shared { artifact } => artifact,
        }
    }

    /// Returns the name as people type it: `web1/attic`, `alice@laptop/ssh`, `shared/ca`. It is the full name where the target is
    /// named as a scope is: `shared/x` could be a shared artifact or that of a machine `shared`.
    pub fn short(&self) -> String {
        match self {
            Self::Machine { target, artifact } | Self::User { target, artifact }
                if !Self::SCOPES.contains(&target.as_str()) =>
            {
                format!("{target}/{artifact}")
            }
            Self::Machine { .. } | Self::User { .. } | Self::Shared { .. } => self.to_string(),
        }
    }

    /// The directories below the storage, outermost first.
    pub fn components(&self) -> Vec<&str> {
        match self {
            Self::Machine { target, artifact } => vec!["per-machine", target.as_str(), artifact.as_str()],
            Self::User { target, artifact } => vec!["per-user", target.as_str(), artifact.as_str()],
            Self::Shared { artifact } => vec!["shared", artifact.as_str()],
        }
    }
}

impl Target {
    /// Returns the instance of one of its artifacts.
    pub fn instance(&self, artifact: &Name, declared: &Artifact) -> InstanceName {
        if declared.shared {
            InstanceName::Shared { artifact: artifact.clone() }
        } else {
            InstanceName::new(self.kind, self.name.clone(), artifact.clone())
        }
    }
}

impl fmt::Display for InstanceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.components().join("/"))
    }
}

/// Why a text is no instance name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid instance name `{}`: expected per-machine/MACHINE/ARTIFACT, per-user/USER/ARTIFACT or shared/ARTIFACT", artifacts_text::shortened(.0, 600))]
pub struct InstanceNameError(String);

impl FromStr for InstanceName {
    type Err = InstanceNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = |_| InstanceNameError(text.to_owned());
        let parts: Vec<&str> = text.split('/').collect();
        match parts.as_slice() {
            ["per-machine", target, artifact] => {
                Ok(Self::Machine { target: target.parse().map_err(bad)?, artifact: artifact.parse().map_err(bad)? })
            }
            ["per-user", target, artifact] => {
                Ok(Self::User { target: target.parse().map_err(bad)?, artifact: artifact.parse().map_err(bad)? })
            }
            ["shared", artifact] => Ok(Self::Shared { artifact: artifact.parse().map_err(bad)? }),
            _ => Err(InstanceNameError(text.to_owned())),
        }
    }
}

impl TryFrom<String> for InstanceName {
    type Error = InstanceNameError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<InstanceName> for String {
    fn from(name: InstanceName) -> Self {
        name.to_string()
    }
}
