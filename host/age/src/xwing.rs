//! X-Wing (draft-connolly-cfrg-xwing-kem), the hybrid of ML-KEM-768 and X25519, as a key encapsulation of HPKE. Both parts are those
//! of their own crates; here they are only combined.

use hpke::generic_array::GenericArray;
use hpke::generic_array::typenum::{Sum, U32, U96, U192, U1024};
use hpke::kem::SharedSecret;
use hpke::rand_core::{CryptoRng, RngCore};
use hpke::{Deserializable, HpkeError, Serializable};
use ml_kem::kem::{Decapsulate as _, Encapsulate as _};
use ml_kem::{Ciphertext, EncodedSizeUser as _, KemCore, MlKem768};
use sha3::digest::{ExtendableOutput as _, FixedOutput as _, Update as _, XofReader as _};
use sha3::{Sha3_256, Shake256};
use zeroize::Zeroizing;

/// Length of a public key of ML-KEM-768, in bytes.
const PQ_KEY: usize = 1184;
/// Length of a ciphertext of ML-KEM-768, in bytes.
const PQ_CIPHERTEXT: usize = 1088;
/// Ends what is hashed into the shared secret: an X-Wing, drawn.
const LABEL: &[u8; 6] = br"\.//^\";

type PqPublicKey = <MlKem768 as KemCore>::EncapsulationKey;
type PqPrivateKey = <MlKem768 as KemCore>::DecapsulationKey;

/// Names the key encapsulation for HPKE.
pub(crate) struct XWing;

/// Holds a public key: that of ML-KEM, and that of X25519.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PublicKey {
    pq: PqPublicKey,
    x: x25519_dalek::PublicKey,
}

impl Eq for PublicKey {}

/// Holds the seed of a private key.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct PrivateKey(Zeroizing<[u8; 32]>);

/// Holds what is sent: the ciphertext of ML-KEM, and a public key of X25519 that is used once.
#[derive(Clone)]
pub(crate) struct Encapsulated {
    pq: Ciphertext<MlKem768>,
    x: x25519_dalek::PublicKey,
}

impl PrivateKey {
    /// Derives both private keys.
    fn expand(&self) -> (PqPrivateKey, PqPublicKey, x25519_dalek::StaticSecret) {
        let mut bytes = Shake256::default().chain(*self.0).finalize_xof();
        let mut next = || {
            let mut part = Zeroizing::new([0; 32]);
            bytes.read(&mut *part);
            part
        };
        let (d, z, x) = (next(), next(), next());
        let (private, public) = MlKem768::generate_deterministic(&(*d).into(), &(*z).into());
        (private, public, x25519_dalek::StaticSecret::from(*x))
    }
}

impl hpke::Kem for XWing {
    type PublicKey = PublicKey;
    type PrivateKey = PrivateKey;
    type EncappedKey = Encapsulated;
    type NSecret = U32;
    const KEM_ID: u16 = 0x647a;

    fn sk_to_pk(private: &PrivateKey) -> PublicKey {
        let (_, pq, x) = private.expand();
        PublicKey { pq, x: x25519_dalek::PublicKey::from(&x) }
    }

    /// Derives a key pair from 32 bytes, which are the seed; of others the hash is. age draws seeds and never derives them.
    fn derive_keypair(material: &[u8]) -> (PrivateKey, PublicKey) {
        let mut seed = Zeroizing::new([0; 32]);
        match <[u8; 32]>::try_from(material) {
            Ok(bytes) => *seed = bytes,
            Err(_) => Shake256::default().chain(material).finalize_xof_into(&mut *seed),
        }
        let private = PrivateKey(seed);
        let public = Self::sk_to_pk(&private);
        (private, public)
    }

    fn encap<R: CryptoRng + RngCore>(
        recipient: &PublicKey,
        sender: Option<(&PrivateKey, &PublicKey)>,
        random: &mut R,
    ) -> Result<(SharedSecret<Self>, Encapsulated), HpkeError> {
        // There is no X-Wing that authenticates the sender.
        if sender.is_some() {
            return Err(HpkeError::EncapError);
        }
        let (pq, pq_secret) = recipient.pq.encapsulate(random).map_err(|()| HpkeError::EncapError)?;
        let once = x25519_dalek::EphemeralSecret::random_from_rng(&mut *random);
        let x = x25519_dalek::PublicKey::from(&once);
        let x_secret = once.diffie_hellman(&recipient.x);
        Ok((combined(&pq_secret, &x_secret, &x, &recipient.x), Encapsulated { pq, x }))
    }

    fn decap(
        private: &PrivateKey,
        sender: Option<&PublicKey>,
        sent: &Encapsulated,
    ) -> Result<SharedSecret<Self>, HpkeError> {
        if sender.is_some() {
            return Err(HpkeError::DecapError);
        }
        let (pq, _, x) = private.expand();
        let pq_secret = pq.decapsulate(&sent.pq).map_err(|()| HpkeError::DecapError)?;
        let x_secret = x.diffie_hellman(&sent.x);
        Ok(combined(&pq_secret, &x_secret, &sent.x, &x25519_dalek::PublicKey::from(&x)))
    }
}

/// Combines both secrets, as section 5.3 of the draft says.
fn combined(
    pq_secret: &[u8],
    x_secret: &x25519_dalek::SharedSecret,
    sent: &x25519_dalek::PublicKey,
    recipient: &x25519_dalek::PublicKey,
) -> SharedSecret<XWing> {
    let mut hash = Sha3_256::default();
    for part in [pq_secret, x_secret.as_bytes(), sent.as_bytes(), recipient.as_bytes(), LABEL] {
        hash.update(part);
    }
    let mut secret = SharedSecret(GenericArray::default());
    hash.finalize_into(&mut secret.0);
    secret
}

impl Serializable for PublicKey {
    type OutputSize = Sum<U1024, U192>;

    fn write_exact(&self, out: &mut [u8]) {
        let (pq, x) = out.split_at_mut(PQ_KEY);
        pq.copy_from_slice(&self.pq.as_bytes());
        x.copy_from_slice(self.x.as_bytes());
    }
}

impl Deserializable for PublicKey {
    fn from_bytes(bytes: &[u8]) -> Result<Self, HpkeError> {
        let (pq, x) = split::<PQ_KEY>(bytes)?;
        let key = PqPublicKey::from_bytes(&pq.into());
        // FIPS 203, section 7.2: a key that reads as another one is none.
        if key.as_bytes().as_slice() != pq {
            return Err(HpkeError::ValidationError);
        }
        Ok(Self { pq: key, x: x.into() })
    }
}

impl Serializable for Encapsulated {
    type OutputSize = Sum<U1024, U96>;

    fn write_exact(&self, out: &mut [u8]) {
        let (pq, x) = out.split_at_mut(PQ_CIPHERTEXT);
        pq.copy_from_slice(&self.pq);
        x.copy_from_slice(self.x.as_bytes());
    }
}

impl Deserializable for Encapsulated {
    fn from_bytes(bytes: &[u8]) -> Result<Self, HpkeError> {
        let (pq, x) = split::<PQ_CIPHERTEXT>(bytes)?;
        Ok(Self { pq: pq.into(), x: x.into() })
    }
}

impl Serializable for PrivateKey {
    type OutputSize = U32;

    fn write_exact(&self, out: &mut [u8]) {
        out.copy_from_slice(&*self.0);
    }
}

impl Deserializable for PrivateKey {
    fn from_bytes(bytes: &[u8]) -> Result<Self, HpkeError> {
        let seed = bytes.try_into().map_err(|_| HpkeError::IncorrectInputLength(32, bytes.len()))?;
        Ok(Self(Zeroizing::new(seed)))
    }
}

/// Splits into `N` bytes and the 32 of X25519.
fn split<const N: usize>(bytes: &[u8]) -> Result<([u8; N], [u8; 32]), HpkeError> {
    let wrong = || HpkeError::IncorrectInputLength(N + 32, bytes.len());
    let (first, rest) = bytes.split_first_chunk::<N>().ok_or_else(wrong)?;
    Ok((*first, rest.try_into().map_err(|_| wrong())?))
}
