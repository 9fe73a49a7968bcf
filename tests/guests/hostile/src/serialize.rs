use std::fs;
use std::io;

use crate::bindings::artifacts::backend::age;
use crate::bindings::artifacts::backend::log::{Level, log};
use crate::bindings::artifacts::backend::secrets::Secret;
use crate::escape::symlink;
use crate::{Failure, Instance, Item, Plan, anywhere, failure, path};

/// A recipient that nobody declared; its private half is lost.
const STRANGER: &str = "age12p82n7at9dh2e00lt637jvxcqfdun8hffuzpqg5x3un3zp3uzfust6up58";

/// Stores the items, or not.
///
/// # Errors
/// As the behaviour has it.
pub fn run(plan: &Plan, instance: &Instance, items: &[Item]) -> Result<(), Failure> {
    match plan.mode.as_str() {
        // Secrets that are not this backend's to have.
        "bytes" => expose(items).map(drop),
        "seal-stranger" => held_off(seal_all(items, &[STRANGER.to_owned()])),
        "seal-one-more" => held_off(seal_all(items, &[plan.recipients.as_slice(), &[STRANGER.to_owned()]].concat())),
        "seal-nobody" => held_off(seal_all(items, &[])),
        "seal-named" => held_off(seal_all(items, std::slice::from_ref(&plan.text))),
        "seal-own" => age::seal(&Secret::new(b"made up"), &plan.recipients, true).map(drop),
        "seal-more" => {
            for _ in 0..16 {
                seal_all(items, &plan.recipients)?;
            }
            store(plan, instance, items)
        }
        // Secrets in the wrong place.
        "store-plain" => items.iter().try_for_each(|item| write(&path(&item.name), &item.value.bytes())),
        "log-secret" => {
            log(Level::Error, &expose(items)?);
            store(plan, instance, items)
        }
        "print-secret" => {
            eprintln!("{}", expose(items)?);
            store(plan, instance, items)
        }
        "fail-secret" => Err(failure("internal", &expose(items)?)),
        "panic-secret" => panic!("{}", expose(items)?),
        "name-secret" => write(&format!("/slice/{}", expose(items)?), b""),
        // Work not done, or half done.
        "nothing" => Ok(()),
        "wipe" => instance.files.iter().try_for_each(|file| match fs::remove_file(path(&file.name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }),
        "first-then-fail" => {
            store(plan, instance, &items[..1])?;
            Err(failure("internal", "half done"))
        }
        "first-then-trap" => {
            store(plan, instance, &items[..1])?;
            panic!("half done")
        }
        "first-only" => store(plan, instance, &items[..1]),
        "empty-files" => items.iter().try_for_each(|item| write(&path(&item.name), b"")),
        "garbage" => items.iter().try_for_each(|item| write(&path(&item.name), &[0xff; 64])),
        "all-the-same" => {
            let first = age::seal(&items[0].value, &plan.recipients, true)?;
            items.iter().try_for_each(|item| write(&path(&item.name), &first))
        }
        "touch-others" => {
            for file in &instance.files {
                if !items.iter().any(|item| item.name == file.name) {
                    write(&path(&file.name), b"-----BEGIN AGE ENCRYPTED FILE-----\nreplayed\n")?;
                }
            }
            store(plan, instance, items)
        }
        // Things left behind that are no clean regular files.
        mode => {
            store(plan, instance, items)?;
            leave(mode, plan)
        }
    }
}

fn leave(mode: &str, plan: &Plan) -> Result<(), Failure> {
    match mode {
        "leave-symlink" => Ok(symlink(&plan.text, "/slice/link")?),
        "leave-hardlink" => {
            write("/slice/one", b"x")?;
            Ok(fs::hard_link("/slice/one", "/slice/two")?)
        }
        "leave-folder" => Ok(fs::create_dir("/slice/folder")?),
        "leave-nested" => {
            fs::create_dir("/slice/folder")?;
            write("/slice/folder/file", b"x")
        }
        "leave-named" => write(&format!("/slice/{}", plan.text), b"x"),
        "leave-big" => write("/slice/big", &vec![0; 64 << 20]),
        _ => anywhere::run(plan),
    }
}

/// The good behaviour.
fn store(plan: &Plan, instance: &Instance, items: &[Item]) -> Result<(), Failure> {
    let mut recipients = plan.recipients.clone();
    recipients.sort();
    recipients.dedup();
    for item in items {
        write(&path(&item.name), &age::seal(&item.value, &recipients, true)?)?;
    }
    for entry in fs::read_dir("/slice")? {
        let name = entry?.file_name().display().to_string();
        if !instance.files.iter().any(|file| format!("{}.age", file.name) == name) {
            fs::remove_file(format!("/slice/{name}"))?;
        }
    }
    Ok(())
}

fn seal_all(items: &[Item], recipients: &[String]) -> Result<(), Failure> {
    items.iter().try_for_each(|item| age::seal(&item.value, recipients, true).map(drop))
}

/// What should have been refused.
fn held_off(result: Result<(), Failure>) -> Result<(), Failure> {
    match result {
        Ok(()) => Err(failure("escaped", "sealed")),
        Err(refusal) => Err(refusal),
    }
}

fn expose(items: &[Item]) -> Result<String, Failure> {
    let first = items.first().ok_or_else(|| failure("internal", "no item"))?;
    Ok(String::from_utf8_lossy(&first.value.bytes()).into_owned())
}

fn write(path: &str, bytes: &[u8]) -> Result<(), Failure> {
    Ok(fs::write(path, bytes)?)
}
