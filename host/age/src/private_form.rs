//! What tells the form of a private key, and which forms are not used: where identities are read, and where only their beginning is.

use crate::identity_error::IdentityError;

/// How a line begins that is a public key.
pub(crate) const PUBLIC: [&str; 3] = ["age1", "ssh-", "ecdsa-"];

/// How a block `RSA PRIVATE KEY` goes on that is under a passphrase.
pub(crate) const LEGACY_PASSPHRASE: &str = "Proc-Type:";

/// Names what a PEM block of a private key holds.
pub(crate) enum PrivateForm {
    /// The form of OpenSSH.
    OpenSsh,
    /// PKCS#1, which ssh-keygen wrote before 2014.
    OldRsa,
    /// PKCS#8 without a passphrase.
    Pkcs8,
    /// Identities in an age file.
    AgeFile,
}

impl PrivateForm {
    /// Reads the label of a PEM block, such as `OPENSSH PRIVATE KEY`, in the file `name`.
    ///
    /// # Errors
    /// When such a block is not used as an identity.
    pub fn of_label(name: &str, label: &str) -> Result<Self, IdentityError> {
        let none = |why: String| IdentityError::None { name: name.to_owned(), why };
        match label {
            "OPENSSH PRIVATE KEY" => Ok(Self::OpenSsh),
            "RSA PRIVATE KEY" => Ok(Self::OldRsa),
            "PRIVATE KEY" => Ok(Self::Pkcs8),
            "AGE ENCRYPTED FILE" => Ok(Self::AgeFile),
            "DSA PRIVATE KEY" | "EC PRIVATE KEY" => Err(IdentityError::Kind { name: name.to_owned() }),
            "ENCRYPTED PRIVATE KEY" => {
                let how = "rewrite it with `ssh-keygen -p -f FILE` (of OpenSSH 9.6 or newer for Ed25519)";
                Err(none(format!("it is encrypted in the form PKCS#8; {how}")))
            }
            "PUBLIC KEY" | "RSA PUBLIC KEY" => Err(IdentityError::Public { name: name.to_owned() }),
            other => Err(none(format!("its block `{}` is not a private key", other.escape_debug()))),
        }
    }
}

/// Returns the label of a PEM line: `OPENSSH PRIVATE KEY` of `-----BEGIN OPENSSH PRIVATE KEY-----`.
pub(crate) fn label<'a>(line: &'a str, edge: &str) -> Option<&'a str> {
    line.strip_prefix("-----")?.strip_suffix("-----")?.strip_prefix(edge)?.strip_prefix(' ')
}

/// Returns whether age uses SSH keys of this type.
pub(crate) fn is_used(kind: &str) -> bool {
    matches!(kind, "ssh-ed25519" | "ssh-rsa")
}

/// Why the body of a block is not used.
pub(crate) fn damaged(name: &str) -> IdentityError {
    IdentityError::None { name: name.to_owned(), why: "it is damaged".to_owned() }
}

/// Why an RSA key in the form of PKCS#1 is not used that is under a passphrase.
pub(crate) fn legacy_passphrase(name: &str) -> IdentityError {
    let why = "encrypted in a legacy format; convert it with `ssh-keygen -p -f FILE`".to_owned();
    IdentityError::None { name: name.to_owned(), why }
}

/// Why a line is not used that is not an identity.
pub(crate) fn not_an_identity(name: &str, number: usize, line: &str) -> IdentityError {
    if PUBLIC.iter().any(|begin| line.starts_with(begin)) {
        return IdentityError::Public { name: name.to_owned() };
    }
    IdentityError::None { name: name.to_owned(), why: format!("line {number}: not an age identity") }
}

/// Why a file is not used that has neither an identity nor anything else.
pub(crate) fn empty(name: &str) -> IdentityError {
    IdentityError::None { name: name.to_owned(), why: "it is empty".to_owned() }
}
