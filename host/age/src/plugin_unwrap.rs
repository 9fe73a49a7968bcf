//! Decrypting by a plugin: the protocol `identity-v1`.

use std::io;

use age_core::format::{FILE_KEY_BYTES, Stanza};
use artifacts_text::counted;
use zeroize::Zeroizing;

use crate::Prompter;
use crate::plugin::Plugins;
use crate::plugin_process::PluginProcess;

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
    let mut keys: Vec<_> = files.iter().map(|_| None).collect();
    let errors = process.listen(prompter, |process, words, message| {
        let ["file-key", index] = words else { return Ok(false) };
        let slot = index.parse().ok().and_then(|index: usize| keys.get_mut(index));
        let key = <[u8; FILE_KEY_BYTES]>::try_from(message.body.as_slice());
        match (slot, key) {
            (Some(slot @ None), Ok(key)) => {
                *slot = Some(Zeroizing::new(key));
                process.ok(b"")
            }
            _ => process.send("fail", &[], b""),
        }?;
        Ok(true)
    })?;
    Ok(Unwrapping { keys, errors })
}
