//! A secret while a person edits it, as a file in RAM.

use std::fs::File;
use std::path::PathBuf;

use artifacts_declared::Name;
use artifacts_ram::{Error, IrregularFile, PrivateDir};
use artifacts_report::Failure;
use artifacts_seam::Secret;
use rustix::fs::{FileType, Mode, OFlags, fstat, openat};

use crate::limited_input;
use crate::signals::Unsaved;

/// The file that an editor is given.
pub struct Draft {
    pub dir: PrivateDir,
    subject: String,
    file: Name,
    /// What it was given last.
    given: Secret,
    _unsaved: Unsaved,
}

/// What an editor made of it.
pub enum Taken {
    /// Nothing.
    Unchanged,
    /// Another value.
    Value(Secret),
    /// Something that cannot be stored. It is kept until the person gives it up.
    Failed(Failure),
}

impl Draft {
    /// Lays a value out.
    pub fn new(dir: Result<PrivateDir, Error>, subject: &str, file: &Name, value: &Secret) -> Result<Self, Failure> {
        let failed = |error: Error| failure(subject, &error);
        let dir = dir.map_err(failed)?;
        dir.write(file.as_str(), value.expose(), 0o600).map_err(failed)?;
        Ok(Self {
            dir,
            subject: subject.to_owned(),
            file: file.clone(),
            given: value.clone(),
            _unsaved: Unsaved::new(),
        })
    }

    /// Where it is.
    pub fn path(&self) -> PathBuf {
        self.dir.path().join(self.file.as_str())
    }

    /// Takes what the editor left, `before` being what is stored. An editor that failed and changed nothing has failed for good.
    pub fn collect(&self, edited: Result<(), Failure>, before: &Secret) -> Result<Taken, Failure> {
        let after = match self.read() {
            Ok(after) => after,
            Err(error) => return Ok(Taken::Failed(self.misplaced(&error))),
        };
        if let Err(failure) = edited {
            return if after == *before { Err(failure) } else { Ok(Taken::Failed(failure)) };
        }
        let Some(value) = changed(before, &after) else { return Ok(Taken::Unchanged) };
        if value.size() == 0 {
            let empty = Failure::new(self.subject.clone(), "the edited file is empty; nothing was changed")
                .hint(Some("to store an empty value, run `artifacts set --allow-empty INSTANCE FILE </dev/null`"));
            // There is nothing to be lost.
            return Err(empty);
        }
        Ok(Taken::Value(value))
    }

    fn read(&self) -> Result<Secret, Error> {
        // A file that its owner may not read is the owner's all the same.
        let _ = artifacts_ram::unlock(self.dir.dir(), self.file.as_str());
        let mut bytes = self.dir.read(self.file.as_str(), limited_input::VALUE as u64)?;
        Ok(Secret::new(std::mem::take(&mut *bytes)))
    }

    fn misplaced(&self, error: &Error) -> Failure {
        let hint = match error {
            Error::File { fault: IrregularFile::Link, .. } => {
                let place = std::fs::read_link(self.path()).unwrap_or_default();
                format!(
                    "the editor replaced the file with a symbolic link; your text is in {}: remove it, and configure the editor to write the file itself",
                    place.display()
                )
            }
            Error::File { fault: IrregularFile::Links(_), .. } => {
                "the editor made a hard link to the file; configure it to write the file without one".to_owned()
            }
            Error::File { fault: IrregularFile::Missing, .. } => {
                "the editor removed the file, or saved it under another name".to_owned()
            }
            _ => return failure(&self.subject, error),
        };
        failure(&self.subject, error).hint(Some(hint))
    }

    /// Makes it a file again that can be edited and taken, with what was typed in it as far as that can be read.
    pub fn renew(&mut self) -> Result<(), Failure> {
        let typed = match self.read() {
            Ok(typed) => typed,
            // It stays as it is: the person may shorten it.
            Err(Error::File { fault: IrregularFile::TooLarge { .. }, .. }) => return Ok(()),
            Err(_) => self.salvaged().unwrap_or_else(|| self.given.clone()),
        };
        let renewed = self.dir.replace(self.file.as_str(), typed.expose(), 0o600);
        renewed.map_err(|error| failure(&self.subject, &error))?;
        self.given = typed;
        Ok(())
    }

    /// What the editor wrote under another name, if the file leads there.
    fn salvaged(&self) -> Option<Secret> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = openat(self.dir.dir(), self.file.as_str(), flags, Mode::empty()).ok()?;
        let is_file = FileType::from_raw_mode(fstat(&file).ok()?.st_mode) == FileType::RegularFile;
        is_file.then(|| limited_input::read_from(File::from(file), limited_input::VALUE).ok()).flatten()
    }
}

fn failure(subject: &str, error: &Error) -> Failure {
    Failure::about(subject, error)
}

/// The new value; none when it is the old one. The newline that editors put at the end of a file that had none is not meant.
fn changed(before: &Secret, after: &Secret) -> Option<Secret> {
    let (old, new) = (before.expose(), after.expose());
    let meant = match new.strip_suffix(b"\n") {
        Some(bare) if !old.is_empty() && !old.ends_with(b"\n") => bare,
        _ => new,
    };
    (meant != old).then(|| Secret::new(meant.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newline_of_the_editor_is_not_meant() {
        let secret = |text: &str| Secret::new(text.as_bytes().to_vec());
        let changed = |old, new| changed(&secret(old), &secret(new));
        assert_eq!(changed("a", "a\n"), None);
        assert_eq!(changed("a\n", "a\n"), None);
        assert_eq!(changed("a", "b\n"), Some(secret("b")));
        assert_eq!(changed("a\n", "b\n"), Some(secret("b\n")));
        assert_eq!(changed("", "b\n"), Some(secret("b\n")));
        assert_eq!(changed("a\n", "a"), Some(secret("a")));
    }
}
