use std::collections::BTreeSet;

use crate::Report;

/// What mends which reasons, in the order in which it is best done.
const CURES: [(&[&str], &str); 5] = [
    (&["receipt"], "`artifacts adopt` accepts what lies there; see what changed (`git log -p`) first"),
    (&["readers"], "`artifacts rekey` encrypts it anew"),
    (
        &["files"],
        "`artifacts set NAME FILE` adds a file, `artifacts rekey --all NAME` drops one, and the other values stay; \
         `artifacts generate --stale` makes all of it anew",
    ),
    (&["format"], "`artifacts generate --stale` makes it anew"),
    (
        &["dependency", "expired", "validation"],
        "`artifacts generate --stale` makes it anew; where the value shall stay, `artifacts adopt NAME` accepts it",
    ),
];

/// What its backend does not call sound is not adopted, either.
const DAMAGED: (&[&str], &str) = (
    &["receipt", "files", "format"],
    "take it from the last good commit, or `artifacts generate --stale` makes it anew",
);

impl Report {
    /// Of the reasons for which instances are stale: what to do about them, a line for each way.
    pub fn cures(&self) -> Vec<String> {
        let stale = self.instances.iter().filter(|row| row.done.is_none());
        let rows = stale.map(|row| row.state.reasons().iter().map(|reason| reason.kind).collect::<BTreeSet<&str>>());
        let (damaged, others): (Vec<_>, Vec<_>) =
            rows.partition(|kinds| kinds.contains("receipt") && (kinds.contains("files") || kinds.contains("format")));
        let damaged: BTreeSet<&str> = damaged.into_iter().flatten().collect();
        let rest = damaged.iter().filter(|kind| !DAMAGED.0.contains(*kind)).copied();
        let others: BTreeSet<&str> = others.into_iter().flatten().chain(rest).collect();
        let cure = |kinds: &BTreeSet<&str>, (cured, how): &(&[&str], &str)| {
            let present: Vec<&str> = cured.iter().filter(|kind| kinds.contains(*kind)).copied().collect();
            (!present.is_empty()).then(|| format!("stale ({}): {how}", present.join(", ")))
        };
        let usual = CURES.iter().filter_map(|one| cure(&others, one));
        cure(&damaged, &DAMAGED).into_iter().chain(usual).collect()
    }
}
