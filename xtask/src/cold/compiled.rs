//! What the compiler was run for: written down by a wrapper around it, and counted.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};

use super::cpu;
use crate::run;

/// Compiled code that is asked for twice has the same line twice; features are not in it.
#[derive(Default)]
pub struct Compiled(BTreeMap<String, Vec<f64>>);

/// Names the variable that holds the path of the log.
pub const LOG: &str = "XTASK_COMPILED";

/// Whether cargo calls this program as its `RUSTC_WRAPPER`: the first argument is then a compiler, and no task.
pub fn is_compiler(word: &str) -> bool {
    let name = Path::new(word).file_name().and_then(|name| name.to_str()).unwrap_or_default();
    word.contains('/') || name == "rustc" || name == "clippy-driver"
}

/// Runs a compiler, and appends to a log what it compiled and the CPU time that it took: `SECONDS WHAT` in a line.
///
/// # Errors
/// When it cannot be run, or the log is not named or cannot be written.
pub fn record(rustc: &str, arguments: &[String]) -> Result<ExitCode> {
    let log = std::env::var_os(LOG).with_context(|| format!("{LOG} is not set; only `cargo xtask cold` calls this"))?;
    let status = run::command(rustc).args(arguments).stdin(std::process::Stdio::inherit()).status().context("rustc")?;
    if let Some(what) = what(rustc, arguments) {
        let package = |name| std::env::var(format!("CARGO_PKG_{name}")).unwrap_or_default();
        let line = format!("{:.2} {} {} {what}\n", cpu::of_children()?, package("NAME"), package("VERSION"));
        OpenOptions::new().create(true).append(true).open(log)?.write_all(line.as_bytes())?;
    }
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from))
}

/// The unit that is compiled, without what tells two compilations of the same unit apart.
fn what(rustc: &str, arguments: &[String]) -> Option<String> {
    let after = |name: &str| {
        let at = arguments.iter().position(|argument| argument == name)?;
        arguments.get(at + 1).map(String::as_str)
    };
    let joined = |name: &str| arguments.iter().find_map(|argument| argument.strip_prefix(name));
    let name = after("--crate-name").filter(|name| *name != "___")?;
    let optimized = joined("opt-level=").unwrap_or("0");
    let kind =
        after("--crate-type").unwrap_or(if arguments.iter().any(|one| one == "--test") { "test" } else { "bin" });
    let mode = if joined("--emit=").is_some_and(|emit| emit.contains("link")) { "build" } else { "check" };
    let target = after("--target").unwrap_or("-");
    Some(format!("{name} {kind} {mode} opt-level={optimized} {target} {rustc}"))
}

impl Compiled {
    /// Reads a log.
    ///
    /// # Errors
    /// When there is none.
    pub fn read(log: &Path) -> Result<Self> {
        let text = fs::read_to_string(log).with_context(|| format!("nothing was compiled: {}", log.display()))?;
        Ok(Self::of(&text))
    }

    fn of(log: &str) -> Self {
        let mut compiled = Self::default();
        for line in log.lines() {
            let Some((seconds, what)) = line.split_once(' ') else { continue };
            compiled.0.entry(what.to_owned()).or_default().push(seconds.parse().unwrap_or_default());
        }
        compiled
    }

    /// Seconds of all compilers.
    pub fn cpu(&self) -> f64 {
        self.0.values().flatten().sum()
    }

    /// Seconds of compilers that checked and wrote no code: for lints and documentation.
    pub fn of_checks(&self) -> f64 {
        // Behind the package, its version, the crate and its kind.
        let is_check = |what: &str| what.split(' ').nth(4) == Some("check");
        self.0.iter().filter(|(what, _)| is_check(what)).flat_map(|(_, took)| took).sum()
    }

    /// What took longest, and what was compiled twice.
    pub fn report(&self) -> String {
        let mut units: Vec<(f64, &str)> =
            self.0.iter().map(|(what, took)| (took.iter().sum(), what.as_str())).collect();
        units.sort_by(|one, other| other.0.total_cmp(&one.0));
        let mut text = "longest:\n".to_owned();
        for (seconds, what) in units.iter().take(15) {
            let _ = writeln!(text, "  {seconds:>6.1} s  {what}");
        }
        let twice: Vec<_> = self.0.iter().filter(|(_, took)| took.len() > 1).collect();
        let _ = writeln!(text, "compiled more than once: {}", twice.len());
        for (what, took) in twice {
            let _ = writeln!(text, "  {:>6.1} s  {} times  {what}", took.iter().sum::<f64>(), took.len());
        }
        text.trim_end().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::{Compiled, is_compiler, what};

    fn unit(arguments: &str) -> Option<String> {
        what("rustc", &arguments.split(' ').map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn a_compiler_is_no_task() {
        for word in ["/opt/bin/rustc", "rustc", "clippy-driver", "/cache/wasm-sdk/bin/rustc.real"] {
            assert!(is_compiler(word), "{word}");
        }
        for word in ["cold", "test", "build", "--help", ""] {
            assert!(!is_compiler(word), "{word}");
        }
    }

    #[test]
    fn a_unit_is_the_same_with_other_features_only() {
        let one =
            "--crate-name serde --crate-type lib --emit=dep-info,metadata,link -C opt-level=3 --cfg feature=\"std\"";
        assert_eq!(unit(one), unit(&format!("{one} --cfg feature=\"rc\"")));
        assert_ne!(unit(one), unit(&one.replace("opt-level=3", "opt-level=1")), "for a build script");
        assert_ne!(unit(one), unit(&one.replace(",link", "")), "checked only");
        assert_eq!(unit("-vV"), None);
        assert_eq!(unit("- --crate-name ___ --print=file-names"), None);
    }

    #[test]
    fn what_is_compiled_twice_is_named() {
        let compiled = Compiled::of("1.50 a 1 x\n2.00 b 1 y\n0.50 a 1 x\n");
        assert!((compiled.cpu() - 4.0).abs() < 1e-9);
        let checked = Compiled::of("1.50 a 1 a lib build x\n2.00 b 1 b lib check x\n0.25 check 1 check lib build x\n");
        assert!((checked.of_checks() - 2.0).abs() < 1e-9);
        let report = compiled.report();
        assert!(report.contains("more than once: 1\n") && report.contains("2 times  a 1 x"), "{report}");
        assert!(Compiled::of("1.50 a 1 x\n").report().ends_with("more than once: 0"));
    }
}
