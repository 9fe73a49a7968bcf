//! What kind of identity a file has, from how it begins.

use std::fmt;
use std::io::{self, Read};

use artifacts_text::size;
use zeroize::Zeroizing;

use crate::identity_error::IdentityError;
use crate::pem_body::PemBody;
use crate::pkcs8;
use crate::private_form::{
    LEGACY_PASSPHRASE, PUBLIC, PrivateForm, damaged, empty, is_used, label, legacy_passphrase, not_an_identity,
};

/// Most bytes that are read in search of an identity: comments may come first.
const MOST: usize = 1 << 16;
/// Longest line that tells a kind, in bytes.
const LONGEST: usize = 80;
/// The cipher of an SSH private key that is under no passphrase.
const UNLOCKED: &[u8] = b"none";

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
    /// its prefix, and of an SSH key its first line, the name of its cipher and its type. `name` is for messages.
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
            PrivateForm::OpenSsh => self.openssh()?,
            PrivateForm::OldRsa if self.has_passphrase()? => Err(legacy_passphrase(self.name)),
            PrivateForm::OldRsa => Ok(IdentityKind::Ssh { locked: false }),
            PrivateForm::Pkcs8 => self.pkcs8()?,
            PrivateForm::AgeFile => Ok(IdentityKind::LockedAge),
        })
    }

    fn openssh(&mut self) -> io::Result<Decision> {
        let name = self.name;
        let found = PemBody::new(|| self.byte()).of_openssh()?;
        let Some((cipher, kind)) = found else { return Ok(Err(damaged(name))) };
        let is_used = std::str::from_utf8(&kind).is_ok_and(is_used);
        Ok(if is_used { Ok(IdentityKind::Ssh { locked: *cipher != UNLOCKED }) } else { Err(unsupported(name)) })
    }

    fn pkcs8(&mut self) -> io::Result<Decision> {
        let name = self.name;
        let found = PemBody::new(|| self.byte()).of_pkcs8()?;
        let Some(algorithm) = found else { return Ok(Err(damaged(name))) };
        let is_used = pkcs8::is_used(&algorithm);
        Ok(if is_used { Ok(IdentityKind::Ssh { locked: false }) } else { Err(unsupported(name)) })
    }

    /// Returns whether a block goes on as one that is under a passphrase.
    fn has_passphrase(&mut self) -> io::Result<bool> {
        let mut expected = LEGACY_PASSPHRASE.bytes().peekable();
        while let Some(next) = expected.peek() {
            match self.byte()? {
                Some(byte) if byte == *next => drop(expected.next()),
                Some(byte) if byte.is_ascii_whitespace() => {}
                _ => return Ok(false),
            }
        }
        Ok(true)
    }
}

/// Why a key is not used whose type is not.
fn unsupported(name: &str) -> IdentityError {
    IdentityError::Kind { name: name.to_owned() }
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
    fn of_an_ssh_key_the_cipher_and_the_type_are_read_and_no_key() {
        let begin = "-----BEGIN OPENSSH PRIVATE KEY-----\n";
        let head = "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW\nQyNTUxOQAA";
        let plain = format!("{begin}{head}ACBSECRETSECRETSECRETSECRET\n");
        assert_eq!(kind(&plain), (IdentityKind::Ssh { locked: false }, begin.len() + head.len()));
        let indented = format!("  {}", plain.replace('\n', "\r\n  "));
        assert_eq!(kind(&indented).0, IdentityKind::Ssh { locked: false });
        let locked = format!(
            "{begin}b3BlbnNzaC1rZXktdjEAAAAACmFlczI1Ni1jdHIAAAAGYmNyeXB0AAAAGAAAABAAAAAAAAAAAAAA\n\
             AAAAAAAAAAAAGAAAAAEAAAAzAAAAC3NzaC1lZDI1NTE5AAAAIA==\n"
        );
        assert_eq!(kind(&locked).0, IdentityKind::Ssh { locked: true });
        // RFC 8410, section 7: what stands before the key takes 12 bytes.
        let begin = "-----BEGIN PRIVATE KEY-----\n";
        let plain = format!("{begin}MC4CAQAwBQYDK2VwBCIEIFNFQ1JFVFNFQ1JFVFNFQ1JFVFNFQ1JFVFNFQ1JF\n");
        assert_eq!(kind(&plain), (IdentityKind::Ssh { locked: false }, begin.len() + 16));
    }

    #[test]
    fn a_key_of_a_type_that_is_not_used_is_rejected_as_by_commands() {
        let dir = tempfile::tempdir().unwrap();
        for (passphrase, form) in [("", "RFC4716"), ("correct horse", "RFC4716"), ("", "PKCS8"), ("", "PEM")] {
            let file = dir.path().join("key");
            let _ = std::fs::remove_file(&file);
            let mut keygen = std::process::Command::new("ssh-keygen");
            keygen.args(["-q", "-t", "ecdsa", "-N", passphrase, "-m", form, "-f"]).arg(&file);
            assert!(keygen.status().unwrap().success());
            let text = std::fs::read_to_string(&file).unwrap();
            assert_eq!(why(&text), "key: unsupported SSH key type; expected ssh-ed25519 or ssh-rsa", "{form}");
            let Err(of_commands) = crate::identity::read("key", &Secret::new(text.into_bytes())) else {
                panic!("{form}")
            };
            assert_eq!(of_commands, unsupported("key"));
        }
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
            let Err(of_commands) = crate::identity::read("key", &Secret::new(text.as_bytes().to_vec())) else {
                panic!("{text}")
            };
            assert_eq!(told, of_commands.to_string());
        }
    }
}
