//! For `cargo xtask bench`: what the worker process adds. Prints microseconds, one round a line.
//!
//! `walls start COMPONENT ROUNDS`: a worker, ready to be called, and its end; the code is at hand.
//! `walls check here|worker COMPONENT ROUNDS COUNT RECIPIENT…`: a batch of checks.
//! `walls serialize COMPONENT WORKERS ROUNDS COUNT RECIPIENT…`: secrets of 100 bytes, each stored by a call of its own, without commit.
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::fs::File;
use std::num::NonZeroUsize;
use std::time::Instant;

use artifacts_contract::{Component, Grants};
use artifacts_seam::Limits;
use artifacts_seam::{CallContext, EntryFiles, FileTarget, InstanceView, Secret, SecretFile, TargetView};
use artifacts_session::{Decrypted, SerializeCall, Session as _, WorkerSession, WorkerStart, Workers, precompile};
use artifacts_worker::{in_process, worker_main};

/// The time of every call.
const NOW: CallContext = CallContext { now: 1_700_000_000 };

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    worker_main(|_| None);
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["start", component, rounds] => start(&compiled(component)?, rounds.parse()?),
        ["check", place, component, rounds, count, recipients @ ..] => {
            check(place, component, rounds.parse()?, count.parse()?, recipients)
        }
        ["serialize", component, workers, rounds, count, recipients @ ..] => {
            serialize(&compiled(component)?, workers.parse()?, (rounds.parse()?, count.parse()?), recipients)
        }
        _ => Err("see the first lines of this file".into()),
    }
}

/// A component as it lies in the program: with its code.
fn compiled(path: &str) -> Result<Component> {
    let component = Component::read(std::fs::read(path)?)?;
    let code = precompile(&component, &WorkerStart::default())?;
    Ok(component.with_compiled(code.leak()))
}

fn open(component: &Component) -> Result<WorkerSession> {
    let grants = component.manifest().requests.clone();
    Ok(WorkerSession::open(component, grants, Limits::default(), &WorkerStart::default())?)
}

fn start(component: &Component, rounds: usize) -> Result<()> {
    for _ in 0..rounds {
        let start = Instant::now();
        drop(open(component)?);
        println!("{}", start.elapsed().as_micros());
    }
    Ok(())
}

fn check(place: &str, component: &str, rounds: usize, count: usize, recipients: &[&str]) -> Result<()> {
    let folder = tempfile::tempdir_in("/dev/shm")?;
    let mut backend = if place == "worker" {
        open(&compiled(component)?)?
    } else {
        let component = Component::read(std::fs::read(component)?)?;
        let end = in_process(component.bytes(), Limits::default(), File::open(folder.path())?.into())?;
        WorkerSession::over(&component, Grants::default(), Limits::default(), end)
    };
    let stored = EntryFiles::from([("secret.age".to_owned(), vec![b'x'; 700])]);
    for _ in 0..rounds {
        let batch = (0..count).map(|number| (instance(number, &["secret".to_owned()], recipients), stored.clone()));
        let batch: Vec<_> = batch.collect();
        let start = Instant::now();
        let checks = backend.check(NOW, batch);
        println!("{}", start.elapsed().as_micros());
        if let Some(error) = checks.answers.iter().find_map(|answer| answer.as_ref().err()) {
            return Err(format!("{error:?}").into());
        }
    }
    Ok(())
}

fn serialize(
    component: &Component,
    workers: NonZeroUsize,
    (rounds, count): (usize, usize),
    recipients: &[&str],
) -> Result<()> {
    let mut backend = Workers::new(open(component)?, workers, || Some(WorkerStart::default()));
    let instances: Vec<_> = (0..count).map(|number| instance(number, &["secret".to_owned()], recipients)).collect();
    let batch = instances.iter().map(|instance| (instance.clone(), EntryFiles::new())).collect();
    let answers = backend.check(NOW, batch).answers.into_iter();
    let recipients: std::result::Result<Vec<_>, _> =
        answers.map(|one| one.map(|verified| verified.recipients)).collect();
    let recipients = recipients.map_err(|error| format!("{error:?}"))?;
    let (items, decrypted) = ([("secret".to_owned(), Secret::new(vec![b'x'; 100]))], Decrypted::new());
    for _ in 0..rounds {
        let start = Instant::now();
        let calls = instances.iter().zip(&recipients).map(|(instance, recipients)| SerializeCall {
            instance: instance.clone(),
            files: EntryFiles::new(),
            secrets: &items,
            recipients,
            decrypted: &decrypted,
        });
        for stored in backend.serialize(NOW, calls.collect()) {
            let stored = stored.map_err(|failed| format!("{:?}", failed.error))?;
            assert_eq!(stored.files.len(), 1, "one secret is one stored file");
        }
        println!("{}", start.elapsed().as_micros());
    }
    Ok(())
}

fn instance(number: usize, names: &[String], recipients: &[&str]) -> InstanceView {
    let config = serde_json::json!({ "publicHostKey": recipients.first(), "publicUserKeys": recipients.get(1..) });
    let (kind, name) = ("nixos".to_owned(), "web1".to_owned());
    let target = FileTarget { kind: kind.clone(), name: name.clone() };
    let file = |name: &String| SecretFile { name: name.clone(), targets: vec![target.clone()], attrs: Vec::new() };
    InstanceView {
        name: format!("per-machine/web1/a{number}"),
        artifact: format!("a{number}"),
        shared: false,
        targets: vec![TargetView { kind, name, config: config.to_string().into(), attrs: Vec::new() }],
        files: names.iter().map(file).collect(),
        attrs: Vec::new(),
    }
}
