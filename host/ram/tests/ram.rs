//! Private directories: where they may be, what they refuse, and that nothing stays.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::missing_panics_doc)]

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use artifacts_ram::{Error, IrregularFile, Ram};
use artifacts_text::Explain;

/// Tells a test that runs again in a child process that it is the child, and where to work.
const CHILD: &str = "ARTIFACTS_RAM_TEST_CHILD";

/// A RAM-backed directory of the test's own.
fn shm() -> tempfile::TempDir {
    let dir = tempfile::Builder::new().prefix("ram-test-").tempdir_in("/dev/shm").unwrap();
    assert!(Ram::find(&[dir.path().to_owned()]).is_ok(), "the tests need a tmpfs at /dev/shm");
    dir
}

/// A directory on disk: the one with the build.
fn disk() -> tempfile::TempDir {
    tempfile::tempdir_in(std::env::current_exe().unwrap().parent().unwrap()).unwrap()
}

fn ram(dir: &Path) -> Ram {
    Ram::find(&[dir.to_owned()]).unwrap()
}

fn names(dir: &Path) -> Vec<String> {
    fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// This test again, alone, in a child process; `wrapper` goes before it.
fn again(test: &str, place: &Path, wrapper: &[&str]) -> Command {
    let exe = std::env::current_exe().unwrap();
    let mut words: Vec<String> = wrapper.iter().map(|word| (*word).to_owned()).collect();
    words.extend([exe.display().to_string(), "--exact".to_owned(), test.to_owned(), "--nocapture".to_owned()]);
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).env(CHILD, place);
    command
}

fn child_place() -> Option<PathBuf> {
    std::env::var_os(CHILD).map(PathBuf::from)
}

/// Starts the child and waits until it says that it is ready.
fn ready(command: &mut Command) -> Child {
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("ready")), "the child did not come up");
    child
}

#[test]
fn a_directory_on_disk_is_refused_and_the_error_says_what_each_candidate_is() {
    let disk = disk();
    let missing = disk.path().join("missing");
    let error = Ram::find(&[disk.path().to_owned(), missing.clone()]).unwrap_err();
    let text = error.to_string();
    assert!(text.contains(&disk.path().display().to_string()) && text.contains("not RAM-backed"), "{text}");
    assert!(text.contains(&missing.display().to_string()) && text.contains("No such file"), "{text}");
    assert!(error.hint().unwrap().contains("tmpfs"));
    assert!(Ram::find(&[]).unwrap_err().to_string().contains("no candidate"));
}

#[test]
fn the_first_that_will_do_is_taken() {
    let (disk, shm) = (disk(), shm());
    let found = Ram::find(&[disk.path().to_owned(), shm.path().to_owned(), "/dev/shm".into()]).unwrap();
    assert_eq!(found.path(), shm.path());
}

#[test]
fn names_count_for_nothing_only_the_type_does() {
    if let Some(place) = child_place() {
        let refused = Ram::find(&["/dev/shm".into()]).unwrap_err().to_string();
        assert!(refused.contains("not RAM-backed"), "{refused}");
        assert!(Ram::find(&[place]).is_ok());
        return;
    }
    let (disk, shm) = (disk(), shm());
    let named = disk.path().join("looks like a disk");
    fs::create_dir(&named).unwrap();
    let show = |path: &Path| path.to_str().unwrap().to_owned();
    let (disk_path, shm_path, named_path) = (show(disk.path()), show(shm.path()), show(&named));
    let wrapper =
        ["bwrap", "--dev-bind", "/", "/", "--bind", &shm_path, &named_path, "--bind", &disk_path, "/dev/shm", "--"];
    let status = again("names_count_for_nothing_only_the_type_does", &named, &wrapper).status().unwrap();
    assert!(status.success(), "bubblewrap is needed to mount one directory over another");
}

#[test]
fn a_link_to_disk_is_refused() {
    let (disk, shm) = (disk(), shm());
    let link = shm.path().join("link");
    symlink(disk.path(), &link).unwrap();
    assert!(Ram::find(&[link]).unwrap_err().to_string().contains("not RAM-backed"));
}

#[test]
fn a_place_where_others_could_replace_the_directory_is_refused() {
    let shm = shm();
    fs::set_permissions(shm.path(), fs::Permissions::from_mode(0o777)).unwrap();
    assert!(Ram::find(&[shm.path().to_owned()]).unwrap_err().to_string().contains("sticky"));
    fs::set_permissions(shm.path(), fs::Permissions::from_mode(0o1777)).unwrap();
    assert!(Ram::find(&[shm.path().to_owned()]).is_ok());
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(shm.path(), Some(12345), None).unwrap();
        assert!(Ram::find(&[shm.path().to_owned()]).unwrap_err().to_string().contains("user 12345"));
    } else {
        eprintln!("not root: the case of another owner was not tried");
    }
}

#[test]
fn a_directory_is_private_and_its_name_cannot_be_guessed() {
    let shm = shm();
    let ram = ram(shm.path());
    let (one, two) = (ram.private_dir().unwrap(), ram.private_dir().unwrap());
    let stat = fs::symlink_metadata(one.path()).unwrap();
    assert_eq!(stat.mode() & 0o7777, 0o700);
    assert_eq!(stat.uid(), rustix::process::geteuid().as_raw());
    assert_ne!(one.path(), two.path());
    assert_eq!(one.path().file_name().unwrap().len(), "artifacts-".len() + 32);
}

#[test]
fn dropping_removes_all_whatever_lies_in_it() {
    let (disk, shm) = (disk(), shm());
    let ram = ram(shm.path());
    let directory = ram.private_dir().unwrap();
    let outside = disk.path().join("outside");
    fs::write(&outside, "stays").unwrap();
    directory.write("secret", b"s3cret", 0o400).unwrap();
    symlink(&outside, directory.path().join("link")).unwrap();
    symlink(disk.path(), directory.path().join("directory link")).unwrap();
    let inner = directory.path().join("inner");
    fs::create_dir(&inner).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, inner.join("pipe"), rustix::fs::Mode::RWXU).unwrap();
    let _socket = UnixListener::bind(inner.join("socket")).unwrap();
    fs::write(inner.join("locked"), "x").unwrap();
    fs::set_permissions(inner.join("locked"), fs::Permissions::from_mode(0o000)).unwrap();
    fs::set_permissions(&inner, fs::Permissions::from_mode(0o000)).unwrap();
    fs::write(directory.path().join(std::ffi::OsStr::new("raised 1")), "a name that clearing uses itself").unwrap();
    let holes = fs::File::create(directory.path().join("holes")).unwrap();
    holes.set_len(1 << 50).unwrap();
    drop(directory);
    assert_eq!(names(shm.path()), Vec::<String>::new());
    assert_eq!(fs::read_to_string(outside).unwrap(), "stays");
}

#[test]
fn a_user_without_root_rights_clears_locked_directories_too() {
    if let Some(place) = child_place() {
        return dropping_in(&place);
    }
    let shm = shm();
    fs::set_permissions(shm.path(), fs::Permissions::from_mode(0o1777)).unwrap();
    let wrapper: &[&str] = if rustix::process::geteuid().is_root() {
        &["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all", "--"]
    } else {
        &["env"]
    };
    // The build may be where that user cannot go.
    let exe = shm.path().join("test-program");
    fs::copy(std::env::current_exe().unwrap(), &exe).unwrap();
    let mut command = Command::new(wrapper[0]);
    command.args(&wrapper[1..]).arg(&exe);
    command.args(["--exact", "a_user_without_root_rights_clears_locked_directories_too", "--nocapture"]);
    assert!(command.env(CHILD, shm.path()).current_dir("/").status().unwrap().success());
    assert_eq!(names(shm.path()), ["test-program"]);
}

fn dropping_in(place: &Path) {
    let directory = ram(place).private_dir().unwrap();
    let deep = directory.path().join("a/b/c");
    fs::create_dir_all(&deep).unwrap();
    fs::write(deep.join("file"), "x").unwrap();
    fs::set_permissions(deep.join("file"), fs::Permissions::from_mode(0o000)).unwrap();
    for path in ["a/b/c", "a/b", "a"] {
        fs::set_permissions(directory.path().join(path), fs::Permissions::from_mode(0o000)).unwrap();
    }
}

#[test]
fn depth_exhausts_nothing() {
    let shm = shm();
    let directory = ram(shm.path()).private_dir().unwrap();
    let mut at = directory.subdir("deep").unwrap();
    for _ in 0..5000 {
        at = artifacts_ram::make_dir(&at, "deep").unwrap();
    }
    drop(directory);
    assert_eq!(names(shm.path()), Vec::<String>::new());
}

#[test]
fn wiping_overwrites_the_bytes_before_they_are_freed() {
    let shm = shm();
    let directory = ram(shm.path()).private_dir().unwrap();
    directory.write("secret", &vec![b'x'; 100_000], 0o400).unwrap();
    // A second name outside of the directory shows what became of the bytes.
    fs::hard_link(directory.path().join("secret"), shm.path().join("witness")).unwrap();
    drop(directory);
    assert_eq!(fs::read(shm.path().join("witness")).unwrap(), vec![0; 100_000]);
}

#[test]
fn only_plain_files_are_read() {
    let shm = shm();
    let directory = ram(shm.path()).private_dir().unwrap();
    directory.write("plain", b"12345", 0o600).unwrap();
    directory.write("twice", b"x", 0o600).unwrap();
    fs::hard_link(directory.path().join("twice"), directory.path().join("again")).unwrap();
    symlink("plain", directory.path().join("link")).unwrap();
    rustix::fs::mkfifoat(directory.dir(), "pipe", rustix::fs::Mode::RWXU).unwrap();
    let _socket = UnixListener::bind(directory.path().join("socket")).unwrap();
    directory.subdir("folder").unwrap();
    assert_eq!(directory.read("plain", 5).unwrap().as_slice(), b"12345");
    let fault = |name| match directory.read(name, 4).unwrap_err() {
        Error::File { fault, .. } => fault,
        other => panic!("{other}"),
    };
    assert!(matches!(fault("plain"), IrregularFile::TooLarge { limit: 4, found: Some(5) }));
    assert!(matches!(fault("twice"), IrregularFile::Links(2)));
    assert!(matches!(fault("link"), IrregularFile::Link));
    assert!(matches!(fault("pipe"), IrregularFile::Special("named pipe")));
    assert!(matches!(fault("socket"), IrregularFile::Special("socket")));
    assert!(matches!(fault("folder"), IrregularFile::Directory));
    assert!(matches!(fault("nothing"), IrregularFile::Missing));
    for name in ["", ".", "..", "a/b", "/etc/passwd", "a\0b"] {
        assert!(matches!(fault(name), IrregularFile::Name), "{name:?}");
    }
}

#[test]
fn writing_takes_over_nothing_that_is_there() {
    let (disk, shm) = (disk(), shm());
    let directory = ram(shm.path()).private_dir().unwrap();
    let outside = disk.path().join("outside");
    symlink(&outside, directory.path().join("planted")).unwrap();
    assert!(directory.write("planted", b"s3cret", 0o600).is_err());
    assert!(!outside.exists());
    assert!(directory.write("../escaped", b"s3cret", 0o600).is_err());
    assert_eq!(names(shm.path()).len(), 1);
}

#[test]
fn the_next_run_removes_what_kill_9_left_and_nothing_else() {
    if let Some(place) = child_place() {
        let directory = ram(&place).private_dir().unwrap();
        directory.write("secret", b"s3cret", 0o600).unwrap();
        fs::create_dir_all(directory.path().join("in/ca")).unwrap();
        println!("ready");
        std::thread::sleep(std::time::Duration::from_mins(10));
    }
    let (disk, shm) = (disk(), shm());
    fs::write(disk.path().join("outside"), "stays").unwrap();
    let hex = "0123456789abcdef0123456789abcdef";
    // Names that an attacker, or chance, may have put there.
    symlink(disk.path(), shm.path().join(format!("artifacts-{hex}"))).unwrap();
    fs::write(shm.path().join(format!("artifacts-{}", hex.replace('0', "f"))), "a file").unwrap();
    fs::create_dir(shm.path().join("artifacts-of-somebody")).unwrap();
    let mut expected = names(shm.path());
    if rustix::process::geteuid().is_root() {
        let other = format!("artifacts-{}", hex.replace('0', "e"));
        fs::create_dir(shm.path().join(&other)).unwrap();
        std::os::unix::fs::chown(shm.path().join(&other), Some(12345), None).unwrap();
        expected.push(other);
    }
    let ram = ram(shm.path());
    let mut child = ready(&mut again("the_next_run_removes_what_kill_9_left_and_nothing_else", shm.path(), &[]));
    let own = ram.private_dir().unwrap();
    assert_eq!(ram.sweep(), 0, "both directories are in use");
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(names(shm.path()).len(), expected.len() + 2, "kill -9 leaves the directory");
    assert_eq!(ram.sweep(), 1);
    assert!(own.path().exists());
    drop(own);
    let mut left = names(shm.path());
    left.sort();
    expected.sort();
    assert_eq!(left, expected);
    assert!(disk.path().join("outside").exists());
}

#[test]
fn the_way_out_removes_every_directory_and_makes_no_new_one() {
    if let Some(place) = child_place() {
        let ram = ram(&place);
        let one = ram.private_dir().unwrap();
        one.write("secret", b"s3cret", 0o600).unwrap();
        let _two = ram.private_dir().unwrap();
        let worker = std::thread::spawn({
            let ram = ram.clone();
            move || (0..100_000).any(|_| ram.private_dir().is_err())
        });
        artifacts_ram::remove_all();
        assert!(worker.join().unwrap(), "directories are made for ever");
        assert!(matches!(ram.private_dir(), Err(Error::Ending)));
        std::process::exit(if names(&place).is_empty() { 0 } else { 9 });
    }
    let shm = shm();
    let status = again("the_way_out_removes_every_directory_and_makes_no_new_one", shm.path(), &[]).status().unwrap();
    assert!(status.success());
}

#[test]
fn the_way_out_waits_for_a_directory_that_is_just_being_removed() {
    const FILES: usize = 20_000;
    if let Some(place) = child_place() {
        let directory = ram(&place).private_dir().unwrap();
        for number in 0..FILES {
            directory.write(&number.to_string(), b"hunter2", 0o600).unwrap();
        }
        let path = directory.path().to_owned();
        std::thread::spawn(move || drop(directory));
        while fs::read_dir(&path).is_ok_and(|entries| entries.count() == FILES) {}
        artifacts_ram::remove_all();
        std::process::exit(if names(&place).is_empty() { 0 } else { 9 });
    }
    let shm = shm();
    let test = "the_way_out_waits_for_a_directory_that_is_just_being_removed";
    assert!(again(test, shm.path(), &[]).status().unwrap().success());
}

#[test]
fn the_way_out_removes_a_directory_that_is_still_being_filled() {
    if let Some(place) = child_place() {
        let directory = ram(&place).private_dir().unwrap();
        let inner = directory.subdir("prompts").unwrap();
        let (begun, begins) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            // Each fails as soon as the directory is not there any more.
            for number in (0..5000).map(|number: u32| number.to_string()) {
                if artifacts_ram::write_new(&inner, &number, b"hunter2", 0o600).is_err() {
                    break;
                }
                let _ = begun.send(());
            }
            (0..u32::MAX).all(|number| directory.write(&number.to_string(), b"hunter2", 0o600).is_ok());
            std::mem::forget(directory);
        });
        begins.recv().unwrap();
        artifacts_ram::remove_all();
        std::process::exit(if names(&place).is_empty() { 0 } else { 9 });
    }
    for _ in 0..20 {
        let shm = shm();
        let test = "the_way_out_removes_a_directory_that_is_still_being_filled";
        assert!(again(test, shm.path(), &[]).status().unwrap().success());
    }
}

#[test]
fn what_is_used_up_is_told_with_what_to_do() {
    let told = |number: i32| {
        let fault = IrregularFile::Io(std::io::Error::from_raw_os_error(number));
        Error::File { name: "f".to_owned(), fault }.hint().unwrap_or_default()
    };
    let (full, descriptors, other) = (28, 24, 5);
    assert!(told(full).contains("XDG_RUNTIME_DIR"));
    assert!(told(descriptors).contains("ulimit -n"));
    assert_eq!(told(other), "");
}

#[test]
fn sweeps_and_new_directories_do_not_hurt_each_other() {
    let shm = shm();
    let ram = ram(shm.path());
    std::thread::scope(|scope| {
        let maker = scope.spawn(|| {
            for _ in 0..2000 {
                let directory = ram.private_dir().unwrap();
                directory.write("x", b"x", 0o600).unwrap();
            }
        });
        while !maker.is_finished() {
            ram.sweep();
        }
    });
    assert_eq!(names(shm.path()), Vec::<String>::new());
}

#[test]
fn no_core_is_dumped() {
    if child_place().is_some() {
        artifacts_ram::no_core_dumps().unwrap();
        let dumpable = rustix::process::dumpable_behavior().unwrap();
        assert_eq!(dumpable, rustix::process::DumpableBehavior::NotDumpable);
        println!("ready");
        std::thread::sleep(std::time::Duration::from_mins(10));
    }
    let mut child = ready(&mut again("no_core_is_dumped", Path::new("/"), &[]));
    let limits = fs::read_to_string(format!("/proc/{}/limits", child.id())).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().skip(4).take(2).collect::<Vec<_>>(), ["0", "0"]);
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), rustix::process::Signal::ABORT).unwrap();
    assert!(!child.wait().unwrap().core_dumped());
}

#[test]
fn a_file_takes_the_place_of_anything() {
    let (dir, other) = (shm(), shm());
    let outside = other.path().join("outside");
    fs::write(&outside, "stays").unwrap();
    let directory = ram(dir.path()).private_dir().unwrap();
    let at = directory.path().join("it");
    let make: [&dyn Fn(); 7] = [
        &|| {},
        &|| fs::write(&at, "old").unwrap(),
        &|| symlink(&outside, &at).unwrap(),
        &|| fs::hard_link(&outside, &at).unwrap(),
        &|| fs::create_dir_all(at.join("deep/er")).unwrap(),
        &|| drop(UnixListener::bind(&at).unwrap()),
        &|| {
            fs::write(&at, "old").unwrap();
            fs::set_permissions(&at, fs::Permissions::from_mode(0o000)).unwrap();
        },
    ];
    for make in make {
        make();
        directory.replace("it", b"new", 0o600).unwrap();
        assert_eq!(*directory.read("it", 100).unwrap(), b"new");
        assert_eq!(names(directory.path()), ["it"]);
        assert_eq!(fs::read_to_string(&outside).unwrap(), "stays");
        fs::remove_file(&at).unwrap();
    }
    assert!(directory.replace("a/b", b"", 0o600).is_err());
}
