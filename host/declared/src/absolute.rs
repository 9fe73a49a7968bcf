use std::path::PathBuf;

use serde::de::Error;
use serde::{Deserialize, Deserializer};

/// A path that means the same wherever it is used, and that no program takes for an option.
pub fn path<'de, D: Deserializer<'de>>(from: D) -> Result<PathBuf, D::Error> {
    let path = PathBuf::deserialize(from)?;
    if path.is_absolute() {
        return Ok(path);
    }
    Err(D::Error::custom(format!("expected an absolute path, found `{}`", path.display())))
}

/// Such a path, or none.
pub fn optional<'de, D: Deserializer<'de>>(from: D) -> Result<Option<PathBuf>, D::Error> {
    #[derive(Deserialize)]
    struct Absolute(#[serde(deserialize_with = "path")] PathBuf);
    Ok(Option::<Absolute>::deserialize(from)?.map(|Absolute(path)| path))
}
