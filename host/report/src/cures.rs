use std::collections::BTreeSet;

use crate::Report;

/// What mends which reasons, in the order in which it is best done.
const CURES: [(&[&str], &str); 4] = [
    (&["receipt"], "`artifacts adopt` accepts what lies there; see what changed (`git log -p`) first"),
    (&["readers"], "`artifacts rekey` encrypts it anew"),
    (&["files", "format"], "`artifacts generate --stale` makes it anew"),
    (
        &["dependency", "expired", "validation"],
        "`artifacts generate --stale` makes it anew; where the value shall stay, `artifacts adopt NAME` accepts it",
    ),
];

impl Report {
    /// Of the reasons for which instances are stale: what to do about them, a line for each way.
    pub fn cures(&self) -> Vec<String> {
        let stale = self.instances.iter().filter(|row| row.done.is_none());
        let kinds: BTreeSet<&str> = stale.flat_map(|row| row.state.reasons()).map(|reason| reason.kind).collect();
        let cure = |(cured, how): &(&[&str], &str)| {
            let present: Vec<&str> = cured.iter().filter(|kind| kinds.contains(*kind)).copied().collect();
            (!present.is_empty()).then(|| format!("stale ({}): {how}", present.join(", ")))
        };
        CURES.iter().filter_map(cure).collect()
    }
}
