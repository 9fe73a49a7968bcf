use artifacts_seam::Limits;
use serde_json::{Map, Value};

use crate::GrantError;

/// Reads the registration's JSON: whole numbers, bytes and seconds, of at most [`Limits::MOST`]. What is not named keeps its
/// default.
///
/// # Errors
/// When a limit is unknown, or is no number within bounds.
pub fn limits_from_json(json: &Map<String, Value>) -> Result<Limits, GrantError> {
    let mut limits = Limits::default();
    for (key, value) in json {
        let (limit, most) = match key.as_str() {
            "memory" => (&mut limits.memory, Limits::MOST.memory),
            "time" => (&mut limits.time, Limits::MOST.time),
            "output" => (&mut limits.output, Limits::MOST.output),
            "files" => (&mut limits.files, Limits::MOST.files),
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
