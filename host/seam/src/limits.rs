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

/// The longest name of a stored file, in bytes, on every file system that matters.
pub const LONGEST_NAME: usize = 255;
/// The longest text of a message or hint, in bytes; the rest is cut.
pub const LONGEST_MESSAGE: usize = 4 << 10;
/// The longest kind of a failure, in bytes; the rest is cut.
pub const LONGEST_KIND: usize = 64;
/// Bytes of log messages of one call; the rest is counted.
pub const MOST_LOGGED: usize = 64 << 10;
/// Recipients of one file.
pub const MOST_RECIPIENTS: usize = 10_000;
/// The longest key of a recipient, in bytes.
pub const LONGEST_KEY: usize = 16 << 10;
/// The longest label of a recipient, in bytes.
pub const LONGEST_LABEL: usize = 256;
/// Reasons of one stale entry; the rest is left out.
pub const MOST_REASONS: usize = 100;
/// Handles that a component may hold, besides the secrets that it is given.
pub const MOST_HANDLES: usize = 256;
/// Random bytes that a component gets in one call.
pub const MOST_RANDOM: u64 = 64 << 10;

impl Limits {
    /// The most that a registration may give, and so the most that is ever stored in one entry.
    pub const MOST: Self = Self { memory: 4 << 30, time: 3600, output: 1 << 30, files: 100_000 };
}

impl Default for Limits {
    fn default() -> Self {
        Self { memory: 256 << 20, time: 10, output: 64 << 20, files: 4096 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Authors know the sizes from the contract's text alone.
    #[test]
    fn the_contract_names_every_size() {
        let contract = include_str!("../../../wit/backend.wit");
        let Limits { memory, time, output, files } = Limits::default();
        let lines = [
            format!("/// - An entry: {files} files, {output} bytes together; a file name of {LONGEST_NAME} bytes."),
            format!(
                "/// - A call: {time} seconds, {memory} bytes of memory, {MOST_HANDLES} handles besides the secrets that it is given, \
                 {MOST_RANDOM} random bytes at once."
            ),
            format!(
                "/// - Recipients of a file: {MOST_RECIPIENTS}; a key of {LONGEST_KEY} bytes; a label of {LONGEST_LABEL} bytes."
            ),
            format!(
                "/// - A message, a hint: {LONGEST_MESSAGE} bytes, then cut; the log messages of a call: {MOST_LOGGED} bytes, then \
                 counted; a failure's kind: {LONGEST_KIND} bytes."
            ),
            format!("/// - Reasons of a stale entry: {MOST_REASONS}, the rest is left out."),
        ];
        for line in lines {
            assert!(contract.lines().any(|one| one == line), "{line}");
        }
    }
}
