use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bech32::{Bech32, Hrp};
use curve25519_dalek::edwards::CompressedEdwardsY;

/// Reports why an SSH public key has no age recipient.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SshError {
    /// The kind of key cannot be converted.
    #[error("it is `{found}`; only ssh-ed25519 keys can be converted to age")]
    Kind {
        /// First word of the key.
        found: String,
    },
    /// The key is malformed.
    #[error("it is no ssh-ed25519 key: {0}")]
    Malformed(&'static str),
}

/// Returns the age recipient of an ssh-ed25519 public key, as ssh-to-age computes it: the same point, on the curve
/// that age uses. Who has the private SSH key can decrypt what is encrypted to it.
///
/// # Errors
/// [`SshError`].
pub fn recipient_of_ssh(key: &str) -> Result<String, SshError> {
    let mut words = key.split_whitespace();
    match words.next() {
        Some("ssh-ed25519") => {}
        other => return Err(SshError::Kind { found: other.unwrap_or_default().escape_debug().to_string() }),
    }
    let blob = STANDARD.decode(words.next().unwrap_or_default()).map_err(|_| SshError::Malformed("no base64"))?;
    let point = point(&blob).ok_or(SshError::Malformed("not the 32 bytes of one"))?;
    let edwards = CompressedEdwardsY(point).decompress().ok_or(SshError::Malformed("no point of the curve"))?;
    if edwards.is_small_order() {
        return Err(SshError::Malformed("a weak point that anyone could open for"));
    }
    let hrp = Hrp::parse("age").map_err(|_| SshError::Malformed("not to be encoded"))?;
    bech32::encode::<Bech32>(hrp, &edwards.to_montgomery().to_bytes())
        .map_err(|_| SshError::Malformed("not to be encoded"))
}

/// Parses the wire form: two strings, each behind its length in four bytes; the kind again, and the point.
fn point(blob: &[u8]) -> Option<[u8; 32]> {
    let rest = blob.strip_prefix(b"\0\0\0\x0bssh-ed25519\0\0\0\x20")?;
    rest.try_into().ok()
}
