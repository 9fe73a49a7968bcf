//! A person at a terminal, in front of the program.

use std::fs::File;
use std::io::{ErrorKind, Read as _, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};

use crate::fleet::through;

/// How long the person waits for anything to be shown.
const PATIENCE: Duration = Duration::from_mins(1);

/// A command at a terminal of its own.
pub struct Desk {
    keyboard: File,
    screen: Receiver<Vec<u8>>,
    shown: String,
    /// What was waited for before ends here.
    seen: usize,
    child: Child,
}

impl Desk {
    /// Starts the command, with the terminal as all its streams and as what it finds at `/dev/tty`.
    ///
    /// # Errors
    /// When there is no terminal to be had, or no `setsid`.
    pub fn start(command: &Command) -> Result<Self> {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        grantpt(&master)?;
        unlockpt(&master)?;
        let tty =
            File::from(ioctl_tiocgptpeer(&master, OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?);
        let mut at_terminal = Command::new("setsid");
        at_terminal.args(["--ctty", "--wait"]);
        let mut at_terminal = through(at_terminal, command);
        let stream = || -> Result<Stdio> { Ok(tty.try_clone()?.into()) };
        let child = at_terminal.stdin(stream()?).stdout(stream()?).stderr(stream()?).spawn().context("setsid")?;
        let (send, screen) = channel();
        let mut output = File::from(master.try_clone()?);
        std::thread::spawn(move || {
            let mut piece = [0; 4096];
            loop {
                match output.read(&mut piece) {
                    Ok(size) if size > 0 && send.send(piece[..size].to_vec()).is_ok() => {}
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    // The last one who had the terminal open is gone.
                    _ => return,
                }
            }
        });
        Ok(Self { keyboard: master.into(), screen, shown: String::new(), seen: 0, child })
    }

    /// Waits until a text is shown that was not waited for before.
    ///
    /// # Errors
    /// When it does not come.
    pub fn sees(&mut self, text: &str) -> Result<&mut Self> {
        loop {
            if let Some(at) = self.shown[self.seen..].find(text) {
                self.seen += at + text.len();
                return Ok(self);
            }
            let Ok(piece) = self.screen.recv_timeout(PATIENCE) else { bail!("no `{text}` in\n{}", self.shown) };
            self.shown.push_str(&String::from_utf8_lossy(&piece));
        }
    }

    /// Types.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn types(&mut self, keys: &str) -> Result<&mut Self> {
        self.keyboard.write_all(keys.as_bytes())?;
        Ok(self)
    }

    /// The exit status, and all that was shown.
    ///
    /// # Errors
    /// When it cannot be waited for.
    pub fn ends(mut self) -> Result<(Option<i32>, String)> {
        let status = self.child.wait()?.code();
        while let Ok(piece) = self.screen.recv_timeout(Duration::from_secs(10)) {
            self.shown.push_str(&String::from_utf8_lossy(&piece));
        }
        Ok((status, std::mem::take(&mut self.shown)))
    }
}
