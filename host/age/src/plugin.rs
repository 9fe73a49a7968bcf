use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use age_core::format::{FILE_KEY_BYTES, Stanza};
use base64::Engine;
use base64::prelude::BASE64_STANDARD_NO_PAD as BASE64;
use zeroize::Zeroizing;

use crate::Prompter;

/// Longest line of a plugin that is read, in bytes.
const LONGEST_LINE: u64 = 1 << 16;
/// Longest body of one message that is read, in bytes.
const LONGEST_BODY: usize = 1 << 20;
/// Column at which age wraps bodies (age v1, section "Header").
const COLUMNS: usize = 64;

/// Describes which plugins may run, and how.
#[derive(Debug, Clone, Default)]
pub struct Plugins {
    /// Names of the allowed plugins, `yubikey` for `age-plugin-yubikey`.
    pub allowed: BTreeSet<String>,
    /// Directories where their programs are looked for, in order.
    pub dirs: Vec<PathBuf>,
    /// Complete environment of the plugins.
    pub environment: Vec<(OsString, OsString)>,
}

impl Plugins {
    fn program(&self, name: &str) -> Option<PathBuf> {
        let file = format!("age-plugin-{name}");
        self.dirs.iter().map(|dir| dir.join(&file)).find(|program| program.is_file())
    }
}

/// Holds an identity that a plugin understands.
pub(crate) struct PluginIdentity {
    pub plugin: String,
    pub text: Zeroizing<String>,
}

/// Reads `AGE-PLUGIN-NAME-1…`.
pub(crate) fn parse(line: &str) -> Option<PluginIdentity> {
    let (hrp, _) = bech32::decode(line).ok()?;
    let name = hrp.to_lowercase();
    let name = name.strip_prefix("age-plugin-")?.strip_suffix('-')?;
    let clean = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'+' | b'.');
    let plain = !name.is_empty() && !name.starts_with('.') && name.bytes().all(clean);
    plain.then(|| PluginIdentity { plugin: name.to_owned(), text: Zeroizing::new(line.to_owned()) })
}

/// Returns the plugins of these identities, each once, in order.
pub(crate) fn names(identities: &[PluginIdentity]) -> Vec<&str> {
    let mut seen = BTreeSet::new();
    identities.iter().map(|identity| identity.plugin.as_str()).filter(|name| seen.insert(*name)).collect()
}

/// Holds the result of a plugin for several files.
pub(crate) struct PluginOutcome {
    /// File keys, in the order of the files.
    pub keys: Vec<Option<Zeroizing<[u8; FILE_KEY_BYTES]>>>,
    /// Error messages of the plugin, escaped.
    pub errors: Vec<String>,
}

/// Asks one plugin for the keys of several files in one session, so that it asks for a PIN or a touch once. There is
/// no time limit, since it may wait for a person. It sees only the environment that it is given.
pub(crate) fn unwrap(
    name: &str,
    plugins: &Plugins,
    identities: &[&str],
    files: &[&[Stanza]],
    prompter: &dyn Prompter,
) -> Result<PluginOutcome, String> {
    if !plugins.allowed.contains(name) {
        return Err("not enabled".to_owned());
    }
    let program = plugins.program(name).ok_or("program not found in PATH")?;
    let mut session = PluginProcess::start(program, plugins).map_err(|error| error.to_string())?;
    let answer = session.run(identities, files, prompter).map_err(|error| error.to_string());
    session.end();
    answer
}

/// Represents a running plugin.
struct PluginProcess {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl PluginProcess {
    fn start(program: PathBuf, plugins: &Plugins) -> std::io::Result<Self> {
        let mut child = Command::new(program)
            .arg("--age-plugin=identity-v1")
            .env_clear()
            .envs(plugins.environment.iter().map(|(name, value)| (name, value)))
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let none = || std::io::Error::other("it has no standard streams");
        let (input, output) = (child.stdin.take(), child.stdout.take().ok_or_else(none)?);
        Ok(Self { child, input, output: BufReader::new(output) })
    }

    /// Closes its input, so that the plugin can exit by itself, and stops it otherwise.
    fn end(&mut self) {
        drop(self.input.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    fn run(
        &mut self,
        identities: &[&str],
        files: &[&[Stanza]],
        prompter: &dyn Prompter,
    ) -> std::io::Result<PluginOutcome> {
        for identity in identities {
            self.send("add-identity", &[identity], b"")?;
        }
        for (index, stanzas) in files.iter().enumerate() {
            for stanza in *stanzas {
                let index = index.to_string();
                let words: Vec<&str> =
                    [index.as_str(), &stanza.tag].into_iter().chain(stanza.args.iter().map(String::as_str)).collect();
                self.send("recipient-stanza", &words, &stanza.body)?;
            }
        }
        self.send("done", &[], b"")?;
        let mut answer = PluginOutcome { keys: files.iter().map(|_| None).collect(), errors: Vec::new() };
        loop {
            let message = self.receive()?;
            if message.words.first().is_some_and(|word| word == "done") {
                return Ok(answer);
            }
            self.reply(&message, &mut answer, prompter)?;
        }
    }

    fn reply(&mut self, message: &Message, answer: &mut PluginOutcome, prompter: &dyn Prompter) -> std::io::Result<()> {
        let words: Vec<&str> = message.words.iter().map(String::as_str).collect();
        match words.as_slice() {
            ["msg", ..] => {
                prompter.message(&message.text());
                self.send("ok", &[], b"")
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
                Some(text) => self.send("ok", &[], text.as_bytes()),
                None => self.send("fail", &[], b""),
            },
            ["request-secret", ..] => match prompter.passphrase(&message.text()) {
                Some(secret) => self.send("ok", &[], secret.expose()),
                None => self.send("fail", &[], b""),
            },
            ["file-key", index] => {
                let slot = index.parse().ok().and_then(|index: usize| answer.keys.get_mut(index));
                let key = <[u8; FILE_KEY_BYTES]>::try_from(message.body.as_slice());
                match (slot, key) {
                    (Some(slot @ None), Ok(key)) => {
                        *slot = Some(Zeroizing::new(key));
                        self.send("ok", &[], b"")
                    }
                    _ => self.send("fail", &[], b""),
                }
            }
            ["error", ..] => {
                answer.errors.push(message.text());
                self.send("ok", &[], b"")
            }
            _ => self.send("unsupported", &[], b""),
        }
    }

    /// Sends a message in age's form: a line of words, then the body in base64, whose last line is shorter than the
    /// others.
    fn send(&mut self, command: &str, words: &[&str], body: &[u8]) -> std::io::Result<()> {
        let mut text = Zeroizing::new(format!("-> {command}"));
        for word in words {
            text.push(' ');
            text.push_str(word);
        }
        text.push('\n');
        let encoded = Zeroizing::new(BASE64.encode(body));
        let mut rest = encoded.as_str();
        while rest.len() >= COLUMNS {
            let (line, after) = rest.split_at(COLUMNS);
            text.push_str(line);
            text.push('\n');
            rest = after;
        }
        text.push_str(rest);
        text.push('\n');
        let input = self.input.as_mut().ok_or_else(|| std::io::Error::other("it was stopped"))?;
        input.write_all(text.as_bytes())?;
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
            if line.len() < COLUMNS {
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
struct Message {
    words: Vec<String>,
    body: Zeroizing<Vec<u8>>,
}

impl Message {
    fn text(&self) -> String {
        shown(&self.body)
    }
}

/// Escapes a text for a terminal and shortens it.
fn shown(bytes: &[u8]) -> String {
    let text: String = String::from_utf8_lossy(bytes).chars().take(500).collect();
    artifacts_text::terminal(&text).into_owned()
}
