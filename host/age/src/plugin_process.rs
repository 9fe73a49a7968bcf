//! A running age plugin: the messages of its protocol, and what it asks a person.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use base64::Engine;
use base64::prelude::BASE64_STANDARD_NO_PAD as BASE64;
use zeroize::Zeroizing;

use crate::plugin::Plugins;
use crate::stanza;
use crate::{PluginRun, Prompter};

/// Longest line of a plugin that is read, in bytes.
const LONGEST_LINE: u64 = 1 << 16;
/// Longest body of one message that is read, in bytes.
const LONGEST_BODY: usize = 1 << 20;

/// Represents a running plugin.
pub(crate) struct PluginProcess {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl PluginProcess {
    /// Starts the program of a plugin for one of the protocols, `identity-v1` or `recipient-v1`. It sees only the environment that it
    /// is given, and has no time limit, since it may wait for a person.
    ///
    /// # Errors
    /// When it is not enabled, is nowhere, or does not start.
    pub fn start(name: &str, protocol: &str, plugins: &Plugins) -> Result<Self, String> {
        if !plugins.allowed.contains(name) {
            return Err("not enabled".to_owned());
        }
        let program = plugins.program(name).ok_or("program not found in PATH")?;
        // The path in the log shows where the program is, and not only by which name it was found.
        let real = program.canonicalize().map_err(|error| error.to_string())?;
        let process = Self::spawn(&program, protocol, plugins).map_err(|error| error.to_string())?;
        plugins.runs.add(PluginRun { plugin: name.to_owned(), program: real });
        Ok(process)
    }

    fn spawn(program: &Path, protocol: &str, plugins: &Plugins) -> std::io::Result<Self> {
        let mut child = plugins
            .command(program)
            .arg(format!("--age-plugin={protocol}"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let none = || std::io::Error::other("it has no standard streams");
        let (input, output) = (child.stdin.take(), child.stdout.take().ok_or_else(none)?);
        Ok(Self { child, input, output: BufReader::new(output) })
    }

    /// Closes its input, so that the plugin can exit by itself, and stops it otherwise.
    pub fn end(&mut self) {
        drop(self.input.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Listens to the plugin until it is done: answers what any plugin may ask, and has `take` answer what only one of its protocols has.
    /// That returns false for what it does not know. Returns the error messages of the plugin, escaped.
    pub fn listen(
        &mut self,
        prompter: &dyn Prompter,
        mut take: impl FnMut(&mut Self, &[&str], &Message) -> std::io::Result<bool>,
    ) -> std::io::Result<Vec<String>> {
        let mut errors = Vec::new();
        loop {
            let message = self.receive()?;
            let words: Vec<&str> = message.words.iter().map(String::as_str).collect();
            match words.as_slice() {
                ["done", ..] => return Ok(errors),
                ["error", ..] => {
                    errors.push(message.text());
                    self.ok(b"")?;
                }
                words if self.converse(words, &message, prompter)? || take(self, words, &message)? => {}
                _ => self.send("unsupported", &[], b"")?,
            }
        }
    }

    /// Answers what any plugin may ask; false for what only one of its protocols has.
    fn converse(&mut self, words: &[&str], message: &Message, prompter: &dyn Prompter) -> std::io::Result<bool> {
        match words {
            ["msg", ..] => {
                prompter.message(&message.text());
                self.ok(b"")
            }
            ["confirm", labels @ ..] => {
                let label =
                    |index: usize| labels.get(index).and_then(|text| BASE64.decode(text).ok()).map(|text| shown(&text));
                let yes = label(0).unwrap_or_else(|| "yes".to_owned());
                match prompter.confirm(&message.text(), &yes, label(1).as_deref()) {
                    Some(true) => self.send("ok", &["yes"], b""),
                    Some(false) => self.send("ok", &["no"], b""),
                    None => self.send("fail", &[], b""),
                }
            }
            ["request-public", ..] => match prompter.text(&message.text()) {
                Some(text) => self.ok(text.as_bytes()),
                None => self.send("fail", &[], b""),
            },
            ["request-secret", ..] => match prompter.passphrase(&message.text()) {
                Some(secret) => self.ok(secret.expose()),
                None => self.send("fail", &[], b""),
            },
            _ => return Ok(false),
        }?;
        Ok(true)
    }

    /// Accepts a message.
    pub fn ok(&mut self, body: &[u8]) -> std::io::Result<()> {
        self.send("ok", &[], body)
    }

    /// Sends a message, which has the form of a stanza.
    pub fn send(&mut self, command: &str, words: &[&str], body: &[u8]) -> std::io::Result<()> {
        let input = self.input.as_mut().ok_or_else(|| std::io::Error::other("it was stopped"))?;
        input.write_all(&stanza::written(command, words.iter().copied(), body))?;
        input.flush()
    }

    fn receive(&mut self) -> std::io::Result<Message> {
        let head = self.line()?;
        let words = head
            .strip_prefix("-> ")
            .ok_or_else(|| std::io::Error::other("it does not implement the age plugin protocol"))?;
        let words = words.split(' ').map(str::to_owned).collect();
        let mut encoded = Zeroizing::new(String::new());
        loop {
            let line = self.line()?;
            encoded.push_str(&line);
            if line.len() < stanza::COLUMNS {
                break;
            }
            if encoded.len() > LONGEST_BODY {
                return Err(std::io::Error::other("message too long"));
            }
        }
        let body = BASE64.decode(encoded.as_bytes()).map_err(|_| std::io::Error::other("it sent a damaged message"))?;
        Ok(Message { words, body: Zeroizing::new(body) })
    }

    fn line(&mut self) -> std::io::Result<Zeroizing<String>> {
        let mut line = Zeroizing::new(String::new());
        (&mut self.output).take(LONGEST_LINE).read_line(&mut line)?;
        if line.pop() != Some('\n') {
            return Err(std::io::Error::other("it exited too early"));
        }
        Ok(line)
    }
}

impl Drop for PluginProcess {
    fn drop(&mut self) {
        self.end();
    }
}

/// Holds a message of a plugin.
pub(crate) struct Message {
    words: Vec<String>,
    pub body: Zeroizing<Vec<u8>>,
}

impl Message {
    /// Returns the text for people, escaped.
    fn text(&self) -> String {
        shown(&self.body)
    }
}

/// Escapes a text for a terminal and shortens it.
fn shown(bytes: &[u8]) -> String {
    let text: String = String::from_utf8_lossy(bytes).chars().take(500).collect();
    artifacts_text::terminal(&text).into_owned()
}
