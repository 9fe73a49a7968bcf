use std::fmt;

use artifacts_seam::Limits;
use artifacts_text::counted;
use serde_json::{Map, Value};

use crate::GrantError;

/// Describes one limit to a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// Its name, as in a registration.
    pub name: &'static str,
    /// Its value.
    pub value: u64,
    /// What it is where a registration does not say it.
    pub default: u64,
}

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

/// Returns every limit that exists.
pub fn each_limit(limits: &Limits) -> [Limit; 4] {
    let Limits { memory, time, output, files } = *limits;
    let default = Limits::default();
    [
        Limit { name: "memory", value: memory, default: default.memory },
        Limit { name: "time", value: time, default: default.time },
        Limit { name: "output", value: output, default: default.output },
        Limit { name: "files", value: files, default: default.files },
    ]
}

/// Returns the limits above their defaults, which the admin has to accept.
pub fn raised_limits(limits: &Limits) -> Vec<Limit> {
    each_limit(limits).into_iter().filter(|limit| limit.value > limit.default).collect()
}

/// Returns the value of a limit with its unit.
pub fn limit_text(name: &str, value: u64) -> String {
    const MIB: u64 = 1 << 20;
    const GIB: u64 = 1 << 30;
    match name {
        "memory" | "output" if value.is_multiple_of(GIB) => format!("{} GiB", value / GIB),
        "memory" | "output" if value.is_multiple_of(MIB) => format!("{} MiB", value / MIB),
        "memory" | "output" => counted(value, "byte"),
        "time" => format!("{value} s"),
        _ => value.to_string(),
    }
}

impl fmt::Display for Limit {
    /// As `memory 1 GiB (default 256 MiB)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, value, default } = *self;
        write!(f, "{name} {}", limit_text(name, value))?;
        if value == default { Ok(()) } else { write!(f, " (default {})", limit_text(name, default)) }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    fn raised(registered: &Value) -> Vec<String> {
        let limits = limits_from_json(registered.as_object().unwrap()).unwrap();
        raised_limits(&limits).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_is_above_its_default_is_raised_and_has_a_unit() {
        assert!(raised(&json!({})).is_empty());
        assert!(raised(&json!({"memory": 1, "time": 10, "output": 64 << 20, "files": 4096})).is_empty());
        let all = json!({"memory": 1 << 30, "time": 60, "output": (64 << 20) + 1, "files": 5000});
        let shown = [
            "memory 1 GiB (default 256 MiB)",
            "time 60 s (default 10 s)",
            "output 67108865 bytes (default 64 MiB)",
            "files 5000 (default 4096)",
        ];
        assert_eq!(raised(&all), shown);
    }
}
