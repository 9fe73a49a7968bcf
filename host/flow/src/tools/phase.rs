/// What a run does for a while, and how far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Backends are asked about instances.
    Checking {
        /// How many were checked by one backend.
        count: usize,
        /// How many it is asked about.
        total: usize,
    },
    /// Secrets are decrypted.
    Decrypting {
        /// How many instances were decrypted.
        count: usize,
        /// How many are to be.
        total: usize,
    },
    /// Checking, decrypting, generating or encrypting is over for now.
    Idle,
}
