//! What every command does that writes slices.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use artifacts_flow::Writers;
use artifacts_store::{Durability, Git, Options};

use crate::args::Global;
use crate::output::Output;
use crate::rooms::Run;

/// Tells git of the new files; that it fails is a warning.
pub fn tell_git(run: &Run, writers: &Writers, output: &Output) {
    let variables = run.environment().variables().iter().cloned().collect();
    if let Err(warning) = writers.add_to_git(&Git { program: "git".into(), env: variables }) {
        output.warning(&warning.to_string(), Some(warning.help()));
    }
}

/// How storages are written in this run.
pub fn options(global: &Global, run: &Run) -> Options {
    let mut options = Options::at(run.now());
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
