//! What may go wrong for long: it is said once, and tried again less and less often.

use std::collections::BTreeSet;
use std::time::Duration;

/// How soon to try again at first.
const FIRST: Duration = Duration::from_secs(10);

/// How soon to try again at the latest.
const LAST: Duration = Duration::from_mins(5);

/// The troubles of this look and of the one before.
#[derive(Debug, Default)]
pub(crate) struct Troubles {
    met: BTreeSet<String>,
    met_before: BTreeSet<String>,
    said: BTreeSet<String>,
    said_before: BTreeSet<String>,
    delay: Duration,
}

impl Troubles {
    /// Says something, unless it was said at the last look and there is trouble since: then it is only tried again.
    pub(crate) fn tell(&mut self, message: String, say: &mut impl FnMut(&str)) {
        if !self.said_before.contains(&message) {
            say(&message);
        }
        self.said.insert(message);
    }

    /// Something went wrong.
    pub(crate) fn meet(&mut self, trouble: String, say: &mut impl FnMut(&str)) {
        self.met.insert(trouble.clone());
        self.tell(trouble, say);
    }

    /// Ends a look. How soon to look again because of what went wrong.
    pub(crate) fn retry(&mut self) -> Option<Duration> {
        self.delay = if self.met == self.met_before { (self.delay * 2).clamp(FIRST, LAST) } else { FIRST };
        self.met_before = std::mem::take(&mut self.met);
        self.said_before = std::mem::take(&mut self.said);
        if self.met_before.is_empty() {
            self.said_before.clear();
            return None;
        }
        Some(self.delay)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(troubles: &mut Troubles, met: &[&str]) -> (Vec<String>, Option<u64>) {
        let mut said = Vec::new();
        let mut say = |message: &str| said.push(message.to_owned());
        troubles.tell("starting x".to_owned(), &mut say);
        for trouble in met {
            troubles.meet((*trouble).to_owned(), &mut say);
        }
        (said, troubles.retry().map(|delay| delay.as_secs()))
    }

    #[test]
    fn what_lasts_is_said_once_and_tried_again_less_and_less_often() {
        let mut troubles = Troubles::default();
        assert_eq!(look(&mut troubles, &[]), (vec!["starting x".to_owned()], None));
        assert_eq!(look(&mut troubles, &["masked"]), (vec!["starting x".to_owned(), "masked".to_owned()], Some(10)));
        for delay in [20, 40, 80, 160, 300, 300] {
            assert_eq!(look(&mut troubles, &["masked"]), (vec![], Some(delay)));
        }
        assert_eq!(look(&mut troubles, &["masked", "gone"]), (vec!["gone".to_owned()], Some(10)));
        assert_eq!(look(&mut troubles, &["masked", "gone"]), (vec![], Some(20)));
        assert_eq!(look(&mut troubles, &[]), (vec![], None));
        assert_eq!(look(&mut troubles, &["masked"]), (vec!["starting x".to_owned(), "masked".to_owned()], Some(10)));
    }
}
