//! What a line of the log is about.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::call::{CallEnd, CallStart};

/// Represents what one line is about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum RecordKind {
    /// A run of the program began.
    Run(RunRecord),
    /// The admin accepted something.
    Consent(ConsentRecord),
    /// A call of a component, or a use of an identity, is about to begin.
    Begun(CallStart),
    /// The call ended.
    Ended(Box<CallEnd>),
}

/// Describes a run: who ran what, and where. Names of flags, without values; nothing that stood after `--`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunRecord {
    /// The user that the program ran as.
    pub user: User,
    /// The name of this machine, if it is known.
    #[serde(default)]
    pub host: Option<String>,
    /// The directory that holds the storages, if there is one.
    #[serde(default)]
    pub checkout: Option<String>,
    /// The repository that holds it, by the random id that this machine gave it; none before something was accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    /// The subcommand, as `status` or `backend explain`.
    pub command: String,
    /// The selectors that were passed.
    #[serde(default)]
    pub selectors: Vec<String>,
    /// Names of the flags that were passed.
    #[serde(default)]
    pub flags: Vec<String>,
    /// The version of the program.
    pub version: String,
}

/// Names a user.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct User {
    /// The name, if the user database of this machine has one.
    #[serde(default)]
    pub name: Option<String>,
    /// The number.
    pub uid: u32,
}

/// Describes what the admin accepted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ConsentRecord {
    /// How: `terminal`, or the flag.
    pub by: String,
    /// What.
    #[serde(flatten)]
    pub subject: ConsentSubject,
}

/// Names what a consent is about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "about", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum ConsentSubject {
    /// The recipients of a file.
    Recipients {
        /// The instance.
        instance: String,
        /// The file.
        file: String,
        /// Public keys, sorted.
        recipients: Vec<String>,
    },
    /// A generator may read the files of a dependency.
    ReadAccess {
        /// The instance that is generated.
        instance: String,
        /// The instance that its generator reads.
        dependency: String,
        /// Path of the generator.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        generator: Option<String>,
        /// SHA-256 of the generator, where its path does not determine it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sha256: Option<String>,
    },
    /// A generator that could pass them on may use what a person enters.
    Answers {
        /// The instance that is generated.
        instance: String,
        /// Its prompts.
        prompts: Vec<String>,
        /// Path of the generator.
        generator: String,
        /// SHA-256 of the generator, where its path does not determine it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sha256: Option<String>,
        /// Whether the generator has the network.
        network: bool,
        /// The public files that it writes.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        public: Vec<String>,
    },
    /// The grants of a third-party component, and its limits above the defaults.
    Grants {
        /// The backend.
        backend: String,
        /// SHA-256 of the component.
        sha256: String,
        /// The grants.
        grants: Value,
        /// The limits above their defaults; none in records of before.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        limits: BTreeMap<String, u64>,
    },
    /// An entry is removed from the trash for good.
    Removal {
        /// The instance.
        instance: String,
        /// The storage of the entry.
        storage: String,
        /// The name of the entry in the trash, which begins with the time at which it went there.
        trashed: String,
    },
    /// Two checkouts are clones of one repository.
    Clone {
        /// Path of this checkout.
        checkout: String,
        /// Path of the other one.
        other: String,
    },
}
