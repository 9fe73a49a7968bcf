//! A TPM in software, and the age plugin that uses it as if it were the machine's.
//!
//! The plugin takes no TPM but a device. So it sees a pseudo-terminal as `/dev/tpmrm0`, in a mount namespace of its own, and what it writes
//! there goes to `swtpm`.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Result, ensure};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};

use crate::{other_ages, script};

/// A running TPM. It ends with this.
pub struct Tpm {
    swtpm: Child,
    dir: tempfile::TempDir,
    /// Keeps the pseudo-terminal between two plugins.
    _device: File,
}

impl Tpm {
    /// Starts one that is new.
    ///
    /// # Errors
    /// When a program is missing: `cargo xtask setup` installs them.
    pub fn start() -> Result<Self> {
        let plugin = other_ages::program("age-plugin-tpm")?;
        let dir = tempfile::tempdir()?;
        let (host, tpm) = UnixStream::pair()?;
        // It takes no descriptor below 3.
        let line = "exec swtpm socket --tpm2 --tpmstate dir=\"$1\" --fd 3 --flags not-need-init,startup-clear 3<&0 0</dev/null";
        let mut command = Command::new("sh");
        command.args(["-c", line, "sh"]).arg(dir.path()).stdin(Stdio::from(OwnedFd::from(tpm))).stderr(Stdio::null());
        let swtpm = command.spawn()?;
        let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY)?;
        grantpt(&terminal)?;
        unlockpt(&terminal)?;
        let device = ptsname(&terminal, Vec::new())?.into_string()?;
        let open = File::options().read(true).write(true).open(&device)?;
        let mut settings = tcgetattr(&open)?;
        settings.make_raw();
        tcsetattr(&open, OptionalActions::Now, &settings)?;
        script::write(&dir.path().join("age-plugin-tpm"), wrapper(dir.path(), &device, &plugin))?;
        std::thread::spawn(move || carry(File::from(terminal), host));
        Ok(Self { swtpm, dir, _device: open })
    }

    /// Returns the directory of the plugin.
    pub fn plugin(&self) -> &Path {
        self.dir.path()
    }

    /// Generates a key: its identity, and its recipient.
    ///
    /// # Errors
    /// When the plugin fails.
    pub fn generate(&self) -> Result<(String, String)> {
        let output = Command::new(self.dir.path().join("age-plugin-tpm")).arg("--generate").output()?;
        ensure!(output.status.success(), "age-plugin-tpm: {}", String::from_utf8_lossy(&output.stderr));
        let identity = String::from_utf8(output.stdout)?;
        let recipient =
            identity.split_whitespace().find(|word| word.starts_with("age1")).unwrap_or_default().to_owned();
        Ok((identity, recipient))
    }
}

impl Drop for Tpm {
    fn drop(&mut self) {
        let _ = self.swtpm.kill();
        let _ = self.swtpm.wait();
    }
}

/// A program that runs the plugin where the pseudo-terminal is the TPM.
fn wrapper(dir: &Path, device: &str, plugin: &Path) -> String {
    let (dir, plugin) = (dir.join("dev"), plugin.display());
    let dev = dir.display();
    format!(
        "#!/bin/sh\nexec unshare --map-root-user --mount sh -ec 'mkdir -p {dev}\nmount -t tmpfs tmpfs {dev}\n\
         touch {dev}/tpmrm0 {dev}/null\nmount --bind {device} {dev}/tpmrm0\nmount --bind /dev/null {dev}/null\n\
         mount --rbind {dev} /dev\nexec {plugin} \"$@\"' sh \"$@\"\n"
    )
}

/// Carries commands to the TPM and its responses back, until one of both ends.
fn carry(mut terminal: File, mut tpm: UnixStream) {
    loop {
        let Ok(command) = message(&mut terminal) else { return };
        let Ok(response) = tpm.write_all(&command).and_then(|()| message(&mut tpm)) else { return };
        if terminal.write_all(&response).is_err() {
            return;
        }
    }
}

/// Reads a message: its length is at its third byte, in four (TPM 2.0, part 1, section 18).
fn message(from: &mut impl Read) -> std::io::Result<Vec<u8>> {
    let mut message = vec![0; 10];
    from.read_exact(&mut message)?;
    let length = message.get(2..6).and_then(|length| length.try_into().ok()).map_or(0, u32::from_be_bytes);
    message.resize(length.clamp(10, 1 << 16) as usize, 0);
    from.read_exact(message.get_mut(10..).unwrap_or_default())?;
    Ok(message)
}
