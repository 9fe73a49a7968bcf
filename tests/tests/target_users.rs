//! Who owns files, where units make the users: systemd-sysusers itself, and a stand-in for userborn, which is no part of systemd.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::missing_panics_doc)]

use std::path::Path;
use std::process::Command;

use artifacts_tests::age;
use artifacts_tests::systemd::{Configuration, Machine, evaluate, program};

/// The option that has a unit make the users, and that unit: slow, since an order that holds by chance would not show.
const SYSUSERS: &str = r#"
  systemd.sysusers.enable = true;
  systemd.services.systemd-sysusers = {
    overrideStrategy = "asDropin";
    wantedBy = [ "sysinit.target" ];
    unitConfig.ConditionNeedsUpdate = "";
    serviceConfig.ExecStartPre = "/bin/sleep 2";
    serviceConfig.LoadCredential = [ "passwd.hashed-password.late:/run/artifacts/late/hash" ];
  };
  environment.etc."sysusers.d/late.conf".text = "u late - Late / /bin/sh\n";
"#;

const USERBORN: &str = r#"
  options.services.userborn.enable = lib.mkOption { default = true; };
  config.systemd.services.userborn = {
    wantedBy = [ "sysinit.target" ];
    before = [ "sysinit.target" "shutdown.target" ];
    conflicts = [ "shutdown.target" ];
    after = [ "systemd-remount-fs.service" ];
    unitConfig.DefaultDependencies = false;
    serviceConfig = { Type = "oneshot"; RemainAfterExit = true; };
    script = ''
      sleep 2
      /usr/sbin/useradd --system --user-group --shell /bin/sh --home-dir / --password "$(cat /run/artifacts/late/hash)" late
    '';
  };
"#;

/// Stores a file as agenix has it, and gives the key that decrypts it.
fn store(root: &Path, name: &str) -> String {
    let entry = root.join("secrets/per-machine").join(name).join("stored");
    std::fs::create_dir_all(&entry).unwrap();
    std::fs::write(root.join("plain"), "stored early").unwrap();
    let public = age::new_key(&root.join("key")).unwrap();
    let mut encrypt = Command::new("age");
    encrypt.args(["-r", &public, "-o"]).arg(entry.join("hash.age")).arg(root.join("plain"));
    assert!(encrypt.status().unwrap().success());
    std::fs::read_to_string(root.join("key")).unwrap()
}

/// A file of each kind of backend for that user, who has a password that is made here, too; and the key of this machine.
fn machine(name: &str, makes: &str) -> (Configuration, String) {
    let root = tempfile::tempdir().unwrap();
    let key = store(root.path(), name);
    let modules = format!(
        r#"[ ({{ lib, pkgs, ... }}: {{ {makes} }}) ({{ pkgs, ... }}: {{
          artifacts.targetPackage = "{target}";
          artifacts.package = "{host}";
          artifacts.default.backend = "dummy";
          users.users.late = {{ }};
          users.groups.late = {{ }};
          artifacts.store.late = {{
            files.hash.neededFor = "users";
            files.password = {{ }};
            generator = pkgs.writers.writeBash "late" ''
              printf %s "made-$RANDOM$RANDOM" > $out/password
              openssl passwd -6 -stdin < $out/password | tr -d '\n' > $out/hash
            '';
          }};
          artifacts.store.owned = {{
            files.f = {{ owner = "late"; group = "late"; path = "/var/lib/owned/f"; mode = "0440"; }};
            generator = pkgs.writers.writeBash "owned" "echo owned > $out/f";
            bindUnits = [ "reader.service" ];
          }};
          artifacts.root = {root};
          age.identityPaths = [ "/no/such/key" "/run/shared/plain/stored/key" ];
          artifacts.store.stored = {{
            backend = "agenix";
            files.hash = {{ neededFor = "users"; mode = "0440"; }};
          }};
          artifacts.store.looked-at = {{
            backend = "agenix";
            files.f = {{ owner = "late"; group = "late"; }};
          }};
          # As agenix has it where a unit makes the users.
          systemd.services.agenix-install-secrets.after = [ "systemd-sysusers.service" "userborn.service" ];
          systemd.services.reader = {{
            wantedBy = [ "multi-user.target" ];
            serviceConfig.User = "late";
            script = "cat /var/lib/owned/f > /run/shared/read; exec sleep infinity";
          }};
        }}) ]"#,
        target = program("artifacts-target").unwrap().display(),
        host = program("artifacts").unwrap().display(),
        root = root.path().display(),
    );
    (evaluate(&[(name, &modules)]).unwrap().remove(0), key)
}

/// What has to hold on both.
fn holds((configuration, key): &(Configuration, String), maker: &str) {
    let machine = Machine::boot(configuration, &[("looked-at/f", "stored"), ("stored/key", key)]).unwrap();
    let units = ["artifact-late.service", "artifact-owned.service", "artifact-looked\\x2dat.service", "reader.service"];
    for unit in units.into_iter().chain([maker]) {
        assert_eq!(machine.state(unit).unwrap(), "active", "{unit}\n{}", machine.journal());
    }
    assert_eq!(
        machine
            .sh("stat -L -c '%a %U %G' /var/lib/owned/f /run/artifacts/looked-at/f /run/artifacts/late/hash")
            .unwrap(),
        "440 late late\n400 late late\n400 root root"
    );
    let began = |unit: &str| machine.property(unit, "InactiveExitTimestampMonotonic").unwrap().parse::<u64>().unwrap();
    let done = |unit: &str| machine.property(unit, "ActiveEnterTimestampMonotonic").unwrap().parse::<u64>().unwrap();
    assert!(done("artifact-late.service") <= began(maker));
    assert!(done("artifacts-agenix-for-users.service") <= began(maker), "{}", machine.journal());
    let early = "cat /run/artifacts/stored/hash; stat -L -c ' %a %U %G' /run/artifacts/stored/hash; systemctl is-active artifact-stored.service";
    assert_eq!(machine.sh(early).unwrap(), "stored early 440 root root\nactive");
    for unit in ["artifact-owned.service", "artifact-looked\\x2dat.service"] {
        assert!(done(maker) <= began(unit), "{unit}");
    }
    // Not even at first: the watcher would have mended it.
    let said = machine.sh("journalctl -o cat -u 'artifact-*'").unwrap();
    assert!(!said.contains("not complete"), "{said}");
    // Somebody else than root becomes that user by the password that was made at this boot, and by no other.
    let login = |password: &str| {
        machine
            .run(&format!("{{ {password}; }} | setpriv --reuid 1 --regid 1 --clear-groups su late -c 'id -un'"))
            .unwrap()
    };
    let said = login("cat /run/artifacts/late/password; echo");
    assert_eq!(String::from_utf8_lossy(&said.stdout), "late\n", "{said:?}");
    assert!(!login("echo another").status.success());
    machine.verify(configuration).unwrap();
}

#[test]
fn a_user_that_systemd_sysusers_makes_owns_files_and_has_a_password_that_is_made_here() {
    holds(&machine("sysusers", SYSUSERS), "systemd-sysusers.service");
}

#[test]
fn a_user_that_userborn_makes_owns_files_and_has_a_password_that_is_made_here() {
    holds(&machine("userborn", USERBORN), "userborn.service");
}
