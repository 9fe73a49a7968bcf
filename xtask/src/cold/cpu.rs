//! CPU time of other processes.

use anyhow::{Context, Result};

/// Ticks a second of the kernel's accounting, which is fixed for programs.
const TICKS: f64 = 100.0;

/// Seconds, user and system, of children that have ended and of theirs. To 10 ms.
///
/// # Errors
/// When there is no `/proc`.
pub fn of_children() -> Result<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").context("/proc is needed to measure CPU time")?;
    // The second field is a program's name and may hold blanks; fields are counted from the one after it.
    let (_, fields) = stat.rsplit_once(") ").context("/proc/self/stat is not as documented")?;
    let field = |index: usize| fields.split(' ').nth(index).and_then(|text| text.parse::<f64>().ok());
    let (user, system) = field(13).zip(field(14)).context("/proc/self/stat is not as documented")?;
    Ok((user + system) / TICKS)
}
