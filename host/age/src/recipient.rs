use age::{ssh, x25519};

use crate::Error;

/// Holds a parsed recipient.
pub(crate) enum Recipient {
    X25519(x25519::Recipient),
    Ssh(ssh::Recipient),
}

impl Recipient {
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        if artifacts_text::has_control(text) {
            return Err(none(text, "it has a control character or a line break"));
        }
        if text.to_ascii_uppercase().contains("AGE-SECRET-KEY-") || text.contains("PRIVATE KEY") {
            return Err(Error::PrivateKey);
        }
        if let Some(plugin) = plugin(text) {
            return Err(Error::Plugin { recipient: shortened(text), plugin: shortened(plugin) });
        }
        if text.starts_with("age1") {
            text.parse().map(Self::X25519).map_err(|why| none(text, why))
        } else if text.starts_with("ssh-") {
            parse_ssh(text).map(Self::Ssh)
        } else {
            Err(none(text, "unknown key type"))
        }
    }

    pub(crate) fn as_age(&self) -> &dyn age::Recipient {
        match self {
            Self::X25519(key) => key,
            Self::Ssh(key) => key,
        }
    }
}

fn parse_ssh(text: &str) -> Result<ssh::Recipient, Error> {
    use ssh::ParseRecipientKeyError as Why;
    text.parse().map_err(|why| match why {
        Why::Invalid(why) => none(text, why),
        Why::RsaModulusTooSmall => none(text, "its RSA modulus is too small"),
        Why::RsaModulusTooLarge => none(text, "its RSA modulus is too large"),
        _ => none(text, "this kind of SSH key cannot encrypt"),
    })
}

/// Returns the plugin of a recipient, `yubikey` of `age1yubikey1…`. The data part of a Bech32 text has no `1`, so the
/// last one ends the name.
fn plugin(text: &str) -> Option<&str> {
    let (name, _) = text.strip_prefix("age1")?.rsplit_once('1')?;
    Some(name)
}

fn none(text: &str, why: impl Into<String>) -> Error {
    Error::Recipient { recipient: shortened(text), why: why.into() }
}

/// Shortens a text so that it can be found in a configuration, and escapes it for a terminal.
fn shortened(text: &str) -> String {
    const SHOWN: usize = 40;
    let start: String = text.chars().take(SHOWN).collect();
    let more = if start.len() < text.len() { "…" } else { "" };
    format!("{}{more}", start.escape_debug())
}
