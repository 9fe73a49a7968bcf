//! Whether a file is encrypted to exactly these recipients, as far as its stanzas show without an identity.

use std::collections::BTreeSet;

use age_core::primitives::bech32_decode;
use artifacts_digest::{Sha256, keyed};
use artifacts_seam::KeyKind;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD_NO_PAD as BASE64;

use crate::{header, public_key};

/// Bytes of a key's tag in a stanza.
const TAG: usize = 4;
const P256TAG: &[u8] = b"age-encryption.org/p256tag";

/// Returns whether the age files in these bytes have a stanza for each of these recipients and no other. The stanza of an SSH key or
/// of a key in hardware has four bytes of that key. That of another age key shows nothing, so there have to be as many as recipients of
/// that kind. A stanza of a kind that is not known here is for someone else. Without an age file the answer is no.
pub fn is_encrypted_to(bytes: &[u8], recipients: &BTreeSet<String>) -> bool {
    let headers = header::all(bytes);
    let mut left: Vec<&str> = recipients.iter().map(String::as_str).collect();
    for stanza in headers.iter().flat_map(|header| &header.stanzas) {
        match left.iter().position(|recipient| is_for(stanza, recipient)) {
            Some(at) => drop(left.swap_remove(at)),
            None => return false,
        }
    }
    left.is_empty() && !headers.is_empty()
}

/// Returns whether a stanza may be for a recipient.
fn is_for(stanza: &[String], recipient: &str) -> bool {
    let [kind, arguments @ ..] = stanza else { return false };
    let tag = arguments.first().map(String::as_str);
    let has_tag = |own: Option<String>| own.is_some() && tag == own.as_deref();
    match (kind.as_str(), KeyKind::of(recipient)) {
        ("X25519", KeyKind::X25519) | ("mlkem768x25519", KeyKind::Pq) => true,
        ("ssh-ed25519", KeyKind::SshEd25519) | ("ssh-rsa", KeyKind::SshRsa) => has_tag(public_key::tag(recipient)),
        ("piv-p256", KeyKind::Plugin) => {
            has_tag(point(recipient, "age1yubikey").map(|point| BASE64.encode(static_tag(&point))))
        }
        ("p256tag", KeyKind::Tag) => {
            has_tag(point(recipient, "age1tag").zip(arguments.get(1)).and_then(|(point, sent)| p256tag(&point, sent)))
        }
        _ => false,
    }
}

/// The compressed point of a recipient.
fn point(recipient: &str, prefix: &str) -> Option<Vec<u8>> {
    let is_prefix = |found: bech32::Hrp| if found.as_str() == prefix { Ok(()) } else { Err(()) };
    bech32_decode(recipient, |_| (), is_prefix, |_, bytes| Ok(bytes.collect::<Vec<u8>>())).ok()
}

fn static_tag(point: &[u8]) -> Vec<u8> {
    Sha256::digest(point).0.into_iter().take(TAG).collect()
}

/// The tag of a stanza, after C2SP's specification of age, section "The p256tag recipient type": the extract step of HKDF-SHA-256, which
/// is HMAC under the salt.
fn p256tag(point: &[u8], sent: &str) -> Option<String> {
    let mut text = BASE64.decode(sent).ok()?;
    text.extend(static_tag(point));
    // HMAC pads a short key with zeros.
    let mut salt = [0; 32];
    salt.get_mut(..P256TAG.len())?.copy_from_slice(P256TAG);
    Some(BASE64.encode(keyed(&salt, &text).0.get(..TAG)?))
}
