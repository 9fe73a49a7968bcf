//! `artifacts-precompile COMPONENT CODE`: compiles a component for any processor of this architecture, so that a program can be
//! built with the code inside.

use std::process::ExitCode;

use artifacts_contract::Component;
use artifacts_session::{WorkerStart, precompile};
use artifacts_worker::worker_main;

fn main() -> ExitCode {
    worker_main();
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let [component, code] = arguments.as_slice() else {
        return Err("expected COMPONENT CODE".into());
    };
    let component = Component::read(std::fs::read(component)?)?;
    Ok(std::fs::write(code, precompile(&component, &WorkerStart::default())?)?)
}
