//! What may go wrong for long: it is said once, and tried again less and less often.

use std::collections::BTreeSet;
use std::time::Duration;

use super::systemd::Verb;

/// How soon to try again at first.
const FIRST: Duration = Duration::from_secs(10);

/// How soon to try again at the latest.
const LAST: Duration = Duration::from_mins(5);

/// The troubles of this look and of the one before.
#[derive(Debug, Default)]
pub(crate) struct ErrorLog {
    met: BTreeSet<String>,
    met_before: BTreeSet<String>,
    refused: BTreeSet<(Verb, String)>,
    refused_before: BTreeSet<(Verb, String)>,
    delay: Duration,
}

impl ErrorLog {
    /// Something went wrong. It is said, unless it was at the last look.
    pub(crate) fn meet(&mut self, trouble: String, say: &mut impl FnMut(&str)) {
        if !self.met_before.contains(&trouble) {
            say(&trouble);
        }
        self.met.insert(trouble);
    }

    /// systemd did not take an order.
    pub(crate) fn refuse(&mut self, order: (Verb, String)) {
        self.refused.insert(order);
    }

    /// Whether it did not take this one at the last look either: then it is only tried again.
    pub(crate) fn was_refused(&self, order: &(Verb, String)) -> bool {
        self.refused_before.contains(order)
    }

    /// Ends a look. How soon to look again because of what went wrong.
    pub(crate) fn retry(&mut self) -> Option<Duration> {
        self.delay = if self.met == self.met_before { (self.delay * 2).clamp(FIRST, LAST) } else { FIRST };
        self.met_before = std::mem::take(&mut self.met);
        self.refused_before = std::mem::take(&mut self.refused);
        if self.met_before.is_empty() { None } else { Some(self.delay) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(troubles: &mut ErrorLog, met: &[&str]) -> (Vec<String>, Option<u64>) {
        let mut said = Vec::new();
        let mut say = |message: &str| said.push(message.to_owned());
        for trouble in met {
            troubles.meet((*trouble).to_owned(), &mut say);
        }
        (said, troubles.retry().map(|delay| delay.as_secs()))
    }

    #[test]
    fn what_lasts_is_said_once_and_tried_again_less_and_less_often() {
        let mut troubles = ErrorLog::default();
        assert_eq!(look(&mut troubles, &[]), (vec![], None));
        assert_eq!(look(&mut troubles, &["masked"]), (vec!["masked".to_owned()], Some(10)));
        for delay in [20, 40, 80, 160, 300, 300] {
            assert_eq!(look(&mut troubles, &["masked"]), (vec![], Some(delay)));
        }
        assert_eq!(look(&mut troubles, &["masked", "gone"]), (vec!["gone".to_owned()], Some(10)));
        assert_eq!(look(&mut troubles, &["masked", "gone"]), (vec![], Some(20)));
        assert_eq!(look(&mut troubles, &[]), (vec![], None));
        assert_eq!(look(&mut troubles, &["masked"]), (vec!["masked".to_owned()], Some(10)));
    }
}
