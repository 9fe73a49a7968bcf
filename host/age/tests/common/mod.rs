//! What tests of kinds of keys share.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc, dead_code)]

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use age_core::format::{FileKey, Stanza};
use age_core::primitives::{bech32_encode, hpke_open};
use artifacts_age::{NoPrompter, Opener, Plugins, Programs};
use artifacts_seam::Secret;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD_NO_PAD as BASE64;
use hpke::kem::DhP256HkdfSha256;
use hpke::{Deserializable as _, Kem as _, Serializable as _};
use rand::rngs::OsRng;

pub fn secret(text: &str) -> Secret {
    Secret::new(text.as_bytes().to_vec())
}

/// A key in hardware that can be used without.
pub struct Tagged(<DhP256HkdfSha256 as hpke::Kem>::PrivateKey);

impl Tagged {
    pub fn new() -> (Self, String) {
        let (private, public) = DhP256HkdfSha256::gen_keypair(&mut OsRng);
        // SEC 1, section 2.3.3: the uncompressed point is 4, x and y; the compressed one has of y only whether it is odd.
        let point = public.to_bytes();
        let mut compressed = vec![2 + (point[64] & 1)];
        compressed.extend_from_slice(&point[1..33]);
        (Self(private), bech32_encode(bech32::Hrp::parse("age1tag").unwrap(), &compressed))
    }
}

impl age::Identity for Tagged {
    fn unwrap_stanza(&self, stanza: &Stanza) -> Option<Result<FileKey, age::DecryptError>> {
        let sent = match stanza.args.as_slice() {
            [_, sent] if stanza.tag == "p256tag" => BASE64.decode(sent).unwrap(),
            _ => return None,
        };
        let sent = <DhP256HkdfSha256 as hpke::Kem>::EncappedKey::from_bytes(&sent).unwrap();
        let key = hpke_open::<DhP256HkdfSha256>(&sent, &self.0, b"age-encryption.org/p256tag", &stanza.body).unwrap();
        Some(Ok(FileKey::init_with_mut(|to| *to = key.try_into().unwrap())))
    }
}

pub fn open_with(identity: &dyn age::Identity, file: &[u8]) -> Vec<u8> {
    let reader = age::Decryptor::new_buffered(age::armor::ArmoredReader::new(file)).unwrap();
    let mut plain = Vec::new();
    std::io::Read::read_to_end(&mut reader.decrypt(std::iter::once(identity)).unwrap(), &mut plain).unwrap();
    plain
}

/// An opener with these identities and the plugin of a directory.
pub fn opener(identities: &[&str], plugins: Plugins) -> Opener {
    let mut opener = Opener::new(Arc::new(NoPrompter), plugins);
    for identity in identities {
        opener.add("keys", &secret(identity)).unwrap();
    }
    opener
}

pub fn plugins(dir: &Path) -> Plugins {
    Plugins {
        allowed: BTreeSet::from(["tester".to_owned()]),
        programs: Programs::new(dir.as_os_str(), Vec::new()),
        environment: vec![("PATH".into(), "/usr/bin:/bin".into())],
        ..Plugins::default()
    }
}
