//! How storages are written.

use std::os::unix::fs::MetadataExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use artifacts_store::{Durability, Root, WriterOptions};

use crate::environment::Environment;
use crate::global::Global;

/// Returns the user whose checkout it is, if root runs this in another user's: what root stores there, they cannot replace.
pub fn foreign_owner(root: &Root) -> Option<u32> {
    let owner = root.path().metadata().ok()?.uid();
    (rustix::process::geteuid().is_root() && owner != 0).then_some(owner)
}

/// Returns how storages are written in this run.
pub fn options(global: &Global, now: SystemTime, environment: &Environment) -> WriterOptions {
    let mut options = WriterOptions::at(now);
    options.trash_record = environment.state().map(|state| state.join("trash"));
    options.command = Some(global.invocation.command.clone()).filter(|command| !command.is_empty());
    if global.no_sync {
        options.durability = Durability::NoSync;
    }
    if let Some(at) = global.crash_at {
        let count = AtomicU64::new(0);
        options.hooks.step = Arc::new(move |_| {
            if count.fetch_add(1, Ordering::Relaxed) + 1 == at {
                let me = rustix::process::getpid();
                let _ = rustix::process::kill_process(me, rustix::process::Signal::KILL);
            }
            Ok(())
        });
    }
    options
}
