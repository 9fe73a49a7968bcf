//! What every command does that writes slices.

use std::os::unix::fs::MetadataExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use artifacts_flow::{Tools, Writers};
use artifacts_store::{Durability, Options};
use artifacts_text::Explain;

use crate::args::Global;
use crate::output::Output;
use crate::rooms::Run;

/// Tells git of what was stored; that it fails is a warning.
pub fn tell_git(tools: &Tools, writers: &mut Writers, output: &Output) {
    if writers.is_idle() {
        return;
    }
    for warning in writers.stage(tools) {
        output.warning(&warning.to_string(), warning.hint().as_deref());
    }
    warn_of_root(tools, output);
}

/// What root stores in a checkout of somebody else, they cannot replace.
fn warn_of_root(tools: &Tools, output: &Output) {
    let Ok(root) = tools.root.path().metadata() else { return };
    if rustix::process::geteuid().is_root() && root.uid() != 0 {
        let owner = root.uid();
        output.warning(
            &format!("artifacts runs as root in a checkout of user {owner}: what it stored belongs to root"),
            Some(&format!("run it as that user; until then `chown -R {owner}` the storage")),
        );
    }
}

/// How storages are written in this run.
pub fn options(global: &Global, run: &Run) -> Options {
    let mut options = Options::at(run.now());
    options.trash_record = run.environment().state().map(|state| state.join("trash"));
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
