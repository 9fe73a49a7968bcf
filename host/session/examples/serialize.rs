//! For `cargo xtask bench`: secrets of 100 bytes, each stored by a call of its own, without commit. Prints microseconds,
//! one round a line.
//!
//! `serialize COMPONENT ROUNDS COUNT RECIPIENT…`
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::fs::File;
use std::time::Instant;

use artifacts_contract::Component;
use artifacts_declared::Recipients;
use artifacts_seam::Limits;
use artifacts_seam::{CallContext, EntryFiles, FileTarget, InstanceView, Secret, SecretFile, TargetView};
use artifacts_session::WorkerSession;
use artifacts_worker::in_process;

/// The time of every call.
const NOW: CallContext = CallContext { now: 1_700_000_000 };

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next().ok_or("see the first lines of this file");
    let component = Component::read(std::fs::read(next()?)?)?;
    let (rounds, count): (usize, usize) = (next()?.parse()?, next()?.parse()?);
    let recipients: Vec<String> = arguments.collect();

    let folder = tempfile::tempdir_in("/dev/shm")?;
    let end = in_process(component.bytes(), Limits::default(), File::open(folder.path())?.into())?;
    let grants = component.manifest().requests.clone();
    let mut backend = WorkerSession::over(&component, grants, Limits::default(), end);
    let config = serde_json::json!({ "publicHostKey": recipients.first(), "publicUserKeys": recipients.get(1..) });
    let instances: Vec<InstanceView> = (0..count).map(|number| instance(number, &config.to_string())).collect();
    let recipients = recipients_of(&mut backend, &instances)?;
    let items = [("secret".to_owned(), Secret::new(vec![b'x'; 100]))];
    for _ in 0..rounds {
        let start = Instant::now();
        for (instance, recipients) in instances.iter().zip(&recipients) {
            let stored = backend.serialize(NOW, instance.clone(), EntryFiles::new(), &items, recipients);
            let stored = stored.map_err(|failed| format!("{:?}", failed.error))?;
            assert_eq!(stored.files.len(), 1, "one secret is one stored file");
        }
        println!("{}", start.elapsed().as_micros());
    }
    Ok(())
}

fn recipients_of(backend: &mut WorkerSession, instances: &[InstanceView]) -> Result<Vec<Recipients>, String> {
    let batch = instances.iter().map(|instance| (instance.clone(), EntryFiles::new())).collect();
    let answers = backend.check(NOW, batch).answers.into_iter();
    answers.map(|answer| answer.map(|verified| verified.recipients).map_err(|error| format!("{error:?}"))).collect()
}

fn instance(number: usize, config: &str) -> InstanceView {
    let (kind, name) = ("nixos".to_owned(), "web1".to_owned());
    let targets = vec![FileTarget { kind: kind.clone(), name: name.clone() }];
    let file = SecretFile { name: "secret".to_owned(), targets, attrs: Vec::new() };
    InstanceView {
        name: format!("per-machine/web1/a{number}"),
        artifact: format!("a{number}"),
        shared: false,
        targets: vec![TargetView { kind, name, config: config.to_owned(), attrs: Vec::new() }],
        files: vec![file],
        attrs: Vec::new(),
    }
}
