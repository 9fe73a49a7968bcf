//! A new key: its file, and the line that declares it.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Stdio;

use artifacts_age::{NewKey, Plugins, Sealer};
use artifacts_report::Failure;
use artifacts_seam::Secret;
use artifacts_text::{nix_attribute, terminal};
use serde_json::{Value, json};

use crate::console::Console;
use crate::exit::Exit;
use crate::limited_input;

/// Most that a plugin prints of a new key, in bytes.
const LONGEST: usize = 1 << 16;

/// How plugins are told to generate a key, as far as that is not by `--generate`.
const GENERATE: [(&str, &str); 2] = [("se", "keygen"), ("fido2-hmac", "-g")];

/// Holds a new identity, as a file of it has it, and its recipient.
pub struct GeneratedKey {
    identity: Secret,
    recipient: String,
}

impl GeneratedKey {
    /// Draws a key of age.
    pub fn new(post_quantum: bool) -> Self {
        let key = if post_quantum { NewKey::post_quantum() } else { NewKey::classic() };
        let text = format!("# public key: {}\n{}", key.recipient, key.expose());
        Self { identity: Secret::new(text.into_bytes()), recipient: key.recipient }
    }

    /// Returns the identity with its comments, as a file of it has it.
    pub fn identity(&self) -> &Secret {
        &self.identity
    }

    /// Shows how the key is declared, and the identity where no file has it: there is none, or it was `lost`.
    pub fn show(&self, file: Option<&Path>, lost: Option<Failure>, user: Option<&OsStr>, console: &Console) -> Exit {
        let file = file.filter(|_| lost.is_none());
        let status = if lost.is_some() { Exit::FAILED } else { Exit::DONE };
        let errors: Vec<Failure> = lost.into_iter().collect();
        if console.json() {
            console.object(self.json(file), &errors);
            return status;
        }
        if file.is_none() {
            console.line(&self.expose());
        }
        console.message(&self.declared(user));
        console.failures(&errors);
        status
    }

    /// Returns the identity as a text.
    fn expose(&self) -> String {
        String::from_utf8_lossy(self.identity.expose()).into_owned()
    }

    /// Returns what a person has to know: the recipient, and how it is declared. `user` is whose it is, if that is known.
    fn declared(&self, user: Option<&OsStr>) -> String {
        let name = user.and_then(OsStr::to_str).filter(|name| nix_attribute(name) == *name).unwrap_or("NAME");
        let recipient = &self.recipient;
        format!("to declare it as an admin's: artifacts.recipients.{name} = \"{recipient}\";")
    }

    /// Returns the same for a program. The identity is in it where no file has it.
    fn json(&self, file: Option<&Path>) -> Value {
        match file {
            Some(file) => json!({"recipient": self.recipient, "file": file.display().to_string()}),
            None => json!({"recipient": self.recipient, "identity": self.expose()}),
        }
    }
}

/// Describes a key that an age plugin generates.
pub struct HardwareKey<'a> {
    /// Name of the plugin.
    pub name: &'a str,
    /// Arguments for it; where there are none, those that generate a key.
    pub arguments: &'a [String],
}

impl HardwareKey<'_> {
    /// Runs the plugin, which may ask the person, and takes what it prints. It sees what a plugin sees that decrypts.
    pub fn generate(&self, plugins: &Plugins) -> Result<GeneratedKey, Failure> {
        let subject = format!("age-plugin-{}", terminal(self.name));
        let failure = |why: String| Failure::new(subject.clone(), why);
        let program = plugins.program(self.name).ok_or_else(|| {
            let hint = "install the plugin; programs of the repository are not run for keys";
            failure("program not found in PATH".to_owned()).hint(Some(hint))
        })?;
        let own = GENERATE.iter().find(|(name, _)| *name == self.name).map_or("--generate", |(_, argument)| argument);
        let mut command = plugins.command(&program);
        if self.arguments.is_empty() {
            command.arg(own);
        }
        command.args(self.arguments);
        let failed = |error: std::io::Error| failure(format!("cannot run {}: {error}", program.display()));
        let mut child = command.stdout(Stdio::piped()).spawn().map_err(failed)?;
        let printed = child.stdout.take().map(|output| limited_input::read_from(output, LONGEST));
        if !matches!(printed, Some(Ok(_))) {
            let _ = child.kill();
        }
        let status = child.wait().map_err(failed)?;
        if !status.success() {
            return Err(failure(format!("it generated no key: {status}")));
        }
        let printed = printed.transpose().map_err(failed)?;
        let hint = "pass its own arguments after `--`, or run it yourself and declare the recipient that it prints";
        printed
            .as_ref()
            .and_then(generated)
            .ok_or_else(|| failure("it printed no identity with its recipient".to_owned()).hint(Some(hint)))
    }
}

/// Finds the recipient in what a plugin printed; none where it printed no identity.
fn generated(printed: &Secret) -> Option<GeneratedKey> {
    let text = std::str::from_utf8(printed.expose()).ok()?;
    text.lines().find(|line| line.trim_start().to_ascii_uppercase().starts_with("AGE-PLUGIN-"))?;
    let mut sealer = Sealer::default();
    let is_recipient = |word: &&str| word.starts_with("age1") && sealer.accepts(word).is_ok();
    let recipient = text.split(|char: char| char.is_whitespace() || "\"'`,;".contains(char)).find(is_recipient)?;
    let recipient = recipient.to_owned();
    let identity = Secret::new(text.trim_end().as_bytes().to_vec());
    Some(GeneratedKey { identity, recipient })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_line_that_declares_a_key_is_nix() {
        let key = GeneratedKey::new(true);
        for (user, name) in [(Some("alice"), "alice"), (Some("1x"), "NAME"), (Some("a b"), "NAME"), (None, "NAME")] {
            let line = key.declared(user.map(OsStr::new));
            assert!(line.ends_with(&format!("artifacts.recipients.{name} = \"{}\";", key.recipient)), "{line}");
        }
        assert!(key.recipient.starts_with("age1pq1") && key.expose().contains("\nAGE-SECRET-KEY-PQ-1"));
    }

    #[test]
    fn what_a_plugin_prints_is_a_key_only_with_its_recipient() {
        let found = |text: &str| generated(&Secret::new(text.as_bytes().to_vec())).map(|key| key.recipient);
        let (recipient, identity) = ("age1tester1wg5z3tth", "AGE-PLUGIN-TESTER-1D9JQRC6AX0");
        assert_eq!(found(&format!("#  Recipient: {recipient}\n{identity}\n")).as_deref(), Some(recipient));
        assert_eq!(found(&format!("{identity}\n# {recipient}x")), None);
        assert_eq!(found(&format!("# {recipient}\n")), None);
    }
}
