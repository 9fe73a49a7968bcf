//! What generators may read.

use std::collections::BTreeSet;

use artifacts_declared::InstanceName;

/// Who reads what, from whom: the dependent first.
pub(crate) type Edge = (InstanceName, InstanceName);

/// What generators may read.
#[derive(Debug, Default)]
pub struct Allowed {
    pub(crate) edges: BTreeSet<Edge>,
    /// What this run makes for the first time, of nothing that was there before.
    pub(crate) fresh: BTreeSet<InstanceName>,
}
