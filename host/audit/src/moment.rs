//! Moments as people write them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

const DAY: u64 = 24 * 60 * 60;

/// Reads a moment: RFC 3339 (`2026-01-31T12:00:00Z`, `2026-01-31T12:00:00+01:00`), a date (its first moment in UTC), `now`,
/// `today`, `yesterday`, or a duration before now (`3d`, `12h`, `1h 30m`).
///
/// # Errors
/// When it is none of these.
pub fn parse(text: &str, now: SystemTime) -> Result<SystemTime, String> {
    let text = text.trim();
    let days = |back: u64| {
        let today = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()) / DAY;
        UNIX_EPOCH + Duration::from_secs(today.saturating_sub(back) * DAY)
    };
    match text {
        "now" => return Ok(now),
        "today" => return Ok(days(0)),
        "yesterday" => return Ok(days(1)),
        _ => {}
    }
    let date = || humantime::parse_rfc3339(&format!("{text}T00:00:00Z")).ok();
    let time = || humantime::parse_rfc3339_weak(text).ok();
    let ago = || Some(now.checked_sub(length(text).ok()?).unwrap_or(UNIX_EPOCH));
    date().or_else(time).or_else(|| with_offset(text)).or_else(ago).ok_or_else(|| {
        "expected a time as 2026-01-31T12:00:00Z, a date as 2026-01-31, `today`, `yesterday`, or how long ago, as `3d` or `12h`"
            .to_owned()
    })
}

/// Reads how long something is: `30d`, `12h`, `1h 30m`.
///
/// # Errors
/// When it is none of these.
pub fn length(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text.trim()).map_err(|_| "expected a duration as `30d` or `12h`".to_owned())
}

/// RFC 3339 with an offset from UTC.
fn with_offset(text: &str) -> Option<SystemTime> {
    let (time, offset) = text.split_at_checked(text.len().checked_sub(6)?)?;
    let ahead = match offset.as_bytes().first()? {
        b'+' => true,
        b'-' => false,
        _ => return None,
    };
    let (hours, minutes) = offset.get(1..)?.split_once(':')?;
    let digits =
        |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u64>().ok()).flatten();
    let (hours, minutes) = (digits(hours)?, digits(minutes)?);
    if !time.contains(['T', 't', ' ']) || hours > 23 || minutes > 59 {
        return None;
    }
    let offset = Duration::from_secs(hours * 3600 + minutes * 60);
    let local = humantime::parse_rfc3339(&format!("{}Z", time.replace([' ', 't'], "T"))).ok()?;
    if ahead { local.checked_sub(offset) } else { local.checked_add(offset) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn moments_are_read_as_people_write_them() {
        let at = |text: &str| humantime::parse_rfc3339(text).unwrap();
        let now = at("2026-03-01T12:30:00Z");
        for (text, moment) in [
            ("2026-01-31T12:00:00Z", "2026-01-31T12:00:00Z"),
            ("2026-01-31 12:00:00", "2026-01-31T12:00:00Z"),
            ("2026-01-31T12:00:00+01:30", "2026-01-31T10:30:00Z"),
            ("2026-01-31T12:00:00.5-02:00", "2026-01-31T14:00:00.5Z"),
            ("2026-01-31", "2026-01-31T00:00:00Z"),
            ("now", "2026-03-01T12:30:00Z"),
            ("today", "2026-03-01T00:00:00Z"),
            ("yesterday", "2026-02-28T00:00:00Z"),
            ("3d", "2026-02-26T12:30:00Z"),
            ("12h", "2026-03-01T00:30:00Z"),
            ("1h 30m", "2026-03-01T11:00:00Z"),
        ] {
            assert_eq!(parse(text, now), Ok(at(moment)), "{text}");
        }
        for text in [
            "",
            "soon",
            "2026-02-30",
            "2026-13-01",
            "12",
            "-3d",
            "2026-01-31+01:00",
            "2026-01-31T12:00:00+25:00",
            "é+00:00",
        ] {
            assert!(parse(text, now).is_err(), "{text}");
        }
        assert!(parse("1000000y", now).is_ok_and(|moment| moment <= now));
        assert_eq!(parse("yesterday", UNIX_EPOCH - Duration::from_secs(1)), Ok(UNIX_EPOCH));
    }
}
