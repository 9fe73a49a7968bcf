//! What earlier versions noted: the instance that a header was encrypted for, without its repository and file.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use artifacts_digest::HeaderHash;

use crate::Error;
use crate::state_dir::StateDir;

const FILE: &str = "headers";

/// Reads one header a line: its SHA-256, a space, and the instance. It is never written.
#[derive(Debug, Clone)]
pub struct OldHeaders(StateDir);

impl OldHeaders {
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self(StateDir::new(directory))
    }

    /// Reads the instances by header. Where two lines disagree, neither counts.
    pub fn read(&self) -> Result<HashMap<HeaderHash, String>, Error> {
        let text = self.0.read(FILE)?.unwrap_or_default();
        let mut instances: HashMap<HeaderHash, String> = HashMap::new();
        let mut disputed = HashSet::new();
        // A kill or a full disk left an incomplete last line.
        let lines = text.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n"));
        for (number, line) in lines.enumerate() {
            let (header, instance) = parse(line).ok_or_else(|| self.damaged(number + 1))?;
            let first = instances.entry(header).or_insert_with(|| instance.to_owned());
            if first != instance {
                disputed.insert(header);
            }
        }
        instances.retain(|header, _| !disputed.contains(header));
        Ok(instances)
    }

    fn damaged(&self, line: usize) -> Error {
        Error::DamagedLine { path: self.0.at(FILE), line, why: "it is not a SHA-256 and an instance".to_owned() }
    }
}

fn parse(line: &[u8]) -> Option<(HeaderHash, &str)> {
    let line = std::str::from_utf8(line).ok()?.strip_suffix('\n')?;
    let (header, instance) = line.split_once(' ').filter(|(_, instance)| !instance.is_empty())?;
    Some((header.parse().ok()?, instance))
}
