use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use super::compiler::{self, Tests};
use super::packages::Packages;
use crate::tally::Tally;
use crate::{project, run};

/// The most that one run may take, in seconds.
const PATIENCE: &str = "3600";
/// The emulated machine's programs that busybox is.
const APPLETS: &[&str] = &["cat", "mkdir", "mount", "poweroff", "sh", "true"];
/// Its first program, after the line with the tests' names: runs them one by one.
const INIT: &str = "\
export PATH=/bin:/usr/bin
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
mkdir -p /dev/shm; mount -t tmpfs shm /dev/shm; mount -t tmpfs tmp /tmp
cat /proc/version
export ARTIFACTS_TEST_SLOWNESS=15
cd \"$FOLDER\"
for test in $TESTS; do /tests/$test --test-threads 1 2>&1; echo \"ended $test $?\"; done
poweroff -f
";

/// Packs the machine's files: busybox, libraries, the tests, and the guests where the tests look for them.
///
/// # Errors
/// When something is not there.
pub fn initrd(packages: &Packages, tests: &Tests) -> Result<PathBuf> {
    let (root, from) = (packages.made().join("initrd"), packages.root());
    let _ = fs::remove_dir_all(&root);
    for dir in ["bin", "dev", "etc", "lib", "proc", "sys", "tests", "tmp", "usr/bin"] {
        fs::create_dir_all(root.join(dir))?;
    }
    libraries(&from, &root.join("lib"))?;
    for (program, place) in [("bin/busybox", "bin/busybox"), ("bin/ps", "bin/ps"), ("usr/bin/strace", "usr/bin/strace")]
    {
        fs::copy(from.join(program), root.join(place)).with_context(|| program.to_owned())?;
    }
    for applet in APPLETS {
        symlink("busybox", root.join("bin").join(applet))?;
    }
    fs::write(root.join("etc/passwd"), "root:x:0:0::/:/bin/sh\n")?;
    for (name, program) in &tests.programs {
        strip(program, &root.join("tests").join(name))?;
    }
    strip(&tests.worker, &inside(&root, &tests.worker)?)?;
    for dir in ["target/guests", "target/plugins"] {
        for entry in fs::read_dir(project::root().join(dir))?.flatten().map(|entry| entry.path()) {
            // What has an interpreter inside would be compiled for longer than compiling may take.
            let interpreted =
                ["in-python", "in-javascript"].iter().any(|name| entry.file_stem() == Some(name.as_ref()));
            if entry.extension().is_some_and(|ending| ending == "wasm") && !interpreted {
                fs::copy(&entry, inside(&root, &entry)?)?;
            }
        }
    }
    let home = project::root().join("host/precompile");
    for name in compiler::CRATES {
        let dir = project::root().join("host").join(name);
        fs::create_dir_all(inside(&root, &dir.join("x"))?.with_file_name(""))?;
    }
    manifests(&root)?;
    let names: Vec<&str> = tests.programs.iter().map(|(name, _)| name.as_str()).collect();
    let init = format!("#!/bin/sh\nTESTS='{}' FOLDER='{}'\n{INIT}", names.join(" "), home.display());
    fs::write(root.join("init"), init)?;
    fs::set_permissions(root.join("init"), fs::Permissions::from_mode(0o755))?;
    let packed = packages.made().join("initrd.gz");
    let pack = format!("find . | cpio -o -H newc --quiet | gzip -1 > '{}'", packed.display());
    run::done(run::command("sh").args(["-c", &pack]).current_dir(&root))?;
    Ok(packed)
}

/// A place inside the root of the same path, in a directory that is there.
fn inside(root: &Path, path: &Path) -> Result<PathBuf> {
    let place = root.join(path.strip_prefix("/").with_context(|| path.display().to_string())?);
    if let Some(dir) = place.parent() {
        fs::create_dir_all(dir)?;
    }
    Ok(place)
}

/// The manifests and the guide, which a test reads.
fn manifests(root: &Path) -> Result<()> {
    let listed = run::output(
        run::command("git").args(["ls-files", "*manifest.json", "BACKEND_GUIDE.md"]).current_dir(project::root()),
    )?;
    for file in listed.lines().map(|file| project::root().join(file)) {
        fs::copy(&file, inside(root, &file)?)?;
    }
    Ok(())
}

fn strip(program: &Path, place: &Path) -> Result<()> {
    run::done(run::command("aarch64-linux-gnu-strip").arg("-o").arg(place).arg(program))
}

fn libraries(from: &Path, into: &Path) -> Result<()> {
    let dir = into.join("aarch64-linux-gnu");
    fs::create_dir_all(&dir)?;
    for place in ["lib/aarch64-linux-gnu", "usr/lib/aarch64-linux-gnu"] {
        for entry in fs::read_dir(from.join(place))?.flatten().map(|entry| entry.path()) {
            let Some(name) = entry.file_name() else { continue };
            // A copy follows links.
            if name.to_string_lossy().contains(".so") && entry.is_file() {
                fs::copy(&entry, dir.join(name))?;
            }
        }
    }
    let loader = "ld-linux-aarch64.so.1";
    fs::copy(dir.join(loader), into.join(loader)).context("libc6 has no loader")?;
    Ok(())
}

/// Boots the machine, which runs all tests and ends.
///
/// # Errors
/// When it does not boot, or does not come to its end.
pub fn boot(kernel: &Path, initrd: &Path, programs: usize) -> Result<Tally> {
    let mut qemu = run::command("timeout");
    qemu.args([PATIENCE, "nice", "-n", "10", "qemu-system-aarch64"]);
    qemu.args(["-machine", "virt", "-cpu", "max,pauth-impdef=on", "-smp", "2", "-m", "3072"]);
    qemu.args(["-nographic", "-nic", "none", "-no-reboot", "-append", "console=ttyAMA0 quiet panic=-1"]);
    qemu.arg("-kernel").arg(kernel).arg("-initrd").arg(initrd);
    let (mut tally, mut ended) = (Tally::default(), 0);
    let well = run::lines(&mut qemu, |line| {
        if line.starts_with("ended ") {
            ended += 1;
            tally.failed += u64::from(!line.trim_end().ends_with(" 0"));
        } else if let Some(result) = Tally::of_line(line).filter(|result| result.failed == 0) {
            tally += result;
        }
    })?;
    ensure!(ended == programs, "{ended} of {programs} test programs came to their end");
    if well { Ok(tally) } else { bail!("the emulated machine did not end well") }
}
