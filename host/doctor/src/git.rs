//! What git knows of the stored entries: a flake sees nothing else.

use std::collections::BTreeMap;

use artifacts_report::{Area, Failure, HealthFinding};
use artifacts_store::{IndexReport, Settlement, Staged};
use artifacts_text::{Explain as _, counted, listed_up_to};

/// So many names are listed.
const LISTED: usize = 5;
/// So many entries are named in one command.
const NAMED: usize = 3;

/// Describes what git knows of the entries of one checkout.
#[derive(Debug, Default)]
pub struct GitFacts {
    /// Whether the checkout is a git repository.
    pub is_repository: bool,
    /// Names of the instances, by the path of their entries below the root.
    pub names: BTreeMap<String, String>,
    /// The comparison with git's index.
    pub index: IndexReport,
}

/// Entries for which the same is to be done.
struct Alike<'a> {
    names: Vec<&'a str>,
    commands: Vec<&'a str>,
}

/// Judges what git knows; none where there is no checkout.
pub fn git(found: &Result<Option<GitFacts>, Failure>) -> Vec<HealthFinding> {
    let area = Area::Git;
    let facts = match found {
        Ok(Some(facts)) => facts,
        Ok(None) => {
            let what = "no flake or storage here: neither git nor receipts were examined";
            let how = "run it in the checkout, or pass `--flake DIR` or `--root DIR`";
            return vec![HealthFinding::work(area, what).advice(how)];
        }
        Err(failure) => return vec![super::unknown(area, "cannot determine what git knows: ", failure)],
    };
    let mut findings = tracked(&facts.index.tracked);
    findings.extend(facts.index.warnings.iter().map(|warning| {
        let what = format!("cannot determine what git knows: {warning}");
        HealthFinding::work(area, what).hint(warning.hint())
    }));
    if !facts.is_repository {
        findings.push(HealthFinding::ok(area, "the storages are in no git repository"));
        return findings;
    }
    findings.extend(conflicts(facts));
    let not_staged = alike(facts, |one| if let Staged::No { command } = one { Some(command) } else { None });
    findings.extend(not_staged.map(|alike| alike.finding("git does not have as stored, so Nix cannot see:")));
    let ignored = alike(facts, |one| if let Staged::Ignored { command, .. } = one { Some(command) } else { None });
    findings.extend(ignored.map(|alike| alike.finding("a rule of .gitignore matches, so Nix cannot see:")));
    let filtered = alike(facts, |one| if let Staged::Filtered { command } = one { Some(command) } else { None });
    findings.extend(filtered.map(|alike| alike.finding("a git filter has to run for:")));
    if findings.is_empty() {
        let known = facts.index.entries.values().fold(0, |known, staged| known + u64::from(staged.is_yes()));
        let what = if known == 0 {
            "nothing is stored".to_owned()
        } else {
            format!("git has {} as stored", counted(known, "entry"))
        };
        findings.push(HealthFinding::ok(area, what));
    }
    findings
}

/// Files that belong to this machine alone, and that git tracks: a push could have brought them.
fn tracked(found: &BTreeMap<String, String>) -> Vec<HealthFinding> {
    let mut by_command: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (path, command) in found {
        by_command.entry(command).or_default().push(path);
    }
    let finding = |(command, paths): (&str, Vec<&str>)| {
        let what = format!(
            "git tracks files that belong to artifacts on this machine alone: {}",
            listed_up_to(&paths, LISTED)
        );
        HealthFinding::broken(Area::Git, what)
            .advice(format!("review who added them (`git log`), then remove them: `{command}`"))
    };
    by_command.into_iter().map(finding).collect()
}

/// A few conflicts with what settles each, and many as one finding.
fn conflicts(facts: &GitFacts) -> Vec<HealthFinding> {
    let conflict = |(path, staged): (&String, &Staged)| {
        let Staged::Conflict(settlement) = staged else { return None };
        Some((facts.names.get(path).unwrap_or(path).clone(), settlement.clone()))
    };
    let conflicts: Vec<(String, Settlement)> = facts.index.entries.iter().filter_map(conflict).collect();
    if conflicts.len() > NAMED {
        let names: Vec<&str> = conflicts.iter().map(|(name, _)| name.as_str()).collect();
        let what = format!("unresolved merge conflicts in {}", listed_up_to(&names, LISTED));
        return vec![HealthFinding::work(Area::Git, what).advice("`artifacts status` says what settles them")];
    }
    let finding = |(name, settlement): (String, Settlement)| {
        let what = format!("{name}: unresolved merge conflict");
        HealthFinding::work(Area::Git, what).advice(settlement.sentence(&name))
    };
    conflicts.into_iter().map(finding).collect()
}

fn alike(facts: &GitFacts, command: fn(&Staged) -> Option<&str>) -> Option<Alike<'_>> {
    let mut alike = Alike { names: Vec::new(), commands: Vec::new() };
    for (path, staged) in &facts.index.entries {
        let Some(command) = command(staged) else { continue };
        alike.names.push(facts.names.get(path).unwrap_or(path));
        alike.commands.push(command);
    }
    (!alike.names.is_empty()).then_some(alike)
}

impl Alike<'_> {
    fn finding(self, what: &str) -> HealthFinding {
        let finding = HealthFinding::work(Area::Git, format!("{what} {}", listed_up_to(&self.names, LISTED)));
        if self.names.len() > NAMED {
            return finding.advice("`artifacts status -v` has the command for each");
        }
        self.commands.iter().fold(finding, |finding, command| finding.advice(format!("`{command}`")))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use artifacts_report::{Verdict, Way};
    use artifacts_store::{Choice, MergeSide};

    use super::*;

    fn facts(entries: &[(&str, Staged)]) -> GitFacts {
        let mut facts = GitFacts { is_repository: true, ..GitFacts::default() };
        for (name, staged) in entries {
            let path = format!("secrets/{name}");
            facts.names.insert(path.clone(), (*name).to_owned());
            facts.index.entries.insert(path, staged.clone());
        }
        facts
    }

    fn unstaged(name: &str) -> Staged {
        Staged::No { command: format!("git add -- secrets/{name}") }
    }

    #[test]
    fn what_git_has_as_stored_is_counted() {
        let found = git(&Ok(Some(facts(&[("shared/a", Staged::Yes), ("shared/b", Staged::Yes)]))));
        assert_eq!(found, [HealthFinding::ok(Area::Git, "git has 2 entries as stored")]);
        assert_eq!(git(&Ok(Some(facts(&[])))), [HealthFinding::ok(Area::Git, "nothing is stored")]);
        let outside = GitFacts { is_repository: false, ..facts(&[]) };
        assert_eq!(git(&Ok(Some(outside)))[0].verdict, Verdict::Ok);
    }

    #[test]
    fn a_few_entries_have_their_commands_and_many_are_one_finding() {
        let found = git(&Ok(Some(facts(&[("shared/a", unstaged("shared/a")), ("shared/b", Staged::Yes)]))));
        assert_eq!((found.len(), found[0].verdict), (1, Verdict::Work));
        assert_eq!(found[0].remedies, [Way::Text("`git add -- secrets/shared/a`".to_owned())]);
        let names: Vec<String> = (0..9).map(|number| format!("shared/a{number}")).collect();
        let many: Vec<_> = names.iter().map(|name| (name.as_str(), unstaged(name))).collect();
        let found = git(&Ok(Some(facts(&many))));
        assert!(found[0].message.ends_with("shared/a4 and 4 more"), "{}", found[0].message);
        assert!(matches!(found[0].remedies.as_slice(), [Way::Text(text)] if text.contains("status -v")));
    }

    #[test]
    fn a_conflict_names_what_settles_it_and_what_to_run_then() {
        let conflict = |name: &str| {
            Staged::Conflict(Settlement {
                ours: Some(Choice::Keeps(format!("git checkout --ours -- secrets/{name}"))),
                theirs: Some(Choice::Keeps(format!("git checkout --theirs -- secrets/{name}"))),
                add: format!("git add -- secrets/{name}"),
                same_value: Some(false),
                newer: Some(MergeSide::Theirs),
            })
        };
        let found = git(&Ok(Some(facts(&[("shared/a", conflict("shared/a"))]))));
        let [Way::Text(text)] = found[0].remedies.as_slice() else { panic!("{found:?}") };
        assert_eq!(
            text,
            "keep ours with `git checkout --ours -- secrets/shared/a` \
             or theirs, the newer one, with `git checkout --theirs -- secrets/shared/a`, \
             then `git add -- secrets/shared/a` and `artifacts adopt shared/a`"
        );
        let names: Vec<String> = (0..7).map(|number| format!("shared/a{number}")).collect();
        let many: Vec<_> = names.iter().map(|name| (name.as_str(), conflict(name))).collect();
        let found = git(&Ok(Some(facts(&many))));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].message.ends_with("shared/a4 and 2 more"), "{}", found[0].message);
    }

    #[test]
    fn what_is_tracked_of_this_machine_s_own_files_is_broken() {
        let mut facts = facts(&[]);
        let command = "git rm -r --cached -- secrets/.artifacts".to_owned();
        facts.index.tracked.insert("secrets/.artifacts/trash/x".to_owned(), command);
        let found = git(&Ok(Some(facts)));
        assert_eq!((found.len(), found[0].verdict), (1, Verdict::Broken));
    }

    #[test]
    fn what_cannot_be_determined_is_work() {
        assert_eq!(git(&Ok(None))[0].verdict, Verdict::Work);
        assert_eq!(git(&Err(Failure::new("", "no RAM")))[0].verdict, Verdict::Work);
    }
}
