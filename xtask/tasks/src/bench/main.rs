//! `artifacts-bench ROW…`: the figures, each a ratio in one run, of what is measured to what it is compared with or allowed.
#![allow(clippy::print_stdout)]

mod clock;
mod commit;
mod evaluate;
mod fixture;
mod generate;
mod many;
mod memory;
mod moving;
mod options;
mod rekey;
mod row;
mod seal;
mod size;
mod sops;
mod start;
mod walls;

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use row::Row;
use xtask::{project, run};

/// Gives rows of the table.
type Measure = fn(&Bench) -> Result<Vec<Row>>;

/// What is measured, by name.
const MEASURES: &[(&str, Measure)] = &[
    ("many", many::measure),
    ("seal", seal::measure),
    ("sops", sops::measure),
    ("commit", commit::measure),
    ("generate", generate::measure),
    ("start", start::measure),
    ("evaluate", evaluate::measure),
    ("options", options::measure),
    ("walls", walls::measure),
    ("rekey", rekey::measure),
    ("moving", moving::measure),
    ("size", size::measure),
];

/// Measures all rows, or those that are named, and prints the table; all rows are written into their page as well. A missed row is
/// printed as missed, and no error.
///
/// # Errors
/// When something cannot be measured.
fn main() -> Result<()> {
    let names: Vec<String> = std::env::args().skip(1).collect();
    for name in &names {
        let known = MEASURES.iter().any(|(measure, _)| measure == name);
        ensure!(
            known,
            "`{name}` is no row; there are {}",
            MEASURES.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
        );
    }
    let bench = Bench::new()?;
    let mut rows = Vec::new();
    for &(name, measure) in MEASURES {
        if names.is_empty() || names.iter().any(|wanted| wanted == name) {
            println!("measuring: {name}");
            rows.extend(measure(&bench).with_context(|| format!("measuring {name}"))?);
        }
    }
    let table = row::table(&rows);
    println!("\n{table}");
    if names.is_empty() {
        let page = project::root().join("docs/performance.md");
        let text = std::fs::read_to_string(&page).with_context(|| page.display().to_string())?;
        std::fs::write(&page, row::replaced(&text, &table).context("docs/performance.md has no table")?)?;
    }
    Ok(())
}

/// The programs.
struct Bench {
    /// `artifacts`.
    program: PathBuf,
    /// Rooms of the host, from inside: examples of their crates, built along with the program.
    rooms: PathBuf,
    /// The same work without us.
    native: PathBuf,
    /// Three public keys.
    recipients: [String; 3],
    /// The private half of the second.
    identity: String,
}

impl Bench {
    fn new() -> Result<Self> {
        let dir = project::target().join("native");
        run::done(
            run::cargo()
                .args(["build", "--release", "--locked", "--target-dir"])
                .arg(&dir)
                .current_dir(project::root().join("xtask/native")),
        )?;
        let (admin, identity) = pair()?;
        Ok(Self {
            program: project::released().join("artifacts"),
            rooms: project::released().join("examples"),
            native: dir.join("release/native"),
            recipients: [recipient()?, admin, recipient()?],
            identity,
        })
    }
}

fn recipient() -> Result<String> {
    pair().map(|(public, _)| public)
}

/// A public key and its private half.
fn pair() -> Result<(String, String)> {
    let keys = run::output(run::command("age-keygen").stderr(std::process::Stdio::null()))?;
    let public = keys.lines().find_map(|line| line.strip_prefix("# public key: "));
    let public = public.map(str::to_owned).context("age-keygen named no public key")?;
    Ok((public, keys))
}

/// A program on one processor: what is compared to native work is work, not how threads of two processors are woken.
fn on_one(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = run::command("taskset");
    command.args(["--cpu-list", "0"]).arg(program);
    command
}

/// What a measuring program printed: one number a line.
fn numbers(command: &mut Command) -> Result<Vec<f64>> {
    let text = run::output(command)?;
    text.lines().map(|line| line.parse().with_context(|| format!("`{line}` is no number"))).collect()
}
