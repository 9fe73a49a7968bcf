//! The sandbox of generators.

use std::path::PathBuf;

use artifacts_report::{Area, Failure, HealthFinding};

/// Describes a trial of the sandbox of generators.
#[derive(Debug, Clone)]
pub struct GeneratorTrial {
    /// Path of bubblewrap.
    pub bubblewrap: PathBuf,
    /// Whether a generator may create namespaces of its own.
    pub allows_namespaces: bool,
    /// What came of running a program in it.
    pub outcome: TrialOutcome,
}

/// Says what came of running a program in the sandbox.
#[derive(Debug, Clone)]
pub enum TrialOutcome {
    /// It ran.
    Ran,
    /// The sandbox could not be set up.
    Denied(Failure),
    /// That was not tried.
    NotTried(Failure),
}

/// Judges the sandbox of generators.
pub fn generators(tried: &Result<GeneratorTrial, Failure>) -> Vec<HealthFinding> {
    let area = Area::Generators;
    let trial = match tried {
        Ok(trial) => trial,
        Err(failure) => return vec![super::failed(area, "no generator can run: ", failure)],
    };
    let bubblewrap = trial.bubblewrap.display();
    let mut findings = Vec::new();
    findings.push(match &trial.outcome {
        TrialOutcome::Ran => HealthFinding::ok(area, format!("a program ran in the sandbox of {bubblewrap}")),
        TrialOutcome::Denied(failure) => super::failed(area, "no generator can run: ", failure),
        TrialOutcome::NotTried(failure) => {
            super::unknown(area, &format!("cannot determine whether {bubblewrap} works: "), failure)
        }
    });
    if trial.allows_namespaces {
        let what = format!(
            "{bubblewrap} cannot keep a generator from creating namespaces, in which it could attack the kernel"
        );
        findings
            .push(HealthFinding::work(area, what).advice("install bubblewrap 0.8 or newer, without the setuid bit"));
    }
    findings
}

#[cfg(test)]
mod tests {
    use artifacts_report::Verdict;

    use super::*;

    fn judged(outcome: TrialOutcome, allows_namespaces: bool) -> Vec<Verdict> {
        let trial = GeneratorTrial { bubblewrap: "/bin/bwrap".into(), allows_namespaces, outcome };
        generators(&Ok(trial)).into_iter().map(|one| one.verdict).collect()
    }

    #[test]
    fn a_sandbox_that_cannot_be_set_up_is_broken_and_one_that_was_not_tried_is_work() {
        assert_eq!(judged(TrialOutcome::Ran, false), [Verdict::Ok]);
        assert_eq!(judged(TrialOutcome::Ran, true), [Verdict::Ok, Verdict::Work]);
        let failure = || Failure::new("", "no namespaces");
        assert_eq!(judged(TrialOutcome::Denied(failure()), false), [Verdict::Broken]);
        assert_eq!(judged(TrialOutcome::NotTried(failure()), false), [Verdict::Work]);
        assert_eq!(
            generators(&Err(Failure::new("", "no bwrap"))).first().map(|one| one.verdict),
            Some(Verdict::Broken)
        );
    }
}
