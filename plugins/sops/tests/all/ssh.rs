//! Keys of ssh as age recipients.

use sops_format::{SshError, recipient_of_ssh};

use crate::support::{Pair, ssh_pair};

#[test]
fn a_key_becomes_the_recipient_that_its_private_half_opens_for() {
    for _ in 0..5 {
        let (private, public) = ssh_pair();
        assert_eq!(recipient_of_ssh(&public).unwrap(), Pair::of_ssh(&private).recipient);
    }
}

#[test]
fn what_is_no_ed25519_key_says_so() {
    let blob = |point: &[u8]| {
        use base64::Engine;
        let wire = [b"\0\0\0\x0bssh-ed25519\0\0\0\x20".as_slice(), point].concat();
        format!("ssh-ed25519 {}", base64::engine::general_purpose::STANDARD.encode(wire))
    };
    let mut identity_point = [0; 32];
    identity_point[0] = 1;
    for (key, malformed) in [
        ("ssh-rsa AAAA", false),
        ("", false),
        ("age1x", false),
        ("ssh-ed25519", true),
        ("ssh-ed25519 %%%", true),
        ("ssh-ed25519 AAAA", true),
        (&blob(&[7; 31]), true),
        (&blob(&[2; 32]), true),
        (&blob(&identity_point), true),
    ] {
        let error = recipient_of_ssh(key).unwrap_err();
        assert_eq!(matches!(error, SshError::Malformed(_)), malformed, "{key}: {error}");
    }
}
