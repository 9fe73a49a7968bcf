//! A run in stages: each is timed, one that fails does not stop the others, and the end is a table and one line.

use std::time::{Duration, Instant};

use anyhow::Result;

use crate::tally::Tally;

/// What a stage came to.
struct Stage {
    name: &'static str,
    time: Duration,
    tally: Tally,
    fault: Option<String>,
}

/// The stages so far.
#[derive(Default)]
pub struct Stages(Vec<Stage>);

impl Stages {
    /// Runs a stage. Failing without a failed test (it did not compile, a lint, a missing tool) counts as one failure.
    /// Whether it went well.
    pub fn run(&mut self, name: &'static str, stage: impl FnOnce(&mut Tally) -> Result<()>) -> bool {
        println!("\n== {name}");
        let start = Instant::now();
        let mut tally = Tally::default();
        let fault = stage(&mut tally).err().map(|error| format!("{error:#}"));
        if let Some(fault) = &fault {
            eprintln!("error: {name}: {fault}");
            if tally.failed == 0 {
                tally.failed = 1;
            }
        }
        let time = start.elapsed();
        println!("-- {name}: {}", minutes(time));
        let well = tally.failed == 0;
        self.0.push(Stage { name, time, tally, fault });
        well
    }

    /// Prints the table, and last of all the sum. Whether all went well; where `all` has to run, a skipped test is none that
    /// went well.
    pub fn finish(&self, all: bool) -> bool {
        let mut sum = Tally::default();
        println!("\n{:<24} {:>9}   result", "stage", "time");
        for stage in &self.0 {
            let result = match &stage.fault {
                Some(fault) => format!("FAILED: {}", fault.lines().next().unwrap_or_default()),
                None if stage.tally == Tally::default() => "ok".to_owned(),
                None => stage.tally.to_string(),
            };
            println!("{:<24} {:>9}   {result}", stage.name, minutes(stage.time));
            sum += stage.tally;
        }
        println!("{:<24} {:>9}", "together", minutes(self.0.iter().map(|stage| stage.time).sum()));
        println!("{sum}");
        sum.failed == 0 && (sum.skipped == 0 || !all)
    }
}

/// `1.3 min`.
fn minutes(time: Duration) -> String {
    format!("{:.1} min", time.as_secs_f64() / 60.0)
}

#[cfg(test)]
mod tests {
    use anyhow::bail;

    use super::Stages;
    use crate::tally::Tally;

    #[test]
    fn a_failing_stage_counts_and_the_next_still_runs() {
        let mut stages = Stages::default();
        assert!(!stages.run("does not compile", |_| bail!("no")));
        assert!(!stages.run("has failed tests", |tally| {
            *tally += Tally { passed: 3, failed: 2, skipped: 0 };
            bail!("two")
        }));
        assert!(stages.run("goes well", |tally| {
            tally.passed += 1;
            Ok(())
        }));
        assert!(!stages.finish(false));
        let mut sum = Tally::default();
        stages.0.iter().for_each(|stage| sum += stage.tally);
        assert_eq!(sum, Tally { passed: 4, failed: 3, skipped: 0 });
    }

    #[test]
    fn a_skipped_test_is_a_failure_where_all_has_to_run() {
        let mut stages = Stages::default();
        stages.run("skips", |tally| {
            *tally += Tally { passed: 3, failed: 0, skipped: 1 };
            Ok(())
        });
        assert!(stages.finish(false));
        assert!(!stages.finish(true));
    }
}
