//! What a component did, told to the host as it happens, so that ending the component loses nothing.
//!
//! File-system calls that are alike are told once and then counted. What went well is told up to a number of different calls
//! and counted beyond; what was refused is told in full, and a component that is refused more than can be told is ended.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use artifacts_digest::Sha256;

use crate::stop::Stop;
use artifacts_seam::{
    ComponentEvent, FileCall, FileError, GuestEnd, GuestMessage, LONGEST_MESSAGE, Level, MOST_LOGGED, MOST_REFUSALS,
    escaped, too_many_refusals,
};

/// Different file-system calls that went well, of one call of an exported function; the rest is counted.
const WELL: usize = 4096;
/// Bytes of the paths of these.
const REFUSED_PATHS: usize = 4 << 20;
/// Messages of one call; the rest is counted.
const MESSAGES: usize = 4096;
/// The longest path that is told as it is, in bytes; no longer one can be opened.
const PATH: usize = 4096;

pub(crate) struct CallLog {
    line: Arc<dyn GuestEnd>,
    told: Mutex<Tally>,
}

/// What one call of an exported function did so far.
#[derive(Default)]
struct Tally {
    calls: BTreeMap<CountedCall, Repeats>,
    well: usize,
    refused: usize,
    refused_paths: usize,
    messages: usize,
    words: usize,
    cut: u64,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct CountedCall {
    call: FileCall,
    path: String,
    error: Option<FileError>,
}

/// How often a call was repeated.
#[derive(Default)]
struct Repeats {
    together: u64,
    untold: u64,
    untold_bytes: u64,
}

impl CallLog {
    pub(crate) fn new(line: Arc<dyn GuestEnd>) -> Self {
        Self { line, told: Mutex::default() }
    }

    /// A new call begins.
    pub(crate) fn begin(&self, instance: &str) {
        self.end();
        self.line.report(GuestMessage::Event(ComponentEvent::Instance(instance.to_owned())));
    }

    /// A call ends: says what was repeated, and how much was cut.
    pub(crate) fn end(&self) {
        let told = std::mem::take(&mut *self.told());
        for (call, mut repeats) in told.calls {
            self.tell(&call, &mut repeats);
        }
        if told.cut > 0 {
            self.line.report(GuestMessage::Event(ComponentEvent::Cut(told.cut)));
        }
    }

    /// # Errors
    /// When it was refused more than can be told.
    pub(crate) fn file(&self, call: FileCall, path: String, error: Option<FileError>, bytes: u64) -> Result<(), Stop> {
        let call = CountedCall { call, path: shown(path), error };
        let mut told = self.told();
        if !told.calls.contains_key(&call) {
            match told.room_for(&call) {
                Budget::Is => {}
                Budget::IsNot => {
                    told.cut += 1;
                    return Ok(());
                }
                Budget::Last => {
                    self.tell(&call, &mut Repeats { together: 1, untold: 1, untold_bytes: bytes });
                    return Err(Stop::Overrun(too_many_refusals()));
                }
            }
        }
        let mut repeats = told.calls.remove(&call).unwrap_or_default();
        repeats.together += 1;
        repeats.untold += 1;
        repeats.untold_bytes += bytes;
        // A component that is ended from outside leaves at most half of the repetitions untold.
        if repeats.together.is_power_of_two() {
            self.tell(&call, &mut repeats);
        }
        told.calls.insert(call, repeats);
        Ok(())
    }

    pub(crate) fn log(&self, level: Level, message: &str) {
        let message = escaped(message, LONGEST_MESSAGE);
        let mut told = self.told();
        told.messages += 1;
        told.words += message.len();
        if told.messages > MESSAGES || told.words > MOST_LOGGED {
            told.cut += 1;
        } else {
            self.line.report(GuestMessage::Event(ComponentEvent::Log { level, message }));
        }
    }

    /// What was written to the standard streams, when it matters.
    pub(crate) fn output(&self, text: &str) {
        if !text.is_empty() {
            let lines: Vec<String> = text.lines().map(|line| escaped(line, MOST_LOGGED)).collect();
            self.line.report(GuestMessage::Event(ComponentEvent::Output(lines.join("\n"))));
        }
    }

    fn tell(&self, call: &CountedCall, repeats: &mut Repeats) {
        if repeats.untold == 0 {
            return;
        }
        self.line.report(GuestMessage::Event(ComponentEvent::File {
            call: call.call,
            path: call.path.clone(),
            error: call.error,
            count: std::mem::take(&mut repeats.untold),
            bytes: std::mem::take(&mut repeats.untold_bytes),
        }));
    }

    fn told(&self) -> MutexGuard<'_, Tally> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether one more different call can be told.
enum Budget {
    Is,
    IsNot,
    /// This one, and then no more.
    Last,
}

impl Tally {
    fn room_for(&mut self, call: &CountedCall) -> Budget {
        if call.error.is_none() {
            self.well += 1;
            return if self.well <= WELL { Budget::Is } else { Budget::IsNot };
        }
        self.refused += 1;
        self.refused_paths += call.path.len();
        if self.refused > MOST_REFUSALS || self.refused_paths > REFUSED_PATHS { Budget::Last } else { Budget::Is }
    }
}

/// A path that is too long to be any is told by its beginning, its length and its digest.
fn shown(path: String) -> String {
    if path.len() > PATH {
        let digest = Sha256::digest(&path);
        format!("{} ({} bytes, SHA-256 {digest})", escaped(&path, 256), path.len())
    } else if artifacts_text::has_control(&path) {
        escaped(&path, usize::MAX)
    } else {
        path
    }
}
