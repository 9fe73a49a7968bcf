use std::collections::BTreeSet;
use std::io::{BufRead, Read};

use age::armor::ArmoredReader;
use age_core::format::{FileKey, Stanza};
use age_core::primitives::hkdf;
use age_core::secrecy::ExposeSecret as _;
use artifacts_digest::{Hasher, HeaderHash, keyed};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD_NO_PAD as BASE64;
use zeroize::Zeroizing;

use crate::{Error, public_key, stanza};

/// Longest header that is read, in bytes: far more than one with a thousand recipients has.
const LONGEST: u64 = 1 << 20;
const FIRST_LINE: &[u8] = b"age-encryption.org/v1\n";

/// Computes the hash of a file's age header: from its first line through its MAC line (age v1, section
/// "Header"). The file may be binary or armored. Two files have the same one only if they share the wrapped file key.
///
/// # Errors
/// If the bytes are not an age file, or end before the MAC line.
pub fn header_hash(file: &[u8]) -> Result<HeaderHash, Error> {
    hashed(file, |_| {})
}

/// What a header says in clear.
pub(crate) struct Header {
    /// The words of each stanza that is not grease: its kind, then its arguments.
    pub stanzas: Vec<Vec<String>>,
}

fn header(file: &[u8]) -> Result<Header, Error> {
    let mut stanzas = Vec::new();
    hashed(file, |line| stanzas.extend(for_somebody(line)))?;
    Ok(Header { stanzas })
}

/// Computes the hash of a header, and shows its lines up to the MAC line.
fn hashed(file: &[u8], mut show: impl FnMut(&[u8])) -> Result<HeaderHash, Error> {
    let mut lines = unarmored(file).take(LONGEST);
    let mut hash = Hasher::new();
    let mut line = Vec::new();
    for number in 0.. {
        line.clear();
        lines.read_until(b'\n', &mut line).map_err(|_| Error::NotAge("its armor is damaged"))?;
        if !line.ends_with(b"\n") {
            return Err(Error::NotAge("the header is truncated or too long"));
        }
        if number == 0 && line != FIRST_LINE {
            return Err(Error::NotAge("unexpected first line"));
        }
        hash.update(&line);
        if line.starts_with(b"--- ") {
            break;
        }
        show(&line);
    }
    Ok(HeaderHash(hash.finish()))
}

/// Returns the words of a line that begins a stanza that is not grease.
fn for_somebody(line: &[u8]) -> Option<Vec<String>> {
    let words = line.strip_prefix(b"-> ")?.trim_ascii_end().split(|byte| *byte == b' ');
    let words: Vec<String> = words.map(|word| String::from_utf8_lossy(word).into_owned()).collect();
    words.first().is_some_and(|kind| !kind.ends_with("-grease")).then_some(words)
}

/// Adds stanzas of its file key to the header of a binary file.
pub(crate) fn with_stanzas(file: &[u8], stanzas: &[Stanza], key: &FileKey) -> Result<Vec<u8>, Error> {
    let truncated = || Error::NotAge("the header is truncated");
    let mac = find(file, b"\n--- ").ok_or_else(truncated)? + 1;
    let payload = mac + find(&file[mac..], b"\n").ok_or_else(truncated)? + 1;
    let mut whole = file[..mac].to_vec();
    for Stanza { tag, args, body } in stanzas {
        whole.extend_from_slice(&stanza::written(tag, args.iter().map(String::as_str), body));
    }
    whole.extend_from_slice(b"---");
    let mac_key = Zeroizing::new(hkdf(&[], b"header", key.expose_secret()));
    let mac = BASE64.encode(keyed(&mac_key, &whole).0);
    whole.push(b' ');
    whole.extend_from_slice(mac.as_bytes());
    whole.push(b'\n');
    whole.extend_from_slice(&file[payload..]);
    Ok(whole)
}

fn find(text: &[u8], mark: &[u8]) -> Option<usize> {
    memchr::memmem::find(text, mark)
}

/// Reads a file, and takes it out of its armor if it has one, line by line. A binary one is read where it is.
pub(crate) fn unarmored(file: &[u8]) -> Box<dyn BufRead + '_> {
    if file.starts_with(BEGIN) { Box::new(ArmoredReader::new(file)) } else { Box::new(file) }
}

const BEGIN: &[u8] = b"-----BEGIN AGE ENCRYPTED FILE-----";
const END: &[u8] = b"-----END AGE ENCRYPTED FILE-----";

/// Returns [`header_hash`] of each age file in these bytes: they are one, or contain armored ones in a text, where
/// each line may be indented and a line break may be written as `\n`, as in JSON and YAML.
pub fn headers(bytes: &[u8]) -> BTreeSet<HeaderHash> {
    each(bytes, header_hash).into_iter().collect()
}

/// Counts the recipients of all these age files. Their identity does not show, but that of ssh-ed25519 keys does: a stanza for one of
/// these second forms, which are recipients in another form as well, is not counted.
pub fn recipients<'a>(bytes: &[u8], second_forms: impl IntoIterator<Item = &'a String>) -> usize {
    let headers = all(bytes);
    let is_there = |form: &&String| {
        let stanza = public_key::tag(form).map(|tag| ["ssh-ed25519".to_owned(), tag]);
        stanza.is_some_and(|stanza| {
            headers.iter().any(|header| header.stanzas.iter().any(|one| one.starts_with(&stanza)))
        })
    };
    let stanzas: usize = headers.iter().map(|header| header.stanzas.len()).sum();
    stanzas.saturating_sub(second_forms.into_iter().filter(is_there).count())
}

/// Reads the header of each age file in these bytes; see [`headers`].
pub(crate) fn all(bytes: &[u8]) -> Vec<Header> {
    each(bytes, header)
}

/// Reads something of each age file in these bytes: they are one, or contain armored ones.
fn each<T>(bytes: &[u8], read: fn(&[u8]) -> Result<T, Error>) -> Vec<T> {
    match is_one(bytes).then(|| read(bytes)) {
        Some(Ok(whole)) => vec![whole],
        Some(Err(_)) | None => armored(bytes).filter_map(|block| read(&block).ok()).collect(),
    }
}

/// Returns whether this is one age file if it is any: binary, or armored with nothing else in the text.
fn is_one(bytes: &[u8]) -> bool {
    let rest = || bytes.starts_with(BEGIN).then(|| find(bytes, END)).flatten().map(|end| &bytes[end + END.len()..]);
    bytes.starts_with(FIRST_LINE) || rest().is_some_and(|rest| rest.trim_ascii().is_empty())
}

/// Finds the armored blocks in a text and gives them plain line breaks.
fn armored(mut rest: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    std::iter::from_fn(move || {
        rest = &rest[find(rest, BEGIN)?..];
        let end = find(rest, END)? + END.len();
        let text = String::from_utf8_lossy(&rest[..end]).replace("\\r", "").replace("\\n", "\n");
        rest = &rest[end..];
        Some(text.lines().flat_map(|line| [line.trim(), "\n"]).collect::<String>().into_bytes())
    })
}
