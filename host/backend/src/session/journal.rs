//! What a component did, told to the host as it happens, so that ending the component loses nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use artifacts_seam::{Event, Level, SecretId};

use super::line::{Line, Report};
use crate::words::{MESSAGE, escaped};

/// Events of one call of an exported function; the rest is counted.
pub(crate) const EVENTS: usize = 4096;
/// Bytes of messages of one call; the rest is counted.
const WORDS: usize = 64 << 10;
/// The longest path that is told, in bytes.
const PATH: usize = 1024;

pub(crate) struct Journal {
    line: Arc<dyn Line>,
    events: AtomicUsize,
    words: AtomicUsize,
    cut: AtomicU64,
}

impl Journal {
    pub(crate) fn new(line: Arc<dyn Line>) -> Self {
        Self { line, events: AtomicUsize::new(0), words: AtomicUsize::new(0), cut: AtomicU64::new(0) }
    }

    /// A new call begins.
    pub(crate) fn begin(&self, instance: &str) {
        self.end();
        self.events.store(0, Ordering::Relaxed);
        self.words.store(0, Ordering::Relaxed);
        self.line.report(Report::Event(Event::Instance(instance.to_owned())));
    }

    /// A call ends: says how much was cut.
    pub(crate) fn end(&self) {
        let cut = self.cut.swap(0, Ordering::Relaxed);
        if cut > 0 {
            self.line.report(Report::Event(Event::Cut(cut)));
        }
    }

    pub(crate) fn file(&self, operation: &str, path: String, error: Option<String>, bytes: u64) {
        let path = if path.len() <= PATH && !path.chars().any(char::is_control) { path } else { escaped(&path, PATH) };
        self.event(Event::File { operation: operation.replace('_', "-"), path, error, bytes });
    }

    pub(crate) fn host(&self, call: &str, secret: Option<SecretId>, error: Option<String>) {
        self.event(Event::Host { call: call.to_owned(), secret, error });
    }

    pub(crate) fn log(&self, level: Level, message: &str) {
        let message = escaped(message, MESSAGE);
        if self.words.fetch_add(message.len(), Ordering::Relaxed) + message.len() > WORDS {
            self.cut.fetch_add(1, Ordering::Relaxed);
        } else {
            self.event(Event::Log { level, message });
        }
    }

    /// What was written to the standard streams, when it matters.
    pub(crate) fn output(&self, text: &str) {
        if !text.is_empty() {
            self.line.report(Report::Event(Event::Output(escaped(text, WORDS))));
        }
    }

    fn event(&self, event: Event) {
        if self.events.fetch_add(1, Ordering::Relaxed) < EVENTS {
            self.line.report(Report::Event(event));
        } else {
            self.cut.fetch_add(1, Ordering::Relaxed);
        }
    }
}
