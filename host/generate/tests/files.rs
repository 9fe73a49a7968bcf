//! What comes out of a run: exactly the declared files, each a plain one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::missing_panics_doc)]

mod common;

use artifacts_generate::{GeneratorFailure, OutputLimits};
use artifacts_ram::IrregularFile;
use artifacts_text::{Comparison, Explain as _};
use common::{RamDir, name, secret};

#[test]
fn declared_files_come_out_as_they_are() {
    let place = RamDir::new();
    let job =
        place.job("printf 'a\\0b' > $out/one; : > \"$out/two words\"; chmod 000 $out/* $out", &["one", "two words"]);
    let files = place.run(&job).unwrap();
    assert_eq!(files.len(), 2);
    assert_eq!(files[&name("one")], secret("a\0b"));
    assert_eq!(files[&name("two words")], secret(""));
}

#[test]
fn a_missing_file_is_named_with_what_is_there_instead() {
    let place = RamDir::new();
    let job = place.job("echo x > $out/secrt", &["secret"]);
    let error = place.run(&job).unwrap_err();
    assert_eq!(error.to_string(), "the generator did not write $out/secret");
    assert_eq!(error.comparison(), Comparison::new("$out/secrt", "$out/secret"));
    let error = place.run(&place.job("true", &["secret"])).unwrap_err();
    assert_eq!(error.comparison().found.as_deref(), Some("nothing in $out"));
}

#[test]
fn anything_undeclared_is_refused() {
    let place = RamDir::new();
    for (make, kind) in [
        ("echo x > $out/extra", "the file"),
        ("mkdir $out/extra", "the directory"),
        ("ln -s it $out/extra", "the symbolic link"),
        ("mkfifo $out/extra", "the special file"),
    ] {
        let fault = place.fault(&format!("echo x > $out/it; {make}"), &["it"]);
        assert!(
            matches!(&fault, GeneratorFailure::Extra { name, kind: found, .. } if name == "extra" && *found == kind),
            "{fault}"
        );
        assert_eq!(fault.to_string(), format!("the generator wrote {kind} `extra`, which is not declared"));
    }
    let fault = place.fault("echo x > $out/it; echo y > $out/$'\\xff'", &["it"]);
    assert!(matches!(fault, GeneratorFailure::Extra { .. }), "{fault}");
    let fault = place.fault("echo x > $out/it; echo y > $out/$'\\e[31m'", &["it"]);
    assert!(fault.to_string().contains("`\\u{1b}[31m`"), "{fault}");
}

#[test]
fn a_declared_file_is_a_plain_one() {
    let place = RamDir::new();
    let check = |make: &str, right: fn(&IrregularFile) -> bool| {
        let fault = place.fault(make, &["it"]);
        assert!(
            matches!(&fault, GeneratorFailure::File { file, fault } if file.as_str() == "it" && right(fault)),
            "{make}: {fault}"
        );
    };
    check("ln -s /etc/passwd $out/it", |fault| matches!(fault, IrregularFile::Link));
    check("ln -s /nowhere $out/it", |fault| matches!(fault, IrregularFile::Link));
    check("ln -s $prompts $out/it", |fault| matches!(fault, IrregularFile::Link));
    check("mkdir -m 0 $out/it", |fault| matches!(fault, IrregularFile::Directory));
    check("mkfifo $out/it", |fault| matches!(fault, IrregularFile::Special("named pipe")));
    check("perl -MIO::Socket::UNIX -e 'IO::Socket::UNIX->new(Local => \"/out/it\", Listen => 1) or die'", |fault| {
        matches!(fault, IrregularFile::Special("socket"))
    });
}

#[test]
fn a_link_to_a_file_outside_is_not_read() {
    let place = RamDir::new();
    let outside = place.disk.path().join("of-the-caller");
    std::fs::write(&outside, "s3cret").unwrap();
    let fault = place.fault(&format!("ln -s {} $out/it", outside.display()), &["it"]);
    assert!(matches!(fault, GeneratorFailure::File { fault: IrregularFile::Link, .. }), "{fault}");
}

#[test]
fn two_names_of_one_file_are_refused() {
    let place = RamDir::new();
    let fault = place.fault("echo x > $out/one; ln $out/one $out/two", &["one", "two"]);
    assert!(matches!(fault, GeneratorFailure::File { fault: IrregularFile::Links(2), .. }), "{fault}");
}

#[test]
fn no_device_can_be_made() {
    let place = RamDir::new();
    assert!(matches!(place.fault("mknod $out/it c 1 5", &["it"]), GeneratorFailure::Failed { .. }));
}

#[test]
fn a_file_is_held_to_its_limit() {
    let place = RamDir::new();
    let mut job = place.job("head -c 1001 /dev/zero > $out/it; sleep 0.2", &["it"]);
    job.limits = OutputLimits { file: 1001, total: 2000, scratch: 1 << 20 };
    assert_eq!(place.run(&job).unwrap()[&name("it")].size(), 1001);
    job.limits.file = 1000;
    let fault = place.fault_in(&job);
    assert_eq!(fault.to_string(), "`it` in $out: expected at most 1000 bytes, found 1001");
    // A hole takes no room, and is too large all the same.
    let mut job = place.job("truncate -s 500M $out/it", &["it"]);
    job.limits.scratch = 1 << 30;
    assert!(matches!(place.fault_in(&job), GeneratorFailure::File { fault: IrregularFile::TooLarge { .. }, .. }));
}

#[test]
fn all_files_together_are_held_to_their_limit() {
    let place = RamDir::new();
    let mut job = place.job("head -c 600 /dev/zero > $out/one; head -c 600 /dev/zero > $out/two", &["one", "two"]);
    job.limits = OutputLimits { file: 1000, total: 1 << 20, scratch: 1 << 20 };
    assert!(place.run(&job).is_ok());
    job.limits.total = 1000;
    assert!(matches!(place.fault_in(&job), GeneratorFailure::TooMuch { limit: 1000, .. }));
}

#[test]
fn memory_cannot_be_filled_through_out() {
    let place = RamDir::new();
    let small = OutputLimits { file: 1 << 20, total: 4 << 20, scratch: 4 << 20 };
    // One file for ever, many files for ever, directories for ever: with SIGXFSZ ignored, so that only the host can end it.
    for body in [
        "trap '' XFSZ; while true; do cat /dev/zero >> $out/it; done",
        "i=0; while true; do i=$((i+1)); head -c 1000000 /dev/zero > $out/$i; done",
        "i=0; while true; do : > $out/$((i++)); done",
        "cd $out; while true; do mkdir d; cd d; done",
        "mkdir -m 0 $out/locked; chmod 700 $out/locked; cd $out/locked; chmod 000 .; trap '' XFSZ; while true; do i=$((i+1)); head -c 1000000 /dev/zero > $i; done",
    ] {
        let mut job = place.job(body, &["it"]);
        job.limits = small;
        job.timeout = Some(std::time::Duration::from_secs(20));
        let fault = place.fault_in(&job);
        assert!(matches!(fault, GeneratorFailure::TooMuch { .. } | GeneratorFailure::Failed { .. }), "{body}: {fault}");
    }
    // Who comes first to a single large file, the kernel or the host, is open.
    let mut job = place.job("head -c 100000000 /dev/zero > $out/it", &["it"]);
    job.limits = small;
    let fault = place.fault_in(&job);
    assert!(
        matches!(fault, GeneratorFailure::Failed { status: 153, .. } | GeneratorFailure::TooMuch { .. }),
        "{fault}"
    );
    // Where it holds nothing that the host could count, it is the kernel.
    let mut job = place.job("truncate -s 100000000 $out/it", &["it"]);
    job.limits = small;
    let fault = place.fault_in(&job);
    assert!(matches!(fault, GeneratorFailure::Failed { status: 153, .. }), "SIGXFSZ ends it: {fault}");
}

#[test]
fn memory_cannot_be_filled_through_scratch() {
    let place = RamDir::new();
    for at in ["/tmp", "/dev/shm"] {
        let body = format!(
            "for i in 1 2 3 4; do head -c 900000 /dev/zero > {at}/$i || break; done 2>/dev/null; du -s --block-size=1 {at} | cut -f1 > $out/it"
        );
        let mut job = place.job(&body, &["it"]);
        job.limits.scratch = 1 << 20;
        let used: u64 = place.says_in(&job).trim().parse().unwrap();
        assert!((800_000..=1 << 20).contains(&used), "{at}: {used}");
    }
}

#[test]
fn what_is_deleted_and_still_open_counts() {
    let place = RamDir::new();
    let mut job =
        place.job("exec 5> $out/it; rm $out/it; head -c 6000000 /dev/zero >&5; sleep 20; echo x > $out/it", &["it"]);
    job.limits = OutputLimits { file: 1 << 20, total: 4 << 20, scratch: 64 << 20 };
    job.timeout = Some(std::time::Duration::from_secs(15));
    let fault = place.fault_in(&job);
    assert!(
        matches!(&fault, GeneratorFailure::TooMuch { found, .. } if found.ends_with("bytes with deleted files")),
        "{fault}"
    );
    // Faster than anyone looks: there is an end all the same.
    let mut job = place.job(
        "for i in $(seq 40); do exec {fd}> $out/$i; rm $out/$i; head -c 4000000 /dev/zero >&$fd || exit 3; done; echo x > $out/it",
        &["it"],
    );
    job.limits = OutputLimits { file: 1 << 20, total: 4 << 20, scratch: 64 << 20 };
    let fault = place.fault_in(&job);
    assert!(matches!(&fault, GeneratorFailure::TooMuch { .. } | GeneratorFailure::Failed { status: 3, .. }), "{fault}");
}

#[test]
fn a_file_of_two_names_counts_once() {
    let place = RamDir::new();
    let mut job = place.job(
        "head -c 3000000 /dev/zero > $out/it; for i in 1 2 3; do ln $out/it $out/$i; done; sleep 0.3; rm $out/[123]",
        &["it"],
    );
    job.limits = OutputLimits { file: 4 << 20, total: 4 << 20, scratch: 64 << 20 };
    assert_eq!(place.run(&job).unwrap()[&name("it")].size(), 3_000_000);
}
