//! Reads objects of a repository, over two processes of git for all of them.

use std::collections::BTreeMap;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use super::Warning;
use super::view::View;
use crate::StoredFile;

/// The objects of a repository.
pub struct Objects {
    sizes: Answers,
    contents: Answers,
    /// Of those that were read, by their names.
    read: BTreeMap<String, StoredFile>,
}

/// Describes an object that is a file.
pub struct Blob {
    pub name: String,
    /// In bytes.
    pub size: u64,
}

impl Objects {
    pub fn open(view: &View<'_>) -> Result<Self, Warning> {
        let sizes = Answers::start(view, "--batch-check")?;
        Ok(Self { sizes, contents: Answers::start(view, "--batch")?, read: BTreeMap::new() })
    }

    /// Finds a file in a version, such as a commit or `:0`, the index.
    pub fn find(&mut self, version: &str, path: &str) -> Result<Option<Blob>, Warning> {
        // Git reads a name with a line break as two.
        if path.contains('\n') {
            Ok(None)
        } else {
            self.sizes.ask(&format!("{version}:{path}")).map_err(|error| unreadable(&error))
        }
    }

    /// Finds a file by its own name.
    pub fn named(&mut self, name: &str) -> Result<Option<Blob>, Warning> {
        self.sizes.ask(name).map_err(|error| unreadable(&error))
    }

    /// Reads a file.
    pub fn content(&mut self, blob: &Blob) -> Result<Vec<u8>, Warning> {
        self.contents.read(blob).map_err(|error| unreadable(&error))
    }

    /// Describes the bytes of a file, each read once.
    pub fn stored(&mut self, blob: &Blob) -> Result<StoredFile, Warning> {
        if let Some(stored) = self.read.get(&blob.name) {
            return Ok(*stored);
        }
        let stored = StoredFile::new(&self.content(blob)?);
        self.read.insert(blob.name.clone(), stored);
        Ok(stored)
    }
}

fn unreadable(error: &io::Error) -> Warning {
    Warning::Refused { said: format!("its objects cannot be read: {error}") }
}

/// A process of git that answers each line.
struct Answers {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Drop for Answers {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Answers {
    fn start(view: &View<'_>, how: &str) -> Result<Self, Warning> {
        let not_started = |source| Warning::NotStarted { source };
        let mut command = view.command();
        // What it says there would have to be read for it to go on.
        let mut child = command.args(["cat-file", how]).stderr(Stdio::null()).spawn().map_err(not_started)?;
        match (child.stdin.take(), child.stdout.take()) {
            (Some(input), Some(output)) => Ok(Self { child, input, output: BufReader::new(output) }),
            _ => Err(not_started(io::ErrorKind::BrokenPipe.into())),
        }
    }

    /// Asks for an object. Nothing is found where the answer describes no file.
    fn ask(&mut self, object: &str) -> io::Result<Option<Blob>> {
        self.input.write_all(format!("{object}\n").as_bytes())?;
        let mut answer = Vec::new();
        self.output.read_until(b'\n', &mut answer)?;
        if answer.pop() != Some(b'\n') {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let answer = String::from_utf8_lossy(&answer);
        let mut words = answer.split(' ');
        let (Some(name), Some("blob"), Some(size), None) = (words.next(), words.next(), words.next(), words.next())
        else {
            return Ok(None);
        };
        Ok(size.parse().ok().map(|size| Blob { name: name.to_owned(), size }))
    }

    /// Reads an object that is known to be a file.
    fn read(&mut self, blob: &Blob) -> io::Result<Vec<u8>> {
        if self.ask(&blob.name)?.is_none_or(|found| found.size != blob.size) {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut content = Vec::new();
        (&mut self.output).take(blob.size).read_to_end(&mut content)?;
        let mut end = [0];
        self.output.read_exact(&mut end)?;
        Ok(content)
    }
}
