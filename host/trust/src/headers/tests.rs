#![allow(clippy::unwrap_used)]
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use artifacts_text::Explain as _;
use proptest::prelude::*;

use super::record::{COMMITS, kept};
use super::*;

fn parse(text: &[u8]) -> Result<Vec<HeaderRecord>, (usize, String)> {
    record::parse(text).collect()
}

fn header(number: usize) -> HeaderHash {
    format!("{number:064x}").parse().unwrap()
}

fn set(words: &[&str]) -> BTreeSet<String> {
    words.iter().map(ToString::to_string).collect()
}

fn checkout(id: &str) -> CheckoutRecord {
    CheckoutRecord { id: id.to_owned(), path: format!("/home/{id}") }
}

/// A commit of one file `<file>.age` in the repository `one`.
fn commit(instance: &str, file: &str, headers: impl IntoIterator<Item = usize>) -> HeaderCommit {
    let headers = headers.into_iter().map(header).collect();
    let stored = StoredHeaders { stored: format!("{file}.age"), files: set(&[file]), headers };
    HeaderCommit { checkout: checkout("one"), instance: instance.to_owned(), files: vec![stored] }
}

fn open(state: &Path) -> KnownHeaders {
    KnownHeaders::new(state.join("headers"), state.join("sealed"))
}

/// `instance file` of each place of a header.
fn places(known: &mut KnownHeaders, number: usize) -> Vec<String> {
    let places = known.places(&header(number)).unwrap();
    places.iter().map(|place| format!("{} {}", place.instance, place.stored)).collect()
}

fn file(state: &Path) -> PathBuf {
    state.join("headers/headers")
}

#[test]
fn a_header_belongs_to_the_place_that_it_was_stored_in() {
    let state = tempfile::tempdir().unwrap();
    let (mut one, mut other) = (open(state.path()), open(state.path()));
    assert_eq!(places(&mut one, 1), Vec::<String>::new());
    one.committed(vec![commit("per-machine/web1/a b", "key", [1, 2])]).unwrap();
    // It has not read what the first wrote since.
    other.committed(vec![commit("shared/x", "f", [3])]).unwrap();
    other.learned(commit("shared/evil", "f", [2, 4])).unwrap();
    for mut known in [one, other, open(state.path())] {
        known.map = None;
        assert_eq!(places(&mut known, 2), ["per-machine/web1/a b key.age"]);
        assert_eq!(places(&mut known, 3), ["shared/x f.age"]);
        assert_eq!(places(&mut known, 4), ["shared/evil f.age"]);
        let place = &known.places(&header(1)).unwrap()[0];
        assert_eq!((place.checkout.id.as_str(), &*place.files), ("one", &set(&["key"])));
    }
    assert_eq!(fs::metadata(file(state.path())).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_file_forgets_its_own_oldest_headers_and_no_others() {
    let state = tempfile::tempdir().unwrap();
    let mut known = open(state.path());
    known.committed(vec![commit("shared/a", "f", [1]), commit("shared/big", "f", [2])]).unwrap();
    known.learned(commit("shared/seen", "f", [3])).unwrap();
    // Many headers in each of many commits of another file.
    let many = |at: usize| commit("shared/big", "f", (at * 16..at * 16 + 16).map(|n| n + 1_000_000));
    for at in 0..5 {
        known.committed((at * 500..at * 500 + 500).map(many).collect()).unwrap();
    }
    let mut again = open(state.path());
    assert_eq!(places(&mut again, 1), ["shared/a f.age"]);
    assert_eq!(places(&mut again, 3), ["shared/seen f.age"]);
    assert_eq!(places(&mut again, 2), Vec::<String>::new());
    let oldest = (2500 - COMMITS) * 16 + 1_000_000;
    assert_eq!(places(&mut again, oldest), ["shared/big f.age"]);
    assert_eq!(places(&mut again, oldest - 1), Vec::<String>::new());
    // What no one knows any more is not kept in the file for ever.
    let long = fs::metadata(file(state.path())).unwrap().len();
    again.committed((0..COMMITS).map(|at| commit("shared/big", "f", [at + 10])).collect()).unwrap();
    open(state.path()).committed(vec![commit("shared/b", "f", [5])]).unwrap();
    assert!(fs::metadata(file(state.path())).unwrap().len() < long / 4);
    let mut last = open(state.path());
    for (number, place) in [(1, "shared/a f.age"), (3, "shared/seen f.age"), (5, "shared/b f.age")] {
        assert_eq!(places(&mut last, number), [place]);
    }
    assert_eq!(places(&mut last, 10), ["shared/big f.age"]);
}

#[test]
fn what_is_learned_makes_nothing_forgotten() {
    let records = (0..=COMMITS).map(|at| HeaderRecord::Learned(commit("shared/a", "f", [at + 1])));
    let first = HeaderRecord::Committed(commit("shared/a", "f", [0]));
    let (records, forgotten) = kept(std::iter::once(first).chain(records).collect());
    assert_eq!((records.len(), forgotten), (COMMITS + 2, 0));
}

#[test]
fn a_header_may_be_for_more_files_of_its_place_but_for_no_other_place() {
    let state = tempfile::tempdir().unwrap();
    let mut known = open(state.path());
    known.committed(vec![commit("shared/a", "f", [1])]).unwrap();
    let mut more = commit("shared/a", "f", [1]);
    more.files[0].files = set(&["f", "g"]);
    known.learned(more.clone()).unwrap();
    let length = fs::metadata(file(state.path())).unwrap().len();
    known.learned(more.clone()).unwrap();
    more.files[0].stored = "g.age".to_owned();
    known.learned(more).unwrap();
    assert_eq!(fs::metadata(file(state.path())).unwrap().len(), length);
    let files: Vec<_> = known.places(&header(1)).unwrap().iter().map(|place| (*place.files).clone()).collect();
    assert_eq!(files, [set(&["f"]), set(&["f", "g"])]);
}

#[test]
fn an_incomplete_last_line_is_cut_off_before_the_next_one() {
    let state = tempfile::tempdir().unwrap();
    open(state.path()).committed(vec![commit("shared/a", "f", [1])]).unwrap();
    open(state.path()).committed(vec![commit("shared/a", "f", [2])]).unwrap();
    let whole = fs::read(file(state.path())).unwrap();
    let first = whole.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    for length in 0..whole.len() {
        fs::write(file(state.path()), &whole[..length]).unwrap();
        let mut known = open(state.path());
        assert_eq!(places(&mut known, 1).len(), usize::from(length >= first), "{length}");
        assert_eq!(places(&mut known, 2).len(), 0, "{length}");
        known.committed(vec![commit("shared/b", "g", [3])]).unwrap();
        let mut known = open(state.path());
        assert_eq!(places(&mut known, 1).len(), usize::from(length >= first), "{length}");
        assert_eq!(places(&mut known, 3), ["shared/b g.age"], "{length}");
    }
    // A power cut may leave zeros.
    fs::write(file(state.path()), [&whole[..first], &[0; 40]].concat()).unwrap();
    open(state.path()).committed(vec![commit("shared/b", "g", [3])]).unwrap();
    assert_eq!(places(&mut open(state.path()), 1), ["shared/a f.age"]);
    assert_eq!(places(&mut open(state.path()), 3), ["shared/b g.age"]);
}

#[test]
fn any_other_damage_names_the_file_the_line_and_what_is_lost() {
    let state = tempfile::tempdir().unwrap();
    open(state.path()).committed(vec![commit("shared/a", "f", [1])]).unwrap();
    let whole = fs::read_to_string(file(state.path())).unwrap();
    for line in [
        "x\n",
        "\n",
        "{}\n",
        "{\"forged\":{}}\n",
        &whole.replace(&header(1).to_string(), "01"),
        &whole.replace('1', "G"),
    ] {
        fs::write(file(state.path()), format!("{whole}{line}{whole}")).unwrap();
        for error in [
            open(state.path()).places(&header(1)).unwrap_err(),
            open(state.path()).committed(vec![commit("shared/a", "f", [2])]).unwrap_err(),
        ] {
            let text = error.to_string();
            assert!(text.contains("headers/headers is damaged: line 2: "), "{text}");
            assert!(error.hint().is_some_and(|hint| hint.contains("remove that line")), "{text}");
        }
    }
    fs::write(file(state.path()), whole).unwrap();
    assert_eq!(places(&mut open(state.path()), 1), ["shared/a f.age"]);
}

#[test]
fn what_others_can_write_is_not_believed() {
    let state = tempfile::tempdir().unwrap();
    open(state.path()).committed(vec![commit("shared/a", "f", [1])]).unwrap();
    fs::set_permissions(state.path().join("headers"), fs::Permissions::from_mode(0o777)).unwrap();
    assert!(matches!(open(state.path()).places(&header(1)), Err(Error::Open { .. })));
    assert!(matches!(open(state.path()).committed(vec![commit("shared/a", "f", [2])]), Err(Error::Open { .. })));
}

#[test]
fn what_earlier_versions_noted_counts_for_its_instance() {
    let state = tempfile::tempdir().unwrap();
    fs::create_dir(state.path().join("sealed")).unwrap();
    fs::set_permissions(state.path().join("sealed"), fs::Permissions::from_mode(0o700)).unwrap();
    let line = |number: usize, instance: &str| format!("{} {instance}\n", header(number));
    let write = |text: String| fs::write(state.path().join("sealed/headers"), text).unwrap();
    let lines = [line(1, "shared/a b"), line(2, "shared/b"), line(2, "shared/c"), line(1, "shared/a b")].concat();
    write(format!("{lines}{}", &line(3, "shared/d")[..50]));
    let mut known = open(state.path());
    assert_eq!(known.old_instance(&header(1)).unwrap(), Some("shared/a b"));
    assert_eq!(known.old_instance(&header(2)).unwrap(), None, "two lines disagree");
    assert_eq!(known.old_instance(&header(3)).unwrap(), None, "half a line");
    known.learned(commit("shared/a b", "f", [1])).unwrap();
    assert_eq!(places(&mut known, 1), ["shared/a b f.age"]);
    write(format!("{}{}", &line(3, "shared/d")[..50], line(4, "shared/e")));
    let error = open(state.path()).old_instance(&header(1)).unwrap_err().to_string();
    assert!(error.contains("sealed/headers is damaged: line 1"), "{error}");
}

#[test]
fn checkouts_are_linked_by_the_admin_alone_and_over_others() {
    let state = tempfile::tempdir().unwrap();
    let mut known = open(state.path());
    assert!(known.are_linked("one", "one").unwrap());
    assert!(!known.are_linked("one", "two").unwrap());
    known.link("one", "two").unwrap();
    known.link("three", "two").unwrap();
    for mut known in [known, open(state.path())] {
        for (a, b) in [("one", "two"), ("two", "one"), ("one", "three"), ("three", "one")] {
            assert!(known.are_linked(a, b).unwrap(), "{a} {b}");
        }
        assert!(!known.are_linked("one", "four").unwrap());
    }
}

fn record() -> impl Strategy<Value = HeaderRecord> {
    let stored = ("[ -~é]{0,8}", prop::collection::btree_set("[ -~\u{7f}é\"\\\\]{1,8}", 1..3), 0..9_usize);
    let stored = stored.prop_map(|(stored, files, number)| StoredHeaders {
        stored,
        files,
        headers: BTreeSet::from([header(number)]),
    });
    let commit = ("\\PC{0,8}", "[a-z/]{0,8}", prop::collection::vec(stored, 0..3));
    let commit = commit.prop_map(|(id, instance, files)| HeaderCommit { checkout: checkout(&id), instance, files });
    prop_oneof![
        commit.clone().prop_map(HeaderRecord::Committed),
        commit.prop_map(HeaderRecord::Learned),
        ("\\PC{0,8}", "\\PC{0,8}").prop_map(|(a, b)| HeaderRecord::Linked(CheckoutLink([a, b]))),
    ]
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(records in prop::collection::vec(record(), 0..8)) {
        let text = records.iter().flat_map(HeaderRecord::to_line).collect::<Vec<_>>();
        prop_assert_eq!(parse(&text).unwrap(), records);
    }

    #[test]
    fn no_text_panics_or_reads_as_other_lines(
        records in prop::collection::vec(record(), 1..5),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut text = records.iter().flat_map(HeaderRecord::to_line).collect::<Vec<_>>();
        let at = at.index(text.len());
        let line = text[..at].split(|byte| *byte == b'\n').count() - 1;
        text[at] = byte;
        // Every other line is as it was, or the damage is in the line that was changed.
        match parse(&text) {
            Ok(read) => {
                prop_assert!(read[..line] == records[..line]);
                prop_assert!(read.len() == records.len() && read[line + 1..] == records[line + 1..]);
            }
            Err((number, _)) => prop_assert!(number == line + 1),
        }
    }

    #[test]
    fn no_bytes_panic(text in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(&text);
    }
}

fn generation(number: u8) -> artifacts_digest::Generation {
    format!("{number:032x}").parse().unwrap()
}

/// A generation of `shared/a` in this repository, generated in this second.
fn stored(id: &str, number: u8, generated: u64, earlier: Option<u8>) -> GenerationCommit {
    let (generation, earlier) = (generation(number), earlier.map(generation));
    GenerationCommit { checkout: checkout(id), instance: "shared/a".to_owned(), generation, generated, earlier }
}

/// Which of these generations, each with its second, are older than the last one of `shared/a` in this repository.
fn older(known: &mut KnownHeaders, id: &str, all: &[(u8, u64)]) -> Vec<u8> {
    let Some(last) = known.last_generation(id, "shared/a").unwrap() else { return Vec::new() };
    let older = all.iter().filter(|(number, generated)| last.is_after(&generation(*number), *generated));
    older.map(|(number, _)| *number).collect()
}

#[test]
fn a_generation_is_older_that_was_replaced_or_was_generated_before_the_last_one() {
    let state = tempfile::tempdir().unwrap();
    let mut known = open(state.path());
    let all = [(1, 10), (2, 20), (3, 20), (4, 30)];
    assert_eq!(older(&mut known, "one", &all), Vec::<u8>::new(), "nothing was stored here");
    known.stored(vec![stored("one", 2, 20, Some(1))]).unwrap();
    assert_eq!(older(&mut known, "one", &all), [1]);
    // A file of several was set: the time is the same.
    known.stored(vec![stored("one", 3, 20, Some(2))]).unwrap();
    for mut known in [known.clone(), open(state.path())] {
        assert_eq!(older(&mut known, "one", &all), [1, 2]);
        assert_eq!(older(&mut known, "two", &all), Vec::<u8>::new(), "another repository");
    }
    // What comes back is the last one then, and what it replaced may come back as well.
    known.stored(vec![stored("one", 1, 10, None)]).unwrap();
    assert_eq!(older(&mut known, "one", &all), [2], "it was replaced");
    known.link("one", "two").unwrap();
    assert_eq!(older(&mut known, "two", &all), [2]);
    known.stored(vec![stored("two", 4, 30, Some(3))]).unwrap();
    assert_eq!(older(&mut known, "one", &all), [1, 2, 3]);
}

#[test]
fn a_generation_that_is_the_last_one_already_is_not_noted_again() {
    let state = tempfile::tempdir().unwrap();
    let mut known = open(state.path());
    known.stored(vec![stored("one", 1, 10, None)]).unwrap();
    let before = fs::read(file(state.path())).unwrap();
    known.stored(vec![stored("one", 1, 10, None)]).unwrap();
    assert_eq!(fs::read(file(state.path())).unwrap(), before);
}

#[test]
fn of_many_generations_the_last_ones_are_kept() {
    let records = (0..COMMITS as u64 + 2).map(|at| HeaderRecord::Stored(stored("one", 1, at, None)));
    let (kept, forgotten) = kept(records.collect());
    assert_eq!((kept.len(), forgotten), (COMMITS, 2));
    assert_eq!(kept.last(), Some(&HeaderRecord::Stored(stored("one", 1, COMMITS as u64 + 1, None))));
}
