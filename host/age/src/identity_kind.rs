//! What kind of identity a file has, from how it begins.

use std::fmt;
use std::io::{self, Read};

use zeroize::Zeroizing;

/// Most bytes that are read in search of an identity: comments may come first.
const MOST: usize = 1 << 16;
/// Longest line that tells a kind, in bytes.
const LONGEST: usize = 80;
/// How an SSH private key begins that is under no passphrase: the name of its cipher is `none`.
const SSH_UNLOCKED: &[u8] = b"b3BlbnNzaC1rZXktdjEAAAAABG5vbm";

/// Names what a file of identities begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdentityKind {
    /// `AGE-SECRET-KEY-1…`.
    Age,
    /// `AGE-SECRET-KEY-PQ-1…`.
    PostQuantum,
    /// `AGE-PLUGIN-NAME-1…`, with the name.
    Plugin(String),
    /// Identities in an age file under a passphrase.
    LockedAge,
    /// An SSH private key.
    Ssh {
        /// Whether it is under a passphrase.
        locked: bool,
    },
    /// The public half of a key.
    Public,
    /// No identity.
    Unknown,
}

impl IdentityKind {
    /// Reads what a file of identities begins with, byte by byte, and no further than tells the kind: nothing of an age identity but
    /// its prefix, and of an SSH key its first line and the name of its cipher.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(from: impl Read) -> io::Result<Self> {
        let mut head = Head { from, left: MOST };
        loop {
            let Some(first) = head.byte()? else { return Ok(Self::Unknown) };
            match first {
                b'#' => head.skip_line()?,
                byte if byte.is_ascii_whitespace() => {}
                byte => return head.kind(byte),
            }
        }
    }

    /// Returns whether it is an identity.
    pub fn is_identity(&self) -> bool {
        !matches!(self, Self::Public | Self::Unknown)
    }

    /// Returns the plugin that it needs.
    pub fn plugin(&self) -> Option<&str> {
        if let Self::Plugin(name) = self { Some(name) } else { None }
    }
}

impl fmt::Display for IdentityKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Age => f.write_str("age identity"),
            Self::PostQuantum => f.write_str("post-quantum age identity"),
            Self::Plugin(name) => write!(f, "identity of age plugin `{name}`"),
            Self::LockedAge => f.write_str("age identities under a passphrase"),
            Self::Ssh { locked: false } => f.write_str("SSH private key"),
            Self::Ssh { locked: true } => f.write_str("SSH private key under a passphrase"),
            Self::Public => f.write_str("a public key"),
            Self::Unknown => f.write_str("neither an SSH private key nor age identities"),
        }
    }
}

/// The beginning of a file.
struct Head<R> {
    from: R,
    left: usize,
}

impl<R: Read> Head<R> {
    fn byte(&mut self) -> io::Result<Option<u8>> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        let mut byte = Zeroizing::new([0]);
        let read = self.from.read(&mut byte[..])?;
        Ok((read > 0).then_some(byte[0]))
    }

    fn skip_line(&mut self) -> io::Result<()> {
        while let Some(byte) = self.byte()? {
            if byte == b'\n' {
                break;
            }
        }
        Ok(())
    }

    /// Reads on behind this byte until the kind is known.
    fn kind(&mut self, first: u8) -> io::Result<IdentityKind> {
        let mut line = Zeroizing::new(Vec::with_capacity(LONGEST));
        line.push(first);
        loop {
            if let Some(kind) = self.decided(&line)? {
                return Ok(kind);
            }
            match self.byte()? {
                Some(byte) if line.len() < LONGEST => line.push(byte),
                _ => return Ok(IdentityKind::Unknown),
            }
        }
    }

    /// Returns the kind of what begins like this; none while that may be one or the other.
    fn decided(&mut self, line: &[u8]) -> io::Result<Option<IdentityKind>> {
        const KINDS: [(&[u8], IdentityKind); 6] = [
            (b"AGE-SECRET-KEY-1", IdentityKind::Age),
            (b"AGE-SECRET-KEY-PQ-1", IdentityKind::PostQuantum),
            (b"age-encryption.org/", IdentityKind::LockedAge),
            (b"age1", IdentityKind::Public),
            (b"ssh-", IdentityKind::Public),
            (b"ecdsa-", IdentityKind::Public),
        ];
        if let Some((_, kind)) = KINDS.into_iter().find(|(begin, _)| *begin == line) {
            return Ok(Some(kind));
        }
        if let Some(name) = line.strip_prefix(b"AGE-PLUGIN-".as_slice()) {
            let name = name.strip_suffix(b"-1").map(|name| String::from_utf8_lossy(name).to_lowercase());
            return Ok(name.map(IdentityKind::Plugin));
        }
        if let Some(label) = line.strip_prefix(b"-----BEGIN ".as_slice()) {
            return if label.ends_with(b"\n") { self.armored(label.trim_ascii_end()).map(Some) } else { Ok(None) };
        }
        let may_begin = |begin: &[u8]| begin.starts_with(line);
        let is_open =
            KINDS.iter().any(|(begin, _)| may_begin(begin)) || may_begin(b"AGE-PLUGIN-") || may_begin(b"-----BEGIN ");
        Ok((!is_open).then_some(IdentityKind::Unknown))
    }

    /// Returns the kind of what has this label in its first line.
    fn armored(&mut self, label: &[u8]) -> io::Result<IdentityKind> {
        Ok(match label {
            b"OPENSSH PRIVATE KEY-----" => IdentityKind::Ssh { locked: self.cipher()?.as_slice() != SSH_UNLOCKED },
            b"RSA PRIVATE KEY-----" => IdentityKind::Ssh { locked: self.cipher()?.starts_with(b"Proc-Type:") },
            b"PRIVATE KEY-----" => IdentityKind::Ssh { locked: false },
            b"ENCRYPTED PRIVATE KEY-----" => IdentityKind::Ssh { locked: true },
            b"AGE ENCRYPTED FILE-----" => IdentityKind::LockedAge,
            label if label.ends_with(b"PUBLIC KEY-----") => IdentityKind::Public,
            _ => IdentityKind::Unknown,
        })
    }

    /// Reads as many bytes as tell whether an SSH key is under a passphrase.
    fn cipher(&mut self) -> io::Result<Zeroizing<Vec<u8>>> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(SSH_UNLOCKED.len()));
        while bytes.len() < SSH_UNLOCKED.len() {
            let Some(byte) = self.byte()? else { break };
            bytes.push(byte);
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Counts what is read.
    struct Counting<'a>(&'a [u8], usize);

    impl Read for Counting<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let read = self.0.read(buffer)?;
            self.1 += read;
            Ok(read)
        }
    }

    fn kind(text: &str) -> (IdentityKind, usize) {
        let mut counting = Counting(text.as_bytes(), 0);
        let kind = IdentityKind::read(&mut counting).unwrap();
        (kind, counting.1)
    }

    #[test]
    fn no_byte_of_an_age_identity_is_read() {
        let comment = "# created: 2026-01-01\n# public key: age1xyz\n\n";
        for (begin, expected) in [
            ("AGE-SECRET-KEY-1", IdentityKind::Age),
            ("AGE-SECRET-KEY-PQ-1", IdentityKind::PostQuantum),
            ("AGE-PLUGIN-YUBIKEY-1", IdentityKind::Plugin("yubikey".to_owned())),
        ] {
            let text = format!("{comment}{begin}SECRETSECRETSECRET\n");
            assert_eq!(kind(&text), (expected, comment.len() + begin.len()));
        }
    }

    #[test]
    fn of_an_ssh_key_the_cipher_is_read_and_no_key() {
        let begin = "-----BEGIN OPENSSH PRIVATE KEY-----\n";
        let plain = format!("{begin}b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW\n");
        assert_eq!(kind(&plain), (IdentityKind::Ssh { locked: false }, begin.len() + SSH_UNLOCKED.len()));
        let locked = format!("{begin}b3BlbnNzaC1rZXktdjEAAAAACmFlczI1Ni1jdHIAAAAGYmNyeXB0AAAAGAAAABBNkTPKNR\n");
        assert_eq!(kind(&locked).0, IdentityKind::Ssh { locked: true });
        let pem = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n";
        assert_eq!(kind(pem).0, IdentityKind::Ssh { locked: true });
    }

    #[test]
    fn what_is_no_identity_is_known_early() {
        assert_eq!(kind("age1xyz").0, IdentityKind::Public);
        assert_eq!(kind("ssh-ed25519 AAAA").0, IdentityKind::Public);
        assert_eq!(kind("age-encryption.org/v1\n-> scrypt").0, IdentityKind::LockedAge);
        assert_eq!(kind("-----BEGIN AGE ENCRYPTED FILE-----\n").0, IdentityKind::LockedAge);
        assert_eq!(kind("").0, IdentityKind::Unknown);
        assert_eq!(kind("password").1, 1, "nothing begins like this");
        assert_eq!(kind(&"#\n".repeat(MOST)).0, IdentityKind::Unknown);
    }
}
