//! A user's units under a real systemd of the user's own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::missing_panics_doc)]

use artifacts_tests::systemd::{Machine, evaluate, evaluate_home, program};

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
    let home = evaluate_home(modules).unwrap();
    assert_eq!(home.failed(), Vec::<String>::new());
    let mut machine = evaluate(&[("laptop", MANAGER)]).unwrap().remove(0);
    machine.add_home(&home).unwrap();
    Machine::boot(&machine, &[]).unwrap()
}

/// Waits until a unit of the user's is in a state.
fn state(machine: &Machine, unit: &str, state: &str) {
    let script = as_user(&format!("test \"$(systemctl --user is-active {unit})\" = {state}"));
    machine.wait(&format!("{unit} to be {state}"), &script).unwrap();
}

/// Has the user's systemd verify every unit.
fn verify(machine: &Machine) {
    let verify = as_user("systemd-analyze --user verify --man=no /etc/home/.config/systemd/user/*.service");
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
          artifacts.programs.artifacts-target = "{package}";
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
          artifacts.programs.artifacts-target = "{target}";
          artifacts.programs.artifacts = "{host}";
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
    let left = "find /run/user/1/artifacts.d /run/state /run/user/1/mail ! -type d";
    assert_eq!(machine.sh(left).unwrap(), "/run/state/artifacts/audit.jsonl");
}
