//! Recipients and identities of X25519, `age1…` and `AGE-SECRET-KEY-1…`, after C2SP's specification of age, section "The X25519
//! recipient type". They are those of the age crate, for keys that many files have in common: what depends on the key alone is
//! computed once.

use std::collections::HashSet;
use std::fmt;
use std::io;
use std::str::FromStr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use age::{DecryptError, EncryptError};
use age_core::format::{FILE_KEY_BYTES, FileKey, Stanza};
use age_core::primitives::{aead_decrypt, aead_encrypt, bech32_encode, hkdf};
use age_core::secrecy::ExposeSecret as _;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD_NO_PAD as BASE64;
use bech32::Hrp;
use curve25519_dalek::edwards::EdwardsBasepointTable;
use curve25519_dalek::montgomery::MontgomeryPoint;
use curve25519_dalek::traits::{BasepointTable as _, IsIdentity as _};
use rand::RngCore as _;
use rand::rngs::OsRng;
use zeroize::Zeroizing;

use crate::key_text;

const STANZA: &str = "X25519";
const LABEL: &[u8] = b"age-encryption.org/v1/X25519";
const RECIPIENT: Hrp = Hrp::parse_unchecked("age");
const IDENTITY: Hrp = Hrp::parse_unchecked("age-secret-key-");
/// Length of a scalar and of a point, in bytes.
const KEY: usize = 32;
/// Length of the tag of ChaCha20-Poly1305, in bytes.
const TAG: usize = 16;
/// After so many multiplications a table of multiples is made: that takes as long as some forty of them save by it, and 30 kB.
const WORTH_A_TABLE: usize = 64;

/// Holds a recipient, `age1…`.
pub(crate) struct X25519Recipient {
    point: MontgomeryPoint,
    /// How often it was multiplied.
    times: AtomicUsize,
    /// Multiples of the point; none of one that is on the twist of the curve.
    table: OnceLock<Option<Box<EdwardsBasepointTable>>>,
}

/// Holds an identity, `AGE-SECRET-KEY-1…`.
pub(crate) struct X25519Identity {
    scalar: Zeroizing<[u8; KEY]>,
    public: MontgomeryPoint,
    /// Which stanza was its own the last time: files of the same recipients have it in the same place.
    place: AtomicUsize,
}

impl FromStr for X25519Recipient {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes = key_text::bytes(text, RECIPIENT)?;
        let point = MontgomeryPoint(bytes.as_slice().try_into().map_err(|_| "incorrect pubkey length")?);
        // Scalars are multiples of eight (RFC 7748, section 5): of a point whose order divides eight each gives the same.
        if point.mul_bits_be([true, false, false, false].into_iter()).is_identity() {
            return Err("everyone could decrypt: it is a point of low order");
        }
        Ok(Self::new(point))
    }
}

impl fmt::Display for X25519Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&bech32_encode(RECIPIENT, &self.point.0))
    }
}

impl X25519Recipient {
    fn new(point: MontgomeryPoint) -> Self {
        Self { point, times: AtomicUsize::new(0), table: OnceLock::new() }
    }

    /// Multiplies it by a scalar, which is clamped: in constant time with the table and without.
    fn times(&self, scalar: &[u8; KEY]) -> MontgomeryPoint {
        let times = self.times.fetch_add(1, Ordering::Relaxed);
        let table = if times < WORTH_A_TABLE { None } else { self.table.get_or_init(|| table(self.point)).as_ref() };
        match table {
            Some(table) => table.mul_base_clamped(*scalar).to_montgomery(),
            None => self.point.mul_clamped(*scalar),
        }
    }
}

/// Which of the two points with this u it is, makes no difference: neither do their multiples differ in it.
fn table(point: MontgomeryPoint) -> Option<Box<EdwardsBasepointTable>> {
    point.to_edwards(0).map(|point| Box::new(EdwardsBasepointTable::create(&point)))
}

impl age::Recipient for X25519Recipient {
    fn wrap_file_key(&self, key: &FileKey) -> Result<(Vec<Stanza>, HashSet<String>), EncryptError> {
        let mut scalar = Zeroizing::new([0; KEY]);
        OsRng.try_fill_bytes(&mut *scalar).map_err(|error| EncryptError::Io(io::Error::other(error)))?;
        let sent = MontgomeryPoint::mul_base_clamped(*scalar);
        let shared = Zeroizing::new(self.times(&scalar));
        let body = aead_encrypt(&wrapping(&sent, &self.point, &shared), key.expose_secret());
        let stanza = Stanza { tag: STANZA.to_owned(), args: vec![BASE64.encode(sent.0)], body };
        Ok((vec![stanza], HashSet::new()))
    }
}

/// The key that a file key is encrypted under.
fn wrapping(sent: &MontgomeryPoint, recipient: &MontgomeryPoint, shared: &MontgomeryPoint) -> Zeroizing<[u8; KEY]> {
    let mut salt = [0; 2 * KEY];
    salt[..KEY].copy_from_slice(&sent.0);
    salt[KEY..].copy_from_slice(&recipient.0);
    Zeroizing::new(hkdf(&salt, LABEL, &shared.0))
}

impl FromStr for X25519Identity {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes = key_text::bytes(text, IDENTITY)?;
        bytes.as_slice().try_into().map(Self::new).map_err(|_| "incorrect identity length")
    }
}

impl X25519Identity {
    /// Takes a scalar, as it is before it is clamped.
    pub fn new(scalar: &[u8; KEY]) -> Self {
        let public = MontgomeryPoint::mul_base_clamped(*scalar);
        Self { scalar: Zeroizing::new(*scalar), public, place: AtomicUsize::new(0) }
    }

    /// Draws one.
    pub fn generate() -> Self {
        let mut scalar = Zeroizing::new([0; KEY]);
        OsRng.fill_bytes(&mut *scalar);
        Self::new(&scalar)
    }

    /// Returns its text.
    pub fn expose(&self) -> Zeroizing<String> {
        let lower = Zeroizing::new(bech32_encode(IDENTITY, &*self.scalar));
        Zeroizing::new(lower.to_ascii_uppercase())
    }

    /// Returns its recipient.
    pub fn to_public(&self) -> X25519Recipient {
        X25519Recipient::new(self.public)
    }

    /// Unwraps the file key of a stanza of this kind. None if it is another recipient's, which nothing else tells.
    fn unwrapped(&self, Wrapped { sent, body }: &Wrapped<'_>) -> Option<Result<FileKey, DecryptError>> {
        let shared = Zeroizing::new(sent.mul_clamped(*self.scalar));
        if shared.is_identity() {
            return Some(Err(DecryptError::InvalidHeader));
        }
        let key = aead_decrypt(&wrapping(sent, &self.public, &shared), FILE_KEY_BYTES, body).ok();
        let key = Zeroizing::new(<[u8; FILE_KEY_BYTES]>::try_from(Zeroizing::new(key?).as_slice()).ok()?);
        Some(Ok(FileKey::init_with_mut(|to| *to = *key)))
    }
}

/// What a stanza of this kind carries.
struct Wrapped<'s> {
    sent: MontgomeryPoint,
    body: &'s [u8],
}

impl<'s> Wrapped<'s> {
    /// Reads a stanza. None of another kind.
    fn read(stanza: &'s Stanza) -> Option<Result<Self, DecryptError>> {
        if stanza.tag != STANZA {
            return None;
        }
        let sent = match stanza.args.as_slice() {
            [sent] if stanza.body.len() == FILE_KEY_BYTES + TAG => BASE64.decode(sent).ok(),
            _ => None,
        };
        let sent = sent.and_then(|sent| <[u8; KEY]>::try_from(sent).ok()).map(MontgomeryPoint);
        Some(sent.map(|sent| Self { sent, body: &stanza.body }).ok_or(DecryptError::InvalidHeader))
    }
}

impl age::Identity for X25519Identity {
    fn unwrap_stanza(&self, stanza: &Stanza) -> Option<Result<FileKey, DecryptError>> {
        self.unwrap_stanzas(std::slice::from_ref(stanza))
    }

    fn unwrap_stanzas(&self, stanzas: &[Stanza]) -> Option<Result<FileKey, DecryptError>> {
        // As in age, what comes before a damaged stanza counts, and nothing after it.
        let mut damaged = None;
        let read = stanzas.iter().filter_map(Wrapped::read);
        let wrapped: Vec<Wrapped<'_>> =
            read.map_while(|one| one.map_err(|error| damaged = Some(Err(error))).ok()).collect();
        let first = self.place.load(Ordering::Relaxed);
        let places = std::iter::once(first).chain((0..wrapped.len()).filter(|place| *place != first));
        let own = places.filter_map(|place| Some((place, wrapped.get(place)?))).find_map(|(place, one)| {
            let key = self.unwrapped(one)?;
            self.place.store(place, Ordering::Relaxed);
            Some(key)
        });
        own.or(damaged)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use age::{Identity as _, Recipient as _};
    use proptest::prelude::*;

    use super::*;

    fn file_key() -> FileKey {
        FileKey::init_with_mut(|key| *key = [7; FILE_KEY_BYTES])
    }

    fn is_file_key(key: Option<Result<FileKey, DecryptError>>) -> bool {
        key.unwrap().unwrap().expose_secret() == file_key().expose_secret()
    }

    /// One of age's own, and the same as one of ours.
    fn pair() -> (age::x25519::Identity, X25519Identity) {
        let identity = age::x25519::Identity::generate();
        let ours = identity.to_string().expose_secret().parse().unwrap();
        (identity, ours)
    }

    #[test]
    fn keys_are_read_and_written_as_by_age() {
        let (theirs, ours) = pair();
        let recipient = theirs.to_public().to_string();
        assert_eq!(ours.to_public().to_string(), recipient);
        assert_eq!(*ours.expose(), theirs.to_string().expose_secret());
        let drawn = X25519Identity::generate();
        let again: age::x25519::Identity = drawn.expose().parse().unwrap();
        assert_eq!(again.to_public().to_string(), drawn.to_public().to_string());
        assert_ne!(*drawn.expose(), *X25519Identity::generate().expose());
        assert_eq!(recipient.parse::<X25519Recipient>().unwrap().to_string(), recipient);
        let lower = theirs.to_string().expose_secret().to_ascii_lowercase();
        for text in [recipient.to_ascii_uppercase(), format!("{recipient}q"), recipient.replacen("age", "ag", 1), lower]
        {
            assert_eq!(
                text.parse::<age::x25519::Recipient>().is_ok(),
                text.parse::<X25519Recipient>().is_ok(),
                "{text}"
            );
            assert_eq!(text.parse::<age::x25519::Identity>().is_ok(), text.parse::<X25519Identity>().is_ok(), "{text}");
        }
    }

    #[test]
    fn what_one_wraps_the_other_unwraps_with_a_table_and_without() {
        let (theirs, ours) = pair();
        let recipient = ours.to_public();
        for times in 0..WORTH_A_TABLE + 3 {
            assert_eq!(recipient.table.get().is_some(), times > WORTH_A_TABLE, "{times}");
            let (stanzas, labels) = recipient.wrap_file_key(&file_key()).unwrap();
            assert!(labels.is_empty() && is_file_key(theirs.unwrap_stanzas(&stanzas)));
        }
        assert!(recipient.table.get().unwrap().is_some());
        let (stanzas, _) = theirs.to_public().wrap_file_key(&file_key()).unwrap();
        assert!(is_file_key(ours.unwrap_stanzas(&stanzas)));
    }

    #[test]
    fn the_own_stanza_is_found_wherever_it_is() {
        let (_, ours) = pair();
        let wrap = |identity: &X25519Identity| identity.to_public().wrap_file_key(&file_key()).unwrap().0.remove(0);
        for own in [2, 2, 0, 1, 2] {
            let others = pair().1;
            let stanzas: Vec<Stanza> = (0..3).map(|at| wrap(if at == own { &ours } else { &others })).collect();
            assert!(is_file_key(ours.unwrap_stanzas(&stanzas)));
            assert_eq!(ours.place.load(Ordering::Relaxed), own);
            assert!(ours.unwrap_stanzas(&stanzas[..own]).is_none());
        }
    }

    #[test]
    fn what_is_damaged_is_an_error_as_in_age() {
        let (theirs, ours) = pair();
        let whole = || ours.to_public().wrap_file_key(&file_key()).unwrap().0.remove(0);
        let damaged: [fn(&mut Stanza); 6] = [
            |stanza| stanza.body.truncate(FILE_KEY_BYTES + TAG - 1),
            |stanza| stanza.body.push(0),
            |stanza| stanza.args.push("x".to_owned()),
            |stanza| stanza.args.clear(),
            |stanza| stanza.args = vec!["A".repeat(42)],
            // The point of order one: everyone knows what is shared.
            |stanza| stanza.args = vec!["A".repeat(43)],
        ];
        for damage in damaged {
            let mut stanza = whole();
            damage(&mut stanza);
            for identity in [&theirs as &dyn age::Identity, &ours] {
                assert!(matches!(identity.unwrap_stanza(&stanza), Some(Err(DecryptError::InvalidHeader))));
                let before = [stanza, whole()];
                assert!(matches!(identity.unwrap_stanzas(&before), Some(Err(DecryptError::InvalidHeader))));
                [stanza, _] = before;
                let after = [whole(), stanza];
                assert!(is_file_key(identity.unwrap_stanzas(&after)));
                [_, stanza] = after;
            }
        }
        let mut stanza = whole();
        stanza.body[0] ^= 1;
        assert!(ours.unwrap_stanza(&stanza).is_none() && theirs.unwrap_stanza(&stanza).is_none());
        "x25519".clone_into(&mut stanza.tag);
        assert!(ours.unwrap_stanza(&stanza).is_none());
    }

    /// All points of low order on the curve and its twist, and two that are not reduced (RFC 7748, section 6.1, and what
    /// curve25519-dalek lists).
    #[test]
    fn a_key_by_which_everyone_could_decrypt_is_refused() {
        let last = |low: u8, high: u8| {
            let mut bytes = [0xff; KEY];
            (bytes[0], bytes[KEY - 1]) = (low, high);
            bytes
        };
        let first = |byte: u8| std::array::from_fn(|at| if at == 0 { byte } else { 0 });
        // A point of order eight, and minus one, of order four on the twist.
        let eight = (*b"\xe0\xeb\x7a\x7c\x3b\x41\xb8\xae\x16\x56\xe3\xfa\xf1\x9f\xc4\x6a\xda\x09\x8d\xeb\x9c\x32\xb1\xfd\x86\x62\x05\x16\x5f\x49\xb8\x00", last(0xec, 0x7f));
        for bytes in [first(0), first(1), eight.0, eight.1, last(0xed, 0x7f), last(0xee, 0x7f), last(0xed, 0xff)] {
            let error = bech32_encode(RECIPIENT, &bytes).parse::<X25519Recipient>().err();
            assert!(error.is_some_and(|why| why.contains("low order")), "{bytes:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Of any 32 bytes, half of which are points of the twist.
        #[test]
        fn the_table_gives_what_the_ladder_gives(point in any::<[u8; KEY]>(), scalar in any::<[u8; KEY]>()) {
            let recipient = X25519Recipient::new(MontgomeryPoint(point));
            let by_ladder = recipient.times(&scalar);
            recipient.times.store(WORTH_A_TABLE, Ordering::Relaxed);
            prop_assert_eq!(recipient.times(&scalar).0, by_ladder.0);
            prop_assert_eq!(recipient.table.get().unwrap().is_some(), recipient.point.to_edwards(1).is_some());
            prop_assert_eq!(by_ladder.0, x25519_dalek::x25519(scalar, point));
        }

        /// What was added to the point to leave the subgroup of prime order, is lost.
        #[test]
        fn the_table_takes_points_outside_the_subgroup(scalar in any::<[u8; KEY]>(), own in any::<[u8; KEY]>(), torsion in 0_usize..8) {
            let point = curve25519_dalek::EdwardsPoint::mul_base_clamped(own);
            let moved = point + curve25519_dalek::constants::EIGHT_TORSION[torsion];
            let recipient = X25519Recipient::new(moved.to_montgomery());
            recipient.times.store(WORTH_A_TABLE, Ordering::Relaxed);
            prop_assert_eq!(recipient.times(&scalar).0, point.to_montgomery().mul_clamped(scalar).0);
        }
    }
}
