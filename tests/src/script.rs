//! Programs that a test writes and runs.

use std::io::{self, Write};
use std::path::Path;
use std::process::{Command, Stdio};

/// Writes a file that can be run at once, in place of what was there.
///
/// Another process writes it. Had this one the file open for writing, then so would, for a moment, whatever another thread's
/// test starts, and running the file would fail: "Text file busy".
///
/// # Errors
/// When it cannot be written.
pub fn write(path: &Path, text: impl AsRef<[u8]>) -> io::Result<()> {
    let mut install =
        Command::new("install").args(["-m", "0755", "/dev/stdin"]).arg(path).stdin(Stdio::piped()).spawn()?;
    let written = install.stdin.take().map_or(Ok(()), |mut stdin| stdin.write_all(text.as_ref()));
    let status = install.wait()?;
    written?;
    if status.success() { Ok(()) } else { Err(io::Error::other(format!("install: {status}: {}", path.display()))) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[test]
    fn what_was_written_runs_while_others_start_processes() {
        let dir = tempfile::tempdir().unwrap();
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    while !done.load(Ordering::Relaxed) {
                        Command::new("true").status().unwrap();
                    }
                });
            }
            for number in 0..200 {
                let program = dir.path().join("program");
                write(&program, format!("#!/bin/sh\nexit {}\n", number % 7)).unwrap();
                let status = Command::new(&program).status();
                if !status.as_ref().is_ok_and(|status| status.code() == Some(number % 7)) {
                    done.store(true, Ordering::Relaxed);
                    panic!("{status:?}");
                }
            }
            done.store(true, Ordering::Relaxed);
        });
    }
}
