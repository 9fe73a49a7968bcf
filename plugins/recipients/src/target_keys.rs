use std::collections::BTreeSet;

use artifacts_backend_sdk::{Failure, Target};

use crate::key;

/// Holds the keys of one target, checked and without comments.
pub struct TargetKeys {
    /// Key of the target itself.
    pub host: Option<String>,
    /// Keys of its admins, or of the Home Manager user.
    pub users: BTreeSet<String>,
}

impl TargetKeys {
    /// Reads the keys of a target's configuration; `convert` turns each key into the recipient to encrypt to, or
    /// reports why it is not one.
    ///
    /// # Errors
    /// Of kind `config`, naming target and field.
    pub fn read(
        target: &Target,
        host: Option<&str>,
        users: &[String],
        convert: impl Fn(String) -> Result<String, Failure>,
    ) -> Result<Self, Failure> {
        let read = |text: &str, field: &str| {
            let place = format!("{} `{}`: `{field}`", target.id.kind, target.id.name);
            let failure = |failure: Failure| Failure { message: format!("{place} {}", failure.message), ..failure };
            key::read(text).and_then(&convert).map_err(failure)
        };
        let host = host.map(|text| read(text, "publicHostKey")).transpose()?;
        let users = users.iter().enumerate().map(|(index, text)| read(text, &format!("publicUserKeys[{index}]")));
        Ok(Self { host, users: users.collect::<Result<_, _>>()? })
    }
}
