//! Reads objects of a repository, over two processes of git for all of them.

use std::collections::BTreeMap;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use super::Warning;
use super::view::View;
use crate::StoredFile;

/// Largest directory that is read, in bytes: one of a million files.
const MAX_TREE: u64 = 64 << 20;

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

    /// Returns the objects of the files that a directory, by its own name, calls this; none if it is larger than [`MAX_TREE`].
    pub fn called(&mut self, directory: &str, file: &str) -> Result<Option<Vec<String>>, Warning> {
        let tree = self.contents.tree(directory).map_err(|error| unreadable(&error))?;
        Ok(tree.map(|tree| files_called(&tree, directory.len() / 2, file)))
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

/// Returns the objects of the files that a directory calls this. Its bytes are, for each, `MODE NAME`, NUL, and an object's name of
/// so many bytes.
fn files_called(mut tree: &[u8], bytes: usize, file: &str) -> Vec<String> {
    let mut found = Vec::new();
    while let Some(end) = tree.iter().position(|byte| *byte == 0)
        && let Some((object, rest)) = tree.get(end + 1..).and_then(|after| after.split_at_checked(bytes))
    {
        // Neither a directory nor a submodule.
        let is_file = tree.starts_with(b"100") || tree.starts_with(b"120");
        let name = tree[..end].splitn(2, |byte| *byte == b' ').nth(1);
        if is_file && name == Some(file.as_bytes()) {
            let digits = object.iter().flat_map(|byte| [byte >> 4, byte & 0xf]);
            found.push(digits.filter_map(|digit| char::from_digit(digit.into(), 16)).collect());
        }
        tree = rest;
    }
    found
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

    /// Asks for an object, and returns the line that describes it.
    fn answer(&mut self, object: &str) -> io::Result<String> {
        self.input.write_all(format!("{object}\n").as_bytes())?;
        let mut answer = Vec::new();
        self.output.read_until(b'\n', &mut answer)?;
        if answer.pop() != Some(b'\n') {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }

    /// Asks for an object. Nothing is found where the answer describes no file.
    fn ask(&mut self, object: &str) -> io::Result<Option<Blob>> {
        let answer = self.answer(object)?;
        let mut words = answer.split(' ');
        let (Some(name), Some("blob"), Some(size), None) = (words.next(), words.next(), words.next(), words.next())
        else {
            return Ok(None);
        };
        Ok(size.parse().ok().map(|size| Blob { name: name.to_owned(), size }))
    }

    /// Reads a directory; empty if the object is something else, and none if it is larger than [`MAX_TREE`].
    fn tree(&mut self, name: &str) -> io::Result<Option<Vec<u8>>> {
        let answer = self.answer(name)?;
        let mut words = answer.split(' ').skip(1);
        let (Some(kind), Some(size)) = (words.next(), words.next()) else { return Ok(Some(Vec::new())) };
        let size: u64 = size.parse().map_err(|_| io::ErrorKind::InvalidData)?;
        let is_tree = kind == "tree";
        let is_read = is_tree && size <= MAX_TREE;
        let mut content = (&mut self.output).take(size);
        let mut tree = Vec::new();
        let read =
            if is_read { content.read_to_end(&mut tree)? as u64 } else { io::copy(&mut content, &mut io::sink())? };
        if read != size {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut end = [0];
        self.output.read_exact(&mut end)?;
        Ok((is_read || !is_tree).then_some(tree))
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
