//! Reads PKCS#8 (RFC 5958), in which OpenSSL and `ssh-keygen -m PKCS8` write private keys. age and ssh-keygen read it
//! as well.

use artifacts_digest::sha512;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use curve25519_dalek::edwards::EdwardsPoint;
use ssh_key::PrivateKey;
use ssh_key::private::Ed25519Keypair;
use zeroize::Zeroizing;

/// `rsaEncryption` of RFC 8017.
const RSA: [u8; 9] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
/// `id-Ed25519` of RFC 8410.
const ED25519: [u8; 3] = [0x2b, 0x65, 0x70];

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const OCTETS: u8 = 0x04;
const OBJECT: u8 = 0x06;

/// Represents a private key in another form.
pub(crate) enum Converted {
    /// As PEM with the label `RSA PRIVATE KEY`.
    Rsa(Zeroizing<String>),
    Ed25519(Box<PrivateKey>),
    /// age cannot use this kind of key.
    Other,
}

/// Reads a block `PRIVATE KEY`; `None` when it is damaged.
pub(crate) fn read(pem: &str) -> Option<Converted> {
    let body: Zeroizing<String> =
        Zeroizing::new(pem.lines().filter(|line| !line.starts_with("-----")).map(str::trim).collect());
    let der = Zeroizing::new(BASE64_STANDARD.decode(body.as_bytes()).ok()?);
    let (whole, _) = element(&der, SEQUENCE)?;
    let (_, rest) = element(whole, INTEGER)?;
    let (algorithm, rest) = element(rest, SEQUENCE)?;
    let (kind, _) = element(algorithm, OBJECT)?;
    let (key, _) = element(rest, OCTETS)?;
    if !is_used(kind) {
        return Some(Converted::Other);
    }
    if kind == RSA {
        return Some(Converted::Rsa(rsa(key)));
    }
    let (seed, _) = element(key, OCTETS)?;
    Some(Converted::Ed25519(Box::new(ed25519(seed.try_into().ok()?)?)))
}

/// Returns whether age uses keys of this algorithm, by its object identifier.
pub(crate) fn is_used(algorithm: &[u8]) -> bool {
    algorithm == RSA || algorithm == ED25519
}

/// Derives the key of a seed, with its public key (RFC 8032, section 5.1.5).
fn ed25519(seed: &[u8; 32]) -> Option<PrivateKey> {
    let hash = sha512(seed);
    let scalar = Zeroizing::new(<[u8; 32]>::try_from(&hash[..32]).ok()?);
    let public = EdwardsPoint::mul_base_clamped(*scalar).compress().to_bytes();
    let mut pair = Zeroizing::new([0; Ed25519Keypair::BYTE_SIZE]);
    pair[..32].copy_from_slice(seed);
    pair[32..].copy_from_slice(&public);
    Ed25519Keypair::from_bytes(&pair).ok().map(PrivateKey::from)
}

/// Wraps the content, which is PKCS#1 already.
fn rsa(key: &[u8]) -> Zeroizing<String> {
    const COLUMNS: usize = 64;
    let encoded = Zeroizing::new(BASE64_STANDARD.encode(key));
    let mut pem = Zeroizing::new(String::with_capacity(encoded.len() + encoded.len() / COLUMNS + 100));
    pem.push_str("-----BEGIN RSA PRIVATE KEY-----\n");
    let mut rest = encoded.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(COLUMNS));
        pem.push_str(line);
        pem.push('\n');
        rest = after;
    }
    pem.push_str("-----END RSA PRIVATE KEY-----\n");
    pem
}

/// Splits off the element of this tag at the beginning: its content, and what follows it.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (found, rest) = der.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match usize::from(*first) {
        short @ 0..=0x7f => (short, rest),
        long => {
            let (bytes, rest) = rest.split_at_checked(long & 0x7f)?;
            // More than four bytes is more than any file of identities has.
            let length = (bytes.len() <= 4).then(|| bytes.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)))?;
            (length, rest)
        }
    };
    (*found == tag).then(|| rest.split_at_checked(length)).flatten()
}
