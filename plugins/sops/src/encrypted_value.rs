use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::Error;
use crate::key::{DataKey, NONCE, TAG, nonce_is_read, random};
use crate::kind::Kind;

/// One encrypted value: `ENC[AES256_GCM,data:…,iv:…,tag:…,type:…]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EncryptedValue {
    /// As it lies in the file, to be written again unchanged.
    pub text: String,
    data: Vec<u8>,
    nonce: Vec<u8>,
    tag: [u8; TAG],
    /// By its `type`, which neither the tag nor the MAC covers.
    pub kind: Kind,
}

impl EncryptedValue {
    /// Reads the text; the error says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let inner = text.strip_prefix("ENC[").and_then(|rest| rest.strip_suffix(']'));
        let inner = inner.ok_or("it does not have the form ENC[…]")?;
        let mut parts = inner.split(',');
        let mut part = |prefix: &str| {
            let part = parts.next().unwrap_or_default();
            part.strip_prefix(prefix).ok_or_else(|| format!("`{prefix}` is missing"))
        };
        part("AES256_GCM")?;
        let data = decode("data", part("data:")?)?;
        let nonce = decode("iv", part("iv:")?)?;
        let tag = decode("tag", part("tag:")?)?;
        let kind = part("type:")?;
        if parts.next().is_some() {
            return Err("there is more after `type`".to_owned());
        }
        let kind = Kind::of_type(kind).ok_or_else(|| format!("its type is `{}`", kind.escape_debug()))?;
        if !nonce_is_read(nonce.len()) {
            return Err(format!("its nonce has {} bytes; expected {NONCE}", nonce.len()));
        }
        let tag: [u8; TAG] =
            tag.try_into().map_err(|tag: Vec<u8>| format!("its tag has {} bytes; expected {TAG}", tag.len()))?;
        Ok(Self { text: text.to_owned(), data, nonce, tag, kind })
    }

    /// The plaintext; `None` when it does not open.
    pub fn open(&self, key: &DataKey, aad: &str) -> Option<Zeroizing<Vec<u8>>> {
        let mut bytes = Zeroizing::new(self.data.clone());
        key.open(&self.nonce, aad, &mut bytes, &self.tag)?;
        Some(bytes)
    }

    /// Whether the ciphertext is that of `plain` under this key and nonce, whatever the tag says. Only for nonces of
    /// sops' own length.
    pub fn holds(&self, key: &DataKey, plain: &[u8]) -> bool {
        let Ok(nonce) = <&[u8; NONCE]>::try_from(self.nonce.as_slice()) else { return false };
        let mut bytes = plain.to_vec();
        key.seal(nonce, "", &mut bytes);
        bytes == self.data
    }
}

/// Encrypts one value under a new nonce. An empty one is no encrypted value in sops, but an empty text.
pub(crate) fn seal(key: &DataKey, aad: &str, plain: &[u8]) -> Result<String, Error> {
    if plain.is_empty() {
        return Ok(String::new());
    }
    let mut nonce = [0; NONCE];
    random(&mut nonce)?;
    let mut bytes = Zeroizing::new(plain.to_vec());
    let tag = key.seal(&nonce, aad, &mut bytes);
    let [data, nonce, tag] = [bytes.as_slice(), &nonce, &tag].map(|part| STANDARD.encode(part));
    Ok(format!("ENC[AES256_GCM,data:{data},iv:{nonce},tag:{tag},type:str]"))
}

fn decode(part: &str, text: &str) -> Result<Vec<u8>, String> {
    match STANDARD.decode(text) {
        Ok(bytes) if !bytes.is_empty() => Ok(bytes),
        Ok(_) => Err(format!("`{part}` is empty")),
        Err(error) => Err(format!("`{part}` is no base64: {error}")),
    }
}
