use artifacts_digest::Sha256;
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD};
use bech32::{Bech32, Hrp};
use curve25519_dalek::edwards::CompressedEdwardsY;

/// Returns the age recipient of an ssh-ed25519 public key as ssh-to-age computes it: the same point, on the curve that age uses.
/// None of any other key.
pub fn recipient_of_ssh(key: &str) -> Option<String> {
    let blob = blob(key.strip_prefix("ssh-ed25519 ")?)?;
    // RFC 8709, section 4: the kind and the point, each behind its length in four bytes.
    let point = blob.strip_prefix(b"\0\0\0\x0bssh-ed25519\0\0\0\x20")?;
    let point = CompressedEdwardsY(point.try_into().ok()?).decompress()?;
    bech32::encode::<Bech32>(Hrp::parse("age").ok()?, &point.to_montgomery().to_bytes()).ok()
}

/// Letters of a recipient of age that no one compares one by one.
const LONG: usize = 200;

/// Returns the kind and the fingerprint of a key that is too long to be compared: of an SSH public key as `ssh-keygen -l` computes it,
/// `ssh-ed25519 SHA256:…`, of a long recipient of age the same of its text, `age1pq SHA256:…`. None of any other key.
pub fn fingerprint(key: &str) -> Option<String> {
    of_ssh(key).or_else(|| of_age(key))
}

fn of_age(key: &str) -> Option<String> {
    let (prefix, _) = key.rsplit_once('1').filter(|(prefix, _)| prefix.starts_with("age1") && key.len() > LONG)?;
    let clean = |byte: u8| byte.is_ascii_alphanumeric() || b"-_+.".contains(&byte);
    (key.bytes().all(clean) && prefix.len() < LONG / 2).then(|| shown(prefix, key.as_bytes()))
}

fn shown(kind: &str, bytes: &[u8]) -> String {
    format!("{kind} SHA256:{}", BASE64_STANDARD_NO_PAD.encode(Sha256::digest(bytes).0))
}

fn of_ssh(key: &str) -> Option<String> {
    let kind = key.split_whitespace().next().filter(|kind| kind.starts_with("ssh-"))?;
    // It is shown as it is.
    if !kind.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-@.".contains(&byte)) {
        return None;
    }
    let blob = blob(key.strip_prefix(kind)?)?;
    Some(shown(kind, &blob))
}

/// Returns the tag of an SSH public key, by which a stanza says that it is for it (age v1, section "ssh-ed25519"). None of any other key.
pub(crate) fn tag(key: &str) -> Option<String> {
    let kind = key.split_whitespace().next()?;
    Some(tag_of_blob(&blob(key.strip_prefix(kind)?)?))
}

/// Returns the tag of an SSH public key that is given as the bytes of its wire format.
pub(crate) fn tag_of_blob(blob: &[u8]) -> String {
    BASE64_STANDARD_NO_PAD.encode(&Sha256::digest(blob).0[..4])
}

fn blob(rest: &str) -> Option<Vec<u8>> {
    BASE64_STANDARD.decode(rest.split_whitespace().next()?).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOKp8XPqV+YrDnPKy7nK8Nl+gf47zDJPL/yz7O8RT+go";

    #[test]
    fn a_fingerprint_is_that_of_ssh_keygen() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("key.pub");
        std::fs::write(&file, format!("{KEY} root@web1\n")).unwrap();
        let said = std::process::Command::new("ssh-keygen").arg("-lf").arg(&file).output().unwrap();
        let said = String::from_utf8(said.stdout).unwrap();
        let expected = said.split_whitespace().nth(1).unwrap();
        assert_eq!(fingerprint(&format!("{KEY} root@web1")), Some(format!("ssh-ed25519 {expected}")));
        assert_eq!((fingerprint("age1x"), fingerprint("ssh-rsa"), fingerprint("ssh-rsa ä")), (None, None, None));
    }

    #[test]
    fn a_long_recipient_has_a_fingerprint_and_a_short_one_is_shown_whole() {
        let key = crate::NewKey::post_quantum().recipient;
        let fingerprint = fingerprint(&key).unwrap();
        assert!(fingerprint.starts_with("age1pq SHA256:") && fingerprint.len() < 60, "{fingerprint}");
        assert_ne!(super::fingerprint(&crate::NewKey::post_quantum().recipient), Some(fingerprint));
        let long = "q".repeat(300);
        for none in [
            format!("age1alice ({long})1q"),
            format!("age1{long}1{long}"),
            format!("age1{long}"),
            crate::NewKey::classic().recipient,
        ] {
            assert_eq!(super::fingerprint(&none), None, "{none}");
        }
    }

    #[test]
    fn only_an_ed25519_key_has_a_recipient_of_age_and_its_private_half_decrypts() {
        let dir = tempfile::tempdir().unwrap();
        for number in 0..3 {
            let file = dir.path().join(number.to_string());
            let arguments = ["-q", "-t", "ed25519", "-N", "", "-f"];
            assert!(std::process::Command::new("ssh-keygen").args(arguments).arg(&file).status().unwrap().success());
            let public = std::fs::read_to_string(file.with_extension("pub")).unwrap();
            let key = ssh_key::PrivateKey::from_openssh(std::fs::read(&file).unwrap()).unwrap();
            let identity = crate::identity::converted(key.key_data().ed25519().unwrap().private.as_ref());
            assert_eq!(recipient_of_ssh(&public), Some(identity.to_public().to_string()));
        }
        for other in ["age1x", "ssh-rsa AAAA", "ssh-ed25519 AAAA", "ssh-ed25519", ""] {
            assert_eq!(recipient_of_ssh(other), None, "{other}");
        }
    }

    #[test]
    fn a_kind_that_is_no_word_has_no_fingerprint() {
        for kind in ["ssh-\u{1b}[2J", "ssh-x,(alice)", "ssh-\u{202e}x"] {
            assert_eq!(fingerprint(&format!("{kind} AAAA")), None, "{kind:?}");
        }
        assert!(fingerprint("ssh-x AAAA").is_some());
    }
}
