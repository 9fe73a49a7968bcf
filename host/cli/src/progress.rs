//! The line that says how far a run is, on the terminal: it rewrites itself, and is gone before anything else is printed.

use std::io::{IsTerminal as _, Write as _};
use std::sync::{Condvar, Mutex, MutexGuard, Once, PoisonError};
use std::time::{Duration, Instant};

use artifacts_report::ProgressLine;

use crate::environment::is_utf8;
use crate::width::width_of;

/// The line is written at most once in this time.
const PAUSE: Duration = Duration::from_millis(100);
/// Returns to the begin of the row and clears it.
const CLEAR: &str = "\r\u{1b}[K";

/// Holds the line, and whether it is on the screen.
struct Screen {
    line: Option<ProgressLine>,
    is_shown: bool,
}

static SCREEN: Mutex<Screen> = Mutex::new(Screen { line: None, is_shown: false });
static TICKER: Once = Once::new();
/// Wakes the ticker when there is a line.
static CHANGED: Condvar = Condvar::new();

/// Changes the line. It appears with the next tick, unless it is only kept for its times. Returns what the change returns.
pub fn update<T>(start: Instant, is_visible: bool, change: impl FnOnce(&mut ProgressLine, Duration) -> T) -> T {
    let mut screen = screen();
    let changed = change(screen.line.get_or_insert_default(), start.elapsed());
    drop(screen);
    CHANGED.notify_one();
    if !is_visible {
        return changed;
    }
    TICKER.call_once(|| {
        // Where there is no thread, there is no line.
        let _ = std::thread::Builder::new().name("progress".to_owned()).spawn(move || {
            loop {
                // Nothing ticks while somebody else has the terminal, which may be for days.
                let waited = CHANGED.wait_while(self::screen(), |screen| screen.line.is_none());
                drop(waited.unwrap_or_else(PoisonError::into_inner));
                std::thread::sleep(PAUSE);
                self::screen().draw(start.elapsed());
            }
        });
    });
    changed
}

/// Removes the line until it is changed again: somebody else has the terminal.
pub fn end() {
    let mut screen = screen();
    screen.clear();
    screen.line = None;
}

/// Removes the line from the screen, if no one writes it just now: the program ends.
pub fn give_up() {
    if let Ok(mut screen) = SCREEN.try_lock() {
        screen.clear();
    }
}

/// Does something that writes to the terminal, with the line gone meanwhile.
pub fn aside<T>(write: impl FnOnce() -> T) -> T {
    let mut screen = screen();
    screen.clear();
    write()
}

fn screen() -> MutexGuard<'static, Screen> {
    SCREEN.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Screen {
    fn draw(&mut self, now: Duration) {
        let stderr = std::io::stderr();
        // One column stays free: some terminals wrap a line that fills the row.
        let width = width_of(&stderr).saturating_sub(1);
        let Some(line) = self.line.as_ref().and_then(|line| line.render(now, width, is_utf8())) else { return };
        self.is_shown = write!(stderr.lock(), "{CLEAR}{line}").is_ok();
    }

    fn clear(&mut self) {
        if std::mem::take(&mut self.is_shown) {
            let _ = write!(std::io::stderr(), "{CLEAR}");
        }
    }
}

/// Whether a line can be shown at all.
pub fn is_possible() -> bool {
    std::io::stderr().is_terminal() && !crate::environment::is_dumb_terminal()
}
