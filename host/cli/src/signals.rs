//! The way out when the person wants out: plaintext goes first, then the program.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use artifacts_report::Failure;
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::Signals;

/// How long a run may take to end by itself.
const PATIENCE: Duration = Duration::from_millis(1500);

static WATCHED: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// Watches for signals from the first time on that it is called. The flag is set at the first one; a run that is asking a person is
/// ended at once, and one that has not ended by itself soon after.
pub fn watch() -> Result<Arc<AtomicBool>, Failure> {
    if let Some(cancel) = WATCHED.get() {
        return Ok(Arc::clone(cancel));
    }
    let cancel = Arc::new(AtomicBool::new(false));
    let mut signals = Signals::new([SIGHUP, SIGINT, SIGQUIT, SIGTERM])
        .map_err(|e| Failure::new("", format!("signals cannot be watched, so plaintext could be left behind: {e}")))?;
    let flag = Arc::clone(&cancel);
    std::thread::spawn(move || {
        if let Some(signal) = signals.forever().next() {
            let asking = artifacts_prompt::restore();
            flag.store(true, Ordering::Relaxed);
            // Who waits for an answer has nothing else under way.
            if !asking {
                std::thread::sleep(PATIENCE);
            }
            artifacts_ram::remove_all();
            std::process::exit(128 + signal);
        }
    });
    Ok(Arc::clone(WATCHED.get_or_init(|| cancel)))
}
