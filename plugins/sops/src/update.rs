use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use zeroize::Zeroizing;

use crate::document::Document;
use crate::emit::Parts;
use crate::encrypted_value;
use crate::error::Error;
use crate::form::{DATA, Form};
use crate::key::DataKey;
use crate::leaf::{LeafEncoding, LeafValue, aad};
use crate::mac::Mac;
use crate::metadata::Stanza;
use crate::text::refused_key;

/// Writes a new file of the given values, in their order, for readers to whom `seal` seals the data key: an armored age
/// file each. `now` is in seconds since 1970.
///
/// # Errors
/// A value or key that this form cannot hold; nobody to write for; whatever `seal` gives.
pub fn create<E: From<Error>>(
    form: Form,
    key: &DataKey,
    values: &[LeafValue],
    recipients: &[impl AsRef<str>],
    now: i64,
    mut seal: impl FnMut(&[u8; 32], &str) -> Result<String, E>,
) -> Result<Vec<u8>, E> {
    holdable(form, values)?;
    let stanzas =
        recipients.iter().map(|recipient| stanza(key, recipient.as_ref(), &mut seal)).collect::<Result<Vec<_>, E>>()?;
    Ok(assemble(form, key, values, &stanzas, now, |_| None)?)
}

/// Writes a file again with other values or readers. What did not change keeps its ciphertext; a reader who stays keeps the
/// age file. A reader who goes takes the old data key along, so there is a new one then, and everything is encrypted anew. So it is
/// where there are [`Document::other_recipients`], who all go: show them first.
///
/// `key` is the data key of `old`. Gives `old`'s own bytes back, and asks `seal` nothing, when nothing changed.
///
/// # Errors
/// As [`create`], and as [`Document::decrypt`]: a damaged file is not carried on.
pub fn update<E: From<Error>>(
    old: &[u8],
    form: Form,
    key: &DataKey,
    values: &[LeafValue],
    recipients: &[impl AsRef<str>],
    now: i64,
    mut seal: impl FnMut(&[u8; 32], &str) -> Result<String, E>,
) -> Result<Vec<u8>, E> {
    let document = Document::parse(form, old)?;
    let before = document.decrypt(key)?;
    let recipients: Vec<&str> = recipients.iter().map(AsRef::as_ref).collect();
    let stays = |stanza: &Stanza| recipients.contains(&stanza.recipient.as_str());
    if !document.metadata.others.is_empty() || !document.stanzas().iter().all(stays) {
        return create(form, &DataKey::generate()?, values, &recipients, now, seal);
    }
    if before == values && document.stanzas().len() == recipients.len() {
        return Ok(old.to_vec());
    }
    holdable(form, values)?;
    let kept = |recipient: &str| document.stanzas().iter().find(|stanza| stanza.recipient == recipient).cloned();
    let stanzas = recipients
        .iter()
        .map(|recipient| kept(recipient).map_or_else(|| stanza(key, recipient, &mut seal), Ok))
        .collect::<Result<Vec<_>, E>>()?;
    Ok(assemble(form, key, values, &stanzas, now, |value| unchanged(&document, key, value))?)
}

/// The ciphertext of a value that the file already holds at the same place.
fn unchanged(document: &Document, key: &DataKey, value: &LeafValue) -> Option<String> {
    let leaf = document.leaves.iter().find(|leaf| leaf.path == [value.key.as_str()])?;
    match &leaf.stored {
        LeafEncoding::EncryptedValue(sealed) if leaf.open(key).is_ok_and(|bytes| bytes == value.bytes) => {
            Some(sealed.text.clone())
        }
        _ => None,
    }
}

fn holdable(form: Form, values: &[LeafValue]) -> Result<(), Error> {
    for (index, value) in values.iter().enumerate() {
        let refused = |why| Error::Key { key: value.key.clone(), form, why };
        if form == Form::Binary {
            if value.key != DATA || index > 0 {
                return Err(refused("there is one value, `data`"));
            }
            continue;
        }
        if let Some(why) = refused_key(&value.key) {
            return Err(refused(why));
        }
        if values[..index].iter().any(|other| other.key == value.key) {
            return Err(refused("it is there twice"));
        }
        if std::str::from_utf8(&value.bytes).is_err() {
            return Err(Error::NotText { key: value.key.clone(), form });
        }
    }
    Ok(())
}

fn stanza<E>(
    key: &DataKey,
    recipient: &str,
    seal: &mut impl FnMut(&[u8; 32], &str) -> Result<String, E>,
) -> Result<Stanza, E> {
    Ok(Stanza { recipient: recipient.to_owned(), enc: seal(key.expose(), recipient)? })
}

fn assemble(
    form: Form,
    key: &DataKey,
    values: &[LeafValue],
    stanzas: &[Stanza],
    now: i64,
    kept: impl Fn(&LeafValue) -> Option<String>,
) -> Result<Vec<u8>, Error> {
    if stanzas.is_empty() {
        return Err(Error::Nobody);
    }
    let lastmodified = rfc3339(now)?;
    let mut mac = Mac::new(false);
    let mut encrypted = Vec::with_capacity(values.len());
    for value in values {
        mac.add(&value.bytes);
        let text = match kept(value) {
            Some(text) => text,
            None => encrypted_value::seal(key, &aad(&[&value.key]), &value.bytes)?,
        };
        encrypted.push((value.key.as_str(), text));
    }
    let mac = Zeroizing::new(mac.text());
    let mac = encrypted_value::seal(key, &lastmodified, mac.as_bytes())?;
    Ok(Parts { values: &encrypted, stanzas, lastmodified: &lastmodified, mac: &mac }.emit(form))
}

/// Whole seconds, in UTC.
fn rfc3339(now: i64) -> Result<String, Error> {
    OffsetDateTime::from_unix_timestamp(now).ok().and_then(|time| time.format(&Rfc3339).ok()).ok_or(Error::Time(now))
}
