//! The way out when the person wants out: plaintext goes first, then the program.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use artifacts_report::Failure;
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::Signals;

/// How long a run may take to end by itself.
const PATIENCE: Duration = Duration::from_millis(1500);

/// Watches for signals from now on. The flag is set at the first one; a run that has not ended soon after, or is
/// asking a person, is ended.
pub fn watch() -> Result<Arc<AtomicBool>, Failure> {
    let cancel = Arc::new(AtomicBool::new(false));
    let mut signals = Signals::new([SIGHUP, SIGINT, SIGQUIT, SIGTERM])
        .map_err(|e| Failure::new("", format!("signals cannot be watched, so plaintext could be left behind: {e}")))?;
    let flag = Arc::clone(&cancel);
    std::thread::spawn(move || {
        if let Some(signal) = signals.forever().next() {
            artifacts_prompt::restore();
            flag.store(true, Ordering::Relaxed);
            std::thread::sleep(PATIENCE);
            artifacts_ram::remove_all();
            std::process::exit(128 + signal);
        }
    });
    Ok(cancel)
}
