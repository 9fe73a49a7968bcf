//! What a backend is and may do, read from its bytes and its registration. Nothing of it is run or compiled.
//!
//! [`Component::read`] takes bytes. [`effective`] decides what a component gets of the grants that it requests.

mod annotate;
mod component;
mod config;
mod file;
mod grants;
mod imports;
mod inspect;
mod limits;
mod manifest;
mod refusal;

pub use annotate::annotate;
pub use component::Component;
pub use config::{ConfigMisfit, ConfigSchema};
pub use file::{LARGEST, read_file};
pub use grants::{Grant, GrantError, Grants, effective};
pub use imports::{Meaning, Other, Unavailable, allowed_imports, meaning};
pub use inspect::{Inspection, inspect};
pub use limits::{Limit, each_limit, limit_text, limits_from_json, raised_limits};
pub use manifest::{BackendManifest, ManifestError, Persists, SECTION, Scope};
pub use refusal::Refusal;
