//! For `cargo xtask bench`: new entries of one file, committed. Prints microseconds, one round a line.
//!
//! `commit DIR ROUNDS COUNT full|no-sync`
#![allow(clippy::print_stdout)]

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::time::{Instant, SystemTime};

use artifacts_declared::{InstanceName, Recipients};
use artifacts_seam::EntryFiles;
use artifacts_store::{
    BackendId, Durability, Few, Generation, NewEntry, Receipt, Root, Schema, Sha256, Storage, WriterOptions,
};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next().ok_or("see the first lines of this file");
    let dir = next()?;
    let (rounds, count): (usize, usize) = (next()?.parse()?, next()?.parse()?);
    let durability = if next()? == "full" { Durability::Full } else { Durability::NoSync };
    for _ in 0..rounds {
        let dir = tempfile::tempdir_in(&dir)?;
        let storage = Storage::open(&Root::open(dir.path())?, "secrets")?;
        let mut options = WriterOptions::at(SystemTime::now());
        options.durability = durability;
        let writer = storage.lock(options)?;
        let start = Instant::now();
        for number in 0..count {
            writer.commit(entry(format!("per-machine/web1/a{number}").parse()?)?)?;
        }
        println!("{}", start.elapsed().as_micros());
    }
    Ok(())
}

/// About what one secret for three recipients comes to.
fn entry(instance: InstanceName) -> Result<NewEntry, Box<dyn Error>> {
    let backend =
        BackendId { name: "agenix".parse()?, version: "0.1.0".to_owned(), sha256: Sha256::digest(b"a component") };
    let receipt = Receipt {
        schema: Schema,
        instance,
        former: BTreeSet::new(),
        backend,
        generated: SystemTime::now().into(),
        expires: None,
        generation: Generation::random()?,
        dependencies: BTreeMap::new(),
        validation: None,
        targets: BTreeSet::new().into(),
        recipients: Recipients::new(),
        files: Few::new(),
        public: Few::new(),
        headers: Few::new(),
        headers_without_file: BTreeSet::new(),
        labels: BTreeMap::new().into(),
    };
    let files = EntryFiles::from([("secret.age".to_owned(), vec![b'x'; 800])]);
    Ok(NewEntry { files, public: EntryFiles::new(), receipt, replaces: None })
}
