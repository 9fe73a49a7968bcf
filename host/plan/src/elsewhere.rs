use crate::{InstanceState, Reason, ReasonKind};

/// An entry of an instance in another storage than that of its declared backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Elsewhere {
    /// The storage, by its path below the root.
    pub storage: String,
    /// The backend that stored it, if its receipt tells.
    pub backend: Option<String>,
    /// Whether a declared backend, or one without any declaration, has that storage.
    pub declared: bool,
    /// The storage of the declared backend, where it is expected.
    pub expected: String,
    /// Whether it has the same generation as an entry where it is expected: a move that was not finished left it.
    pub is_moved: bool,
}

impl Elsewhere {
    /// Returns whether a move left it: the next run removes it once its value was compared.
    pub fn is_left(&self) -> bool {
        self.is_moved && self.declared
    }
}

impl InstanceState {
    /// The state of an instance that has entries in other storages besides: what is stored anywhere is not absent, and of two
    /// entries no one can tell which has the value. `storage` is where its backend stores it. Besides an entry there, a copy in a
    /// storage that no backend has is no matter, and one of the same generation in a storage of a backend is what a move left.
    #[must_use]
    pub fn with_entries(self, storage: &str, elsewhere: &[Elsewhere]) -> Self {
        let counts = |one: &&Elsewhere| one.declared || self == Self::Absent;
        let elsewhere: Vec<Elsewhere> = elsewhere.iter().filter(counts).cloned().collect();
        let places = |own: Option<&str>| {
            let others = elsewhere.iter().map(|one| one.storage.as_str());
            own.into_iter().chain(others).map(quoted).collect::<Vec<_>>().join(" and ")
        };
        match (self, elsewhere.as_slice()) {
            (state, []) | (state @ (Self::OnTarget | Self::Blocked | Self::Error(_)), _) => state,
            (Self::Absent, [one]) => {
                let by = one.backend.as_ref().map(|backend| format!(" by {backend}")).unwrap_or_default();
                let message =
                    format!("stored in {}{by}, but its backend stores it in {}", quoted(&one.storage), quoted(storage));
                Self::Stale(vec![Reason::new(ReasonKind::Backend, message)])
            }
            (Self::Absent, _) => Self::Error(two(&places(None))),
            (Self::Present, [one]) if one.is_left() => Self::Stale(vec![unfinished(one)]),
            (Self::Stale(mut reasons), [one]) if one.is_left() => {
                reasons.push(unfinished(one));
                reasons.sort();
                Self::Stale(reasons)
            }
            (Self::Present | Self::Stale(_), _) => Self::Error(two(&places(Some(storage)))),
        }
    }
}

fn unfinished(place: &Elsewhere) -> Reason {
    let message = format!("also stored in {}: its move from there is not finished", quoted(&place.storage));
    Reason::new(ReasonKind::Backend, message)
}

fn two(places: &str) -> String {
    format!("more than one entry: in {places}; nothing is changed")
}

fn quoted(storage: &str) -> String {
    format!("`{storage}`")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn other(storage: &str) -> Elsewhere {
        Elsewhere {
            storage: storage.to_owned(),
            backend: Some("agenix".to_owned()),
            declared: true,
            expected: "vault".to_owned(),
            is_moved: false,
        }
    }

    #[test]
    fn what_is_stored_anywhere_is_not_absent() {
        assert_eq!(InstanceState::Absent.with_entries("vault", &[]), InstanceState::Absent);
        let InstanceState::Stale(reasons) = InstanceState::Absent.with_entries("vault", &[other("secrets")]) else {
            unreachable!()
        };
        assert_eq!(reasons.len(), 1);
        assert_eq!(reasons[0].kind, ReasonKind::Backend);
        assert!(reasons[0].message.contains("`secrets` by agenix") && reasons[0].message.contains("`vault`"));
    }

    #[test]
    fn a_copy_in_no_ones_storage_is_no_second_entry() {
        let copy = || Elsewhere { declared: false, ..other("backup") };
        assert_eq!(InstanceState::Present.with_entries("vault", &[copy()]), InstanceState::Present);
        assert_eq!(
            InstanceState::Absent.with_entries("vault", &[copy()]).as_str(),
            "stale",
            "but it may be all that there is"
        );
    }

    #[test]
    fn what_a_move_left_is_stale_until_it_is_finished() {
        let left = |declared| Elsewhere { is_moved: true, declared, ..other("secrets") };
        let expired = Reason::new(ReasonKind::Expired, "it expired");
        for (state, reasons) in [
            (InstanceState::Present, vec![ReasonKind::Backend]),
            (InstanceState::Stale(vec![expired]), vec![ReasonKind::Backend, ReasonKind::Expired]),
        ] {
            let state = state.with_entries("vault", &[left(true)]);
            let kinds: Vec<ReasonKind> = state.reasons().iter().map(|reason| reason.kind).collect();
            assert_eq!(kinds, reasons);
        }
        assert_eq!(InstanceState::Present.with_entries("vault", &[left(false)]), InstanceState::Present);
        assert_eq!(InstanceState::Present.with_entries("vault", &[left(true), left(true)]).as_str(), "error");
    }

    #[test]
    fn two_entries_are_an_error_that_names_both() {
        let stale = InstanceState::Stale(vec![Reason::new(ReasonKind::Expired, "it expired")]);
        for (state, elsewhere) in [
            (InstanceState::Present, vec![other("secrets")]),
            (stale, vec![other("secrets")]),
            (InstanceState::Absent, vec![other("secrets"), other("vault")]),
        ] {
            let InstanceState::Error(why) = state.with_entries("vault", &elsewhere) else { unreachable!() };
            assert!(why.contains("`secrets`") && why.contains("`vault`"), "{why}");
        }
        for state in [InstanceState::OnTarget, InstanceState::Blocked, InstanceState::Error("boom".to_owned())] {
            assert_eq!(state.clone().with_entries("vault", &[other("secrets")]), state);
        }
    }
}
