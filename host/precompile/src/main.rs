//! `artifacts-precompile COMPONENT CODE`: compiles a component for any processor of this architecture, so that a program can be
//! built with the code inside.

use std::process::ExitCode;

use anyhow::{Context as _, bail};
use artifacts_contract::Component;
use artifacts_session::{WorkerStart, precompile};
use artifacts_worker::worker_main;

fn main() -> ExitCode {
    worker_main(|_| None);
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<()> {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let [component, code] = arguments.as_slice() else {
        bail!("expected COMPONENT CODE");
    };
    let bytes = std::fs::read(component).with_context(|| format!("cannot read {}", component.display()))?;
    let compiled = precompile(&Component::read(bytes)?, &WorkerStart::default())?;
    std::fs::write(code, compiled).with_context(|| format!("cannot write {}", code.display()))
}
