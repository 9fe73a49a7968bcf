use crate::Failure;
use crate::bindings::artifacts::backend::age;
use crate::{Form, OpenError, Secret};

/// Has the host encrypt the given secret of a file with age, for all recipients that [`crate::Backend::recipients`] gave for the file.
/// Only while serializing, and only under the name of its own file: anything else ends the call.
///
/// # Errors
/// When a recipient is none, or its plugin fails.
pub fn seal(file: &str, value: &Secret, form: Form) -> Result<Vec<u8>, Failure> {
    age::seal(&[file.to_owned()], value, form)
}

/// Has the host encrypt a key of the backend's own with age, an age file for each of these recipients of the files that it is for, which
/// have the same recipients. Returns them in this order. An ssh-ed25519 key is also the age recipient that it is converted to. Only while
/// serializing, with the grant `plaintext`.
///
/// # Errors
/// When a recipient is none, or its plugin fails.
pub fn seal_key(files: &[String], key: &[u8], recipients: &[&str], form: Form) -> Result<Vec<Vec<u8>>, Failure> {
    let recipients: Vec<String> = recipients.iter().map(ToString::to_string).collect();
    age::seal_each(files, &Secret::new(key), &recipients, form)
}

/// Lets the host decrypt an age file that it encrypted for this very entry. While retrieving, with the grant `identities`; while
/// serializing, what it decrypted when the entry was read to be written again, with the grant `plaintext` as well. Otherwise it ends
/// the call.
///
/// # Errors
/// [`OpenError::NoIdentity`] if no identity matches; of kind `corrupt` if the file is damaged.
pub fn open(file: &[u8]) -> Result<Secret, OpenError> {
    age::open(file)
}
