//! What the tests of the sandbox share.
#![allow(dead_code)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use artifacts_declared::{Artifact, Generator, Name};
use artifacts_generate::{Error, GeneratorFailure, Job, Sandbox};
use artifacts_ram::Ram;
use artifacts_seam::Secret;

/// Tells a test that runs again in a child process that it is the child, and where to work.
pub const CHILD: &str = "ARTIFACTS_GENERATE_TEST_CHILD";

/// A job of a program, without files, network and time limit.
pub fn job_of(instance: &str, program: impl Into<PathBuf>) -> Job {
    let generator = Generator { path: program.into(), drv: None, system: None };
    Job::new(instance.parse().unwrap(), &Artifact { generator: Some(generator), ..Artifact::default() }).unwrap()
}

pub fn name(text: &str) -> Name {
    text.parse().unwrap()
}

pub fn secret(text: &str) -> Secret {
    Secret::new(text.as_bytes().to_vec())
}

/// A place on disk and one in RAM, both of this test alone.
pub struct RamDir {
    pub disk: tempfile::TempDir,
    pub shm: tempfile::TempDir,
    pub sandbox: Sandbox,
}

impl RamDir {
    pub fn new() -> Self {
        let disk = tempfile::tempdir_in(std::env::current_exe().unwrap().parent().unwrap()).unwrap();
        let shm = tempfile::Builder::new().prefix("generate-test-").tempdir_in("/dev/shm").unwrap();
        let sandbox = sandbox(shm.path());
        Self { disk, shm, sandbox }
    }

    /// An executable script below the disk's directory.
    pub fn script(&self, path: &str, text: &str) -> PathBuf {
        let path = self.disk.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        artifacts_tests::script::write(&path, text).unwrap();
        path
    }

    /// A job for a bash script that is to make `expected`.
    pub fn job(&self, body: &str, expected: &[&str]) -> Job {
        let program = self.script("generator", &format!("#!/bin/bash\n{body}\n"));
        let mut job = job_of("per-machine/web1/attic", program);
        job.expected = expected.iter().map(|text| name(text)).collect();
        job
    }

    /// Runs a job; nothing of it may stay, whatever came of it.
    pub fn run(&self, job: &Job) -> Result<BTreeMap<Name, Secret>, Error> {
        let result = self.sandbox.run(job, &AtomicBool::new(false));
        assert_eq!(left_in(self.shm.path()), Vec::<String>::new(), "after {result:?}");
        result
    }

    /// What a bash script writes to `$out/it`.
    pub fn says(&self, body: &str) -> String {
        self.says_in(&self.job(body, &["it"]))
    }

    pub fn says_in(&self, job: &Job) -> String {
        let files = self.run(job).unwrap_or_else(|error| {
            let output = error.output().map(|output| String::from_utf8_lossy(output.expose()).into_owned());
            panic!("{error}: {output:?}")
        });
        String::from_utf8(files[&name("it")].expose().to_vec()).unwrap()
    }

    pub fn fault(&self, body: &str, expected: &[&str]) -> GeneratorFailure {
        self.fault_in(&self.job(body, expected))
    }

    pub fn fault_in(&self, job: &Job) -> GeneratorFailure {
        match self.run(job).unwrap_err() {
            Error::Run(fault) => *fault,
            other => panic!("{other}"),
        }
    }
}

pub fn sandbox(ram: &Path) -> Sandbox {
    let bubblewrap = Sandbox::find(&std::env::var_os("PATH").unwrap()).expect("the tests need bubblewrap (bwrap)");
    Sandbox::new(bubblewrap, &Ram::find(&[ram.to_owned()]).unwrap()).unwrap()
}

pub fn left_in(dir: &Path) -> Vec<String> {
    fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// A number of seconds that no other process of this machine sleeps.
pub fn marker() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{}.{:04}1", 1_000_000 + std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// How many processes of this machine have the marker among their arguments.
pub fn processes(marker: &str) -> usize {
    fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| fs::read(entry.ok()?.path().join("cmdline")).ok())
        .filter(|line| line.split(|&byte| byte == 0).any(|word| word == marker.as_bytes()))
        .count()
}

/// Waits until `done`, at most ten seconds.
pub fn soon(done: impl Fn() -> bool) -> bool {
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(10) {
        if done() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    false
}

/// This test again, alone, in a child process; `wrapper` goes before it.
pub fn again(test: &str, place: &Path, wrapper: &[&str]) -> Command {
    let mut words: Vec<String> = wrapper.iter().map(|word| (*word).to_owned()).collect();
    words.push(std::env::current_exe().unwrap().display().to_string());
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).args(["--exact", test, "--nocapture"]).env(CHILD, place);
    command
}

pub fn child_place() -> Option<PathBuf> {
    std::env::var_os(CHILD).map(PathBuf::from)
}
