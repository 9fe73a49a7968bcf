//! Decrypting by a plugin: the protocol `identity-v1`.

use std::io;

use age_core::format::{FILE_KEY_BYTES, Stanza};
use artifacts_text::counted;
use zeroize::Zeroizing;

use crate::Prompter;
use crate::plugin::Plugins;
use crate::plugin_process::{Message, PluginProcess};

/// Holds the result of a plugin for several files.
pub(crate) struct Unwrapping {
    /// File keys, in the order of the files.
    pub keys: Vec<Option<Zeroizing<[u8; FILE_KEY_BYTES]>>>,
    /// Error messages of the plugin, escaped.
    pub errors: Vec<String>,
}

/// Asks one plugin for the keys of several files in one session, so that it asks for a PIN or a touch once.
pub(crate) fn unwrap(
    name: &str,
    plugins: &Plugins,
    identities: &[&str],
    files: &[&[Stanza]],
    prompter: &dyn Prompter,
) -> Result<Unwrapping, String> {
    let mut process = PluginProcess::start(name, "identity-v1", plugins)?;
    let count = counted(files.len(), "file");
    prompter.message(&format!("age-plugin-{name} decrypts {count}; it may wait for a PIN or a touch"));
    let answer = ask(&mut process, identities, files, prompter).map_err(|error| error.to_string());
    process.end();
    answer
}

fn ask(
    process: &mut PluginProcess,
    identities: &[&str],
    files: &[&[Stanza]],
    prompter: &dyn Prompter,
) -> io::Result<Unwrapping> {
    for identity in identities {
        process.send("add-identity", &[identity], b"")?;
    }
    for (index, stanzas) in files.iter().enumerate() {
        for stanza in *stanzas {
            let index = index.to_string();
            let words: Vec<&str> =
                [index.as_str(), &stanza.tag].into_iter().chain(stanza.args.iter().map(String::as_str)).collect();
            process.send("recipient-stanza", &words, &stanza.body)?;
        }
    }
    process.send("done", &[], b"")?;
    let mut answer = Unwrapping { keys: files.iter().map(|_| None).collect(), errors: Vec::new() };
    loop {
        let message = process.receive()?;
        if message.words.first().is_some_and(|word| word == "done") {
            return Ok(answer);
        }
        if !process.converse(&message, prompter)? {
            answer.take(&message, process)?;
        }
    }
}

impl Unwrapping {
    fn take(&mut self, message: &Message, process: &mut PluginProcess) -> io::Result<()> {
        let words: Vec<&str> = message.words.iter().map(String::as_str).collect();
        match words.as_slice() {
            ["file-key", index] => {
                let slot = index.parse().ok().and_then(|index: usize| self.keys.get_mut(index));
                let key = <[u8; FILE_KEY_BYTES]>::try_from(message.body.as_slice());
                match (slot, key) {
                    (Some(slot @ None), Ok(key)) => {
                        *slot = Some(Zeroizing::new(key));
                        process.ok(b"")
                    }
                    _ => process.send("fail", &[], b""),
                }
            }
            ["error", ..] => {
                self.errors.push(message.text());
                process.ok(b"")
            }
            _ => process.send("unsupported", &[], b""),
        }
    }
}
