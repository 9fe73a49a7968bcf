use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::GrantError;

/// How much a backend may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Linear memory of one component instance, all memories together, in bytes.
    pub memory: u64,
    /// One call of an exported function, in seconds; time in which the host works for it does not count.
    pub time: u64,
    /// All files of a slice together, in bytes.
    pub output: u64,
    /// Files in a slice.
    pub files: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { memory: 256 << 20, time: 10, output: 64 << 20, files: 4096 }
    }
}

/// The most that a registry may give.
const MOST: Limits = Limits { memory: 4 << 30, time: 3600, output: 1 << 30, files: 100_000 };

impl Limits {
    /// Reads the registry's JSON: whole numbers, bytes and seconds. What is not named keeps its default.
    ///
    /// # Errors
    /// When a limit is unknown, or is no number within bounds.
    pub fn from_json(json: &Map<String, Value>) -> Result<Self, GrantError> {
        let mut limits = Self::default();
        for (key, value) in json {
            let (limit, most) = match key.as_str() {
                "memory" => (&mut limits.memory, MOST.memory),
                "time" => (&mut limits.time, MOST.time),
                "output" => (&mut limits.output, MOST.output),
                "files" => (&mut limits.files, MOST.files),
                _ => return Err(GrantError::UnknownLimit(key.escape_debug().to_string())),
            };
            *limit = value.as_u64().filter(|number| (1..=most).contains(number)).ok_or_else(|| {
                GrantError::value(
                    key,
                    value,
                    "a whole number from 1 to 4 GiB of memory, an hour, 1 GiB of output or 100000 files",
                )
            })?;
        }
        Ok(limits)
    }
}
