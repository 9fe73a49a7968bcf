//! The watcher of a user who may not see everything on the way to a file, with a stand-in for systemd.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::missing_panics_doc)]

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use artifacts_tests::script;

const NOBODY: u32 = 65534;

/// Every unit is in one state; each order is one line of a log.
const SYSTEMCTL: &str = r#"#!/bin/sh
here=$(dirname "$0")
case "$*" in
  *" show "*) for word; do case $word in -*|show) ;; *) cat "$here/state"; echo;; esac; done ;;
  *) echo "$*" >> "$here/orders" ;;
esac
"#;

struct Watched {
    dir: tempfile::TempDir,
    watcher: Option<Child>,
}

impl Watched {
    /// A file at `closed/PATH`; others may enter `closed` and not list it.
    fn new(path: &str, state: &str) -> Self {
        let dir = tempfile::tempdir_in("/dev/shm").unwrap();
        let watched = Self { dir, watcher: None };
        let open = |path: &str, mode| fs::set_permissions(watched.at(path), PermissionsExt::from_mode(mode)).unwrap();
        open("", 0o755);
        for name in ["bin", "state", "closed", "closed/own"] {
            fs::create_dir(watched.at(name)).unwrap();
            open(name, if name == "closed" { 0o711 } else { 0o755 });
        }
        for name in ["bin", "state", "closed/own"] {
            chown(watched.at(name), Some(NOBODY), None).expect("these tests need root");
        }
        let program = fs::read(env!("CARGO_BIN_EXE_artifacts-target")).unwrap();
        script::write(&watched.at("bin/artifacts-target"), program).unwrap();
        script::write(&watched.at("bin/systemctl"), SYSTEMCTL).unwrap();
        fs::write(watched.at("bin/state"), format!("ActiveState={state}\n")).unwrap();
        let path = watched.at("closed").join(path);
        let manifest = format!(
            r#"{{"schema":1,"artifacts":{{"a":{{"unit":"artifact-a.service","files":{{"f":{{"path":"{}","mode":"0400"}}}}}}}}}}"#,
            path.display()
        );
        fs::write(watched.at("manifest"), manifest).unwrap();
        watched
    }

    fn at(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    fn put(&self, path: &str) {
        let new = self.at("new");
        fs::write(&new, "x").unwrap();
        fs::set_permissions(&new, PermissionsExt::from_mode(0o400)).unwrap();
        chown(&new, Some(NOBODY), None).unwrap();
        fs::rename(new, self.at("closed").join(path)).unwrap();
    }

    fn watch(mut self) -> Self {
        let said = fs::File::create(self.at("said")).unwrap();
        let watcher = Command::new(self.at("bin/artifacts-target"))
            .args(["watch", "--grace", "0", "--state"])
            .args([self.at("state"), self.at("manifest")])
            .env("PATH", format!("{}:/usr/bin:/bin", self.at("bin").display()))
            .stdin(Stdio::null())
            .stderr(said)
            .uid(NOBODY)
            .spawn();
        self.watcher = Some(watcher.unwrap());
        // It saves what it saw when it saw it.
        self.wait("the first look", Duration::from_secs(30), |watched| {
            fs::read_to_string(watched.at("state/watch.json")).is_ok_and(|text| !text.contains("\"manifest\":null"))
        });
        self
    }

    fn wait(&self, what: &str, most: Duration, done: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + most;
        while !done(self) {
            assert!(Instant::now() < deadline, "waited in vain for {what}: {} {}", self.orders(), self.said());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn orders(&self) -> String {
        fs::read_to_string(self.at("bin/orders")).unwrap_or_default()
    }

    fn said(&self) -> String {
        fs::read_to_string(self.at("said")).unwrap_or_default()
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if let Some(watcher) = &mut self.watcher {
            let _ = watcher.kill();
            let _ = watcher.wait();
        }
    }
}

/// Sooner than anything is looked at from time to time.
const AT_ONCE: Duration = Duration::from_secs(8);

#[test]
fn what_is_in_a_directory_that_may_not_be_listed_tells_when_it_goes() {
    for (path, gone) in [("own/f", "closed/own"), ("f", "closed/f")] {
        let watched = Watched::new(path, "active");
        watched.put(path);
        let watched = watched.watch();
        assert_eq!(watched.said(), "", "nothing is out of sight");
        fs::rename(watched.at(gone), watched.at("away")).unwrap();
        watched.wait("the stop", AT_ONCE, |watched| watched.orders().contains("stop --no-block -- artifact-a.service"));
    }
}

#[test]
fn what_comes_into_a_directory_that_may_not_be_listed_is_looked_for_from_time_to_time() {
    let watched = Watched::new("f", "failed").watch();
    let blind = format!("cannot watch {}: ", watched.at("closed").display());
    watched.wait("word of it", AT_ONCE, |watched| watched.said().contains(&blind));
    // Long enough for two looks, of which the second says nothing new.
    std::thread::sleep(Duration::from_secs(12));
    watched.put("f");
    watched.wait("the start", Duration::from_secs(40), |watched| {
        watched.orders().contains("start --no-block -- artifact-a.service")
    });
    assert_eq!(watched.said().matches(&blind).count(), 1, "{}", watched.said());
}
