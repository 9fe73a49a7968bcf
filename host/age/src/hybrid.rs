//! Post-quantum recipients and identities, `age1pq1…` and `AGE-SECRET-KEY-PQ-1…`, after C2SP's specification of age, section "The
//! mlkem768x25519 recipient type".

use std::collections::HashSet;
use std::fmt;
use std::str::FromStr;

use age::{DecryptError, EncryptError};
use age_core::format::{FILE_KEY_BYTES, FileKey, Stanza};
use age_core::primitives::{bech32_encode, hpke_open, hpke_seal};
use age_core::secrecy::ExposeSecret as _;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD_NO_PAD as BASE64;
use bech32::Hrp;
use hpke::{Deserializable, Kem as _, Serializable};
use rand::rngs::OsRng;
use zeroize::Zeroizing;

use crate::key_text;
use crate::xwing::{Encapsulated, PrivateKey, PublicKey, XWing};

const STANZA: &str = "mlkem768x25519";
const INFO: &[u8] = b"age-encryption.org/mlkem768x25519";
const RECIPIENT: Hrp = Hrp::parse_unchecked("age1pq");
const IDENTITY: Hrp = Hrp::parse_unchecked("age-secret-key-pq-");
/// Length of the tag of ChaCha20-Poly1305, in bytes.
const TAG: usize = 16;

/// Names the recipients of which age mixes no others into a file.
const POST_QUANTUM: &str = "postquantum";

/// Holds a recipient, `age1pq1…`.
pub(crate) struct HybridRecipient(PublicKey);

/// Holds an identity, `AGE-SECRET-KEY-PQ-1…`.
pub(crate) struct HybridIdentity(PrivateKey);

impl FromStr for HybridRecipient {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        decoded(text, RECIPIENT).map(Self)
    }
}

impl FromStr for HybridIdentity {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        decoded(text, IDENTITY).map(Self)
    }
}

fn decoded<K: Deserializable>(text: &str, prefix: Hrp) -> Result<K, &'static str> {
    K::from_bytes(&key_text::bytes(text, prefix)?).map_err(|_| "invalid key")
}

impl fmt::Display for HybridRecipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&bech32_encode(RECIPIENT, &self.0.to_bytes()))
    }
}

impl HybridIdentity {
    /// Draws one.
    pub fn generate() -> Self {
        Self(XWing::gen_keypair(&mut OsRng).0)
    }

    /// Returns its recipient.
    pub fn to_public(&self) -> HybridRecipient {
        HybridRecipient(XWing::sk_to_pk(&self.0))
    }

    /// Returns its text.
    pub fn expose(&self) -> Zeroizing<String> {
        let mut seed = Zeroizing::new([0; 32]);
        self.0.write_exact(&mut *seed);
        let lower = Zeroizing::new(bech32_encode(IDENTITY, &*seed));
        Zeroizing::new(lower.to_ascii_uppercase())
    }
}

impl age::Recipient for HybridRecipient {
    fn wrap_file_key(&self, key: &FileKey) -> Result<(Vec<Stanza>, HashSet<String>), EncryptError> {
        let (sent, body) = hpke_seal::<XWing, _>(&self.0, INFO, key.expose_secret(), &mut OsRng);
        let stanza = Stanza { tag: STANZA.to_owned(), args: vec![BASE64.encode(sent.to_bytes())], body };
        Ok((vec![stanza], HashSet::from([POST_QUANTUM.to_owned()])))
    }
}

impl age::Identity for HybridIdentity {
    fn unwrap_stanza(&self, stanza: &Stanza) -> Option<Result<FileKey, DecryptError>> {
        if stanza.tag != STANZA {
            return None;
        }
        let sent = match stanza.args.as_slice() {
            [sent] if stanza.body.len() == FILE_KEY_BYTES + TAG => BASE64.decode(sent).ok(),
            _ => None,
        };
        let Some(sent) = sent.and_then(|sent| Encapsulated::from_bytes(&sent).ok()) else {
            return Some(Err(DecryptError::InvalidHeader));
        };
        // One that does not open is another recipient's: nothing in the stanza tells whose it is.
        let key = Zeroizing::new(hpke_open::<XWing>(&sent, &self.0, INFO, &stanza.body).ok()?);
        let key = Zeroizing::new(<[u8; FILE_KEY_BYTES]>::try_from(key.as_slice()).ok()?);
        Some(Ok(FileKey::init_with_mut(|to| *to = *key)))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use age::{Identity as _, Recipient as _};

    use super::*;

    fn file_key() -> FileKey {
        FileKey::init_with_mut(|key| *key = [7; FILE_KEY_BYTES])
    }

    #[test]
    fn texts_are_read_as_they_are_written() {
        let identity = HybridIdentity::generate();
        let text = identity.expose();
        assert!(text.starts_with("AGE-SECRET-KEY-PQ-1"), "{}", text.len());
        let again: HybridIdentity = text.parse().unwrap();
        let recipient = identity.to_public().to_string();
        assert!(recipient.starts_with("age1pq1") && recipient.len() == 1959, "{}", recipient.len());
        assert_eq!(again.to_public().to_string(), recipient);
        assert_eq!(recipient.parse::<HybridRecipient>().unwrap().to_string(), recipient);
    }

    #[test]
    fn only_the_own_identity_unwraps_and_what_is_damaged_is_an_error() {
        let (own, other) = (HybridIdentity::generate(), HybridIdentity::generate());
        let (mut stanzas, labels) = own.to_public().wrap_file_key(&file_key()).unwrap();
        assert_eq!(labels, HashSet::from(["postquantum".to_owned()]));
        let stanza = &mut stanzas[0];
        assert_eq!(own.unwrap_stanza(stanza).unwrap().unwrap().expose_secret(), file_key().expose_secret());
        assert!(other.unwrap_stanza(stanza).is_none());
        stanza.body[0] ^= 1;
        assert!(own.unwrap_stanza(stanza).is_none());
        stanza.body.pop();
        assert!(matches!(own.unwrap_stanza(stanza), Some(Err(DecryptError::InvalidHeader))));
        "X25519".clone_into(&mut stanza.tag);
        assert!(own.unwrap_stanza(stanza).is_none());
    }

    /// FIPS 203, section 7.2: coefficients are below 3329.
    #[test]
    fn a_key_that_is_not_reduced_is_refused() {
        let mut bytes = HybridIdentity::generate().to_public().0.to_bytes();
        assert!(PublicKey::from_bytes(&bytes).is_ok());
        bytes[..2].copy_from_slice(&[0xff, 0xff]);
        assert!(PublicKey::from_bytes(&bytes).is_err());
        assert!(PublicKey::from_bytes(&bytes[1..]).is_err());
    }
}
