//! Memory of other processes.

use std::collections::BTreeMap;
use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

/// How long it is between two looks.
const PAUSE: Duration = Duration::from_millis(5);

/// Returns the most megabytes that a program and its descendants have together while it runs: what they share counts once (PSS).
///
/// # Errors
/// When it cannot be run, or fails.
pub fn peak(command: &mut Command) -> Result<f64> {
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().context("spawn")?;
    let mut peak = 0;
    let status = loop {
        peak = peak.max(of_tree(child.id()));
        match child.try_wait()? {
            Some(status) => break status,
            None => std::thread::sleep(PAUSE),
        }
    };
    ensure!(status.success(), "{status}");
    #[expect(clippy::cast_precision_loss, reason = "it is small")]
    let megabytes = peak as f64 / 1e3;
    Ok(megabytes)
}

/// Kilobytes of a process and its descendants. One that ends meanwhile counts nothing, and one that was just begun and still runs in its
/// parent's memory (`vfork`), which begins and ends where that does, counts once.
fn of_tree(root: u32) -> u64 {
    let parents = parents();
    let is_below = |mut process: u32| {
        while process != root {
            match parents.get(&process) {
                Some(parent) if *parent > 1 => process = *parent,
                _ => return false,
            }
        }
        true
    };
    let found = parents.keys().filter(|process| is_below(**process)).filter_map(|process| of_process(*process));
    found.collect::<BTreeMap<String, u64>>().into_values().sum()
}

fn parents() -> BTreeMap<u32, u32> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let parent = |process: u32| {
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
        let (_, fields) = stat.rsplit_once(") ")?;
        fields.split(' ').nth(1)?.parse().ok()
    };
    let numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    numbers.filter_map(|process| Some((process, parent(process)?))).collect()
}

/// Where the memory of a process begins and ends, and its kilobytes.
fn of_process(process: u32) -> Option<(String, u64)> {
    let text = fs::read_to_string(format!("/proc/{process}/smaps_rollup")).ok()?;
    let (range, _) = text.split_once(' ')?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    Some((range.to_owned(), line.trim().strip_suffix(" kB")?.parse().ok()?))
}
