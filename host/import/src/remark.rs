/// Says what has no place, or another one, why, and the one thing to do.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Remark {
    /// What it is about, as the other tool names it: `web1: age.secrets.attic`.
    pub subject: String,
    /// What is found, and why it has no place.
    pub why: String,
    /// What to do.
    pub action: String,
}

impl Remark {
    /// Creates one.
    pub fn new(subject: impl Into<String>, why: impl Into<String>, action: impl Into<String>) -> Self {
        Self { subject: subject.into(), why: why.into(), action: action.into() }
    }
}
