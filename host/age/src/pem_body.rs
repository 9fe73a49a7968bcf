use std::io;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use zeroize::Zeroizing;

/// How the body of an SSH key begins in OpenSSH's form (its `PROTOCOL.key`).
const MAGIC: &[u8] = b"openssh-key-v1\0";
/// Longest string that is read of an SSH key, in bytes.
const LONGEST: usize = 256;

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const OBJECT: u8 = 0x06;

/// Decodes the body of a PEM block as far as is asked for, and reads at most two bytes more. What it returns is none where the
/// body is damaged.
pub(crate) struct PemBody<F> {
    next: F,
    decoded: Zeroizing<Vec<u8>>,
}

type Bytes = Zeroizing<Vec<u8>>;

impl<F: FnMut() -> io::Result<Option<u8>>> PemBody<F> {
    /// Reads characters with a function.
    pub fn new(next: F) -> Self {
        Self { next, decoded: Zeroizing::default() }
    }

    /// Returns the cipher and the type of an SSH key in OpenSSH's form, which stand before the keys.
    pub fn of_openssh(&mut self) -> io::Result<Option<(Bytes, Bytes)>> {
        if self.take(MAGIC.len())?.is_none_or(|magic| *magic != MAGIC) {
            return Ok(None);
        }
        let Some(cipher) = self.string()? else { return Ok(None) };
        // The function that derives its key, the options of that, how many keys there are, and the length of the first public one.
        if self.string()?.is_none() || self.string()?.is_none() || self.take(8)?.is_none() {
            return Ok(None);
        }
        Ok(self.string()?.map(|kind| (cipher, kind)))
    }

    /// Returns the algorithm of a key in PKCS#8, which stands before the key.
    pub fn of_pkcs8(&mut self) -> io::Result<Option<Bytes>> {
        if self.element(SEQUENCE)?.is_none() {
            return Ok(None);
        }
        let Some(version) = self.element(INTEGER)?.filter(|length| *length <= 4) else { return Ok(None) };
        if self.take(version)?.is_none() || self.element(SEQUENCE)?.is_none() {
            return Ok(None);
        }
        let Some(length) = self.element(OBJECT)?.filter(|length| *length <= LONGEST) else { return Ok(None) };
        self.take(length)
    }

    /// Returns the next so many bytes.
    fn take(&mut self, count: usize) -> io::Result<Option<Bytes>> {
        while self.decoded.len() < count {
            let mut four = Zeroizing::new(Vec::with_capacity(4));
            while four.len() < 4 {
                match (self.next)()? {
                    Some(byte) if byte.is_ascii_whitespace() => {}
                    Some(byte) => four.push(byte),
                    None => return Ok(None),
                }
            }
            let Ok(bytes) = BASE64_STANDARD.decode(&*four) else { return Ok(None) };
            self.decoded.extend(&*Zeroizing::new(bytes));
        }
        let rest = Zeroizing::new(self.decoded.split_off(count));
        Ok(Some(std::mem::replace(&mut self.decoded, rest)))
    }

    /// Returns the next string of SSH: its length in four bytes, and so many bytes.
    fn string(&mut self) -> io::Result<Option<Bytes>> {
        let length = self.take(4)?.map(|bytes| number(&bytes)).filter(|length| *length <= LONGEST);
        length.map_or(Ok(None), |length| self.take(length))
    }

    /// Returns the length of the next element of DER, if it has this tag.
    fn element(&mut self, tag: u8) -> io::Result<Option<usize>> {
        let Some(head) = self.take(2)?.filter(|head| head[0] == tag) else { return Ok(None) };
        match usize::from(head[1]) {
            short @ 0..=0x7f => Ok(Some(short)),
            long @ 0x81..=0x84 => Ok(self.take(long & 0x7f)?.map(|bytes| number(&bytes))),
            _ => Ok(None),
        }
    }
}

fn number(bytes: &[u8]) -> usize {
    bytes.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte))
}
