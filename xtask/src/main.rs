//! The project's own tasks: `cargo xtask TASK`.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod aarch64;
mod bench;
mod build;
mod c_guest;
mod cold;
mod composed;
mod demo;
mod guests;
mod npm;
mod other_ages;
mod other_guests;
mod other_nixes;
mod setup;
mod stages;
mod tally;
mod template;
mod test;
mod wasm;

use std::process::ExitCode;

use build::Profile;
use xtask::{apt, project, python, run, sops};

const USAGE: &str = "\
cargo xtask TASK

  build    the complete program: target/release/artifacts with its backends inside. `build --quick` makes that of the
           demo and the tests: target/debug/artifacts, soon compiled
  guests   only the components: target/plugins and target/guests. `other-guests` makes those in Python and JavaScript, with the
           program of `build --quick`
  test     everything that is checked; the last line counts. `test --no-run` compiles it only
  other-nixes
           of that, what runs under newer versions of Nix; with the program of `build --quick`
  demo     the main job from a flake to files that age decrypts
  bench    the figures; `bench ROW…` measures some rows only. `bench --quick` counts calls, system calls and instructions, with
           the program of `build --quick`; `test` does so as well
  cold     what the demo costs from a clean clone; `cold REVISION` compares it with that of another revision
  aarch64  the worker's tests on the other architecture, emulated; takes an hour, and is no part of `test`
  setup    only what the others need: installs it where that is possible, says what is missing elsewhere";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let task = arguments.next().unwrap_or_default();
    let rest: Vec<String> = arguments.collect();
    let result = match task.as_str() {
        "build" => build::run(if rest == ["--quick"] { Profile::Quick } else { Profile::Release }).map(done),
        "guests" => guests::run().map(done),
        "other-guests" => other_guests::build().map(done),
        "c-guest" => setup::ready().and_then(|ready| c_guest::build(&ready.wasm)).map(done),
        "test" => Ok(test::run(rest == ["--no-run"])),
        "other-nixes" => other_nixes::run().map(done),
        "demo" => demo::run().map(done),
        "bench" if rest == ["--quick"] => bench::quick().map(done),
        "bench" => bench::run(&rest).map(done),
        "cold" => cold::run(rest.first().map(String::as_str)).map(done),
        word if cold::is_compiler(word) => cold::record(word, &rest),
        "aarch64" => aarch64::run().map(done),
        "setup" => setup::run()
            .and_then(|()| sops::ready())
            .and_then(|()| other_ages::ready())
            .and_then(|()| other_nixes::ready())
            .map(done),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(status) => status,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn done<T>(_: T) -> ExitCode {
    ExitCode::SUCCESS
}
