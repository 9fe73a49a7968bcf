//! Values that are replaced: what the question about them shows, and which units take notice of them.

use std::collections::{BTreeMap, BTreeSet};

use artifacts_declared::InstanceName;
use artifacts_plan::UnitChanges;
use artifacts_text::{counted, listed, listed_up_to};

use crate::Style;
use crate::hints::NAMED;
use crate::layout::{Below, Line, YELLOW, layout};
use crate::status_page::alike;

/// A value that would be replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplacedValue {
    /// The instance.
    pub name: InstanceName,
    /// How many recipients the new value has, if any.
    pub recipients: Option<usize>,
    /// Why the old one is stale.
    pub reasons: Vec<String>,
    /// The units that take notice.
    pub units: Vec<UnitChanges>,
    /// Stored instances that become stale with it.
    pub dependents: Vec<InstanceName>,
}

impl ReplacedValue {
    /// Says what becomes stale with it, if anything, with names as `shorten` gives them.
    pub fn made_stale(&self, shorten: impl Fn(&InstanceName) -> String) -> Option<String> {
        let dependents: Vec<String> = self.dependents.iter().map(shorten).collect();
        (!dependents.is_empty()).then(|| format!("makes stale: {}", listed_up_to(&dependents, NAMED)))
    }
}

/// Returns a row for each of them, in their order; many that say the same are one.
pub fn replaced_values(values: &[ReplacedValue], style: &Style) -> String {
    let line = |value: &ReplacedValue| {
        let reasons = value.reasons.iter().map(|reason| style.names.shorten_text(reason).into_owned());
        let below = reasons.chain(value.made_stale(|name| style.names.shorten(name))).chain(unit_lines(&value.units));
        let line = Line {
            word: "new value",
            paint: YELLOW,
            name: style.names.shorten(&value.name),
            last: value.recipients.map(|count| counted(count, "recipient")).unwrap_or_default(),
            below: below.map(Below::Text).collect(),
            ..Line::default()
        };
        (value.name.clone(), line)
    };
    layout(&alike(values.iter().map(line).collect(), style), 0, style)
}

/// Says which units are restarted and reloaded where; targets that do the same are in one line.
pub(crate) fn unit_lines(units: &[UnitChanges]) -> Vec<String> {
    let mut by_units: BTreeMap<(&BTreeSet<String>, &BTreeSet<String>), Vec<String>> = BTreeMap::new();
    for UnitChanges { target, restarted, reloaded } in units {
        by_units.entry((restarted, reloaded)).or_default().push(target.name.to_string());
    }
    let line = |((restarted, reloaded), targets): ((&BTreeSet<String>, &BTreeSet<String>), Vec<String>)| {
        let some = |verb: &str, units: &BTreeSet<String>| {
            let units: Vec<String> = units.iter().cloned().collect();
            (!units.is_empty()).then(|| format!("{verb} {}", listed(&units)))
        };
        let verbs: Vec<String> = some("restarts", restarted).into_iter().chain(some("reloads", reloaded)).collect();
        format!("{} on {}", verbs.join("; "), listed_up_to(&targets, NAMED))
    };
    by_units.into_iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use artifacts_declared::{TargetId, TargetKind};

    use super::*;
    use crate::testing::{plain, style};

    fn units(target: &str, restarted: &[&str], reloaded: &[&str]) -> UnitChanges {
        let set = |units: &[&str]| units.iter().map(ToString::to_string).collect();
        let target = TargetId { kind: TargetKind::Nixos, name: target.parse().unwrap() };
        UnitChanges { target, restarted: set(restarted), reloaded: set(reloaded) }
    }

    fn value(name: &str) -> ReplacedValue {
        ReplacedValue {
            name: name.parse().unwrap(),
            recipients: Some(2),
            reasons: Vec::new(),
            units: Vec::new(),
            dependents: Vec::new(),
        }
    }

    #[test]
    fn a_value_has_a_row_with_all_that_follows_and_they_keep_their_order() {
        let ca = ReplacedValue {
            reasons: vec!["it expired 3 days ago".to_owned()],
            units: vec![units("web1", &["a.service", "b.service"], &["c.service"])],
            dependents: vec!["per-machine/web1/tls".parse().unwrap()],
            ..value("shared/ca")
        };
        let shown = plain(&replaced_values(&[ca, value("per-machine/web1/attic")], &style(80)));
        let expected = "new value  shared/ca      2 recipients\n\
                        \x20          it expired 3 days ago\n\
                        \x20          makes stale: web1/tls\n\
                        \x20          restarts a.service, b.service; reloads c.service on web1\n\
                        new value  web1/attic     2 recipients\n";
        assert_eq!(shown, expected);
        let many: Vec<ReplacedValue> = (0..31).map(|at| value(&format!("per-machine/web{at}/a"))).collect();
        let shown = plain(&replaced_values(&many, &style(80)));
        assert!(shown.starts_with("new value  31 artifacts in 31 machines; -v lists them\n"), "{shown}");
    }

    #[test]
    fn targets_that_restart_the_same_are_named_together() {
        let all: Vec<UnitChanges> = (1..=5).map(|at| units(&format!("web{at}"), &["a"], &[])).collect();
        assert_eq!(unit_lines(&all), ["restarts a on web1, web2, web3 and 2 more"]);
        assert_eq!(unit_lines(&[units("web1", &[], &["b"])]), ["reloads b on web1"]);
        assert!(unit_lines(&[]).is_empty());
    }
}
