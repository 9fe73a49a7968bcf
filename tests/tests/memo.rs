//! `status` does not ask a backend again about what did not change, and is not deceived.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result};
use artifacts_tests::fleet::{Fleet, Ran, early_in_the_day, guest, in_session, program, through};
use serde_json::{Value, json};

const MAKE: &str = "#!/bin/bash\nprintf 'made %s' \"$RANDOM\" > \"$out/f\"\n";

/// In RAM: of that file system it is known what it tells of files.
fn fleet() -> Result<Fleet> {
    let fleet = Fleet::new_in(Path::new("/dev/shm"))?;
    early_in_the_day();
    let make = fleet.generator("make", MAKE)?;
    let artifact = json!({"backend": "agenix", "files": {"f": {}}, "generator": make});
    let fleet = fleet.machine("web1", &json!({"a": artifact, "b": artifact, "c": artifact}))?;
    fleet.run(["generate", "--accept-recipients"])?.ends(0);
    Ok(fleet)
}

/// About how many instances `status` asked a backend, by the audit log.
fn asked(fleet: &Fleet, arguments: &[&str]) -> Result<(usize, Ran)> {
    let lines = || -> Result<Vec<Value>> {
        let log = fs::read_to_string(fleet.audit_log())?;
        Ok(log.lines().map(serde_json::from_str).collect::<Result<_, _>>()?)
    };
    let before = lines()?.len();
    let ran: Ran = fleet.command(arguments)?.env("XDG_CACHE_HOME", fleet.home().join("cache")).output()?.into();
    let counts = lines()?.into_iter().skip(before).filter_map(|line| {
        let observed = &line["observed"];
        let begins = observed["operation"] == "check" && observed.get("calls").is_none();
        begins.then(|| observed["instances"].as_array().map_or(0, Vec::len))
    });
    Ok((counts.sum(), ran))
}

/// A fleet that `status` looked at, where its files rest or were written a moment ago.
fn looked_at(rests: bool) -> Result<Fleet> {
    let fleet = fleet()?;
    if rests {
        fleet.rest()?;
    }
    status(&fleet)?;
    Ok(fleet)
}

fn status(fleet: &Fleet) -> Result<(usize, Ran)> {
    asked(fleet, &["--json", "status", "--all"])
}

fn stored(fleet: &Fleet, artifact: &str) -> PathBuf {
    fleet.path().join("secrets/per-machine/web1").join(artifact).join("f.age")
}

fn set_times(path: &Path, to: &fs::Metadata) -> Result<()> {
    let times = fs::FileTimes::new().set_accessed(to.accessed()?).set_modified(to.modified()?);
    Ok(fs::File::options().write(true).open(path)?.set_times(times)?)
}

#[test]
fn what_did_not_change_is_asked_about_once() -> Result<()> {
    let fleet = fleet()?;
    let (first, whole) = status(&fleet)?;
    let (second, again) = status(&fleet)?;
    assert_eq!((first, second), (3, 0));
    assert_eq!(whole.ends(0).json(), again.ends(0).json());
    assert_eq!(asked(&fleet, &["status", "--no-memo"])?.0, 3);
    assert_eq!(asked(&fleet, &["status", "web1/a"])?.0, 0);
    // What writes asks, and so does whoever has to know.
    assert!(asked(&fleet, &["rekey", "--all", "--dry-run"])?.0 >= 3);
    Ok(())
}

/// How often `status` opens a stored secret file, the component's opening among it.
fn opened(fleet: &Fleet, arguments: &[&str]) -> Result<usize> {
    let log = fleet.home().join("opened");
    let mut strace = Command::new("strace");
    strace.args(["--follow-forks", "--trace=open,openat,openat2", "--output"]).arg(&log);
    let mut command = fleet.command(arguments)?;
    command.env("XDG_CACHE_HOME", fleet.home().join("cache"));
    let ran = Ran::from(in_session(&through(strace, &command)).output().context("strace")?);
    ran.ends(0);
    Ok(fs::read_to_string(log)?.lines().filter(|line| line.contains("/f.age\"") || line.contains("\"f.age\"")).count())
}

#[test]
fn files_that_rest_are_not_read_again() -> Result<()> {
    let fleet = fleet()?;
    fleet.rest()?;
    assert!(opened(&fleet, &["status"])? >= 3);
    assert_eq!(opened(&fleet, &["status"])?, 0);
    assert!(opened(&fleet, &["status", "--no-memo"])? >= 3);
    // What writes reads, and so does whoever has to know.
    assert!(opened(&fleet, &["rekey", "--all", "--dry-run"])? >= 3);
    let key = fleet.key_file("web1");
    assert!(opened(&fleet, &["-i", key.to_str().unwrap(), "doctor"])? >= 3);
    Ok(())
}

/// Changes a byte of a file of age, in place.
fn spoiled(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let last = bytes.iter().rposition(u8::is_ascii_alphanumeric).unwrap();
    bytes[last] = if bytes[last] == b'A' { b'B' } else { b'A' };
    bytes
}

#[test]
fn a_file_of_the_same_size_and_times_is_not_taken_for_the_same() -> Result<()> {
    // What was written a moment ago, and what rests.
    for rests in [false, true] {
        let fleet = looked_at(rests)?;
        let path = stored(&fleet, "a");
        let before = fs::metadata(&path)?;
        fs::write(&path, spoiled(&fs::read(&path)?))?;
        set_times(&path, &before)?;
        let after = fs::metadata(&path)?;
        assert_eq!((before.len(), before.modified()?, before.ino()), (after.len(), after.modified()?, after.ino()));
        let (asked, ran) = status(&fleet)?;
        assert_eq!((asked, ran.state("per-machine/web1/a").as_str()), (1, "stale (format, receipt)"));
        if rests {
            fleet.rest()?;
            assert_eq!(status(&fleet)?.1.state("per-machine/web1/a"), "stale (format, receipt)");
        }
    }
    Ok(())
}

#[test]
fn files_that_exchange_their_names_are_not_taken_for_the_same() -> Result<()> {
    let fleet = looked_at(true)?;
    let (a, b, aside) = (stored(&fleet, "a"), stored(&fleet, "b"), fleet.home().join("aside"));
    fs::copy(&a, &aside)?;
    for (from, to) in [(&b, &a), (&aside, &b)] {
        fs::rename(from, to).or_else(|_| fs::copy(from, to).map(drop))?;
    }
    for _ in 0..2 {
        let (_, ran) = status(&fleet)?;
        assert_ne!(ran.state("per-machine/web1/a"), "present");
        assert_ne!(ran.state("per-machine/web1/b"), "present");
        fleet.rest()?;
    }
    Ok(())
}

#[test]
fn an_entry_that_was_restored_from_elsewhere_is_read() -> Result<()> {
    let fleet = looked_at(true)?;
    // With all its times, as `cp -a` keeps them.
    let (entry, copy) = (stored(&fleet, "a").with_file_name(""), fleet.home().join("copy"));
    for (from, to) in [(&entry, &copy), (&copy, &entry)] {
        let _ = fs::remove_dir_all(to);
        assert!(Command::new("cp").arg("-aT").args([from, to]).status()?.success());
    }
    fleet.rest()?;
    assert!(opened(&fleet, &["status"])? >= 1);
    assert_eq!(status(&fleet)?.1.state("per-machine/web1/a"), "present");
    Ok(())
}

#[test]
fn on_a_file_system_that_is_not_known_all_files_are_read() -> Result<()> {
    let fleet = fleet()?;
    // Not in the checkout, where it would be one more storage, and read.
    let saved = fleet.home().join("saved");
    assert!(Command::new("mv").arg(fleet.path().join("secrets")).arg(&saved).status()?.success());
    fs::create_dir(fleet.path().join("secrets"))?;
    let log = fleet.home().join("opened");
    let status = fleet.command(["status"])?;
    let script = "set -e; cd \"$CHECKOUT\"; mount --make-rprivate /; mount -t ramfs ramfs secrets; cp -a \"$SAVED/.\" secrets; sleep 4
                  \"$@\"; exec strace --follow-forks --trace=open,openat,openat2 --output \"$LOG\" \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c", script, "sh"]).arg(program()?).args(status.get_args());
    command.envs(status.get_envs().filter_map(|(key, value)| Some((key, value?))));
    command
        .env("CHECKOUT", fleet.path())
        .env("SAVED", &saved)
        .env("LOG", &log)
        .env("XDG_CACHE_HOME", fleet.home().join("cache"));
    Ran::from(command.output()?).ends(0);
    let opened = fs::read_to_string(log)?.lines().filter(|line| line.contains("f.age\"")).count();
    assert!(opened >= 3, "{opened}");
    Ok(())
}

/// Maps a file into memory and writes a byte of it there, as it is: the last change that leaves a trace. The file is changed once more when
/// the program is told the new bytes.
fn mapping(file: &Path) -> Result<Child> {
    // perl has no call for it, and reading into the mapping is one that perl does not see.
    let (mmap, read) = match std::env::consts::ARCH {
        "x86_64" => (9, 0),
        "aarch64" => (222, 63),
        other => anyhow::bail!("the numbers of system calls on {other} are not known here"),
    };
    let script = format!(
        "$| = 1; open(F, '+<', $ARGV[0]) or die; my $size = -s F; my $at = syscall({mmap}, 0, $size, 3, 1, fileno(F), 0);
         $at > 0 or die; for (1, 2) {{ my $have = 0;
             while ($have < $size) {{
                 my $read = syscall({read}, 0, $at + $have, $size - $have); $read > 0 or die; $have += $read;
             }}
             print \"written\\n\";
         }}"
    );
    let mut perl = Command::new("perl");
    Ok(perl.args(["-e", &script]).arg(file).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?)
}

#[test]
fn who_deceives_the_file_system_delays_a_notice_and_changes_no_value() -> Result<()> {
    // A mapping that was written once leaves no trace of what is written later; on a disk, until the first is written there.
    let fleet = fleet()?;
    let path = stored(&fleet, "a");
    let (before, other) = (fs::read(&path)?, spoiled(&fs::read(&path)?));
    let mut mapping = mapping(&path)?;
    let mut words = BufReader::new(mapping.stdout.take().context("its words")?).lines();
    let mut write = |bytes: &[u8]| -> Result<()> {
        mapping.stdin.as_mut().context("its input")?.write_all(bytes)?;
        assert_eq!(words.next().context("no word of it")??, "written");
        Ok(())
    };
    write(&before)?;
    fleet.rest()?;
    status(&fleet)?.1.ends(0);
    let traces =
        |path: &Path| fs::metadata(path).map(|found| (found.ctime(), found.ctime_nsec(), found.mtime(), found.len()));
    let quiet = traces(&path)?;
    write(&other)?;
    assert_eq!((traces(&path)?, fs::read(&path)?), (quiet, other.clone()), "it left a trace, and deceives no one");
    // The notice is late.
    assert_eq!(status(&fleet)?.1.state("per-machine/web1/a"), "present");
    // Who reads has it, and nothing is written over.
    let key = fleet.key_file("web1");
    let key = key.to_str().unwrap();
    assert_eq!(
        asked(&fleet, &["--json", "status", "--no-memo", "--all"])?.1.state("per-machine/web1/a"),
        "stale (format, receipt)"
    );
    fleet.run(["doctor"])?.says("modified outside artifacts");
    fleet.run(["-i", key, "get", "web1/a", "f"])?.ends(1);
    for command in [&["generate"][..], &["rekey", "--all"], &["rekey", "web1/a"]] {
        let ran = fleet.run(["-i", key, "--accept-recipients"].iter().chain(command))?;
        assert_ne!(ran.status, Some(0), "{command:?}: {ran}");
        assert_eq!(fs::read(&path)?, other, "{command:?}");
    }
    mapping.wait()?;
    // What was there before is the same again.
    fs::write(&path, &before)?;
    fleet.run(["-i", key, "get", "web1/a", "f"])?.ends(0).says("made ");
    assert_eq!(status(&fleet)?.1.state("per-machine/web1/a"), "present");
    Ok(())
}

#[test]
fn a_file_that_another_entry_has_is_another() -> Result<()> {
    for rests in [false, true] {
        let fleet = looked_at(rests)?;
        fs::copy(stored(&fleet, "b"), stored(&fleet, "a"))?;
        let (_, ran) = status(&fleet)?;
        assert_ne!(ran.state("per-machine/web1/a"), "present");
    }
    Ok(())
}

#[test]
fn a_file_that_was_added_by_hand_is_asked_about() -> Result<()> {
    for rests in [false, true] {
        let mut fleet = looked_at(rests)?;
        let artifacts = &mut fleet.of("web1")["artifacts"];
        artifacts["a"]["files"]["g"] = json!({});
        assert_eq!(status(&fleet)?.0, 1, "it is declared");
        // Each content is asked about for itself, though the receipt lists neither.
        let added = stored(&fleet, "a").with_file_name("g.age");
        for bytes in [b"one", b"two"] {
            fs::write(&added, bytes)?;
            assert_eq!((status(&fleet)?.0, status(&fleet)?.0), (1, 0));
        }
    }
    Ok(())
}

#[test]
fn what_is_declared_otherwise_is_asked_about() -> Result<()> {
    let mut fleet = fleet()?;
    status(&fleet)?;
    let admin = fleet.new_key("admin")?;
    fleet.of("web1")["config"]["agenix"]["publicUserKeys"] = json!([admin]);
    let (asked, ran) = status(&fleet)?;
    assert_eq!((asked, ran.state("per-machine/web1/a").as_str()), (3, "stale (recipients)"));
    Ok(())
}

/// The file of the answers.
fn memo(fleet: &Fleet) -> PathBuf {
    let folder = fleet.home().join("cache/artifacts/checks");
    let mut files = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let file = files.next().unwrap();
    assert!(files.next().is_none());
    file
}

#[test]
fn a_damaged_or_foreign_file_of_answers_counts_as_none() -> Result<()> {
    let fleet = fleet()?;
    status(&fleet)?;
    let (path, whole) = (memo(&fleet), fs::read(memo(&fleet))?);
    for at in [0, 32, 40, whole.len() / 2, whole.len() - 1] {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        fs::write(&path, &bytes)?;
        assert_eq!(status(&fleet)?.0, 3, "byte {at} was changed");
    }
    for size in [0, 31, 32, whole.len() - 1] {
        fs::write(&path, &whole[..size])?;
        assert_eq!(status(&fleet)?.0, 3, "cut to {size} bytes");
    }
    // What others can write is no one's word.
    status(&fleet)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o620))?;
    assert_eq!(status(&fleet)?.0, 3);
    fs::set_permissions(path.parent().unwrap(), fs::Permissions::from_mode(0o770))?;
    assert_eq!((status(&fleet)?.0, status(&fleet)?.0), (3, 3));
    Ok(())
}

#[test]
fn receipts_expiry_and_absence_are_looked_at_each_time() -> Result<()> {
    let fleet = fleet()?;
    status(&fleet)?;
    let receipt = stored(&fleet, "a").with_file_name("receipt.json");
    fs::remove_file(&receipt)?;
    fs::remove_dir_all(stored(&fleet, "b").parent().unwrap())?;
    let (_, ran) = status(&fleet)?;
    assert_eq!(
        (ran.state("per-machine/web1/a").as_str(), ran.state("per-machine/web1/b").as_str()),
        ("stale (receipt)", "absent")
    );
    assert_eq!(ran.state("per-machine/web1/c"), "present");
    Ok(())
}

#[test]
fn how_often_a_backend_was_called_is_said() -> Result<()> {
    let fleet = fleet()?;
    fleet.run(["-v", "status"])?.ends(0).says("agenix: 6 calls");
    fleet.run(["-v", "status"])?.ends(0).says("agenix: 0 calls");
    Ok(())
}

#[test]
fn a_backend_that_is_not_bundled_is_asked_each_time() -> Result<()> {
    let mut fleet = Fleet::new()?;
    fleet.backend("mine", json!({"component": guest("hostile")?}));
    let make = fleet.generator("make", MAKE)?;
    let artifact = json!({"backend": "mine", "files": {"f": {}}, "generator": make});
    let mut fleet = fleet.machine("web1", &json!({"a": artifact}))?;
    let key = fleet.new_key("host")?;
    fleet.configure("web1", "mine", json!({"recipients": [key]}));
    fleet.run(["generate", "--accept-recipients"])?.ends(0);
    assert_eq!((status(&fleet)?.0, status(&fleet)?.0), (1, 1));
    Ok(())
}

#[test]
fn where_a_sandbox_is_required_a_worker_shows_it() -> Result<()> {
    let fleet = fleet()?;
    status(&fleet)?;
    assert_eq!(asked(&fleet, &["--require-sandbox", "status"])?.0, 3);
    Ok(())
}
