//! Errors of a run: equal ones once, consequences counted.

use std::collections::{BTreeMap, BTreeSet};

use anstyle::AnsiColor;
use artifacts_text::{counted, listed_up_to};

use crate::text::{message, note, subject};
use crate::{Failure, FailureDetails, Style};

/// So many subjects of equal errors are named.
const NAMED: usize = 3;

/// Errors that are equal in everything but their subject.
struct Equal<'a> {
    first: &'a Failure,
    subjects: Vec<&'a str>,
}

/// Renders errors. What to do about one cause is said once, however many fail of it.
pub fn failures(failures: &[Failure], style: &Style) -> String {
    let (consequences, own): (Vec<&Failure>, Vec<&Failure>) =
        failures.iter().partition(|failure| failure.details.cause.is_some());
    let mut hints = BTreeSet::new();
    let mut text = String::new();
    for Equal { first, subjects } in equal(own) {
        let mut shown = first.clone();
        if shown.hint.as_ref().is_some_and(|hint| !hints.insert(hint.clone())) {
            shown.hint = None;
        }
        text.push_str(&error(&shown, &subjects, style));
    }
    for (cause, skipped) in by_cause(&consequences) {
        let failure = match skipped.as_slice() {
            [one] => Failure { hint: None, ..(*one).clone() },
            more => {
                let why = format!("{} skipped: their dependency {cause} failed", counted(more.len(), "artifact"));
                Failure::new("", why)
            }
        };
        let subjects: Vec<&str> = Some(failure.subject.as_str()).filter(|one| !one.is_empty()).into_iter().collect();
        text.push_str(&error(&failure, &subjects, style));
    }
    text
}

fn error(failure: &Failure, subjects: &[&str], style: &Style) -> String {
    if failure.is_declined() {
        return note(&failure.message, style);
    }
    let backend = failure.backend.as_deref();
    let label = ("error:", AnsiColor::Red);
    if subjects.len() <= NAMED {
        return message(label, &subject(subjects, backend, style), failure, style);
    }
    let names = listed_up_to(subjects, NAMED);
    if failure.details.comparison.found.is_some() {
        return message(label, &subject(&[&names], backend, style), failure, style);
    }
    let count = counted(subjects.len(), noun(subjects));
    let mut failure = failure.clone();
    failure.details.comparison.found = Some(names);
    message(label, &subject(&[&count], backend, style), &failure, style)
}

/// What the subjects are.
fn noun(subjects: &[&str]) -> &'static str {
    let all = |test: &dyn Fn(&str) -> bool| subjects.iter().all(|subject| test(subject));
    if all(&|subject| subject.parse::<artifacts_declared::InstanceName>().is_ok()) {
        "artifact"
    } else if all(&|subject| subject.starts_with("nixos ") || subject.starts_with("darwin ")) {
        "machine"
    } else {
        "subject"
    }
}

/// Returns for each failure how many are equal to it, itself among them, and the first subjects of those.
pub(crate) fn likes(failures: &[Failure]) -> Vec<(usize, Vec<&str>)> {
    let mut subjects: BTreeMap<_, Vec<&str>> = BTreeMap::new();
    for failure in failures {
        subjects.entry(key(failure)).or_default().push(&failure.subject);
    }
    failures
        .iter()
        .map(|failure| {
            let all = subjects.get(&key(failure)).map(Vec::as_slice).unwrap_or_default();
            (all.len(), all.iter().take(NAMED).copied().collect())
        })
        .collect()
}

/// All of a failure but its subject. What has no subject is about all, and said once.
fn key(failure: &Failure) -> impl Ord + '_ {
    let Failure { subject, backend, kind, message, details, hint } = failure;
    let FailureDetails { comparison, cause } = details.as_ref();
    (subject.is_empty(), backend, kind, message, &comparison.found, &comparison.expected, cause, hint)
}

/// Brings together what is equal, in the order of the first ones.
fn equal(failures: Vec<&Failure>) -> Vec<Equal<'_>> {
    let mut found: Vec<Equal<'_>> = Vec::new();
    let mut places: BTreeMap<_, usize> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for failure in failures {
        let subject = &failure.subject;
        let place = *places.entry(key(failure)).or_insert(found.len());
        match found.get_mut(place) {
            Some(equal) if seen.insert((place, subject)) => equal.subjects.push(subject),
            Some(_) => {}
            None => {
                seen.insert((place, subject));
                let subjects = Some(subject.as_str()).filter(|subject| !subject.is_empty()).into_iter().collect();
                found.push(Equal { first: failure, subjects });
            }
        }
    }
    found
}

/// Brings consequences together by what failed first.
fn by_cause<'a>(consequences: &[&'a Failure]) -> Vec<(&'a str, Vec<&'a Failure>)> {
    let causes: BTreeMap<&str, &str> =
        consequences.iter().filter_map(|one| Some((one.subject.as_str(), one.details.cause.as_deref()?))).collect();
    let root = |failure: &'a Failure| {
        let mut cause = failure.details.cause.as_deref().unwrap_or_default();
        // As many steps as there are failures: what depends on itself is an error of its own.
        for _ in 0..causes.len() {
            let Some(earlier) = causes.get(cause) else { break };
            cause = earlier;
        }
        cause
    };
    let mut found: Vec<(&str, Vec<&Failure>)> = Vec::new();
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    for failure in consequences {
        let cause = root(failure);
        let place = *places.entry(cause).or_insert(found.len());
        match found.get_mut(place) {
            Some((_, failures)) => failures.push(failure),
            None => found.push((cause, vec![failure])),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use artifacts_text::Comparison;

    use super::*;
    use crate::testing::{plain, style};

    fn shown(list: &[Failure]) -> String {
        plain(&failures(list, &style(80)))
    }

    fn named(count: usize) -> Vec<Failure> {
        let named = |at| Failure::new(format!("shared/{at}"), "unknown backend `vault`").hint(Some("register it"));
        (0..count).map(named).collect()
    }

    #[test]
    fn equal_errors_are_shown_once_with_three_names() {
        assert_eq!(shown(&named(1)), "error: shared/0: unknown backend `vault`\n  hint: register it\n");
        let three = "error: shared/0, shared/1, shared/2: unknown backend `vault`\n  hint: register it\n";
        assert_eq!(shown(&named(3)), three);
        let many = "error: 60 artifacts: unknown backend `vault`\n  found: shared/0, shared/1, shared/2 and 57 more\n  hint:  register it\n";
        assert_eq!(shown(&named(60)), many);
        let found = Comparison { found: Some("no key".to_owned()), expected: None };
        let many: Vec<Failure> = named(60).into_iter().map(|one| one.compared(found.clone())).collect();
        let many = shown(&many);
        assert!(many.starts_with("error: shared/0, shared/1, shared/2 and 57 more: unknown backend"), "{many}");
        assert!(many.contains("\n  found: no key\n"), "{many}");
    }

    #[test]
    fn errors_that_differ_in_what_was_found_are_not_equal_and_one_hint_is_said_once() {
        let found = |name: &str, found: &str| {
            Failure::new(name, "it differs").compared(Comparison::new(found, "9f86")).hint(Some("review it"))
        };
        let text = shown(&[found("shared/a", "1"), found("shared/b", "2")]);
        assert_eq!(text.matches("error: ").count(), 2, "{text}");
        assert_eq!(text.matches("review it").count(), 1, "{text}");
    }

    #[test]
    fn consequences_are_counted_by_what_failed_first() {
        let skipped = |name: &str, cause: &str| {
            Failure::new(name, format!("skipped: its dependency {cause} failed")).caused_by(cause).hint(Some("fix it"))
        };
        let failed = Failure::new("shared/ca", "the generator exited with status 3");
        let one = [skipped("web1/tls", "shared/ca"), failed.clone()];
        let lines = "error: shared/ca: the generator exited with status 3\nerror: web1/tls: skipped: its dependency shared/ca failed\n";
        assert_eq!(shown(&one), lines);
        let chain = [failed, skipped("shared/mid", "shared/ca"), skipped("web1/tls", "shared/mid"), skipped("x", "y")];
        let text = shown(&chain);
        assert!(text.contains("error: 2 artifacts skipped: their dependency shared/ca failed\n"), "{text}");
        assert!(text.ends_with("error: x: skipped: its dependency y failed\n"), "{text}");
    }

    #[test]
    fn an_error_without_a_subject_is_said_once() {
        let all = || Failure::new("", "no room");
        assert_eq!(shown(&[all(), all()]), "error: no room\n");
    }
}
