use serde::{Deserialize, Serialize};

/// Holds how much a backend may use: the one bound from its registration to what is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Linear memory of one component instance, all memories together, in bytes.
    pub memory: u64,
    /// One call of an exported function, in seconds; time in which the host works for it does not count.
    pub time: u64,
    /// All files of an entry together, in bytes.
    pub output: u64,
    /// Files in an entry.
    pub files: u64,
}

impl Limits {
    /// The most that a registration may give, and so the most that is ever stored in one entry.
    pub const MOST: Self = Self { memory: 4 << 30, time: 3600, output: 1 << 30, files: 100_000 };
}

impl Default for Limits {
    fn default() -> Self {
        Self { memory: 256 << 20, time: 10, output: 64 << 20, files: 4096 }
    }
}
