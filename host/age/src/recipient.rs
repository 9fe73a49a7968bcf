use age::{ssh, tag, tagpq};
use artifacts_seam::KeyKind;

use crate::Error;
use crate::hybrid::HybridRecipient;
use crate::plugin::PluginRecipient;
use crate::x25519::X25519Recipient;

/// Holds a parsed recipient.
pub(crate) enum Recipient {
    /// One that this program encrypts to itself.
    Native(Box<dyn age::Recipient + Send + Sync>),
    Plugin(PluginRecipient),
}

impl Recipient {
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        if artifacts_text::has_control(text) {
            return Err(none(text, "it has a control character or a line break"));
        }
        if text.to_ascii_uppercase().contains("AGE-SECRET-KEY-") || text.contains("PRIVATE KEY") {
            return Err(Error::PrivateKey);
        }
        // Only what is of none of age's own kinds is a plugin's: by its encoding `age1tag1…` could be that of a plugin `tag`.
        match KeyKind::of(text) {
            KeyKind::X25519 => native::<X25519Recipient>(text),
            KeyKind::Tag => native::<tag::Recipient>(text),
            KeyKind::TagPq => native::<tagpq::Recipient>(text),
            KeyKind::Pq => native::<HybridRecipient>(text),
            KeyKind::SshEd25519 | KeyKind::SshRsa => {
                parse_ssh(text).map(|key| Self::Native(Box::new(key) as Box<dyn age::Recipient + Send + Sync>))
            }
            KeyKind::Plugin => PluginRecipient::parse(text).map(Self::Plugin).map_err(|why| none(text, why)),
            KeyKind::Other => Err(other(text)),
        }
    }
}

fn native<R>(text: &str) -> Result<Recipient, Error>
where
    R: std::str::FromStr<Err = &'static str> + age::Recipient + Send + Sync + 'static,
{
    text.parse::<R>().map(|key| Recipient::Native(Box::new(key))).map_err(|why| none(text, why))
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

/// Says what a text is that is no recipient. SSH keys of other kinds only sign, and their owners want to know what does not.
fn other(text: &str) -> Error {
    let kind = text.split_whitespace().next().unwrap_or_default();
    let hardware = kind.starts_with("sk-");
    if hardware || kind.starts_with("ecdsa-sha2-") {
        return Error::Signs { recipient: shortened(text), hardware };
    }
    none(text, if kind.starts_with("ssh-") { "this kind of SSH key cannot encrypt" } else { "unknown key type" })
}

fn none(text: &str, why: impl Into<String>) -> Error {
    Error::Recipient { recipient: shortened(text), why: why.into() }
}

/// Shortens a text so that it can be found in a configuration, and escapes it for a terminal.
pub(crate) fn shortened(text: &str) -> String {
    const SHOWN: usize = 40;
    let start: String = text.chars().take(SHOWN).collect();
    let more = if start.len() < text.len() { "…" } else { "" };
    format!("{}{more}", start.escape_debug())
}
