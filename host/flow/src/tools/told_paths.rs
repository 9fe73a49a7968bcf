//! Entries that git is told of: each soon, and not all of them each time.

use std::time::{Duration, Instant};

/// So long after git was told of new entries, it is told of more: each time costs as much as many entries.
pub(crate) const PAUSE: Duration = Duration::from_secs(1);

/// The pause is so many times as long as telling git took, if that is longer: git writes its index as a whole.
const SHARE: u32 = 10;

/// Holds the paths of entries, and how many of them git was told of.
#[derive(Default)]
pub(crate) struct ToldPaths {
    all: Vec<String>,
    told: usize,
    /// When git is told of more; at once as long as it was told of nothing.
    next: Option<Instant>,
}

impl ToldPaths {
    /// Takes paths that git does not know of yet.
    pub(crate) fn add(&mut self, paths: impl IntoIterator<Item = String>) {
        self.all.extend(paths);
    }

    /// Returns all paths.
    pub(crate) fn all(&self) -> &[String] {
        &self.all
    }

    /// Returns the paths that git is to be told of now: those that are new, once the pause is over.
    pub(crate) fn due(&self, now: Instant) -> &[String] {
        let is_due = self.next.is_none_or(|next| now >= next);
        self.all.get(self.told..).filter(|_| is_due).unwrap_or_default()
    }

    /// Notes that git was told of all paths, between these times.
    pub(crate) fn tell(&mut self, begun: Instant, ended: Instant) {
        self.told = self.all.len();
        self.next = Some(ended + PAUSE.max(ended.duration_since(begun) * SHARE));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(paths: &[String]) -> Vec<&str> {
        paths.iter().map(String::as_str).collect()
    }

    #[test]
    fn git_is_told_of_what_is_new_after_a_pause() {
        let (mut paths, start) = (ToldPaths::default(), Instant::now());
        assert!(paths.due(start).is_empty());
        paths.add(["a".to_owned()]);
        assert_eq!(names(paths.due(start)), ["a"], "the first one at once");
        paths.tell(start, start);
        assert!(paths.due(start + PAUSE).is_empty());
        paths.add(["b".to_owned(), "c".to_owned()]);
        assert!(paths.due(start + PAUSE / 2).is_empty());
        assert_eq!(names(paths.due(start + PAUSE)), ["b", "c"], "it knows of the first one");
        assert_eq!(names(paths.all()), ["a", "b", "c"]);
    }

    #[test]
    fn what_takes_long_is_done_less_often() {
        let (mut paths, start) = (ToldPaths::default(), Instant::now());
        paths.add(["a".to_owned()]);
        paths.tell(start, start + PAUSE);
        paths.add(["b".to_owned()]);
        assert!(paths.due(start + PAUSE * 10).is_empty());
        assert_eq!(names(paths.due(start + PAUSE * 11)), ["b"]);
    }
}
