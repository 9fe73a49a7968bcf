//! How much there is to do, by counting: that is the same on a busy machine. `cargo xtask bench --quick` shows the counts.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc, clippy::print_stdout)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use artifacts_tests::fleet::{self, Fleet, Ran, in_session, through};
use serde_json::{Value, json};

/// Instances in the fleets: so few that a fleet is soon generated.
const SIZES: [u64; 3] = [10, 50, 500];
/// Instances that are planned alone, which needs no fleet.
const PLANNED: [u64; 3] = [10, 200, 2000];

/// One call for the recipients of an instance, and one that checks it.
const CALLS: Limit = Limit { growth: 1.0, each: 2.0 };
/// Measured: 41 in a checkout. Two stored files and a receipt are opened, described, read and closed, and their directory is listed, by the
/// host and once more by the component; for git they are looked at. The rest is room for another kernel and other libraries.
const SYSTEM_CALLS: Limit = Limit { growth: 1.1, each: 58.0 };
/// Measured: 14 in a checkout. Of what rests, the receipt is read; the stored files are looked at, once for git as well, and their directory is
/// listed. Files that were written in the moment of git's index are read for it.
const REMEMBERED: Limit = Limit { growth: 1.1, each: 24.0 };
/// Measured: 118,000 for a document and 129,000 for lines, each of them not optimized and with what makes the text. The same for each
/// instance, whatever their number.
const READING: Limit = Limit { growth: 1.05, each: 160_000.0 };
/// Measured: 255,000, those of reading among them. Maps of names grow by the logarithm: 1.04 times from 200 to 2,000.
const PLANNING: Limit = Limit { growth: 1.1, each: 320_000.0 };

/// A count by the number of instances: for few, whose count is mostly the fixed part, for some and for many.
struct Counts {
    what: &'static str,
    few: (u64, u64),
    some: (u64, u64),
    many: (u64, u64),
}

/// What is allowed.
struct Limit {
    /// Of an instance among many, in those of an instance among some.
    growth: f64,
    /// Of an instance.
    each: f64,
}

impl Counts {
    /// Counts for these numbers of instances.
    fn of(what: &'static str, sizes: [u64; 3], mut count: impl FnMut(u64) -> Result<u64>) -> Result<Self> {
        let [few, some, many] = sizes.map(|size| count(size).map(|count| (size, count)));
        Ok(Self { what, few: few?, some: some?, many: many? })
    }

    /// Of an instance among some and among many, without the fixed part.
    fn each(&self) -> (f64, f64) {
        let (fewest, fixed) = self.few;
        #[expect(clippy::cast_precision_loss, reason = "counts are small")]
        let each = |(size, count): (u64, u64)| (count as f64 - fixed as f64) / (size - fewest) as f64;
        (each(self.some), each(self.many))
    }

    /// What is wrong, if anything is. Shows the counts.
    fn exceed(&self, limit: &Limit) -> Option<String> {
        let (some, many) = self.each();
        let counted = format!(
            "{}: {} for {} instances, {} for {}, {} for {}; each of {} {some:.1}, each of {} {many:.1}",
            self.what,
            self.few.1,
            self.few.0,
            self.some.1,
            self.some.0,
            self.many.1,
            self.many.0,
            self.some.0,
            self.many.0,
        );
        println!("{counted} (at most {:.0}, and {:.2} times as many)", limit.each, limit.growth);
        let grows = many > some * limit.growth;
        (grows || some.max(many) > limit.each).then(|| {
            let why = if grows { "more than linear" } else { "too many" };
            format!("{why}: {counted}")
        })
    }
}

/// Fleets of all sizes, all of whose artifacts are stored: two secret files each, ten artifacts of a machine.
fn fleets() -> Result<BTreeMap<u64, Fleet>> {
    SIZES.into_iter().map(|size| Ok((size, stored(size)?))).collect()
}

fn stored(instances: u64) -> Result<Fleet> {
    // In RAM: of that file system it is known what it tells of files.
    let mut fleet = Fleet::new_in(Path::new("/dev/shm"))?;
    // Without a generator a file has the value that is typed, which takes no sandbox.
    let artifact = json!({"backend": "agenix", "files": {"one": {}, "two": {}}});
    let artifacts: Value = (0..10).map(|number| (format!("a{number}"), artifact.clone())).collect();
    let mut answers = serde_json::Map::new();
    for machine in 0..instances / 10 {
        let name = format!("m{machine:03}");
        fleet = fleet.machine(&name, &artifacts)?;
        for number in 0..10 {
            answers.insert(format!("{name}/a{number}"), json!({"one": "1", "two": "2"}));
        }
    }
    let file = fleet.home().join("answers.json");
    fs::write(&file, Value::Object(answers).to_string())?;
    let file = file.to_str().context("a path is text")?;
    let arguments = ["--no-sync", "generate", "--accept-recipients", "--no-input", "--answers", file];
    fleet.run(arguments)?.ends(0);
    Ok(fleet)
}

/// The calls of all backends, from lines as `agenix: 20000 calls`.
fn calls(said: &str) -> Option<u64> {
    let calls = said.lines().filter_map(|line| line.strip_suffix(" calls")?.rsplit_once(": ")?.1.parse::<u64>().ok());
    calls.reduce(|one, other| one + other)
}

/// System calls that are made more or less often as processes and threads happen to wait for each other.
const WAITS: [&str; 13] = [
    "clock_nanosleep",
    "epoll_pwait",
    "epoll_wait",
    "futex",
    "nanosleep",
    "poll",
    "ppoll",
    "restart_syscall",
    "rt_sigreturn",
    "sched_yield",
    "wait4",
    "waitid",
    "sched_getaffinity",
];

/// The system calls of a command and all that it starts, besides those of waiting.
fn system_calls(command: &Command, status: i32) -> Result<u64> {
    let dir = tempfile::tempdir()?;
    let log = dir.path().join("counts");
    let mut strace = Command::new("strace");
    strace.args(["--follow-forks", "--summary-only", "--summary-columns=calls,name", "--output"]).arg(&log);
    let ran = Ran::from(in_session(&through(strace, command)).output().context("strace")?);
    ensure!(ran.status == Some(status), "{ran}");
    let text = fs::read_to_string(&log)?;
    let counts = text.lines().filter_map(|line| {
        let (count, name) = line.trim().split_once(char::is_whitespace)?;
        Some((name.trim(), count.parse::<u64>().ok()?))
    });
    let counts: BTreeMap<&str, u64> = counts.collect();
    let total = counts.get("total").with_context(|| format!("strace counted nothing:\n{text}"))?;
    Ok(total - WAITS.iter().filter_map(|name| counts.get(name)).sum::<u64>())
}

/// The instructions of some work of `planned`, an example beside the tests.
fn instructions(work: &str, instances: u64) -> Result<u64> {
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"]);
    valgrind.arg(planned()?).args([work, &instances.to_string()]);
    let ran = Ran::from(valgrind.output().context("valgrind")?);
    ensure!(ran.status == Some(0), "{ran}");
    let line = ran.stderr.lines().find_map(|line| line.split_once("refs:"));
    let (_, number) = line.with_context(|| format!("valgrind counted nothing: {ran}"))?;
    Ok(number.trim().replace(',', "").parse()?)
}

fn planned() -> Result<PathBuf> {
    let program = fleet::program()?;
    let path = program.parent().unwrap_or(Path::new("/")).join("examples/planned");
    ensure!(path.exists(), "{} is missing: run `cargo xtask bench --quick`", path.display());
    Ok(path)
}

#[test]
fn calls_and_system_calls_of_status_are_as_many_for_each_instance_of_a_large_fleet() -> Result<()> {
    let fleets = fleets()?;
    let counted = Counts::of("calls of backends by status", SIZES, |size| {
        let ran = fleets[&size].run(["-v", "status", "--no-memo"])?.ends(0);
        calls(&ran.stderr).with_context(|| format!("no line says how many calls there were: {ran}"))
    })?;
    assert_eq!(counted.exceed(&CALLS), None);
    let counted = Counts::of("system calls of status", SIZES, |size| {
        system_calls(&fleets[&size].command(["status", "--no-memo"])?, 0)
    })?;
    assert_eq!(counted.exceed(&SYSTEM_CALLS), None);
    // What is remembered is not asked, and what rests is not read.
    for size in SIZES {
        fleets[&size].rest()?;
        fleets[&size].run(["status"])?.ends(0);
    }
    let counted = Counts::of("calls of backends by status, all remembered", SIZES, |size| {
        let ran = fleets[&size].run(["-v", "status"])?.ends(0);
        calls(&ran.stderr).with_context(|| format!("no line says how many calls there were: {ran}"))
    })?;
    assert_eq!(counted.exceed(&Limit { growth: 1.0, each: 0.0 }), None);
    let counted = Counts::of("system calls of status, all remembered", SIZES, |size| {
        system_calls(&fleets[&size].command(["status"])?, 0)
    })?;
    assert_eq!(counted.exceed(&REMEMBERED), None);
    Ok(())
}

#[test]
fn instructions_of_planning_are_as_many_for_each_instance_of_a_large_fleet() -> Result<()> {
    for (what, work, limit) in [
        ("instructions of reading a document", "parse", &READING),
        ("instructions of reading lines", "lines", &READING),
        ("instructions of reading and planning", "plan", &PLANNING),
    ] {
        let counted = Counts::of(what, PLANNED, |size| instructions(work, size))?;
        assert_eq!(counted.exceed(limit), None);
    }
    Ok(())
}

#[test]
fn work_for_each_pair_of_instances_is_noticed() -> Result<()> {
    let counted = Counts::of("instructions for each pair", PLANNED, |size| instructions("pairs", size))?;
    let why = counted.exceed(&Limit { growth: PLANNING.growth, each: f64::INFINITY });
    assert!(why.is_some_and(|why| why.starts_with("more than linear: instructions for each pair")));
    let counted = Counts::of("system calls for each pair", SIZES, |size| {
        let mut perl = Command::new("perl");
        perl.args(["-e", "for (1 .. $ARGV[0] ** 2 / 50) { -e '/' }"]).arg(size.to_string());
        system_calls(&perl, 0)
    })?;
    let why = counted.exceed(&Limit { growth: SYSTEM_CALLS.growth, each: f64::INFINITY });
    assert!(why.is_some_and(|why| why.starts_with("more than linear: system calls for each pair")));
    Ok(())
}

#[test]
fn too_much_of_it_is_noticed_also_where_it_does_not_grow() {
    let counted = |many| Counts { what: "calls", few: (10, 120), some: (50, 200), many: (500, many) };
    let limit = Limit { growth: 1.1, each: 2.0 };
    assert_eq!(counted(1100).exceed(&limit), None);
    assert!(counted(1100).exceed(&Limit { each: 1.9, ..limit }).unwrap().starts_with("too many: calls: 120 for 10"));
    assert!(counted(1210).exceed(&limit).unwrap().starts_with("more than linear: "));
}

#[test]
fn the_count_of_calls_is_read_off_its_lines() {
    assert_eq!(calls("note: x\nagenix: 20000 calls\nsops-nix: 2 calls\n"), Some(20_002));
    assert_eq!(calls("agenix: no calls\n"), None);
}
