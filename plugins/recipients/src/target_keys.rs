use std::collections::BTreeSet;

use artifacts_backend_sdk::{Failure, Target};

use crate::key;

/// The keys of one target, checked and without comments.
pub struct TargetKeys {
    /// The target's own.
    pub host: Option<String>,
    /// Of its admins, or of the Home Manager user.
    pub users: BTreeSet<String>,
}

impl TargetKeys {
    /// Of what a target's configuration says; `convert` makes of each key the recipient to seal to, or says why it is none.
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
            let place = format!("{} `{}`: `{field}`", target.kind, target.name);
            let failure = |failure: Failure| Failure { message: format!("{place} {}", failure.message), ..failure };
            key::read(text).and_then(&convert).map_err(failure)
        };
        let host = host.map(|text| read(text, "publicHostKey")).transpose()?;
        let users = users.iter().enumerate().map(|(index, text)| read(text, &format!("publicUserKeys[{index}]")));
        Ok(Self { host, users: users.collect::<Result<_, _>>()? })
    }
}
