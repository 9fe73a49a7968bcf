//! The stored files, by their receipts.

use std::collections::BTreeMap;

use artifacts_report::{Area, Failure, HealthFinding};
use artifacts_store::Difference;
use artifacts_text::{agreeing, counted, listed_up_to, shell_word};

/// So many names are listed.
const LISTED: usize = 5;
/// So many instances are named in one command.
const NAMED: usize = 3;

/// Describes what was read of the storages of one checkout.
#[derive(Debug, Default)]
pub struct ReceiptFacts {
    /// Every entry.
    pub entries: Vec<EntryFacts>,
    /// What is in a storage and is not an entry, with the reason.
    pub strays: Vec<String>,
}

/// Describes an entry.
#[derive(Debug)]
pub struct EntryFacts {
    /// Name of its instance.
    pub name: String,
    /// In what it differs from its receipt: sizes and SHA-256 of the stored files.
    pub differences: Result<Vec<Difference>, Failure>,
}

/// Says for which difference the same is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Unmerged,
    Malformed,
    Moved,
    NoReceipt,
    Modified,
    Missing,
    Extra,
}

/// Judges the stored files; none where there is no checkout, which is said of git already.
pub fn receipts(found: Result<Option<&ReceiptFacts>, &Failure>) -> Vec<HealthFinding> {
    let area = Area::Receipts;
    let facts = match found {
        Ok(Some(facts)) => facts,
        Ok(None) => return Vec::new(),
        Err(failure) => return vec![super::failed(area, "cannot read the storages: ", failure)],
    };
    let mut by_kind: BTreeMap<Kind, Vec<&EntryFacts>> = BTreeMap::new();
    let mut findings = Vec::new();
    let mut intact = 0_u64;
    for entry in &facts.entries {
        match &entry.differences {
            Ok(differences) if differences.is_empty() => intact += 1,
            Ok(differences) => {
                // The worst of them decides what is done to the entry as a whole.
                if let Some(kind) = differences.iter().map(kind).min() {
                    by_kind.entry(kind).or_default().push(entry);
                }
            }
            Err(failure) => findings.push(super::failed(area, &format!("cannot read {}: ", entry.name), failure)),
        }
    }
    findings.extend(by_kind.into_iter().map(|(kind, entries)| finding(kind, &entries)));
    if !facts.strays.is_empty() {
        let what = format!("not entries, and left as they are: {}", listed_up_to(&facts.strays, LISTED));
        findings.push(HealthFinding::work(area, what).advice("review them, and move them out of the storage"));
    }
    if intact > 0 {
        let is = agreeing(intact, "is as its receipt says", "are as their receipts say");
        let what = format!("{} {is}: sizes and SHA-256", counted(intact, "entry"));
        findings.insert(0, HealthFinding::ok(area, what));
    } else if findings.is_empty() {
        findings.push(HealthFinding::ok(area, "nothing is stored"));
    }
    findings
}

fn kind(difference: &Difference) -> Kind {
    match difference {
        Difference::Unmerged(_) => Kind::Unmerged,
        Difference::Malformed(_) => Kind::Malformed,
        Difference::OtherInstance(_) => Kind::Moved,
        Difference::NoReceipt => Kind::NoReceipt,
        Difference::Changed(_) => Kind::Modified,
        Difference::Missing(_) => Kind::Missing,
        Difference::Extra(_) => Kind::Extra,
    }
}

fn finding(kind: Kind, entries: &[&EntryFacts]) -> HealthFinding {
    let said: Vec<String> = entries.iter().map(|entry| said(kind, entry)).collect();
    let what = listed_up_to(&said, LISTED);
    let finding = match kind {
        Kind::Malformed | Kind::Missing | Kind::Unmerged => HealthFinding::broken(Area::Receipts, what),
        Kind::Moved | Kind::NoReceipt | Kind::Modified | Kind::Extra => HealthFinding::work(Area::Receipts, what),
    };
    let command = |word: &str| {
        // Without a name it works on all of them.
        let few = if entries.len() > NAMED { &[] } else { entries };
        let selectors = few.iter().map(|entry| shell_word(&entry.name));
        let words: Vec<String> = ["artifacts".to_owned(), word.to_owned()].into_iter().chain(selectors).collect();
        format!("`{}`", words.join(" "))
    };
    match kind {
        Kind::Unmerged => {
            finding.advice("take one version as a whole from a commit (`git log`), or `artifacts status`")
        }
        Kind::Malformed | Kind::Missing => {
            finding.advice(format!("{} names the version that was intact last", command("status")))
        }
        Kind::Moved => finding.advice("`artifacts status` names the `rename` that keeps the value"),
        Kind::NoReceipt | Kind::Modified => {
            let adopt = command("adopt");
            finding.advice(format!("review them (`git log`, `git diff`); to accept them: {adopt}"))
        }
        Kind::Extra => finding.advice(format!("{} says which to remove", command("status"))),
    }
}

/// What is said of one entry.
fn said(kind: Kind, entry: &EntryFacts) -> String {
    let differences = entry.differences.as_deref().unwrap_or_default();
    let own: Vec<String> = differences.iter().filter(|one| self::kind(one) == kind).map(ToString::to_string).collect();
    format!("{}: {}", entry.name, listed_up_to(&own, 2))
}

#[cfg(test)]
mod tests {
    use artifacts_report::Verdict;

    use super::*;

    fn judged(entries: Vec<Vec<Difference>>) -> Vec<HealthFinding> {
        let entry = |(number, differences): (usize, Vec<Difference>)| EntryFacts {
            name: format!("shared/a{number}"),
            differences: Ok(differences),
        };
        let entries = entries.into_iter().enumerate().map(entry).collect();
        receipts(Ok(Some(&ReceiptFacts { entries, strays: Vec::new() })))
    }

    fn changed() -> Vec<Difference> {
        vec![Difference::Changed("f.age".to_owned()), Difference::Extra("f.age~".to_owned())]
    }

    #[test]
    fn intact_entries_are_counted() {
        let found = judged(vec![Vec::new(), Vec::new()]);
        let message = "2 entries are as their receipts say: sizes and SHA-256";
        assert_eq!(found, [HealthFinding::ok(Area::Receipts, message)]);
        assert_eq!(judged(Vec::new()), [HealthFinding::ok(Area::Receipts, "nothing is stored")]);
        assert!(receipts(Ok(None)).is_empty());
    }

    #[test]
    fn the_worst_difference_of_an_entry_is_named() {
        let found = judged(vec![changed(), vec![Difference::Missing("g.age".to_owned())], Vec::new()]);
        let verdicts: Vec<Verdict> = found.iter().map(|one| one.verdict).collect();
        assert_eq!(verdicts, [Verdict::Ok, Verdict::Work, Verdict::Broken]);
        let messages: Vec<&str> = found.iter().map(|one| one.message.as_str()).collect();
        assert_eq!(messages[1], "shared/a0: `f.age` was modified outside artifacts");
        assert_eq!(messages[2], "shared/a1: `g.age` is missing");
    }

    #[test]
    fn many_entries_with_one_difference_are_one_finding() {
        let found = judged((0..7).map(|_| changed()).collect());
        assert_eq!(found.len(), 1);
        assert!(found.iter().all(|one| one.message.ends_with("and 2 more")), "{found:?}");
        let advice = "review them (`git log`, `git diff`); to accept them: `artifacts adopt`";
        let expected = HealthFinding::work(Area::Receipts, "").advice(advice).remedies;
        assert!(found.iter().all(|one| one.remedies == expected), "{found:?}");
    }

    #[test]
    fn what_cannot_be_read_is_broken() {
        let differences = Err(Failure::new("", "it is a symbolic link"));
        let entry = EntryFacts { name: "shared/a".to_owned(), differences };
        let facts = ReceiptFacts { entries: vec![entry], strays: vec!["secrets/x: not below".to_owned()] };
        let found = receipts(Ok(Some(&facts)));
        assert_eq!(found.iter().map(|one| one.verdict).collect::<Vec<_>>(), [Verdict::Broken, Verdict::Work]);
    }
}
