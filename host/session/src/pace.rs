//! How long a backend is waited for, and how often.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// What a runner gets beyond its limit of time before it is ended from outside.
const GRACE: Duration = Duration::from_secs(2);
/// So many overruns end the patience with a backend.
pub(crate) const OVERRUNS: usize = 3;
/// What a call gets at least after an overrun. Most take less than a thousandth of it.
const LEAST: Duration = Duration::from_secs(1);

/// The patience with one backend, of all its workers together.
pub(crate) struct Pace {
    limit: Duration,
    overruns: AtomicUsize,
}

impl Pace {
    /// With this limit for one call of an exported function.
    pub(crate) fn new(limit: Duration) -> Self {
        Self { limit, overruns: AtomicUsize::new(0) }
    }

    /// The limit, which is that for the host's work for one call, too.
    pub(crate) fn limit(&self) -> Duration {
        self.limit
    }

    /// How long the next answer is waited for: two calls, and less for who overran before.
    pub(crate) fn patience(&self) -> Duration {
        let whole = self.limit * 2 + GRACE;
        if self.overruns() == 0 { whole } else { (self.limit / 4).max(LEAST).min(whole) }
    }

    /// Remembers an overrun.
    pub(crate) fn overran(&self) {
        self.overruns.fetch_add(1, Ordering::Relaxed);
    }

    fn overruns(&self) -> usize {
        self.overruns.load(Ordering::Relaxed)
    }

    /// Whether it is not asked any more.
    pub(crate) fn is_given_up(&self) -> bool {
        self.overruns() >= OVERRUNS
    }

    /// Why it is not asked any more.
    pub(crate) fn words(&self) -> String {
        format!(
            "{} earlier calls took longer than {} s, so it is not asked again in this run",
            self.overruns(),
            self.limit.as_secs()
        )
    }
}

/// Times an answer that a runner owes.
pub(crate) struct Deadline {
    begun: Instant,
    /// How long the answer is waited for, the host's own time aside.
    patience: Duration,
    /// How long the host worked, or waited for a person.
    without: Duration,
    /// Time of the processor that the host may still work for this answer.
    work: Duration,
}

impl Deadline {
    /// Begins to wait.
    pub(crate) fn new(pace: &Pace) -> Self {
        Self { begun: Instant::now(), patience: pace.patience(), without: Duration::ZERO, work: pace.limit() }
    }

    /// Returns the time that the runner took since the beginning.
    pub(crate) fn elapsed(&self) -> Duration {
        self.begun.elapsed().saturating_sub(self.without)
    }

    /// Returns the time that is left.
    pub(crate) fn left(&self) -> Duration {
        self.patience.saturating_sub(self.elapsed())
    }

    /// Has the host work, whose time does not count against the runner, but has a limit of its own; `None` if it exceeds that.
    pub(crate) fn without<T>(&mut self, work: impl FnOnce() -> T) -> Option<T> {
        let (begun, worked_before) = (Instant::now(), worked());
        let done = work();
        self.work = self.work.checked_sub(worked().saturating_sub(worked_before))?;
        self.without += begun.elapsed();
        Some(done)
    }
}

/// The processor's time that this thread took. Waiting, for a person or another program, is none.
pub(crate) fn worked() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.try_into().unwrap_or(0), time.tv_nsec.try_into().unwrap_or(0))
}
