//! The audit log.

use std::path::PathBuf;

use artifacts_audit::Chain;
use artifacts_report::{Area, Failure, HealthFinding};
use artifacts_text::{counted, listed_up_to};

/// So many findings of a chain are listed.
const LISTED: usize = 3;

/// Describes the audit log.
#[derive(Debug)]
pub struct AuditFacts {
    /// Path of the log.
    pub path: PathBuf,
    /// Whether only this user and root can have written it.
    pub place: Result<(), Failure>,
    /// What verification found.
    pub chain: Result<Chain, Failure>,
}

/// Judges the chain of the log, and whether another user could write it.
pub fn audit(found: &Result<AuditFacts, Failure>) -> Vec<HealthFinding> {
    let area = Area::Audit;
    let facts = match found {
        Ok(facts) => facts,
        Err(failure) => return vec![super::failed(area, "", failure)],
    };
    let mut findings = Vec::new();
    if let Err(failure) = &facts.place {
        findings.push(super::failed(area, "another user could change the log: ", failure));
    }
    let chain = match &facts.chain {
        Ok(chain) => chain,
        Err(failure) => {
            findings.push(super::failed(area, "", failure));
            return findings;
        }
    };
    let log = facts.path.display();
    let breaks: Vec<String> = chain.findings.iter().filter(|one| one.breaks()).map(ToString::to_string).collect();
    let others = chain.findings.len() - breaks.len();
    if !breaks.is_empty() {
        let what = format!("the chain of {log} is broken: {}", listed_up_to(&breaks, LISTED));
        let how = "compare it with your copy; `artifacts audit --check` lists everything. To begin a new log, move it away with its head";
        findings.push(HealthFinding::broken(area, what).advice(how));
    } else if chain.linked == 0 {
        findings.push(HealthFinding::ok(area, format!("{log} has no records yet")));
    } else {
        let damaged = if others > 0 { "; writing it was interrupted before" } else { "" };
        let what = format!("{log}: {}, the chain is intact{damaged}", counted(chain.linked, "record"));
        findings.push(HealthFinding::ok(area, what));
    }
    findings
}

#[cfg(test)]
mod tests {
    use artifacts_audit::Finding;
    use artifacts_report::Verdict;

    use super::*;

    fn judged(place: Result<(), Failure>, chain: Result<Chain, Failure>) -> Vec<Verdict> {
        let facts = AuditFacts { path: "/log".into(), place, chain };
        audit(&Ok(facts)).into_iter().map(|one| one.verdict).collect()
    }

    #[test]
    fn a_broken_chain_is_broken_and_an_interrupted_line_is_not() {
        let chain = |findings: Vec<Finding>| Ok(Chain { linked: 3, findings, ..Chain::default() });
        assert_eq!(judged(Ok(()), chain(Vec::new())), [Verdict::Ok]);
        assert_eq!(judged(Ok(()), Ok(Chain::default())), [Verdict::Ok]);
        assert_eq!(judged(Ok(()), chain(vec![Finding::Damaged { line: 1 }])), [Verdict::Ok]);
        assert_eq!(judged(Ok(()), chain(vec![Finding::Changed { line: 2, record: 1 }])), [Verdict::Broken]);
        let failure = || Failure::new("", "no");
        assert_eq!(judged(Err(failure()), chain(Vec::new())), [Verdict::Broken, Verdict::Ok]);
        assert_eq!(judged(Ok(()), Err(failure())), [Verdict::Broken]);
    }
}
