use std::fs;
use std::io;

use crate::bindings::artifacts::backend::age::{self, Form};
use crate::bindings::artifacts::backend::log::{Level, log};
use crate::bindings::artifacts::backend::secrets::Secret;
use crate::escape::symlink;
use crate::{EntryWriter, Failure, Instance, Item, Plan, SerializeError, anywhere, failure, hex, path, resource};

/// A recipient that nobody declared; its private half is lost.
const STRANGER: &str = "age12p82n7at9dh2e00lt637jvxcqfdun8hffuzpqg5x3un3zp3uzfust6up58";

/// Stores the items, or not.
///
/// # Errors
/// As the behaviour has it.
pub fn run(plan: &Plan, instance: &Instance, items: &[Item], entry: &EntryWriter) -> Result<(), SerializeError> {
    if plan.mode == "needs-all" && items.len() < instance.files.len() {
        return Err(SerializeError::NeedsAll);
    }
    Ok(wrong(plan, instance, items, entry)?)
}

fn wrong(plan: &Plan, instance: &Instance, items: &[Item], entry: &EntryWriter) -> Result<(), Failure> {
    match plan.mode.as_str() {
        // Secrets that are not this backend's to have.
        "bytes" => expose(items).map(drop),
        "seal-stranger" => held_off(seal_each(items, &[STRANGER.to_owned()])),
        "seal-one-more" => {
            seal_each(items, &plan.recipients)?;
            held_off(seal_each(items, &[STRANGER.to_owned()]))
        }
        "seal-nobody" => held_off(items.iter().try_for_each(|item| seal_as(item, &[]).map(drop))),
        // One file's secret as another's, as a file's that is not declared, and as two files'.
        "seal-as" => held_off(seal_as(&items[0], &[&plan.text]).map(drop)),
        "seal-both" => {
            let names: Vec<&str> = items.iter().map(|item| item.name.as_str()).collect();
            held_off(seal_as(&items[0], &names).map(drop))
        }
        "seal-own" => {
            let own = Secret::new(b"made up");
            let sealed = age::seal(&[items[0].name.clone()], &own, Form::Armored)?;
            write("/entry/own", &sealed)
        }
        "seal-more" => {
            for _ in 0..16 {
                seal_all(items)?;
            }
            store(plan, instance, items)
        }
        // A header for each recipient, or for the first one alone.
        "seal-each" => {
            items.iter().try_for_each(|item| write(&path(&item.name), &seal_to(item, &plan.recipients)?.concat()))
        }
        "seal-first" => {
            items.iter().try_for_each(|item| write(&path(&item.name), &seal_to(item, &plan.recipients[..1])?.concat()))
        }
        // Sealed well, and stored so that nobody sees it.
        "hide" => items.iter().try_for_each(|item| {
            let sealed = seal_as(item, &[&item.name])?;
            write(&path(&item.name), hex(&sealed).as_bytes())
        }),
        // An age file that it brought along, or that was another's stored file.
        "store-shipped" => {
            store(plan, instance, items)?;
            write("/entry/shipped", plan.text.as_bytes())
        }
        "move-stored" => {
            let old = fs::read(path(&plan.text))?;
            store(plan, instance, items)?;
            write("/entry/moved", &old)
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
        "name-secret" => write(&format!("/entry/{}", expose(items)?), b""),
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
            let first = seal_as(&items[0], &[&items[0].name])?;
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
            if resource::write(plan, entry)? { Ok(()) } else { leave(mode, plan) }
        }
    }
}

fn leave(mode: &str, plan: &Plan) -> Result<(), Failure> {
    match mode {
        "leave-symlink" => Ok(symlink(&plan.text, "/entry/link")?),
        "leave-hardlink" => {
            write("/entry/one", b"x")?;
            Ok(fs::hard_link("/entry/one", "/entry/two")?)
        }
        "leave-folder" => Ok(fs::create_dir("/entry/folder")?),
        "leave-nested" => {
            fs::create_dir("/entry/folder")?;
            write("/entry/folder/file", b"x")
        }
        "leave-named" => write(&format!("/entry/{}", plan.text), b"x"),
        "leave-big" => write("/entry/big", &vec![0; 64 << 20]),
        "needs-all" => Ok(()),
        _ => anywhere::run(plan),
    }
}

/// The good behaviour.
fn store(plan: &Plan, instance: &Instance, items: &[Item]) -> Result<(), Failure> {
    for item in items {
        write(&path(&item.name), &seal_as(item, &[&item.name])?)?;
    }
    plan.store()?;
    for entry in fs::read_dir("/entry")? {
        let name = entry?.file_name().display().to_string();
        if name != "plan" && !instance.files.iter().any(|file| format!("{}.age", file.name) == name) {
            fs::remove_file(format!("/entry/{name}"))?;
        }
    }
    Ok(())
}

fn seal_all(items: &[Item]) -> Result<(), Failure> {
    items.iter().try_for_each(|item| seal_as(item, &[&item.name]).map(drop))
}

fn seal_each(items: &[Item], keys: &[String]) -> Result<(), Failure> {
    items.iter().try_for_each(|item| seal_to(item, keys).map(drop))
}

fn seal_as(item: &Item, files: &[&str]) -> Result<Vec<u8>, Failure> {
    let files: Vec<String> = files.iter().map(ToString::to_string).collect();
    age::seal(&files, &item.value, Form::Armored)
}

fn seal_to(item: &Item, keys: &[String]) -> Result<Vec<Vec<u8>>, Failure> {
    age::seal_each(std::slice::from_ref(&item.name), &item.value, keys, Form::Armored)
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
