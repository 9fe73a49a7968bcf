use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Last second of the year 9999, in seconds since 1970: the last that RFC 3339 can write.
const LATEST: u64 = 253_402_300_799;

/// Form of a point in time, as a regular expression.
const PATTERN: &str = "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$";

/// Represents a point in time in whole seconds since 1970, written as RFC 3339 in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String", inline, extend("format" = "date-time", "pattern" = PATTERN))]
pub struct Time(u64);

impl Time {
    /// Converts it to the system's type.
    pub fn system(self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(self.0)
    }
}

impl From<SystemTime> for Time {
    /// Rounds down to a second; a time outside of 1970 to 9999 becomes the nearest one inside.
    fn from(time: SystemTime) -> Self {
        Self(time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()).min(LATEST))
    }
}

impl std::ops::Add<Duration> for Time {
    type Output = Self;

    fn add(self, rhs: Duration) -> Self {
        Self(self.0.saturating_add(rhs.as_secs()).min(LATEST))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&humantime::format_rfc3339_seconds(self.system()), f)
    }
}

/// Reports a text that is not a point in time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a time such as 2026-01-31T12:00:00Z")]
pub struct TimeError;

impl std::str::FromStr for Time {
    type Err = TimeError;

    fn from_str(text: &str) -> Result<Self, TimeError> {
        humantime::parse_rfc3339(text).map(Self::from).map_err(|_| TimeError)
    }
}

impl TryFrom<String> for Time {
    type Error = TimeError;

    fn try_from(text: String) -> Result<Self, TimeError> {
        text.parse()
    }
}

impl From<Time> for String {
    fn from(time: Time) -> Self {
        time.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_time_can_be_written_and_read_again() {
        for seconds in [0, 1, 1_795_000_000, LATEST] {
            let time = Time::from(UNIX_EPOCH + Duration::from_secs(seconds));
            assert_eq!(time.to_string().parse(), Ok(time));
        }
        assert_eq!(Time::from(UNIX_EPOCH - Duration::from_secs(9)), Time(0));
        assert_eq!(Time::from(UNIX_EPOCH + Duration::from_secs(LATEST + 1)).to_string(), "9999-12-31T23:59:59Z");
        assert_eq!(Time(LATEST) + Duration::MAX, Time(LATEST));
    }

    #[test]
    fn other_texts_are_no_times() {
        for text in
            ["", "2026-01-31", "2026-01-31 12:00:00Z", "2026-01-31T12:00:00+01:00", "2026-13-01T00:00:00Z", "now"]
        {
            assert_eq!(text.parse::<Time>(), Err(TimeError), "{text}");
        }
    }
}
