//! Seals and stores natively, for comparison: prints microseconds, one round a line.
//!
//! `native seal FOLDER ROUNDS COUNT RECIPIENT…`: as many secrets of 100 bytes, armored, each into a file.
//! `native replace FOLDER ROUNDS COUNT full|no-sync`: as many files, each written aside, synced and renamed.

use std::fs::{self, File};
use std::io::Write;
use std::iter;
use std::path::Path;
use std::time::Instant;

use age::armor::{ArmoredWriter, Format};
use age::{Encryptor, Recipient, ssh, x25519};
use anyhow::{Result, anyhow, bail};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["seal", folder, rounds, count, recipients @ ..] => {
            let recipients = recipients.iter().map(|text| recipient(text)).collect::<Result<Vec<_>>>()?;
            let count: usize = count.parse()?;
            measured(rounds.parse()?, || seal_all(Path::new(folder), count, &recipients))
        }
        ["replace", folder, rounds, count, how] => {
            let (count, sync) = (count.parse()?, *how == "full");
            measured(rounds.parse()?, || replace_all(Path::new(folder), count, sync))
        }
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
    let recipient: ssh::Recipient = text.parse().map_err(|error| anyhow!("`{text}` is no recipient: {error:?}"))?;
    Ok(Box::new(recipient))
}

fn seal_all(folder: &Path, count: usize, recipients: &[Box<dyn Recipient>]) -> Result<()> {
    for number in 0..count {
        let encryptor = Encryptor::with_recipients(recipients.iter().map(AsRef::as_ref))?;
        let mut sealed = Vec::new();
        let mut writer = encryptor.wrap_output(ArmoredWriter::wrap_output(&mut sealed, Format::AsciiArmor)?)?;
        writer.write_all(&[b'x'; 100])?;
        writer.finish()?.finish()?;
        fs::write(folder.join(format!("{number}.age")), &sealed)?;
    }
    Ok(())
}

fn replace_all(folder: &Path, count: usize, sync: bool) -> Result<()> {
    let bytes: Vec<u8> = iter::repeat_n(b'x', 800).collect();
    for number in 0..count {
        let aside = folder.join("aside");
        let mut file = File::create(&aside)?;
        file.write_all(&bytes)?;
        if sync {
            file.sync_all()?;
        }
        fs::rename(&aside, folder.join(format!("{number}.age")))?;
        if sync {
            File::open(folder)?.sync_all()?;
        }
    }
    Ok(())
}
