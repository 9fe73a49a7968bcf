use std::ffi::{CString, c_char, c_int};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};

use crate::bindings::artifacts::backend::age::{self, Form};
use crate::bindings::artifacts::backend::secrets::Secret;
use crate::{Failure, Plan, failure};

/// Ways out of `/entry`, by reading.
const OUTSIDE: &[&str] = &[
    "/etc/passwd",
    "/etc/passwd/",
    "etc/passwd",
    "../etc/passwd",
    "../../../../../../../../etc/passwd",
    "/entry/../etc/passwd",
    "/entry/../../../../../../../../etc/passwd",
    "/entry/./../../../../../../etc/passwd",
    "/entry//../../../../../../etc/passwd",
    "/entry/..",
    "/entry/../",
    "/proc/self/environ",
    "/entry/../../proc/self/environ",
    "/dev/null",
    "/",
    ".",
    "..",
];

/// Attempts to get out of what the contract gives.
///
/// # Errors
/// Of kind `escaped` when one succeeded.
pub fn run(plan: &Plan) -> Result<(), Failure> {
    match plan.mode.as_str() {
        "read-outside" => all(OUTSIDE, |path| fs::read(path).map(drop)),
        "list-outside" => all(OUTSIDE, |path| fs::read_dir(path).map(drop)),
        "stat-outside" => all(OUTSIDE, |path| fs::metadata(path).map(drop)),
        "write-outside" => {
            let paths =
                ["/tmp/escaped", "/entry/../escaped", "../escaped", "/escaped", "/entry/../../../../tmp/escaped"];
            all(&paths, |path| fs::write(path, b"escaped"))
        }
        "make-folder-outside" => all(&["/tmp/escaped", "/entry/../escaped"], |path| fs::create_dir(path)),
        "rename-outside" => {
            fs::write("/entry/move", b"x")?;
            all(&["/tmp/escaped", "/entry/../escaped", "/escaped"], |path| fs::rename("/entry/move", path))?;
            Ok(fs::remove_file("/entry/move")?)
        }
        "rename-in" => all(&["/etc/passwd", "/entry/../etc/passwd"], |path| fs::rename(path, "/entry/stolen")),
        "link-in" => all(&["/etc/passwd", "/entry/../etc/passwd"], |path| fs::hard_link(path, "/entry/stolen")),
        "remove-outside" => {
            all(&["/tmp/victim", "/entry/../victim", "/entry/../../tmp/victim"], |path| fs::remove_file(path))
        }
        "through-symlink" => through_symlink(),
        "environment" => environment(),
        "open-named" => File::open(format!("/entry/{}", plan.text)).map(drop).or(Ok(())),
        "read-named" => all(&[&format!("/entry/{}", plan.text)], |path| fs::read(path).map(drop)),
        "write-entry" => write_entry(),
        "seal" => match age::seal(&["one".to_owned()], &Secret::new(b"x"), Form::Armored) {
            Ok(_) => Err(failure("escaped", "sealed")),
            Err(_) => Ok(()),
        },
        "open" => match age::open(plan.text.as_bytes()) {
            Ok(_) => Err(failure("escaped", "opened")),
            Err(_) => Ok(()),
        },
        "fill" => fill(),
        "many-files" => many_files(),
        "many-handles" => many_handles(),
        other => panic!("`{other}` is no behaviour of this operation"),
    }
}

/// None of the paths may be done.
fn all(paths: &[&str], attempt: impl Fn(&str) -> io::Result<()>) -> Result<(), Failure> {
    match paths.iter().find(|path| attempt(path).is_ok()) {
        Some(path) => Err(failure("escaped", path)),
        None => Ok(()),
    }
}

/// Makes links that lead out and tries to read and write through them.
fn through_symlink() -> Result<(), Failure> {
    for target in ["/etc/passwd", "../../../../../../etc/passwd", "..", "/"] {
        let _ = fs::remove_file("/entry/link");
        if symlink(target, "/entry/link").is_ok() {
            let name = format!("/entry/link -> {target}");
            for path in ["/entry/link", "/entry/link/", "/entry/link/etc/passwd", "/entry/link/../etc/passwd"] {
                if fs::read(path).is_ok()
                    || fs::read_dir(path).is_ok()
                    || OpenOptions::new().append(true).open(path).is_ok()
                {
                    return Err(failure("escaped", &name));
                }
            }
        }
    }
    let _ = fs::remove_file("/entry/link");
    Ok(())
}

/// A symbolic link, which the standard library of this target does not offer.
///
/// # Errors
/// When the host refuses.
#[allow(unsafe_code)]
pub fn symlink(target: &str, path: &str) -> io::Result<()> {
    unsafe extern "C" {
        fn symlink(target: *const c_char, path: *const c_char) -> c_int;
    }
    let (target, path) = (CString::new(target)?, CString::new(path)?);
    // SAFETY: both are texts that end in NUL and outlive the call.
    if unsafe { symlink(target.as_ptr(), path.as_ptr()) } == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn environment() -> Result<(), Failure> {
    if let Some((name, _)) = std::env::vars_os().next() {
        return Err(failure("escaped", &format!("variable {}", name.display())));
    }
    if let Some(argument) = std::env::args_os().nth(1) {
        return Err(failure("escaped", &format!("argument {}", argument.display())));
    }
    Ok(())
}

/// For where the entry is read-only.
fn write_entry() -> Result<(), Failure> {
    let first = fs::read_dir("/entry")?.next().transpose()?;
    let old = first.map(|entry| format!("/entry/{}", entry.file_name().display()));
    let mut done = vec![
        ("create", fs::write("/entry/escaped", b"x")),
        ("folder", fs::create_dir("/entry/folder")),
        ("link", symlink("x", "/entry/link")),
    ];
    if let Some(old) = &old {
        done.push(("overwrite", fs::write(old, b"x")));
        done.push(("append", OpenOptions::new().append(true).open(old).and_then(|mut file| file.write_all(b"x"))));
        done.push(("truncate", OpenOptions::new().write(true).open(old).and_then(|file| file.set_len(0))));
        done.push(("hard link", fs::hard_link(old, "/entry/second")));
        done.push(("rename", fs::rename(old, "/entry/moved")));
        done.push(("remove", fs::remove_file(old)));
    }
    match done.iter().find(|(_, result)| result.is_ok()) {
        Some((what, _)) => Err(failure("escaped", what)),
        None => Ok(()),
    }
}

/// Ten gigabytes in one file.
fn fill() -> Result<(), Failure> {
    let block = vec![7_u8; 1 << 20];
    let mut file = File::create("/entry/big")?;
    for _ in 0..10_000 {
        file.write_all(&block)?;
    }
    Err(failure("escaped", "10 GB"))
}

fn many_files() -> Result<(), Failure> {
    for number in 0..100_000 {
        fs::write(format!("/entry/{number}"), b"")?;
    }
    Err(failure("escaped", "100,000 files"))
}

fn many_handles() -> Result<(), Failure> {
    let mut held = Vec::new();
    for _ in 0..100_000 {
        held.push(File::open("/entry")?);
    }
    Err(failure("escaped", &format!("{} handles", held.len())))
}
