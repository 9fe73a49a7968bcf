//! Counting tests by what the runners print.

use std::fmt;
use std::ops::AddAssign;

/// How many tests came to what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Went well.
    pub passed: u64,
    /// Did not.
    pub failed: u64,
    /// Were not run.
    pub skipped: u64,
}

impl Tally {
    /// What one line of a runner's output adds: libtest's `test result: ok. 1 passed; 0 failed; 0 ignored; …`.
    pub fn of_line(line: &str) -> Option<Self> {
        let (_, counts) = line.trim().strip_prefix("test result: ")?.split_once(". ")?;
        let mut tally = Self::default();
        for part in counts.split("; ") {
            let Some((number, what)) = part.split_once(' ') else { continue };
            match (number.parse::<u64>(), what) {
                (Ok(number), "passed") => tally.passed = number,
                (Ok(number), "failed") => tally.failed = number,
                (Ok(number), "ignored") => tally.skipped = number,
                _ => {}
            }
        }
        Some(tally)
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)?;
        if self.skipped > 0 {
            write!(f, ", {} skipped", self.skipped)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Tally;

    #[test]
    fn libtest_lines_are_counted_and_others_are_not() {
        let line = "test result: FAILED. 14 passed; 2 failed; 1 ignored; 0 measured; 3 filtered out; finished in 0.00s";
        assert_eq!(Tally::of_line(line), Some(Tally { passed: 14, failed: 2, skipped: 1 }));
        for other in ["test a::b ... ok", "running 3 tests", "test result: ", "", "the test result: ok. 1 passed;"] {
            assert_eq!(Tally::of_line(other), None, "{other:?}");
        }
    }

    #[test]
    fn the_sum_is_one_line() {
        let mut sum = Tally { passed: 1, failed: 0, skipped: 0 };
        assert_eq!(sum.to_string(), "1 passed, 0 failed");
        sum += Tally { passed: 2, failed: 1, skipped: 4 };
        assert_eq!(sum.to_string(), "3 passed, 1 failed, 4 skipped");
    }
}
