//! The directory of what this machine knows.

use std::path::PathBuf;

use artifacts_report::{Area, Failure, HealthFinding};
use artifacts_text::listed_up_to;

/// So many paths are listed.
const LISTED: usize = 5;

/// Describes the directory of accepted recipients, read access, grants and the audit log.
#[derive(Debug, Clone)]
pub struct StateFacts {
    /// The directory.
    pub path: PathBuf,
    /// Whether only this user and root can have written what the path leads to.
    pub ownership: Result<(), Failure>,
    /// What git tracks of it; none if that is nothing.
    pub tracked: Result<Option<PathBuf>, Failure>,
    /// Permission bits of the directory; none if it does not exist yet.
    pub mode: Option<u32>,
    /// What in it this user cannot read or write.
    pub denied: Vec<PathBuf>,
}

/// Judges the state directory.
pub fn state(found: &Result<StateFacts, Failure>) -> Vec<HealthFinding> {
    let area = Area::State;
    let facts = match found {
        Ok(facts) => facts,
        Err(failure) => return vec![super::failed(area, "", failure)],
    };
    let path = facts.path.display().to_string();
    let mut findings = Vec::new();
    if let Err(failure) = &facts.ownership {
        findings.push(super::failed(area, "what was accepted on this machine is not believed: ", failure));
    }
    match &facts.tracked {
        Ok(None) => {}
        Ok(Some(tracked)) => {
            let what = format!("git tracks {}, so anyone who can push decides what {path} keeps", tracked.display());
            findings.push(
                HealthFinding::broken(area, what).advice("set XDG_STATE_HOME to a directory outside the repository"),
            );
        }
        Err(failure) => {
            findings.push(super::unknown(area, &format!("cannot determine whether git tracks {path}: "), failure));
        }
    }
    if !facts.denied.is_empty() {
        let paths: Vec<String> = facts.denied.iter().map(|path| path.display().to_string()).collect();
        let what = format!("you cannot read and write {}", listed_up_to(&paths, LISTED));
        let how =
            "give them back to your user, as root: `chown -R USER:` on the directory; a run as root may have left them";
        findings.push(HealthFinding::broken(area, what).advice(how));
    }
    if let Some(mode) = facts.mode.filter(|mode| mode & 0o077 != 0) {
        let what = format!("other users can look into {path} (mode {mode:04o}): names of secrets, and who uses them");
        findings.push(HealthFinding::work(area, what).command(["chmod", "700", "--", &path]));
    }
    if findings.is_empty() {
        let what = match facts.mode {
            Some(mode) => format!("{path} is yours alone (mode {mode:04o}), and readable"),
            None => format!("{path} does not exist yet; the first run creates it"),
        };
        findings.push(HealthFinding::ok(area, what));
    }
    findings
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use artifacts_report::Verdict;

    use super::*;

    fn facts() -> StateFacts {
        StateFacts {
            path: "/home/a/.local/state/artifacts".into(),
            ownership: Ok(()),
            tracked: Ok(None),
            mode: Some(0o700),
            denied: Vec::new(),
        }
    }

    fn judged(facts: StateFacts) -> Vec<Verdict> {
        state(&Ok(facts)).into_iter().map(|one| one.verdict).collect()
    }

    #[test]
    fn a_directory_of_one_s_own_is_ok_and_so_is_none_yet() {
        assert_eq!(judged(facts()), [Verdict::Ok]);
        assert_eq!(judged(StateFacts { mode: None, ..facts() }), [Verdict::Ok]);
    }

    #[test]
    fn what_others_can_write_or_git_tracks_is_broken_and_what_they_can_read_is_work() {
        let failure = || Failure::new("", "no");
        assert_eq!(judged(StateFacts { ownership: Err(failure()), ..facts() }), [Verdict::Broken]);
        assert_eq!(judged(StateFacts { tracked: Ok(Some("/x".into())), ..facts() }), [Verdict::Broken]);
        assert_eq!(judged(StateFacts { tracked: Err(failure()), ..facts() }), [Verdict::Work]);
        assert_eq!(judged(StateFacts { denied: vec!["/x".into()], ..facts() }), [Verdict::Broken]);
        assert_eq!(judged(StateFacts { mode: Some(0o755), ..facts() }), [Verdict::Work]);
        assert_eq!(state(&Err(failure()))[0].verdict, Verdict::Broken);
    }
}
