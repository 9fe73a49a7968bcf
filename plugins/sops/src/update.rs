use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use zeroize::Zeroizing;

use crate::document::Document;
use crate::emit::Parts;
use crate::encrypted_value;
use crate::error::{Error, NewKey};
use crate::form::{DATA, Form};
use crate::key::DataKey;
use crate::leaf::{LeafEncoding, LeafValue, aad};
use crate::mac::Mac;
use crate::metadata::{OtherRecipient, Stanza};
use crate::node::SopsNode;
use crate::text::refused_key;

/// Writes a new file of the given values, in their order, for recipients for whom `seal` encrypts the data key: an
/// armored age file each, in their order. `now` is in seconds since 1970.
///
/// # Errors
/// If the form cannot hold a value or key, or there is no recipient; the errors of `seal`.
pub fn create<E: From<Error>>(
    form: Form,
    key: &DataKey,
    values: &[LeafValue],
    recipients: &[impl AsRef<str>],
    now: i64,
    seal: impl FnOnce(&[u8; 32], &[&str]) -> Result<Vec<String>, E>,
) -> Result<Vec<u8>, E> {
    holdable(form, values)?;
    let stanzas = stanzas(key, recipients, seal)?;
    Ok(assemble(form, key, values, (&stanzas, &[]), now, |_| None)?)
}

/// Writes values of a file again under its own data key, for its recipients of age and more, beside those of other key services: whoever
/// decrypts it still does. No one can encrypt a new data key to the latter here. Under the old one nothing is written that it did not
/// protect before: whoever wrote the file chose it, and its recipients of age can be anyone's choice.
///
/// `key` is the data key of `old`.
///
/// # Errors
/// [`Error::Kept`] where a value is none of `old`, or one of its recipients of age is not among `recipients`; as [`create`], and as
/// [`Document::decrypt`].
pub fn rewrite<E: From<Error>>(
    old: &Document,
    key: &DataKey,
    values: &[LeafValue],
    recipients: &[impl AsRef<str>],
    now: i64,
    seal: impl FnOnce(&[u8; 32], &[&str]) -> Result<Vec<String>, E>,
) -> Result<Vec<u8>, E> {
    stay(old, recipients)?;
    let before = old.decrypt(key)?;
    if values.iter().any(|value| !before.contains(value)) {
        return Err(kept(old, NewKey::Value).into());
    }
    holdable(old.form, values)?;
    let stanzas = stanzas(key, recipients, seal)?;
    Ok(assemble(old.form, key, values, (&stanzas, &old.metadata.other_lists), now, |_| None)?)
}

/// Returns the error of a write that would have to keep a data key and takes a new one.
pub fn kept(old: &Document, why: NewKey) -> Error {
    let others: Vec<String> = old.other_recipients().iter().map(OtherRecipient::to_string).collect();
    Error::Kept { why, others: others.join(", ") }
}

/// Checks that none of a file's recipients of age is missing among these.
///
/// # Errors
/// [`Error::Kept`], which names one that is.
pub fn stay(old: &Document, recipients: &[impl AsRef<str>]) -> Result<(), Error> {
    let is_left = |stanza: &&Stanza| recipients.iter().all(|recipient| recipient.as_ref() != stanza.recipient);
    match old.stanzas().iter().find(is_left) {
        Some(Stanza { recipient, .. }) => Err(kept(old, NewKey::Leaves { recipient: recipient.clone() })),
        None => Ok(()),
    }
}

/// Writes a file again with other values or recipients. What did not change keeps its ciphertext; a recipient that
/// stays keeps its age file. A recipient that is removed knows the old data key, so a new one is drawn then, and
/// everything is encrypted again. The same holds for [`Document::other_recipients`], which are all removed: show them
/// first.
///
/// `key` is the data key of `old`. If nothing changed, it returns the bytes of `old` and does not call `seal`.
///
/// # Errors
/// As [`create`], and as [`Document::decrypt`]: a damaged file is not continued.
pub fn update<E: From<Error>>(
    old: &[u8],
    form: Form,
    key: &DataKey,
    values: &[LeafValue],
    recipients: &[impl AsRef<str>],
    now: i64,
    seal: impl FnOnce(&[u8; 32], &[&str]) -> Result<Vec<String>, E>,
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
    let stored = |recipient: &str| document.stanzas().iter().find(|stanza| stanza.recipient == recipient).cloned();
    let joining: Vec<&str> = recipients.iter().copied().filter(|recipient| stored(recipient).is_none()).collect();
    let mut joining = if joining.is_empty() { Vec::new() } else { stanzas(key, &joining, seal)? }.into_iter();
    let stanzas: Vec<Stanza> =
        recipients.iter().filter_map(|recipient| stored(recipient).or_else(|| joining.next())).collect();
    Ok(assemble(form, key, values, (&stanzas, &[]), now, |value| unchanged(&document, key, value))?)
}

/// Returns the ciphertext of a value that the file already holds at the same place.
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

/// Has the data key encrypted for recipients.
fn stanzas<E: From<Error>>(
    key: &DataKey,
    recipients: &[impl AsRef<str>],
    seal: impl FnOnce(&[u8; 32], &[&str]) -> Result<Vec<String>, E>,
) -> Result<Vec<Stanza>, E> {
    let recipients: Vec<&str> = recipients.iter().map(AsRef::as_ref).collect();
    let sealed = seal(key.expose(), &recipients)?;
    if sealed.len() != recipients.len() {
        let why = format!("asked for {} copies of the data key, got {}", recipients.len(), sealed.len());
        return Err(Error::Seal(why).into());
    }
    let stanza = |(recipient, enc): (&str, String)| Stanza { recipient: recipient.to_owned(), enc };
    Ok(recipients.into_iter().zip(sealed).map(stanza).collect())
}

fn assemble(
    form: Form,
    key: &DataKey,
    values: &[LeafValue],
    (stanzas, others): (&[Stanza], &[(String, SopsNode)]),
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
    Ok(Parts { values: &encrypted, stanzas, others, lastmodified: &lastmodified, mac: &mac }.emit(form))
}

/// Formats whole seconds, in UTC.
fn rfc3339(now: i64) -> Result<String, Error> {
    OffsetDateTime::from_unix_timestamp(now).ok().and_then(|time| time.format(&Rfc3339).ok()).ok_or(Error::Time(now))
}
