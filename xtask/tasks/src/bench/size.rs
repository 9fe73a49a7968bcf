use anyhow::{Context, Result};

use super::Bench;
use super::row::Row;

/// Megabytes.
const ALLOWED: f64 = 30.0;

/// The installed program, with the bundled backends inside.
///
/// # Errors
/// When there is none.
pub fn measure(bench: &Bench) -> Result<Vec<Row>> {
    let size = std::fs::metadata(&bench.program).with_context(|| bench.program.display().to_string())?.len();
    #[expect(clippy::cast_precision_loss, reason = "it is small")]
    let size = size as f64 / 1e6;
    Ok(vec![Row {
        what: "the installed program, with three backends inside",
        here: format!("{size:.1} MB"),
        against: format!("{ALLOWED:.0} MB"),
        ratio: size / ALLOWED,
        at_most: Some(1.0),
    }])
}
