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
      ExecStartPre = "+/bin/sh -c 'mkdir -p /run/user/1 /run/state; chown daemon /run/user/1 /run/state; chmod 700 /run/user/1'";
      ExecStart = "/lib/systemd/systemd --user";
      Environment = [ "XDG_RUNTIME_DIR=/run/user/1" "HOME=/etc/home" "XDG_CONFIG_HOME=/etc/home/.config" ];
      Delegate = true;
    };
  };
} ]"#;

fn as_user(script: &str) -> String {
    format!("XDG_RUNTIME_DIR=/run/user/1 setpriv --reuid 1 --regid 1 --clear-groups bash -ec '{script}'")
}

#[test]
fn a_users_units_follow_the_users_files() {
    let package = program("artifacts-target").unwrap();
    let home = evaluate_home(&format!(
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
    ))
    .unwrap();
    assert_eq!(home.failed(), Vec::<String>::new());
    let mut machine = evaluate(&[("laptop", MANAGER)]).unwrap().remove(0);
    machine.add_home(&home).unwrap();
    let machine = Machine::boot(&machine, &[]).unwrap();

    let state = |unit: &str, state: &str| {
        let script = as_user(&format!("test \"$(systemctl --user is-active {unit})\" = {state}"));
        machine.wait(&format!("{unit} to be {state}"), &script).unwrap();
    };
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
    let verified = machine
        .run(&as_user("systemd-analyze --user verify --man=no /etc/home/.config/systemd/user/*.service"))
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&verified.stderr), "");
}
