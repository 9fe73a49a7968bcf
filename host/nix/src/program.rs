use std::ffi::{OsStr, OsString};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::Error;

/// Returns the value of a variable of the environment.
pub fn variable<'a>(environment: &'a [(OsString, OsString)], name: &str) -> Option<&'a OsStr> {
    environment.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_os_str())
}

/// Finds a program in the `PATH` of an environment.
pub fn find(name: &str, environment: &[(OsString, OsString)]) -> Result<PathBuf, Error> {
    let path = variable(environment, "PATH");
    path.and_then(|path| std::env::split_paths(path).map(|dir| dir.join(name)).find(|file| executable(file)))
        .ok_or_else(|| Error::Missing {
            program: name.to_owned(),
            path: path.map(|path| path.to_string_lossy().into_owned()),
        })
}

/// Returns whether a path is an executable file.
pub fn executable(file: &Path) -> bool {
    file.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}
