//! What kind of identity a file has, from how it begins.

use std::fmt;
use std::io::{self, Read};

use artifacts_text::size;
use zeroize::Zeroizing;

use crate::identity_error::IdentityError;
use crate::private_form::{
    LEGACY_PASSPHRASE, PUBLIC, PrivateForm, empty, label, legacy_passphrase, not_an_identity,
};

/// Most bytes that are read in search of an identity: comments may come first.
const MOST: usize = 1 << 16;
/// Longest line that tells a kind, in bytes.
const LONGEST: usize = 80;
/// How an SSH private key begins that is under no passphrase: the name of its cipher is `none`.
const SSH_UNLOCKED: &[u8] = b"b3BlbnNzaC1rZXktdjEAAAAABG5vbm";

/// How a byte-order mark goes on, with which a text may begin.
const AFTER_0XEF: [Option<u8>; 2] = [Some(0xbb), Some(0xbf)];

/// Names the identity that a file begins with.
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
}

impl IdentityKind {
    /// Reads what a file of identities begins with, byte by byte, and no further than tells the kind: nothing of an age identity but
    /// its prefix, and of an SSH key its first line and the name of its cipher. `name` is for messages.
    ///
    /// # Errors
    /// When it cannot be read. The inner error is what commands report of a file that begins like this and has nothing else.
    pub fn read(name: &str, from: impl Read) -> io::Result<Result<Self, IdentityError>> {
        let mut head = Head { name, from, left: MOST, line: 1 };
        let mut is_first = true;
        loop {
            let Some(first) = head.byte()? else { return Ok(Err(head.nothing())) };
            match first {
                0xef if is_first && [head.byte()?, head.byte()?] != AFTER_0XEF => {
                    return Ok(Err(not_an_identity(name, 1, "")));
                }
                0xef if is_first => {}
                b'#' => head.skip_line()?,
                byte if byte.is_ascii_whitespace() => {}
                byte => return head.kind(byte),
            }
            is_first = false;
        }
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
        }
    }
}

/// The beginning of a file.
struct Head<'a, R> {
    name: &'a str,
    from: R,
    left: usize,
    /// Number of the line that is read.
    line: usize,
}

/// A kind, or why it is none.
type Decision = Result<IdentityKind, IdentityError>;

impl<R: Read> Head<'_, R> {
    fn byte(&mut self) -> io::Result<Option<u8>> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        let mut byte = Zeroizing::new([0]);
        let read = self.from.read(&mut byte[..])?;
        if byte[0] == b'\n' {
            self.line += 1;
        }
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

    /// Why there is no kind where only blanks and comments were read.
    fn nothing(&self) -> IdentityError {
        if self.left > 0 {
            return empty(self.name);
        }
        let why = format!("its first {} are comments", size(MOST as u64));
        IdentityError::None { name: self.name.to_owned(), why }
    }

    /// Reads on behind this byte until the kind is known.
    fn kind(&mut self, first: u8) -> io::Result<Decision> {
        let number = self.line;
        let mut line = Zeroizing::new(Vec::with_capacity(LONGEST));
        line.push(first);
        loop {
            if let Some(kind) = self.decided(number, &line)? {
                return Ok(kind);
            }
            match self.byte()? {
                Some(byte) if line.len() < LONGEST => line.push(byte),
                _ => return Ok(Err(not_an_identity(self.name, number, ""))),
            }
        }
    }

    /// Returns the kind of what begins like this; none while that may be one or the other.
    fn decided(&mut self, number: usize, line: &[u8]) -> io::Result<Option<Decision>> {
        const KINDS: [(&str, IdentityKind); 3] = [
            ("AGE-SECRET-KEY-1", IdentityKind::Age),
            ("AGE-SECRET-KEY-PQ-1", IdentityKind::PostQuantum),
            ("age-encryption.org/", IdentityKind::LockedAge),
        ];
        const PLUGIN: &str = "AGE-PLUGIN-";
        const ARMOR: &str = "-----BEGIN ";
        let file = self.name;
        let not = |line: &str| Ok(Some(Err(not_an_identity(file, number, line))));
        let Ok(line) = std::str::from_utf8(line) else { return not("") };
        if let Some((_, kind)) = KINDS.into_iter().find(|(begin, _)| *begin == line) {
            return Ok(Some(Ok(kind)));
        }
        if let Some(name) = line.strip_prefix(PLUGIN) {
            return Ok(name.strip_suffix("-1").map(|name| Ok(IdentityKind::Plugin(name.to_lowercase()))));
        }
        if line.starts_with(ARMOR) {
            if !line.ends_with('\n') {
                return Ok(None);
            }
            return match label(line.trim_ascii_end(), "BEGIN") {
                Some(label) => self.armored(label).map(Some),
                None => not(line),
            };
        }
        // A public key is one that has its whole beginning.
        let may_begin = |begin: &str| begin != line && begin.starts_with(line);
        let is_open = KINDS.iter().map(|(begin, _)| *begin).chain(PUBLIC).chain([PLUGIN, ARMOR]).any(may_begin);
        if is_open { Ok(None) } else { not(line) }
    }

    /// Returns the kind of what has this label in its first line.
    fn armored(&mut self, label: &str) -> io::Result<Decision> {
        let form = match PrivateForm::of_label(self.name, label) {
            Ok(form) => form,
            Err(error) => return Ok(Err(error)),
        };
        Ok(match form {
            PrivateForm::OpenSsh => Ok(IdentityKind::Ssh { locked: self.cipher()?.as_slice() != SSH_UNLOCKED }),
            PrivateForm::OldRsa if self.cipher()?.starts_with(LEGACY_PASSPHRASE.as_bytes()) => {
                Err(legacy_passphrase(self.name))
            }
            PrivateForm::OldRsa | PrivateForm::Pkcs8 => Ok(IdentityKind::Ssh { locked: false }),
            PrivateForm::AgeFile => Ok(IdentityKind::LockedAge),
        })
    }

    /// Reads as many bytes as tell whether an SSH key is under a passphrase.
    fn cipher(&mut self) -> io::Result<Zeroizing<Vec<u8>>> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(SSH_UNLOCKED.len()));
        while bytes.len() < SSH_UNLOCKED.len() {
            let Some(byte) = self.byte()? else { break };
            if !bytes.is_empty() || !byte.is_ascii_whitespace() {
                bytes.push(byte);
            }
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use artifacts_seam::Secret;

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

    fn decided(text: &str) -> (Decision, usize) {
        let mut counting = Counting(text.as_bytes(), 0);
        let kind = IdentityKind::read("key", &mut counting).unwrap();
        (kind, counting.1)
    }

    fn kind(text: &str) -> (IdentityKind, usize) {
        let (kind, read) = decided(text);
        (kind.unwrap(), read)
    }

    fn why(text: &str) -> String {
        decided(text).0.unwrap_err().to_string()
    }

    #[test]
    fn no_byte_of_an_age_identity_is_read() {
        let comment = "\u{feff}# created: 2026-01-01\n# public key: age1xyz\n\n";
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
        let indented = format!("  {}", plain.replace('\n', "\r\n  "));
        assert_eq!(kind(&indented).0, IdentityKind::Ssh { locked: false });
        let locked = format!("{begin}b3BlbnNzaC1rZXktdjEAAAAACmFlczI1Ni1jdHIAAAAGYmNyeXB0AAAAGAAAABBNkTPKNR\n");
        assert_eq!(kind(&locked).0, IdentityKind::Ssh { locked: true });
    }

    #[test]
    fn what_is_no_identity_is_known_early() {
        assert_eq!(kind("age-encryption.org/v1\n-> scrypt").0, IdentityKind::LockedAge);
        assert_eq!(kind("-----BEGIN AGE ENCRYPTED FILE-----\n").0, IdentityKind::LockedAge);
        assert_eq!(decided("password").1, 1, "nothing begins like this");
        assert_eq!(why(&"#\n".repeat(MOST)), "key: not an identity: its first 64 KiB are comments");
    }

    #[test]
    fn what_commands_reject_is_rejected_in_their_words() {
        for (text, word) in [
            ("", "empty"),
            ("# nothing\n\n", "empty"),
            ("# one\n\n  hunter2\n", "line 3: not an age identity"),
            ("AGE-SECRET-KEY-\n", "line 1: not an age identity"),
            ("age1xyz\n", "is a public key"),
            ("ssh-ed25519 AAAA a@b\n", "is a public key"),
            ("ecdsa-sha2-nistp256 AAAA a@b\n", "is a public key"),
            ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "is a public key"),
            ("-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n", "unsupported SSH key type"),
            ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "`CERTIFICATE`"),
            ("-----BEGIN CERTIFICATE\nAAAA\n", "line 1: not an age identity"),
            ("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n", "ssh-keygen -p"),
            (
                "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n\
                 -----END RSA PRIVATE KEY-----\n",
                "ssh-keygen -p",
            ),
        ] {
            let told = why(text);
            assert!(told.contains(word), "{told}");
            let Err(of_commands) = crate::identity::read("key", &Secret::new(text.as_bytes().to_vec())) else { panic!("{text}") };
            assert_eq!(told, of_commands.to_string());
        }
    }
}
