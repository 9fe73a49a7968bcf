//! Starting processes from one thread that lives as long as the program: "dies with its parent" means that thread.

use std::io;
use std::process::{Child, Command};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, OnceLock};
use std::thread;

struct SpawnRequest {
    command: Command,
    child: Sender<io::Result<Child>>,
}

static SPAWNER: OnceLock<Mutex<Sender<SpawnRequest>>> = OnceLock::new();

/// Starts the command.
pub(crate) fn spawn(command: Command) -> io::Result<Child> {
    let gone = || io::Error::other("no thread starts processes");
    let spawner = SPAWNER.get_or_init(|| {
        let (requests, inbox) = channel::<SpawnRequest>();
        thread::spawn(move || {
            for SpawnRequest { mut command, child } in inbox {
                let _ = child.send(command.spawn());
            }
        });
        Mutex::new(requests)
    });
    let (child, started) = channel();
    spawner.lock().map_err(|_| gone())?.send(SpawnRequest { command, child }).map_err(|_| gone())?;
    started.recv().map_err(|_| gone())?
}
