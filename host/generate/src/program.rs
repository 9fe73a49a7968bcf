use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

use crate::elf;
use crate::error::GeneratorFailure;
use crate::store_path::{StorePath, follow, real};

/// Path of a generator inside, if it is neither in its closure nor among the system's programs.
pub(crate) const OUTSIDER: &str = "/generator";

/// Directories of the system that every generator sees.
pub(crate) const SYSTEM: [&str; 7] = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"];

/// Bytes of a file that the kernel looks at (`BINPRM_BUF_SIZE` of Linux).
const HEAD: usize = 256;

/// Interpreters that are scripts themselves: as many as the kernel follows.
const DEPTH: usize = 5;

/// Describes what to execute.
#[derive(Debug)]
pub(crate) struct Program {
    /// Program and arguments, as seen inside: for a script from its first line.
    pub(crate) words: Vec<OsString>,
    /// File to copy into the sandbox, and its path there.
    pub(crate) outsider: Option<(File, PathBuf)>,
    /// System that it is built for, if that is another one.
    pub(crate) foreign: Option<&'static str>,
}

impl Program {
    /// Resolves directory, symbolic links and first line.
    pub(crate) fn resolve(program: &Path, closure: &[StorePath]) -> Result<Self, GeneratorFailure> {
        let bad = |why: String| GeneratorFailure::Program { program: program.to_owned(), why };
        let ExecutableFile { entry, path } = executable(program, closure).map_err(bad)?;
        let (inside, outsider) = if visible(&path, closure) {
            // Under its own name where that can be seen too, since some programs look at how they are called.
            (if visible(&entry, closure) { entry } else { path.clone() }, None)
        } else {
            let name = entry.file_name().unwrap_or(path.as_os_str());
            let inside = Path::new(OUTSIDER).join(name);
            let file = File::open(&path).map_err(|error| bad(format!("cannot be read: {error}")))?;
            (inside.clone(), Some((file, inside)))
        };
        let mut words = vec![inside.into_os_string()];
        let mut at = path;
        for _ in 0..DEPTH {
            match head(&real(&at, closure)).map_err(|why| bad(format!("cannot be run: {} {why}", at.display())))? {
                ExecutableKind::Program { foreign, loader } => {
                    // The kernel would say that the program is not there.
                    loader.map_or(Ok(at), |loader| needed("loader", &loader, closure)).map_err(bad)?;
                    return Ok(Self { words, outsider, foreign });
                }
                ExecutableKind::Script { interpreter, argument } => {
                    at = needed("interpreter", &interpreter, closure).map_err(bad)?;
                    let first = [Some(interpreter.into_os_string()), argument];
                    words.splice(..0, first.into_iter().flatten());
                }
            }
        }
        Err(bad("has no binary in its chain of interpreters".to_owned()))
    }
}

/// Finds what the kernel starts in place of a program that names it.
fn needed(what: &str, path: &Path, closure: &[StorePath]) -> Result<PathBuf, String> {
    let found = follow(path, closure).map_err(|error| format!("needs the {what} `{}`: {error}", path.display()))?;
    if visible(&found, closure) {
        return Ok(found);
    }
    Err(format!(
        "needs the {what} `{}`, which is neither in its closure nor below {}",
        found.display(),
        SYSTEM.join(" ")
    ))
}

fn visible(path: &Path, closure: &[StorePath]) -> bool {
    SYSTEM
        .iter()
        .map(Path::new)
        .chain(closure.iter().map(|one| one.path.as_path()))
        .any(|shown| path.starts_with(shown))
}

/// Holds the executable file of a generator.
#[derive(Debug)]
pub struct ExecutableFile {
    /// Its path below that of the generator.
    pub entry: PathBuf,
    /// Its path without symbolic links, as programs in the store name it.
    pub path: PathBuf,
}

/// Finds the executable file of a generator: the path itself, or the only one in `bin`. `store` has the store paths that
/// are elsewhere on this machine.
///
/// # Errors
/// The reason why there is none, as a text that follows the path.
pub fn executable(program: &Path, store: &[StorePath]) -> Result<ExecutableFile, String> {
    if !program.is_absolute() {
        return Err("is invalid: expected an absolute path".to_owned());
    }
    let find = |path: &Path| {
        let path = follow(path, store).map_err(|error| format!("cannot be found: {error}"))?;
        let found = real(&path, store);
        let stat = fs::metadata(&found).map_err(|error| format!("cannot be found: {error}"))?;
        Ok::<_, String>((path, found, stat))
    };
    let (_, _, stat) = find(program)?;
    let entry = if stat.is_dir() {
        let bin = program.join("bin");
        let within = follow(&bin, store).map_err(|error| format!("is a directory without `bin`: {error}"))?;
        bin.join(only_one(&real(&within, store))?)
    } else {
        program.to_owned()
    };
    let (path, found, stat) = find(&entry)?;
    if !stat.is_file() {
        return Err("is invalid: expected an executable file".to_owned());
    }
    access(&found, Access::EXEC_OK).map_err(|_| {
        format!("is invalid: expected an executable file, found {} without that permission", entry.display())
    })?;
    Ok(ExecutableFile { entry, path })
}

fn only_one(bin: &Path) -> Result<OsString, String> {
    let entries = fs::read_dir(bin).map_err(|error| format!("is a directory without `bin`: {error}"))?;
    let mut files: Vec<OsString> = entries
        .map(|entry| entry.map(|entry| entry.file_name()))
        .collect::<Result<_, _>>()
        .map_err(|error| error.to_string())?;
    files.sort();
    match files.as_slice() {
        [file] => Ok(file.clone()),
        files => {
            let names: Vec<_> = files.iter().map(|name| name.to_string_lossy()).collect();
            Err(format!("is a directory: expected one file in `bin`, found {} ({})", names.len(), names.join(", ")))
        }
    }
}

enum ExecutableKind {
    Program { foreign: Option<&'static str>, loader: Option<PathBuf> },
    Script { interpreter: PathBuf, argument: Option<OsString> },
}

/// Reads the beginning of a file as the kernel does. Bubblewrap starts programs by `execvp(3)`, which gives whatever
/// the kernel rejects to `/bin/sh`: a script for another machine would run in the wrong shell.
fn head(path: &Path) -> Result<ExecutableKind, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let mut head = Vec::with_capacity(HEAD);
    (&file).take(HEAD as u64).read_to_end(&mut head).map_err(|error| error.to_string())?;
    if let Some(line) = head.strip_prefix(b"#!") {
        return script(line);
    }
    if head.starts_with(b"\x7fELF") {
        let foreign = elf::foreign(&head);
        // Emulation has loaders of its own.
        let loader = if foreign.is_none() { elf::loader(&file) } else { None };
        return Ok(ExecutableKind::Program { foreign, loader });
    }
    if [&b"\xcf\xfa\xed\xfe"[..], b"\xce\xfa\xed\xfe", b"\xca\xfe\xba\xbe"].iter().any(|magic| head.starts_with(magic))
    {
        return Ok(ExecutableKind::Program { foreign: Some("darwin"), loader: None });
    }
    Err("is neither an ELF program nor a script that begins with `#!`".to_owned())
}

fn script(line: &[u8]) -> Result<ExecutableKind, String> {
    let Some(end) = line.iter().position(|&byte| byte == b'\n').or((line.len() < HEAD - 2).then_some(line.len()))
    else {
        return Err(format!("has a first line of more than {HEAD} bytes"));
    };
    let line = line[..end].trim_ascii();
    let split = line.iter().position(|&byte| byte == b' ' || byte == b'\t').unwrap_or(line.len());
    let (interpreter, argument) = line.split_at(split);
    if !interpreter.starts_with(b"/") {
        return Err("has a first line without the absolute path of an interpreter".to_owned());
    }
    let argument = argument.trim_ascii();
    let text = |bytes: &[u8]| OsString::from_vec(bytes.to_vec());
    Ok(ExecutableKind::Script {
        interpreter: PathBuf::from(text(interpreter)),
        argument: (!argument.is_empty()).then(|| text(argument)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(line: &str) -> Option<(String, Option<String>)> {
        match script(line.as_bytes()) {
            Ok(ExecutableKind::Script { interpreter, argument }) => {
                Some((interpreter.display().to_string(), argument.map(|text| text.to_string_lossy().into_owned())))
            }
            _ => None,
        }
    }

    #[test]
    fn a_first_line_is_read_as_the_kernel_does() {
        let is =
            |interpreter: &str, argument: Option<&str>| Some((interpreter.to_owned(), argument.map(str::to_owned)));
        assert_eq!(parts("/bin/sh\necho"), is("/bin/sh", None));
        assert_eq!(parts(" \t/bin/sh \n"), is("/bin/sh", None));
        assert_eq!(parts("/usr/bin/env bash\n"), is("/usr/bin/env", Some("bash")));
        assert_eq!(parts("/bin/sh  -e -u \n"), is("/bin/sh", Some("-e -u")));
        assert_eq!(parts("/bin/sh"), is("/bin/sh", None));
        assert_eq!(parts("\n"), None);
        assert_eq!(parts("bin/sh\n"), None);
        assert_eq!(parts(&format!("/{}", "x".repeat(HEAD))[..HEAD - 2]), None);
    }

    #[test]
    fn nothing_is_visible_by_a_similar_name() {
        let closure = [StorePath::from(PathBuf::from("/nix/store/abc-gen"))];
        assert!(visible(Path::new("/nix/store/abc-gen/bin/x"), &closure));
        assert!(!visible(Path::new("/nix/store/abc-generator"), &closure));
        assert!(!visible(Path::new("/usrlocal/x"), &closure));
    }
}
