//! A user's units under a real systemd of the user's own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::missing_panics_doc)]

use artifacts_tests::home_switch::switch_home;
use artifacts_tests::systemd::{
    Configuration, Machine, evaluate, evaluate_home, evaluate_with_user, other_version, program,
};

/// The user's manager runs as a service of the machine, as `user@.service` would have it.
const MANAGER: &str = r#"[ {
  systemd.services.manager = {
    wantedBy = [ "multi-user.target" ];
    serviceConfig = {
      Type = "notify";
      User = "daemon";
      ExecStartPre = "+/bin/sh -c 'mkdir -p /run/user/1 /run/state; chown daemon /run/user/1 /run/state /etc/home; chmod 700 /run/user/1'";
      ExecStart = "/lib/systemd/systemd --user";
      Environment = [ "XDG_RUNTIME_DIR=/run/user/1" "HOME=/etc/home" "XDG_STATE_HOME=/run/state" "XDG_CONFIG_HOME=/etc/home/.config" ];
      Delegate = true;
    };
  };
} ]"#;

fn as_user(script: &str) -> String {
    format!("XDG_RUNTIME_DIR=/run/user/1 setpriv --reuid 1 --regid 1 --clear-groups bash -ec '{script}'")
}

/// Boots a machine with a user whose configuration these modules are.
fn boot(modules: &str) -> Machine {
    boot_with(&evaluate_home(modules).unwrap())
}

/// Boots a machine with a user of this configuration.
fn boot_with(home: &Configuration) -> Machine {
    assert_eq!(home.failed(), Vec::<String>::new());
    let mut machine = evaluate(&[("laptop", MANAGER)]).unwrap().remove(0);
    machine.add_home(home).unwrap();
    Machine::boot(&machine, &[]).unwrap()
}

/// Waits until a unit of the user's is in a state.
fn state(machine: &Machine, unit: &str, state: &str) {
    let script = as_user(&format!("test \"$(systemctl --user is-active {unit})\" = {state}"));
    machine.wait(&format!("{unit} to be {state}"), &script).unwrap();
}

/// Has the user's systemd verify every unit.
fn verify(machine: &Machine) {
    let verify =
        as_user("systemd-analyze --user verify --man=no $(find /etc/home/.config/systemd/user -maxdepth 1 ! -type d)");
    let verified = machine.run(&verify).unwrap();
    assert_eq!(String::from_utf8_lossy(&verified.stderr), "");
    assert!(verified.status.success());
}

#[test]
fn a_users_units_follow_the_users_files() {
    let package = program("artifacts-target").unwrap();
    let machine = boot(&format!(
        r#"[ {{
          xdg.stateHome = "/run/state";
          artifacts.targetPackage = "{package}";
          artifacts.default.backend = "agenix";
          artifacts.store.mail = {{
            files.password.restartUnits = [ "told.service" ];
            files.here.path = "\${{XDG_RUNTIME_DIR}}/here";
            bindUnits = [ "mail.service" ];
          }};
          systemd.user.services.mail = {{
            Unit.After = "somewhat.target";
            Service.ExecStart = "/bin/sleep infinity";
            Install.WantedBy = [ "default.target" ];
          }};
          systemd.user.services.told = {{
            Service.ExecStart = "/bin/sh -c 'echo start >> /run/user/1/told; exec sleep infinity'";
            Install.WantedBy = [ "default.target" ];
          }};
        }} ]"#,
        package = package.display()
    ));
    let state = |unit: &str, wanted: &str| state(&machine, unit, wanted);
    state("artifact-mail.service", "failed");
    state("mail.service", "inactive");
    state("artifacts-watch.service", "active");
    machine
        .sh(&as_user(
            "umask 0277; mkdir -m 700 -p /run/user/1/agenix.d/1 /run/state/artifacts/mail; \
             echo 1 > /run/user/1/agenix.d/1/password; echo 1 > /run/user/1/here; \
             ln -s /run/user/1/agenix.d/1 /run/user/1/agenix; \
             ln -s /run/user/1/agenix/password /run/state/artifacts/mail/password",
        ))
        .unwrap();
    state("artifact-mail.service", "active");
    state("mail.service", "active");

    machine
        .sh(&as_user(
            "umask 0277; mkdir -m 700 /run/user/1/agenix.d/2; echo 2 > /run/user/1/agenix.d/2/password; \
             ln -sfT /run/user/1/agenix.d/2 /run/user/1/agenix; rm -rf /run/user/1/agenix.d/1",
        ))
        .unwrap();
    machine.wait("the restart", "test $(grep -c start /run/user/1/told) = 2").unwrap();
    machine.sh(&as_user("rm /run/user/1/here")).unwrap();
    state("mail.service", "inactive");
    verify(&machine);
}

#[test]
fn a_users_artifacts_are_made_in_the_users_ram() {
    let machine = boot(&format!(
        r#"[ ({{ pkgs, ... }}: {{
          xdg.stateHome = "/run/state";
          artifacts.targetPackage = "{target}";
          artifacts.package = "{host}";
          artifacts.default.backend = "dummy";
          artifacts.store.mail = {{
            files.password.restartUnits = [ "told.service" ];
            files.here = {{ path = "\${{XDG_RUNTIME_DIR}}/mail/here"; mode = "0440"; }};
            prompts.token.description = "the provider's token";
            prompts.realm = {{ type = "line"; testValue = "test.example"; }};
            generator = pkgs.writers.writeBash "mail" ''
              echo "$(cat $prompts/token) $(cat $prompts/realm) $username" > $out/password
              head -c 16 /dev/urandom | base64 > $out/here
            '';
            bindUnits = [ "mail.service" ];
          }};
          artifacts.store.config = {{
            files.conf = {{ }};
            dependencies = [ "mail" ];
            generator = pkgs.writers.writeBash "config" "cat $in/mail/password > $out/conf";
          }};
          artifacts.store.broken = {{
            files.f = {{ }};
            generator = pkgs.writers.writeBash "broken" "exit 9";
            bindUnits = [ "unlucky.service" ];
          }};
          systemd.user.services.unlucky = {{
            Service.ExecStart = "/bin/sleep infinity";
            Install.WantedBy = [ "default.target" ];
          }};
          systemd.user.services.mail = {{
            Service.ExecStart = "/bin/sh -c 'test -r /run/user/1/mail/here && exec sleep infinity'";
            Install.WantedBy = [ "default.target" ];
          }};
          systemd.user.services.told = {{
            Service.ExecStart = "/bin/sh -c 'echo start >> /run/user/1/told; exec sleep infinity'";
            Install.WantedBy = [ "default.target" ];
          }};
        }}) ]"#,
        target = program("artifacts-target").unwrap().display(),
        host = program("artifacts").unwrap().display(),
    ));
    let state = |unit: &str, wanted: &str| state(&machine, unit, wanted);
    for (unit, wanted) in [
        ("artifact-mail.service", "active"),
        ("artifact-config.service", "active"),
        ("mail.service", "active"),
        ("artifacts-watch.service", "active"),
        ("artifact-broken.service", "failed"),
        ("unlucky.service", "inactive"),
    ] {
        state(unit, wanted);
    }
    for text in ["per-user/alice/broken", "status 9"] {
        machine.wait("the cause", &format!("journalctl -o cat | grep -qF -e '{text}'")).unwrap();
    }
    let files = "/run/state/artifacts/mail/password /run/user/1/mail/here /run/state/artifacts/config/conf";
    assert_eq!(
        machine.sh(&format!("stat -L -c '%a %U' {files}; stat -f -L -c %T {files} | sort -u")).unwrap(),
        "400 daemon\n440 daemon\n400 daemon\ntmpfs"
    );
    assert_eq!(
        machine.sh(&format!("readlink -f {files} | cut -d/ -f-6 | uniq")).unwrap(),
        "/run/user/1/artifacts.d/now"
    );
    machine.sh("test ! -e /run/artifacts -a ! -e /run/artifacts.d").unwrap();
    let text = machine.sh("cat /run/state/artifacts/mail/password").unwrap();
    assert!(text.starts_with("made-up-") && text.ends_with(" test.example alice"), "{text}");
    assert_eq!(machine.sh("cat /run/state/artifacts/config/conf").unwrap(), text);

    let values = machine.sh(&format!("cat {files}")).unwrap();
    machine.sh(&as_user("systemctl --user restart artifact-mail artifact-config")).unwrap();
    assert_eq!(machine.sh(&format!("cat {files}")).unwrap(), values);
    state("mail.service", "active");

    machine.sh(&as_user("mv /run/user/1/artifacts.d/now/mail/here /run/user/1/away")).unwrap();
    state("mail.service", "inactive");
    state("artifact-mail.service", "inactive");
    machine.sh(&as_user("mv /run/user/1/away /run/user/1/artifacts.d/now/mail/here")).unwrap();
    state("artifact-mail.service", "active");
    state("mail.service", "active");
    assert_eq!(machine.sh("grep -c start /run/user/1/told").unwrap(), "1");
    machine
        .sh(&as_user(
            "cd /run/user/1/artifacts.d/now/mail; chmod 600 password; echo new > password; chmod 400 password",
        ))
        .unwrap();
    machine.wait("the restart", "test $(grep -c start /run/user/1/told) = 2").unwrap();
    verify(&machine);

    machine.sh("echo '{\"schema\":1,\"artifacts\":{}}' > /etc/home/.config/artifacts/manifest.json").unwrap();
    machine.sh(&as_user("systemctl --user restart artifacts-clean")).unwrap();
    let left = "find /run/user/1/artifacts.d /run/state /run/user/1/mail ! -type d | sort";
    let log = "/run/state/artifacts/audit.jsonl";
    assert_eq!(machine.sh(left).unwrap(), format!("{log}\n{log}.head"));
}

/// What a test says of a user's systemd, in the user's words.
fn property(machine: &Machine, unit: &str, name: &str) -> String {
    machine.sh(&as_user(&format!("systemctl --user show --value -p {name} {unit}"))).unwrap()
}

/// agenix as its module for Home Manager has it: a unit of the user's that makes a generation of files, of texts below
/// `/run/shared/plain`. It takes a while.
const AGENIX: &str = r#"
  systemd.user.services.agenix = {
    Service.Type = "oneshot";
    Service.ExecStart = "${pkgs.writers.writeBash "agenix" ''
      PATH=/usr/bin:/bin
      set -e
      sleep 1
      farm=$XDG_RUNTIME_DIR/agenix
      last=$(basename "$(readlink $farm || echo 0)")
      next=$((last + 1))
      umask 077
      mkdir -p $farm.d/$next
      cd /run/shared/plain
      for file in */*; do
        mkdir -p $farm.d/$next/''${file%/*} $XDG_STATE_HOME/artifacts/''${file%/*}
        cp $file $farm.d/$next/$file
        chmod 400 $farm.d/$next/$file
        ln -sfT $farm/$file $XDG_STATE_HOME/artifacts/$file
      done
      ln -sfT $farm.d/$next $farm
      rm -rf $farm.d/$last
    ''}";
    Install.WantedBy = [ "default.target" ];
  };
"#;

/// A service that writes down its starts and reloads.
fn logs(name: &str) -> String {
    format!(
        r#"systemd.user.services.{name} = {{
          Service.ExecStart = "/bin/sh -c 'echo start >> /run/user/1/{name}.log; exec sleep infinity'";
          Service.ExecReload = "/bin/sh -c 'echo reload >> /run/user/1/{name}.log'";
          Install.WantedBy = [ "default.target" ];
        }};"#
    )
}

fn log(machine: &Machine, name: &str) -> String {
    machine.sh(&format!("paste -sd' ' /run/user/1/{name}.log")).unwrap()
}

/// A user with an artifact that agenix installs, one that is made here, and consumers of both.
fn user(programs: [&std::path::Path; 2], more: &str) -> String {
    let [target, host] = programs.map(|program| program.display().to_string());
    let consumers: String = ["mail", "told", "chat"].map(logs).concat();
    format!(
        r#"[ ({{ lib, pkgs, ... }}: {{
          imports = [ {{ {AGENIX} {consumers} }} ({{ {more} }}) ];
          xdg.stateHome = "/run/state";
          artifacts.targetPackage = "{target}";
          artifacts.package = "{host}";
          artifacts.default.backend = "agenix";
          artifacts.store.mail = {{
            files.password.restartUnits = [ "told.service" ];
            files.certificate.reloadUnits = [ "mail.service" ];
            bindUnits = [ "mail.service" "x.timer" "x.target" "x.socket" "x.path" ];
          }};
          artifacts.store.chat = {{
            backend = "dummy";
            files.token.path = "\${{XDG_RUNTIME_DIR}}/chat/token";
            generator = pkgs.writers.writeBash "chat" "head -c 16 /dev/urandom | base64 > $out/token";
            bindUnits = [ "chat.service" ];
          }};
          systemd.user.services.x.Service.ExecStart = "/bin/true";
          systemd.user.timers.x = {{ Timer.OnActiveSec = "1h"; Install.WantedBy = [ "default.target" ]; }};
          systemd.user.targets.x = {{ Unit.Description = "x"; Install.WantedBy = [ "default.target" ]; }};
          systemd.user.sockets.x = {{ Socket.ListenStream = "%t/x.sock"; Install.WantedBy = [ "default.target" ]; }};
          systemd.user.paths.x = {{ Path.PathExists = "%t/never"; Install.WantedBy = [ "default.target" ]; }};
        }}) ]"#
    )
}

fn programs() -> [std::path::PathBuf; 2] {
    ["artifacts-target", "artifacts"].map(|name| program(name).unwrap())
}

const MAIL: [(&str, &str); 2] = [("mail/password", "p1"), ("mail/certificate", "c1")];
const BOUND: [&str; 5] = ["mail.service", "x.timer", "x.target", "x.socket", "x.path"];

/// Boots such a user, and waits until all is up.
fn boot_user(home: &Configuration) -> Machine {
    let mut machine = evaluate(&[("laptop", MANAGER)]).unwrap().remove(0);
    machine.add_home(home).unwrap();
    let machine = Machine::boot(&machine, &MAIL).unwrap();
    for unit in
        BOUND.into_iter().chain(["artifact-mail.service", "artifact-chat.service", "chat.service", "told.service"])
    {
        state(&machine, unit, "active");
    }
    for name in ["mail", "told", "chat"] {
        machine.wait("a consumer's first line", &format!("test -s /run/user/1/{name}.log")).unwrap();
    }
    machine
}

#[test]
fn a_users_consumers_start_after_their_artifacts_and_stop_and_return_with_them() {
    let [target, host] = programs();
    let machine = boot_user(&evaluate_home(&user([&target, &host], "")).unwrap());
    let time = |unit: &str, name: &str| property(&machine, unit, name).parse::<u64>().unwrap();
    let began = |unit: &str| time(unit, "InactiveExitTimestampMonotonic");
    let done = |unit: &str| time(unit, "ActiveEnterTimestampMonotonic");
    let installed = time("agenix.service", "ExecMainExitTimestampMonotonic");
    assert!(installed > 0 && installed <= began("artifact-mail.service"));
    assert!(installed <= began("artifacts-watch.service"));
    for unit in BOUND {
        assert!(done("artifact-mail.service") <= began(unit), "{unit}");
    }
    assert!(done("artifact-chat.service") <= began("chat.service"));
    assert_eq!(
        machine.sh("stat -L -c '%a %U' /run/user/1/chat/token; stat -f -L -c %T /run/user/1/chat/token").unwrap(),
        "400 daemon\ntmpfs"
    );

    machine.sh(&as_user("mv /run/user/1/agenix/mail/password /run/user/1/away")).unwrap();
    for unit in BOUND {
        state(&machine, unit, "inactive");
    }
    for unit in ["chat.service", "told.service"] {
        state(&machine, unit, "active");
    }
    machine.sh(&as_user("mv /run/user/1/away /run/user/1/agenix/mail/password")).unwrap();
    for unit in BOUND {
        state(&machine, unit, "active");
    }
    verify(&machine);
}

#[test]
fn a_users_changed_content_is_told_once_and_a_new_generation_of_the_same_is_none() {
    let [target, host] = programs();
    let machine = boot_user(&evaluate_home(&user([&target, &host], "")).unwrap());
    let install = as_user("systemctl --user restart agenix");
    machine.sh(&install).unwrap();
    assert_eq!(machine.sh("readlink /run/user/1/agenix").unwrap(), "/run/user/1/agenix.d/2");
    machine.set("mail/certificate", "c2").unwrap();
    machine.sh(&install).unwrap();
    machine.wait("the reload", "grep -q reload /run/user/1/mail.log").unwrap();
    machine.set("mail/password", "p2").unwrap();
    machine.sh(&install).unwrap();
    machine.wait("the restart", "test $(grep -c start /run/user/1/told.log) = 2").unwrap();
    std::thread::sleep(LASTING);
    let logs = ["mail", "told", "chat"].map(|name| log(&machine, name));
    assert_eq!(logs, ["start reload", "start start", "start"]);
}

#[test]
fn a_users_switch_stops_no_consumer_makes_what_is_new_and_removes_what_is_gone() {
    let [target, host] = programs();
    let [other_target, other_host] = ["artifacts-target", "artifacts"].map(|name| other_version(name).unwrap());
    let gone = r#"artifacts.store.gone = {
        backend = "dummy"; files.f = { };
        generator = pkgs.writers.writeBash "gone" "echo gone-value > $out/f";
      };"#;
    let new = r#"artifacts.store.new = {
        backend = "dummy"; files.f = { }; dependencies = [ "chat" ];
        generator = pkgs.writers.writeBash "new" "cat $in/chat/token > $out/f";
        bindUnits = [ "new.service" ];
      };
      artifacts.store.mail.files.password.reloadUnits = [ "told.service" ];
      artifacts.store.chat.files.token.mode = "0440";
      artifacts.store.chat.generator = lib.mkForce (pkgs.writers.writeBash "chat" "echo other > $out/token");
      systemd.user.services.new = { Service.ExecStart = "/bin/sleep infinity"; Install.WantedBy = [ "default.target" ]; };"#;
    let before = evaluate_home(&user([&target, &host], gone)).unwrap();
    let after = evaluate_home(&user([&other_target, &other_host], new)).unwrap();
    assert_eq!(after.failed(), Vec::<String>::new());
    let machine = boot_user(&before);
    state(&machine, "artifact-gone.service", "active");
    let token = machine.sh("cat /run/user/1/chat/token").unwrap();
    let same = "systemctl --user show -p InvocationID mail.service told.service chat.service artifact-mail artifact-chat x.timer x.target x.socket x.path";
    let (was, watcher) = (machine.sh(&as_user(same)).unwrap(), property(&machine, "artifacts-watch", "InvocationID"));

    switch_home(&machine, &before, &after, as_user).unwrap();
    state(&machine, "artifact-new.service", "active");
    state(&machine, "new.service", "active");
    assert_eq!(machine.sh("cat /run/state/artifacts/new/f").unwrap(), token);
    machine.wait("what is gone to be removed", "! grep -rqs gone-value /run/state /run/user/1").unwrap();
    assert_eq!(
        machine.sh("stat -L -c %a /run/user/1/chat/token; cat /run/user/1/chat/token").unwrap(),
        format!("440\n{token}")
    );
    let programs =
        "readlink /etc/home/.config/artifacts/bin/artifacts-target /etc/home/.config/artifacts/bin/artifacts";
    assert_eq!(machine.sh(&format!("{programs} | grep -c /other-package-")).unwrap(), "2");
    assert_ne!(property(&machine, "artifacts-watch", "InvocationID"), watcher);
    std::thread::sleep(LASTING);
    assert_eq!(machine.sh(&as_user(same)).unwrap(), was, "{}", machine.journal());
    assert_eq!(["mail", "told", "chat"].map(|name| log(&machine, name)), ["start", "start", "start"]);
    verify(&machine);
}

#[test]
fn a_user_inside_a_machine_becomes_a_test_user_with_the_machine_and_both_agree_on_what_they_share() {
    let [target, host] = programs();
    let shared = r#"
      artifacts.config.dummy.deterministic = true;
      artifacts.store.cluster = {
        shared = true; files.token = { };
        generator = pkgs.writers.writeBash "cluster" "head -c 16 /dev/urandom | base64 > $out/token";
      };
      artifacts.store.own = {
        files.f = { };
        generator = pkgs.writers.writeBash "own" "head -c 16 /dev/urandom | base64 > $out/f";
      };"#;
    let programs =
        format!("artifacts.targetPackage = \"{}\"; artifacts.package = \"{}\";", target.display(), host.display());
    // The one line is the machine's.
    let machine = format!(
        "[ ({{ pkgs, ... }}: {{ artifacts.default.backend = \"dummy\"; {programs} {shared} }}) ] ++ ({MANAGER})"
    );
    let user = format!("[ ({{ pkgs, ... }}: {{ xdg.stateHome = \"/run/state\"; {programs} {shared} }}) ]");
    let machine = Machine::boot(&evaluate_with_user("laptop", &machine, &user).unwrap(), &[]).unwrap();
    for unit in ["artifact-cluster.service", "artifact-own.service"] {
        machine.wait_state(unit, "active").unwrap();
        state(&machine, unit, "active");
    }
    let read = |file: &str| machine.sh(&format!("cat /run/artifacts/{file}; cat /run/state/artifacts/{file}")).unwrap();
    let [cluster, own] = ["cluster/token", "own/f"].map(read);
    let [cluster, own] = [&cluster, &own].map(|both| both.lines().collect::<Vec<_>>());
    assert!(cluster.len() == 2 && cluster[0] == cluster[1], "{cluster:?}");
    assert!(own.len() == 2 && own[0] != own[1], "{own:?}");
    machine.wait("the user's name", "journalctl -o cat | grep -q 'generated per-user/alice@laptop/own'").unwrap();
}

/// Longer than the watcher waits before a loss counts, and looks again.
const LASTING: std::time::Duration = std::time::Duration::from_secs(5);
