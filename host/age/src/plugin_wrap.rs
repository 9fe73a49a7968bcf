//! Encrypting by a plugin: the protocol `recipient-v1`.

use std::collections::BTreeSet;
use std::io;

use age_core::format::{FileKey, Stanza, is_arbitrary_string};
use age_core::secrecy::ExposeSecret as _;

use crate::Prompter;
use crate::plugin::Plugins;
use crate::plugin_process::{Message, PluginProcess};

/// The tag of a passphrase's stanza, next to which age accepts no other (age v1, section "The scrypt recipient type").
const OF_PASSPHRASE: &str = "scrypt";

/// How tags end that no one reads, which age and its plugins add to what they write.
const OF_NO_ONE: &str = "-grease";

/// Holds what a plugin wrapped.
pub(crate) struct Wrapping {
    /// The stanzas of each file key, in their order.
    pub stanzas: Vec<Vec<Stanza>>,
    /// What keeps the recipients apart from others: age mixes only recipients of the same labels.
    pub labels: BTreeSet<String>,
    /// Error messages of the plugin, escaped.
    errors: Vec<String>,
    /// Whether the labels were given.
    labeled: bool,
}

/// Has one plugin wrap many file keys, each to all of these recipients, in one session.
pub(crate) fn wrap(
    name: &str,
    plugins: &Plugins,
    recipients: &[&str],
    keys: &[FileKey],
    prompter: &dyn Prompter,
) -> Result<Wrapping, String> {
    let mut process = PluginProcess::start(name, "recipient-v1", plugins)?;
    let answer = ask(&mut process, recipients, keys, prompter).map_err(|error| error.to_string());
    process.end();
    let answer = answer?;
    if !answer.errors.is_empty() {
        return Err(answer.errors.join(", "));
    }
    // A stanza does not say whose it is, so they are counted.
    let for_someone = |of_file: &Vec<Stanza>| of_file.iter().filter(|one| !one.tag.ends_with(OF_NO_ONE)).count();
    match answer.stanzas.iter().map(for_someone).min() {
        Some(fewest) if fewest < recipients.len() => {
            Err(format!("it encrypted to {fewest} of {} recipients, and did not say why", recipients.len()))
        }
        _ => Ok(answer),
    }
}

fn ask(
    process: &mut PluginProcess,
    recipients: &[&str],
    keys: &[FileKey],
    prompter: &dyn Prompter,
) -> io::Result<Wrapping> {
    for recipient in recipients {
        process.send("add-recipient", &[recipient], b"")?;
    }
    process.send("extension-labels", &[], b"")?;
    for key in keys {
        process.send("wrap-file-key", &[], key.expose_secret())?;
    }
    process.send("done", &[], b"")?;
    let stanzas = keys.iter().map(|_| Vec::new()).collect();
    let mut answer = Wrapping { stanzas, labels: BTreeSet::new(), errors: Vec::new(), labeled: false };
    let errors = process.listen(prompter, |process, words, message| {
        let is_known = answer.take(words, message);
        if is_known {
            process.ok(b"")?;
        }
        Ok(is_known)
    })?;
    answer.errors.extend(errors);
    Ok(answer)
}

impl Wrapping {
    /// Takes a message; false of one that it does not know.
    fn take(&mut self, words: &[&str], message: &Message) -> bool {
        match words {
            ["recipient-stanza", index, tag, args @ ..] => {
                // What would not be read as a stanza is none, and neither is what would make the file unreadable.
                let sound = [tag].into_iter().chain(args).all(is_arbitrary_string) && *tag != OF_PASSPHRASE;
                match index.parse().ok().and_then(|index: usize| self.stanzas.get_mut(index)).filter(|_| sound) {
                    Some(of_file) => {
                        let args = args.iter().map(|arg| (*arg).to_owned()).collect();
                        of_file.push(Stanza { tag: (*tag).to_owned(), args, body: message.body.to_vec() });
                    }
                    None => self.errors.push("it sent a stanza that belongs nowhere".to_owned()),
                }
            }
            ["labels", labels @ ..] => {
                if std::mem::replace(&mut self.labeled, true) {
                    self.errors.push("it gave its labels twice".to_owned());
                }
                self.labels = labels.iter().map(|label| (*label).to_owned()).collect();
            }
            _ => return false,
        }
        true
    }
}
