use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::process::{Pid, WaitOptions, getpid, set_child_subreaper, waitpid};

/// Ticks a second of the kernel's accounting, which is fixed for programs.
const TICKS: f64 = 100.0;

/// The middle one; of an even number the lower of the two.
pub fn median(mut values: Vec<f64>) -> Result<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len().checked_sub(1).context("nothing was measured")? / 2;
    Ok(values[middle])
}

/// How long something takes.
pub fn wall(work: impl FnOnce() -> Result<()>) -> Result<Duration> {
    let start = Instant::now();
    work()?;
    Ok(start.elapsed())
}

/// Seconds of CPU that the programs run by `work` took, with all that they ran themselves. To 10 ms. A worker's process is ended before it
/// has waited for its own one, which is waited for here.
pub fn cpu(work: impl FnOnce() -> Result<()>) -> Result<f64> {
    set_child_subreaper(Some(getpid()))?;
    let before = children()?;
    work()?;
    wait_for_left()?;
    Ok((children()? - before) / TICKS)
}

/// Waits for the processes that others left to this one. They are the first thread's, as are those that it started and has waited for.
fn wait_for_left() -> Result<()> {
    let children = format!("/proc/self/task/{}/children", getpid().as_raw_nonzero());
    loop {
        let left = std::fs::read_to_string(&children).with_context(|| children.clone())?;
        let mut left = left.split_whitespace().filter_map(|pid| Pid::from_raw(pid.parse().ok()?)).peekable();
        if left.peek().is_none() {
            return Ok(());
        }
        for pid in left {
            waitpid(Some(pid), WaitOptions::empty())?;
        }
    }
}

/// Ticks, user and system, of children that have ended.
fn children() -> Result<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").context("/proc is needed to measure CPU time")?;
    // The second field is a program's name and may hold blanks; fields are counted from the one after it.
    let (_, fields) = stat.rsplit_once(") ").context("/proc/self/stat is not as documented")?;
    let field = |index: usize| fields.split(' ').nth(index).and_then(|text| text.parse::<f64>().ok());
    let (user, system) = field(13).zip(field(14)).context("/proc/self/stat is not as documented")?;
    Ok(user + system)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::float_cmp)]
mod tests {
    use super::{cpu, median};

    #[test]
    fn the_middle_one() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]).unwrap(), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]).unwrap(), 2.0);
        assert!(median(Vec::new()).is_err());
    }

    #[test]
    fn the_time_of_children_is_seen() {
        let mut busy = std::process::Command::new("sh");
        busy.args(["-c", "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done"]);
        assert!(cpu(|| xtask::run::done(&mut busy)).unwrap() > 0.0);
        let mut left = std::process::Command::new("sh");
        left.args(["-c", "(i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done) & exit 0"]);
        assert!(cpu(|| xtask::run::done(&mut left)).unwrap() > 0.0, "what is left by a program is waited for");
    }
}
