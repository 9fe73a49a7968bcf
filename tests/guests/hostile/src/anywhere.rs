use std::hint::black_box;
use std::io::{Read, Write};
use std::time::Duration;

use crate::bindings::artifacts::backend::log::{Level, log};
use crate::bindings::artifacts::backend::secrets::Secret;
use crate::{Failure, Plan, escape, failure};

/// Clears a terminal, sets its title, starts a line over, and hides the order of letters.
const CONTROL: &str = "\u{1b}[2J\u{1b}]0;owned\u{7}\rgone\r\nforged: all is well\u{8}\u{202e}txt\u{0}\u{9b}31m";

/// What any operation may do wrong.
///
/// # Errors
/// As the behaviour has it.
pub fn run(plan: &Plan) -> Result<(), Failure> {
    match plan.mode.as_str() {
        "" => {}
        "spin" => loop {
            black_box(0);
        },
        "recurse" => return Err(failure("escaped", &recurse(0).to_string())),
        "memory" => return Err(failure("escaped", &format!("{} MiB of memory", memory()))),
        "trap" => trap(),
        "out-of-bounds" => return Err(failure("escaped", &out_of_bounds().to_string())),
        "exit" => std::process::exit(3),
        "exit-well" => std::process::exit(0),
        "panic" => panic!("{}", plan.text),
        "sleep" => std::thread::sleep(Duration::from_hours(1)),
        "stdin" => return stdin(),
        "fail" => return Err(failure("config", "this backend says no")),
        "fail-as" => return Err(failure(&plan.text, "of a kind that the test names")),
        "fail-huge" => return Err(failure(&"kind".repeat(1 << 20), &"message".repeat(1 << 20))),
        "fail-control" => return Err(failure(CONTROL, CONTROL)),
        "log-flood" => (0..100_000).for_each(|_| log(Level::Info, "again")),
        "log-huge" => log(Level::Error, &"word ".repeat(2 << 20)),
        "log-control" => log(Level::Warn, CONTROL),
        "print-flood" => print(&"line\n".repeat(2 << 20)),
        "print-control" => print(CONTROL),
        "probe" => probe(&plan.text),
        "list" => drop(std::fs::read_dir("/entry")?.collect::<Result<Vec<_>, _>>()?),
        "many-secrets" => {
            let kept: Vec<Secret> = (0..1_000_000).map(|_| Secret::new(b"x")).collect();
            black_box(&kept);
        }
        "big-secret" => {
            black_box(Secret::new(&vec![0; 256 << 20]).size());
        }
        _ => return escape::run(plan),
    }
    Ok(())
}

/// So many places outside, each twice.
fn probe(places: &str) {
    for place in 0..places.parse().unwrap_or(0) {
        for _ in 0..2 {
            let _ = std::fs::File::open(format!("/entry/../{place}"));
        }
    }
}

fn recurse(depth: u64) -> u64 {
    let frame = black_box([depth; 64]);
    if depth == u64::MAX { 0 } else { recurse(depth + 1) + frame[3] }
}

/// Four gibibytes and then some.
fn memory() -> usize {
    let mut held = Vec::new();
    for _ in 0..5_000 {
        held.push(black_box(vec![1_u8; 1 << 20]));
    }
    held.len()
}

fn trap() {
    #[cfg(target_arch = "wasm32")]
    core::arch::wasm32::unreachable();
}

#[allow(unsafe_code)]
fn out_of_bounds() -> u8 {
    // SAFETY: none. The address is beyond the memory on purpose; WebAssembly traps.
    unsafe { std::ptr::read_volatile(0xfff0_0000 as *const u8) }
}

fn stdin() -> Result<(), Failure> {
    let mut text = Vec::new();
    match std::io::stdin().read_to_end(&mut text) {
        Ok(0) | Err(_) => Ok(()),
        Ok(bytes) => Err(failure("escaped", &format!("{bytes} bytes of standard input"))),
    }
}

/// To both streams; a closed or full one is no matter.
fn print(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
    let _ = std::io::stderr().write_all(text.as_bytes());
}
