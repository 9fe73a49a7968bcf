//! What is known of a call: what the host saw, and what the runner told, which is not believed more than it takes.

use artifacts_seam::{ComponentEvent, Disconnected, HostReply, MOST_REFUSALS, SecretId};

/// Events of one request.
const EVENTS: usize = 1 << 20;
/// Events of one request about what was refused. One call of an exported function may leave as many as it is allowed, each
/// told a few times over.
const REFUSALS: usize = 8 * MOST_REFUSALS;
/// Bytes of the paths of these.
const REFUSED_PATHS: usize = 16 << 20;

/// Why a runner is not listened to any longer.
#[derive(Debug)]
pub(crate) enum ProtocolViolation {
    /// It says nothing more, or nonsense.
    Disconnected(Disconnected),
    /// More was refused than can be recorded.
    Refused,
    /// The host worked for it as long as it does for one call.
    HostTime,
    /// It overran so often that it is not waited for again.
    GivenUp,
}

impl From<Disconnected> for ProtocolViolation {
    fn from(silence: Disconnected) -> Self {
        Self::Disconnected(silence)
    }
}

#[derive(Default)]
pub(crate) struct Evidence {
    pub(crate) events: Vec<ComponentEvent>,
    /// Of this and of the conversations before it.
    refused: usize,
    refused_paths: usize,
    denied: usize,
}

impl Evidence {
    /// Goes on where another one ended.
    pub(crate) fn after(&mut self, other: &Self) {
        (self.refused, self.refused_paths) = (other.refused, other.refused_paths);
    }

    /// Takes over what another one that went on after this has.
    pub(crate) fn add(&mut self, other: Self) {
        self.events.extend(other.events);
        (self.refused, self.refused_paths) = (other.refused, other.refused_paths);
    }

    /// Whether no more refusals can be taken.
    pub(crate) fn is_full(&self) -> bool {
        self.refused > REFUSALS || self.refused_paths > REFUSED_PATHS
    }

    /// Whether the host refused something that it was asked for: a component is ended by that.
    pub(crate) fn was_denied(&self) -> bool {
        self.denied > 0
    }

    /// Something that the runner told.
    ///
    /// # Errors
    /// When it is nonsense, or too much. What is over the bound is kept all the same, so that nothing is lost.
    pub(crate) fn told(&mut self, event: ComponentEvent) -> Result<(), ProtocolViolation> {
        let nonsense = |what: &str| Err(Disconnected::Gone(format!("it reported {what}")).into());
        match &event {
            _ if self.events.len() >= EVENTS => return nonsense("too many events"),
            ComponentEvent::Host { .. } => return nonsense("what only the host can know"),
            ComponentEvent::File { path, error: Some(_), .. } => {
                self.refused += 1;
                self.refused_paths += path.len();
            }
            _ => {}
        }
        self.events.push(event);
        if self.is_full() { Err(ProtocolViolation::Refused) } else { Ok(()) }
    }

    /// A question, as the host saw it.
    ///
    /// # Errors
    /// When it goes on asking after it was denied: a component is ended by that, once an instance.
    pub(crate) fn asked(
        &mut self,
        call: &str,
        secret: Option<SecretId>,
        answer: &HostReply,
        instances: usize,
    ) -> Result<(), ProtocolViolation> {
        let denied = matches!(answer, HostReply::Denied(_));
        self.events.push(ComponentEvent::Host {
            call: call.to_owned(),
            secret,
            error: answer.error().map(str::to_owned),
            denied,
        });
        self.denied += usize::from(denied);
        if self.denied > instances {
            Err(Disconnected::Gone("it went on after it was refused".to_owned()).into())
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use artifacts_seam::{FileCall, FileError};

    use super::*;

    fn refused(path: &str) -> ComponentEvent {
        let (call, error) = (FileCall::OpenAt, Some(FileError::NotPermitted));
        ComponentEvent::File { call, path: path.to_owned(), error, count: 1, bytes: 0 }
    }

    #[test]
    fn a_runner_that_lies_is_not_listened_to() {
        let mut evidence = Evidence::default();
        assert!(evidence.told(refused("a")).is_ok());
        let host = ComponentEvent::Host { call: "age.seal".to_owned(), secret: None, error: None, denied: false };
        assert!(matches!(evidence.told(host), Err(ProtocolViolation::Disconnected(_))));
        assert_eq!(evidence.events.len(), 1);
        let denied = HostReply::Denied("no".to_owned());
        assert!(!evidence.was_denied());
        assert!(evidence.asked("age.open", None, &denied, 1).is_ok());
        assert!(evidence.was_denied());
        assert!(matches!(evidence.asked("age.open", None, &denied, 1), Err(ProtocolViolation::Disconnected(_))));
    }

    #[test]
    fn no_refusal_is_lost_before_the_end() {
        let mut evidence = Evidence::default();
        for number in 0..REFUSALS {
            assert!(evidence.told(refused(&number.to_string())).is_ok());
        }
        assert!(matches!(evidence.told(refused("one more")), Err(ProtocolViolation::Refused)));
        assert_eq!(evidence.events.len(), REFUSALS + 1);
        let mut next = Evidence::default();
        next.after(&evidence);
        assert!(next.is_full());
        let mut long = Evidence::default();
        let path = "x".repeat(4096);
        assert!((0..REFUSED_PATHS / 4096).all(|_| long.told(refused(&path)).is_ok()));
        assert!(matches!(long.told(refused("x")), Err(ProtocolViolation::Refused)));
    }
}
