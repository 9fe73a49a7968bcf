use zeroize::Zeroizing;

use crate::hybrid::HybridIdentity;
use crate::x25519::X25519Identity;

/// Holds a new identity and its recipient.
pub struct NewKey {
    identity: Zeroizing<String>,
    /// The recipient: `age1…` or `age1pq1…`.
    pub recipient: String,
}

impl NewKey {
    /// Draws a key of X25519.
    pub fn classic() -> Self {
        let identity = X25519Identity::generate();
        Self { identity: identity.expose(), recipient: identity.to_public().to_string() }
    }

    /// Draws a post-quantum key.
    pub fn post_quantum() -> Self {
        let identity = HybridIdentity::generate();
        Self { identity: identity.expose(), recipient: identity.to_public().to_string() }
    }

    /// Returns the identity, as a line of an identity file.
    pub fn expose(&self) -> &str {
        &self.identity
    }
}
