//! Seals and stores natively, for comparison: prints microseconds, one round a line.
//!
//! `native seal DIR ROUNDS COUNT RECIPIENT…`: as many secrets of 100 bytes, armored, each into a file.
//! `native sops DIR ROUNDS COUNT RECIPIENT…`: the same as files of sops, by the code that the component is made of.
//! `native rekey DIR ROUNDS COUNT IDENTITY FILE RECIPIENT…`: opens the file as often and seals it for others, each into a
//! file that is written aside and renamed.
//! `native move DIR ROUNDS COUNT IDENTITY FILE RECIPIENT…`: the same, sealed as a file of sops.
//! `native replace DIR ROUNDS COUNT full|no-sync`: as many files, each written aside, synced and renamed.
//! `native read DIR ROUNDS`: every file below, one after the other, but for hidden ones.
//! `native look DIR ROUNDS`: the same, where only receipts are read, and all others are looked at.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::iter;
use std::path::Path;
use std::time::{Instant, SystemTime};

use age::armor::{ArmoredReader, ArmoredWriter, Format};
use age::{Decryptor, Encryptor, IdentityFile, Recipient, ssh, tag, tagpq, x25519};
use anyhow::{Result, anyhow, bail};
use sops_format::{DataKey, Form, LeafValue, create};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["seal", dir, rounds, count, recipients @ ..] => {
            let recipients = recipients.iter().map(|text| recipient(text)).collect::<Result<Vec<_>>>()?;
            let count: usize = count.parse()?;
            measured(rounds.parse()?, || seal_all(Path::new(dir), count, &recipients))
        }
        ["sops", dir, rounds, count, recipients @ ..] => {
            let parsed = recipients.iter().map(|text| recipient(text)).collect::<Result<Vec<_>>>()?;
            let count: usize = count.parse()?;
            measured(rounds.parse()?, || encrypt_all(Path::new(dir), count, recipients, &parsed))
        }
        ["rekey", dir, rounds, count, identity, file, recipients @ ..] => {
            let identities = IdentityFile::from_file((*identity).to_owned())?.into_identities()?;
            let recipients = recipients.iter().map(|text| recipient(text)).collect::<Result<Vec<_>>>()?;
            let sealed = fs::read(file)?;
            let count: usize = count.parse()?;
            measured(rounds.parse()?, || {
                rekey_all(Path::new(dir), count, (&sealed, &identities), |plain| {
                    self::sealed(plain, recipients.iter().map(AsRef::as_ref))
                })
            })
        }
        ["move", dir, rounds, count, identity, file, recipients @ ..] => {
            let identities = IdentityFile::from_file((*identity).to_owned())?.into_identities()?;
            let parsed = recipients.iter().map(|text| recipient(text)).collect::<Result<Vec<_>>>()?;
            let sealed = fs::read(file)?;
            let count: usize = count.parse()?;
            measured(rounds.parse()?, || {
                rekey_all(Path::new(dir), count, (&sealed, &identities), |plain| encrypted(plain, recipients, &parsed))
            })
        }
        ["replace", dir, rounds, count, how] => {
            let (count, sync) = (count.parse()?, *how == "full");
            measured(rounds.parse()?, || replace_all(Path::new(dir), count, sync))
        }
        ["read", dir, rounds] => measured(rounds.parse()?, || read_all(Path::new(dir), &|_| true)),
        ["look", dir, rounds] => measured(rounds.parse()?, || read_all(Path::new(dir), &|name| name == "receipt.json")),
        _ => bail!("see the first lines of this file"),
    }
}

fn measured(rounds: usize, mut round: impl FnMut() -> Result<()>) -> Result<()> {
    for _ in 0..rounds {
        let start = Instant::now();
        round()?;
        println!("{}", start.elapsed().as_micros());
    }
    Ok(())
}

fn recipient(text: &str) -> Result<Box<dyn Recipient>> {
    if let Ok(recipient) = text.parse::<x25519::Recipient>() {
        return Ok(Box::new(recipient));
    }
    if let Ok(recipient) = text.parse::<tag::Recipient>() {
        return Ok(Box::new(recipient));
    }
    if let Ok(recipient) = text.parse::<tagpq::Recipient>() {
        return Ok(Box::new(recipient));
    }
    let recipient: ssh::Recipient = text.parse().map_err(|error| anyhow!("`{text}` is no recipient: {error:?}"))?;
    Ok(Box::new(recipient))
}

fn seal_all(dir: &Path, count: usize, recipients: &[Box<dyn Recipient>]) -> Result<()> {
    for number in 0..count {
        let sealed = sealed(&[b'x'; 100], recipients.iter().map(AsRef::as_ref))?;
        fs::write(dir.join(format!("{number}.age")), &sealed)?;
    }
    Ok(())
}

fn rekey_all(
    dir: &Path,
    count: usize,
    (stored, identities): (&[u8], &[Box<dyn age::Identity + Send + Sync>]),
    seal: impl Fn(&[u8]) -> Result<Vec<u8>>,
) -> Result<()> {
    for number in 0..count {
        let mut plain = Vec::new();
        let decryptor = Decryptor::new(ArmoredReader::new(stored))?;
        decryptor
            .decrypt(identities.iter().map(|identity| &**identity as &dyn age::Identity))?
            .read_to_end(&mut plain)?;
        let aside = dir.join("aside");
        fs::write(&aside, seal(&plain)?)?;
        fs::rename(&aside, dir.join(format!("{number}.age")))?;
    }
    Ok(())
}

fn sealed<'a>(plain: &[u8], recipients: impl Iterator<Item = &'a dyn Recipient>) -> Result<Vec<u8>> {
    let encryptor = Encryptor::with_recipients(recipients)?;
    let mut sealed = Vec::new();
    let mut writer = encryptor.wrap_output(ArmoredWriter::wrap_output(&mut sealed, Format::AsciiArmor)?)?;
    writer.write_all(plain)?;
    writer.finish()?.finish()?;
    Ok(sealed)
}

fn encrypt_all(dir: &Path, count: usize, names: &[&str], recipients: &[Box<dyn Recipient>]) -> Result<()> {
    for number in 0..count {
        fs::write(dir.join(format!("{number}.sops")), encrypted(&[b'x'; 100], names, recipients)?)?;
    }
    Ok(())
}

/// As the component does: a data key for each file, an age file for each reader.
fn encrypted(plain: &[u8], names: &[&str], recipients: &[Box<dyn Recipient>]) -> Result<Vec<u8>> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs().try_into()?;
    let value = [LeafValue::new("data", plain)];
    create(Form::Binary, &DataKey::generate()?, &value, names, now, |key, _| {
        let copy = |recipient: &Box<dyn Recipient>| Ok(String::from_utf8(sealed(key, [&**recipient].into_iter())?)?);
        recipients.iter().map(copy).collect()
    })
}

/// What an entry of one secret for three recipients has, with its receipt, in bytes.
const ENTRY: [(&str, usize); 2] = [("age", 800), ("json", 600)];

fn replace_all(dir: &Path, count: usize, sync: bool) -> Result<()> {
    for number in 0..count {
        for (ending, size) in ENTRY {
            let bytes: Vec<u8> = iter::repeat_n(b'x', size).collect();
            let aside = dir.join("aside");
            let mut file = File::create(&aside)?;
            file.write_all(&bytes)?;
            if sync {
                file.sync_all()?;
            }
            fs::rename(&aside, dir.join(format!("{number}.{ending}")))?;
            if sync {
                File::open(dir)?.sync_all()?;
            }
        }
    }
    Ok(())
}

fn read_all(dir: &Path, is_read: &dyn Fn(&str) -> bool) -> Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with('.') {
            continue;
        }
        if entry.file_type()?.is_dir() {
            read_all(&entry.path(), is_read)?;
        } else if is_read(&name) {
            drop(fs::read(entry.path())?);
        } else {
            entry.metadata()?;
        }
    }
    Ok(())
}
