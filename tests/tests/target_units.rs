//! Units of artifacts under a real systemd, evaluated from the real modules, with installers that do what agenix and sops-nix
//! do on the target.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::missing_panics_doc)]

use std::sync::LazyLock;
use std::time::Duration;

use artifacts_tests::systemd::{Configuration, Machine, evaluate, program};

/// One artifact of each backend, each with a consumer; `web` is told of changes, and `both` is bound to two.
static CONFIGURATION: LazyLock<Configuration> = LazyLock::new(|| {
    let package = program("artifacts-target").unwrap();
    let modules = format!(
        r#"[ ({{ pkgs, ... }}:
        let
          consumer = {{
            wantedBy = [ "multi-user.target" ];
            serviceConfig.Type = "exec";
          }};
          logs = name: consumer // {{
            script = "echo start >> /run/shared/${{name}}.log; exec sleep infinity";
            serviceConfig.ExecReload = "/bin/sh -c 'echo reload >> /run/shared/${{name}}.log'";
          }};
        in {{
          artifacts.targetPackage = "{package}";
          artifacts.package = "/not/needed";
          artifacts.default.backend = "agenix";
          users.users.daemon = {{ }};
          users.groups.daemon = {{ }};
          artifacts.store.attic = {{
            files.env = {{ owner = "daemon"; group = "daemon"; path = "/var/lib/attic/secrets/env"; restartUnits = [ "told.service" "slow.service" ]; }};
            bindUnits = [ "atticd.service" "both.service" ];
          }};
          artifacts.store."api-key é@x" = {{
            backend = "sops-nix";
            files.token = {{ mode = "0440"; restartUnits = [ "web.service" ]; }};
            files.cert = {{ owner = "nobody-declared"; reloadUnits = [ "web.service" ]; }};
            bindUnits = [ "web.service" "both.service" ];
          }};
          systemd.services.atticd = logs "atticd";
          systemd.services.both = logs "both";
          systemd.services.web = logs "web";
          systemd.services.told = logs "told";
          systemd.services.slow = consumer // {{
            serviceConfig = {{
              ExecStartPre = "/bin/sh -c 'test ! -e /run/slow || sleep 600'";
              ExecStart = "/bin/sleep infinity";
              TimeoutStartSec = "infinity";
            }};
          }};
        }}) ]"#,
        package = package.display()
    );
    evaluate(&[("web1", &modules)]).unwrap().remove(0)
});

const WATCHER: &str = "artifacts-watch.service";
const API: &str = r"artifact-api\x2dkey\x20\xc3\xa9\x40x.service";
const ATTIC: &str = "artifact-attic.service";
const ENV: (&str, &str) = ("attic/env", "one");
const TOKEN: (&str, &str) = ("api-key é@x/token", "t1");
const CERT: (&str, &str) = ("api-key é@x/cert", "c1");
const ALL: [(&str, &str); 3] = [ENV, TOKEN, CERT];
const CONSUMERS: [&str; 4] = ["atticd", "both", "told", "web"];

/// Longer than the watcher waits before a loss counts, and looks again.
const LASTING: Duration = Duration::from_secs(5);

fn boot() -> Machine {
    let machine = Machine::boot(&CONFIGURATION, &ALL).unwrap();
    for unit in [ATTIC, API, WATCHER, "atticd.service", "both.service", "web.service"] {
        assert_eq!(machine.state(unit).unwrap(), "active", "{unit}\n{}", machine.journal());
    }
    // A consumer that runs has not yet done anything.
    for name in CONSUMERS {
        machine.wait("a consumer's first line", &format!("test -s /run/shared/{name}.log")).unwrap();
    }
    machine
}

/// What a consumer wrote so far, line by line: its starts and reloads.
fn log(machine: &Machine, name: &str) -> Vec<String> {
    let text = std::fs::read_to_string(machine.shared().join(format!("{name}.log"))).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

fn assert_untouched(machine: &Machine) {
    for name in CONSUMERS {
        assert_eq!(log(machine, name), ["start"], "{name}\n{}", machine.journal());
    }
}

#[test]
fn files_come_first_then_units_then_consumers() {
    let machine = boot();
    let seen = machine
        .sh("stat -L -c '%a %U %G' /var/lib/attic/secrets/env '/run/artifacts/api-key é@x/'{token,cert}")
        .unwrap();
    assert_eq!(seen, "400 daemon daemon\n440 root root\n400 root root");
    let began = |unit: &str| machine.property(unit, "InactiveExitTimestampMonotonic").unwrap().parse::<u64>().unwrap();
    let done = |unit: &str| machine.property(unit, "ActiveEnterTimestampMonotonic").unwrap().parse::<u64>().unwrap();
    assert!(done("agenix-install-secrets.service") <= began(ATTIC));
    assert!(done("sops-install-secrets.service") <= began(API));
    for installer in ["agenix-install-secrets.service", "sops-install-secrets.service"] {
        assert!(done(installer) <= began(WATCHER), "{installer}");
    }
    for (artifact, consumer) in [(ATTIC, "atticd"), (ATTIC, "both"), (API, "both"), (API, "web")] {
        assert!(done(artifact) <= began(&format!("{consumer}.service")), "{artifact} {consumer}");
    }
    assert_untouched(&machine);
}

#[test]
fn a_lost_file_stops_its_consumers_and_its_return_starts_them() {
    let machine = boot();
    machine.sh("systemctl stop atticd").unwrap();
    machine.sh("mv /run/agenix/attic/env /run/agenix.d/away").unwrap();
    machine.wait_state(ATTIC, "inactive").unwrap();
    machine.wait_state("both.service", "inactive").unwrap();
    assert_eq!(machine.state(API).unwrap(), "active");
    assert_eq!(machine.state("web.service").unwrap(), "active");
    let why = "artifact `attic` is incomplete: file `env` (/var/lib/attic/secrets/env): /run/agenix.d/1/attic/env does not exist";
    machine.wait_said(WATCHER, why).unwrap();
    machine.sh("mv /run/agenix.d/away /run/agenix/attic/env").unwrap();
    machine.wait_state(ATTIC, "active").unwrap();
    machine.wait_state("both.service", "active").unwrap();
    assert_eq!(machine.state("atticd.service").unwrap(), "inactive", "a person stopped it before");
}

#[test]
fn a_loss_that_does_not_last_stops_nothing() {
    let machine = boot();
    let patient = "[Service]\nExecStart=\nExecStart=/etc/artifacts/bin/artifacts-target watch --grace 3600 /etc/artifacts/manifest.json";
    machine
        .sh(&format!(
            "mkdir -p /run/systemd/system/{WATCHER}.d; echo '{patient}' > /run/systemd/system/{WATCHER}.d/patient.conf; \
             systemctl daemon-reload; systemctl restart {WATCHER}; mv /run/agenix/attic/env /run/agenix.d/away"
        ))
        .unwrap();
    std::thread::sleep(LASTING);
    machine.sh("mv /run/agenix.d/away /run/agenix/attic/env").unwrap();
    std::thread::sleep(LASTING);
    assert_untouched(&machine);
}

#[test]
fn what_is_wrong_besides_being_gone_is_a_loss_too() {
    let machine = boot();
    for (spoil, mend, cause) in [
        ("chmod 0444", "chmod 0400", "expected mode 0400, found 0444"),
        ("chown root", "chown daemon", "expected owner daemon, found 0"),
        ("chgrp root", "chgrp daemon", "expected group daemon, found 0"),
    ] {
        machine.sh(&format!("{spoil} /run/agenix/attic/env")).unwrap();
        machine.wait_state("atticd.service", "inactive").unwrap();
        machine.wait_said(WATCHER, cause).unwrap();
        machine.sh(&format!("{mend} /run/agenix/attic/env")).unwrap();
        machine.wait_state("atticd.service", "active").unwrap();
    }
}

#[test]
fn a_swap_of_generations_stops_and_restarts_nothing() {
    let machine = boot();
    for _ in 0..3 {
        machine.sh("systemctl restart agenix-install-secrets sops-install-secrets").unwrap();
    }
    // Longer than a loss has to last: files are there and not yet their owner's, but an installer is at work.
    machine.sh("systemctl set-environment SLOW=6; systemctl restart agenix-install-secrets; systemctl unset-environment SLOW").unwrap();
    assert_eq!(machine.sh("readlink /run/agenix /run/secrets").unwrap(), "/run/agenix.d/5\n/run/secrets.d/4");
    std::thread::sleep(LASTING);
    assert_untouched(&machine);
}

#[test]
fn a_changed_content_is_told_once_to_those_who_want_to_hear_it() {
    let machine = boot();
    machine.set(CERT.0, "c2").unwrap();
    machine.sh("systemctl restart sops-install-secrets").unwrap();
    machine.wait("the reload", "grep -q reload /run/shared/web.log").unwrap();
    machine.set(TOKEN.0, "t2").unwrap();
    machine.sh("systemctl restart sops-install-secrets").unwrap();
    machine.wait("the restart", "test $(grep -c start /run/shared/web.log) = 2").unwrap();
    machine.set(ENV.0, "two").unwrap();
    machine.sh("systemctl restart agenix-install-secrets").unwrap();
    machine.wait("the restart", "test $(grep -c start /run/shared/told.log) = 2").unwrap();
    std::thread::sleep(LASTING);
    assert_eq!(log(&machine, "web"), ["start", "reload", "start"]);
    assert_eq!(log(&machine, "told"), ["start", "start"]);
    assert_eq!(log(&machine, "atticd"), ["start"]);
    assert_eq!(log(&machine, "both"), ["start"]);
}

#[test]
fn a_consumer_that_takes_long_to_restart_holds_up_nobody() {
    let machine = boot();
    machine.sh("touch /run/slow").unwrap();
    machine.set(ENV.0, "two").unwrap();
    machine.sh("systemctl restart agenix-install-secrets").unwrap();
    machine.wait_state("slow.service", "activating").unwrap();
    machine.wait("the restart of another", "test $(grep -c start /run/shared/told.log) = 2").unwrap();
    // The watcher goes on.
    machine.sh("mv '/run/secrets/api-key é@x/token' /run/secrets.d/away").unwrap();
    machine.wait_state("web.service", "inactive").unwrap();
    machine.sh("mv /run/secrets.d/away '/run/secrets/api-key é@x/token'").unwrap();
    machine.wait_state("web.service", "active").unwrap();
    // So do the units that a switch restarts.
    let ours = "systemctl restart agenix-install-secrets sops-install-secrets artifacts-watch artifacts-clean";
    machine.sh(&format!("timeout 60 {ours}")).unwrap();
    assert_eq!(machine.state("slow.service").unwrap(), "activating");
}

#[test]
fn nothing_is_stopped_or_restarted_while_the_machine_is_switched() {
    let machine = boot();
    machine.set(TOKEN.0, "t2").unwrap();
    let switch = "mkdir -p /run/nixos; flock /run/nixos/switch-to-configuration.lock bash -ec ' \
                  rm /run/agenix; systemctl restart sops-install-secrets; sleep 7; \
                  test $(wc -l < /run/shared/web.log) = 1; systemctl restart web; systemctl restart agenix-install-secrets'";
    machine.sh(switch).unwrap();
    std::thread::sleep(LASTING);
    assert_eq!(log(&machine, "web"), ["start", "start"], "the switch itself started it after the change");
    for name in ["atticd", "both", "told"] {
        assert_eq!(log(&machine, name), ["start"], "{name}");
    }
}

#[test]
fn what_a_person_stops_stays_stopped() {
    let machine = boot();
    machine.sh(&format!("systemctl stop {ATTIC}")).unwrap();
    assert_eq!(machine.state("atticd.service").unwrap(), "inactive");
    machine.sh("systemctl restart agenix-install-secrets; rm /run/agenix/attic/env").unwrap();
    std::thread::sleep(LASTING);
    machine.sh("systemctl restart agenix-install-secrets").unwrap();
    std::thread::sleep(LASTING);
    for unit in [ATTIC, "atticd.service", "both.service"] {
        assert_eq!(machine.state(unit).unwrap(), "inactive", "{unit}");
    }
    machine.sh("systemctl start atticd").unwrap();
    assert_eq!(machine.state(ATTIC).unwrap(), "active");
}

#[test]
fn a_missing_secret_hangs_no_boot_and_its_arrival_starts_what_the_boot_wanted() {
    let machine = Machine::boot(&CONFIGURATION, &[TOKEN, CERT]).unwrap();
    assert_eq!(machine.state(ATTIC).unwrap(), "failed");
    for unit in ["atticd.service", "both.service"] {
        assert_eq!(machine.state(unit).unwrap(), "inactive", "{unit}");
    }
    assert_eq!(machine.state("web.service").unwrap(), "active");
    let took = machine.property("multi-user.target", "ActiveEnterTimestampMonotonic").unwrap().parse::<u64>().unwrap()
        - machine
            .property("agenix-install-secrets.service", "InactiveExitTimestampMonotonic")
            .unwrap()
            .parse::<u64>()
            .unwrap();
    // Whoever waits for a file waits for ever; this machine may be busy.
    assert!(took < 30_000_000, "the boot took {took} µs");
    let why = "artifact `attic` is incomplete: file `env` (/var/lib/attic/secrets/env): /var/lib/attic does not exist";
    machine.wait_said(ATTIC, why).unwrap();
    machine.wait_said(ATTIC, "systemctl status agenix-install-secrets.service").unwrap();

    machine.set(ENV.0, "late").unwrap();
    machine.sh("systemctl restart agenix-install-secrets").unwrap();
    for unit in [ATTIC, "atticd.service", "both.service"] {
        machine.wait_state(unit, "active").unwrap();
    }
    assert_eq!(log(&machine, "told"), ["start"], "a first content is no change");
}

#[test]
fn what_had_no_key_at_boot_is_deployed_when_its_unit_is_started() {
    let machine = Machine::boot(&CONFIGURATION, &[TOKEN, CERT]).unwrap();
    assert_eq!(machine.state(ATTIC).unwrap(), "failed");
    let generation = "readlink /run/agenix";
    assert_eq!(machine.sh(generation).unwrap(), "/run/agenix.d/1", "a boot deploys once, whatever is missing");
    assert!(!machine.run(&format!("systemctl start {ATTIC}")).unwrap().status.success(), "the key is still away");
    assert_eq!(machine.sh(generation).unwrap(), "/run/agenix.d/2");
    // The key comes, and nothing else: no rebuild, no restart of an installer by its name.
    machine.set(ENV.0, "late").unwrap();
    machine.sh(&format!("systemctl start {ATTIC}")).unwrap();
    assert_eq!(machine.sh("cat /var/lib/attic/secrets/env").unwrap(), "late");
    for unit in ["atticd.service", "both.service"] {
        machine.wait_state(unit, "active").unwrap();
    }
    // What is complete is not deployed again, nor is anything while the machine is switched.
    machine.sh(&format!("systemctl restart {ATTIC}")).unwrap();
    assert_eq!(machine.sh(generation).unwrap(), "/run/agenix.d/3");
    machine
        .sh(&format!(
            "mkdir -p /run/nixos; rm /run/agenix/attic/env; \
             ! flock /run/nixos/switch-to-configuration.lock systemctl restart {ATTIC}"
        ))
        .unwrap();
    assert_eq!(machine.sh(generation).unwrap(), "/run/agenix.d/3");
}

#[test]
fn neither_a_restart_of_the_watcher_nor_another_version_of_it_touches_consumers() {
    let machine = boot();
    let before = machine.property("artifacts-watch.service", "MainPID").unwrap();
    machine.sh("systemctl restart artifacts-watch").unwrap();
    let second = machine.property(WATCHER, "MainPID").unwrap();
    assert_ne!(before, second);
    machine.sh("systemctl kill -s KILL artifacts-watch").unwrap();
    let third = format!("test $(systemctl show --value -p MainPID artifacts-watch) != {second}");
    machine.wait("the watcher to be back", &format!("{third} && systemctl is-active -q artifacts-watch")).unwrap();
    machine
        .sh("mkdir /run/new; cp /etc/artifacts/bin/artifacts-target /run/new/; \
                ln -sfT /run/new/artifacts-target /etc/artifacts/bin/artifacts-target; \
                systemctl daemon-reload; systemctl restart artifacts-watch")
        .unwrap();
    std::thread::sleep(LASTING);
    assert_untouched(&machine);
    assert_eq!(
        machine.sh("stat -c '%a %U' /run/artifacts-watch /run/artifacts-watch/watch.json").unwrap(),
        "700 root\n600 root"
    );
    // What happened while it was away is still told.
    machine.set(ENV.0, "two").unwrap();
    machine
        .sh("systemctl stop artifacts-watch; systemctl restart agenix-install-secrets; systemctl start artifacts-watch")
        .unwrap();
    machine.wait("the restart", "test $(grep -c start /run/shared/told.log) = 2").unwrap();
}

#[test]
fn no_unit_that_others_are_bound_to_names_a_version_of_the_program() {
    for (unit, program) in [(ATTIC, "check"), (API, "check"), (WATCHER, "watch")] {
        let text = CONFIGURATION.unit(unit).unwrap();
        let start = format!("ExecStart=\"/etc/artifacts/bin/artifacts-target\" \"{program}\"");
        assert!(text.contains(&start), "{text}");
        if unit != WATCHER {
            assert!(text.contains("X-RestartIfChanged=false") && !text.contains("/package-"), "{text}");
        }
    }
}

#[test]
fn a_new_manifest_is_followed_without_a_restart() {
    let machine = boot();
    machine
        .sh("cp /etc/artifacts/manifest.json /etc/static-manifest; \
                sed 's/\"mode\":\"0440\"/\"mode\":\"0444\"/' /etc/static-manifest > /run/m; \
                ln -sfT /run/m /etc/artifacts/manifest.json")
        .unwrap();
    machine.wait_state(API, "inactive").unwrap();
    machine.sh("echo '{' > /run/m").unwrap();
    machine.wait_said(WATCHER, "keeping the last one").unwrap();
    machine.sh("chmod 0444 \"$(readlink -f '/run/artifacts/api-key é@x/token')\"").unwrap();
    machine.wait_state(API, "failed").unwrap();
    machine.sh("sed 's/\"mode\":\"0440\"/\"mode\":\"0444\"/' /etc/static-manifest > /run/m").unwrap();
    machine.wait_state(API, "active").unwrap();
    machine.wait_state("web.service", "active").unwrap();
}

#[test]
fn neither_an_odd_name_nor_a_refused_order_keeps_anything_else() {
    let machine = boot();
    machine
        .sh("sed 's/\"told.service\"/\"t@.service\",\"w*.service\",\"\",\"told.service\"/' /etc/artifacts/manifest.json > /run/m; \
                grep -q t@.service /run/m; ln -sfT /run/m /etc/artifacts/manifest.json; \
                mv /run/agenix/attic/env /run/agenix.d/away")
        .unwrap();
    wait_states(&machine, "inactive", &["atticd.service", "both.service"]);
    machine
        .sh("mkdir -p /run/systemd/system/both.service.d; \
                printf '[Unit]\nRefuseManualStart=yes\n' > /run/systemd/system/both.service.d/refuse.conf; systemctl daemon-reload")
        .unwrap();
    machine.sh("mv /run/agenix.d/away /run/agenix/attic/env").unwrap();
    machine.wait_state("atticd.service", "active").unwrap();
    machine.wait_said(WATCHER, "start both.service: ").unwrap();
    machine.set(ENV.0, "two").unwrap();
    machine.sh("systemctl restart agenix-install-secrets").unwrap();
    machine.wait("the restart", "test $(grep -c start /run/shared/told.log) = 2").unwrap();
}

#[test]
fn a_file_system_that_is_mounted_over_a_directory_is_seen() {
    let machine = boot();
    machine.sh("mount -t tmpfs tmpfs /var/lib/attic").unwrap();
    machine.wait_state("atticd.service", "inactive").unwrap();
    machine.sh("umount /var/lib/attic").unwrap();
    machine.wait_state("atticd.service", "active").unwrap();
}

#[test]
fn without_anything_made_here_the_program_that_makes_is_not_carried() {
    let machine = boot();
    let carried = machine.sh("find /etc/artifacts /etc/systemd -lname '*/not/needed*' -o -name target.json").unwrap();
    assert_eq!(carried, "");
    assert!(machine.run("grep -rqs /not/needed /etc/systemd /etc/artifacts").unwrap().status.code() == Some(1));
}

#[test]
fn systemd_accepts_every_unit() {
    let machine = boot();
    assert!(CONFIGURATION.units().len() >= 9, "{:?}", CONFIGURATION.units());
    machine.verify(&CONFIGURATION).unwrap();
}

#[test]
fn every_kind_of_unit_is_bound_and_accepted() {
    let base = [
        ("x.socket", "sockets", "[Socket]\\nListenStream=/run/x.sock\\n"),
        ("x.timer", "timers", "[Timer]\\nOnActiveSec=1h\\n"),
        ("x.path", "paths", "[Path]\\nPathExists=/run/never\\n"),
        ("x.target", "targets", "[Unit]\\nDescription=x\\n"),
        ("x.slice", "slices", "[Slice]\\nTasksMax=9\\n"),
    ];
    let others = base.map(|(unit, kind, text)| {
        format!(
            "environment.etc.\"systemd/system/{unit}\".text = \"{text}\"; \
             systemd.{kind}.x = {{ overrideStrategy = \"asDropin\"; wantedBy = [ \"multi-user.target\" ]; }};\n"
        )
    });
    let units = base.map(|(unit, ..)| unit).into_iter().chain(["x.service", "t@one.service"]);
    let named: Vec<String> = units.clone().map(|unit| format!("\"{unit}\"")).collect();
    let modules = |backend: &str| {
        format!(
            r#"[ ({{ pkgs, ... }}: {{
          artifacts.targetPackage = "{target}";
          artifacts.package = "{host}";
          artifacts.store.a = {{
            backend = "{backend}";
            files.f = {{ }};
            generator = pkgs.writers.writeBash "a" "echo text > $out/f";
            bindUnits = [ {named} ];
          }};
          systemd.services.x = {{ wantedBy = [ "multi-user.target" ]; script = "exec sleep infinity"; }};
          systemd.services."t@".serviceConfig.ExecStart = "/bin/sleep infinity";
          systemd.services."t@one".wantedBy = [ "multi-user.target" ];
          {others}
        }}) ]"#,
            target = program("artifacts-target").unwrap().display(),
            host = program("artifacts").unwrap().display(),
            named = named.join(" "),
            others = others.concat(),
        )
    };
    for backend in ["agenix", "dummy"] {
        let configuration = evaluate(&[("web1", &modules(backend))]).unwrap().remove(0);
        let machine = Machine::boot(&configuration, &[("a/f", "text")]).unwrap();
        for unit in units.clone() {
            machine.wait_state(unit, "active").unwrap();
        }
        machine.verify(&configuration).unwrap();
        machine.sh("rm \"$(readlink -f /run/artifacts/a/f)\"").unwrap();
        for unit in units.clone() {
            machine.wait_state(unit, "inactive").unwrap();
        }
    }
}

/// What else can keep a consumer down than its own artifact's loss.
static LATE: LazyLock<Configuration> = LazyLock::new(|| evaluate(&[("web1", &late(""))]).unwrap().remove(0));

fn late(more: &str) -> String {
    format!(
        r#"[ ({{ pkgs, ... }}:
        let
          service = more: {{ wantedBy = [ "multi-user.target" ]; script = "exec sleep infinity"; }} // more;
        in {{
          artifacts.targetPackage = "{package}";
          artifacts.package = "/not/needed";
          artifacts.default.backend = "agenix";
          artifacts.store.key = {{
            files.f.restartUnits = [ "picky.service" "unwanted.service" "cleared.service" ];
            bindUnits = [ "near.service" ];
          }};
          artifacts.store.stored = {{ files.f.path = "/srv/late/f"; bindUnits = [ "stored.service" ]; }};
          systemd.services.near = service {{ }};
          systemd.services.far = service {{ requires = [ "near.service" ]; after = [ "near.service" ]; }};
          systemd.services.farther = service {{ bindsTo = [ "far.service" ]; after = [ "far.service" ]; }};
          systemd.services.byhand = service {{ requires = [ "artifact-key.service" ]; after = [ "artifact-key.service" ]; }};
          systemd.services.idle = service {{ wantedBy = [ ]; requires = [ "near.service" ]; after = [ "near.service" ]; }};
          systemd.services.stored = service {{ }};
          systemd.services.picky = service {{ script = "grep -q good /run/artifacts/key/f || exit 3; exec sleep infinity"; }};
          systemd.services.cleared = service {{ script = "grep -q good /run/artifacts/key/f || exit 3; exec sleep infinity"; }};
          systemd.services.unwanted = service {{ wantedBy = [ ]; script = "grep -q good /run/artifacts/key/f || exit 3; exec sleep infinity"; }};
          systemd.targets.multi-user.wants = [ "srv-disk.mount" "srv-late.mount" ];
          environment.etc."systemd/system/srv-disk.mount".text = "[Unit]\nBindsTo=artifact-key.service\nAfter=artifact-key.service\n[Mount]\nWhat=tmpfs\nWhere=/srv/disk\nType=tmpfs\n";
          environment.etc."systemd/system/srv-late.mount".text = "[Mount]\nWhat=tmpfs\nWhere=/srv/late\nType=tmpfs\nOptions=none-such\n";
          {more}
        }}) ]"#,
        package = program("artifacts-target").unwrap().display()
    )
}

fn assert_states(machine: &Machine, state: &str, units: &[&str]) {
    for unit in units {
        assert_eq!(machine.state(unit).unwrap(), state, "{unit}\n{}", machine.journal());
    }
}

fn wait_states(machine: &Machine, state: &str, units: &[&str]) {
    for unit in units {
        machine.wait_state(unit, state).unwrap();
    }
}

const CHAIN: [&str; 5] = ["near.service", "far.service", "farther.service", "byhand.service", "srv-disk.mount"];

#[test]
fn what_stops_with_a_consumer_comes_back_too_and_so_does_what_a_boot_could_not_start() {
    let machine = Machine::boot(&LATE, &[]).unwrap();
    assert_states(&machine, "inactive", &CHAIN);
    // The disk that one artifact lies on is not there either: so its unit did not even look.
    assert_states(&machine, "inactive", &["artifact-stored.service", "stored.service", "idle.service"]);
    machine.set("key/f", "good").unwrap();
    machine.sh("systemctl restart agenix-install-secrets").unwrap();
    wait_states(&machine, "active", &CHAIN);

    machine.sh("systemctl stop farther; mv /run/agenix/key/f /run/agenix.d/away").unwrap();
    wait_states(&machine, "inactive", &CHAIN);
    machine.sh("mv /run/agenix.d/away /run/agenix/key/f").unwrap();
    wait_states(&machine, "active", &["near.service", "far.service", "byhand.service", "srv-disk.mount"]);
    std::thread::sleep(LASTING);
    assert_states(&machine, "inactive", &["farther.service", "idle.service"]);

    machine.set("stored/f", "text").unwrap();
    let mend = "sed -i /none-such/d /etc/systemd/system/srv-late.mount; systemctl daemon-reload; systemctl start srv-late.mount";
    machine.sh(&format!("{mend}; systemctl restart agenix-install-secrets")).unwrap();
    wait_states(&machine, "active", &["artifact-stored.service", "stored.service"]);
}

#[test]
fn a_consumer_that_failed_by_an_old_content_starts_with_the_new_one() {
    let machine = Machine::boot(&LATE, &[("key/f", "bad")]).unwrap();
    machine.run("systemctl start unwanted").unwrap();
    wait_states(&machine, "failed", &["picky.service", "unwanted.service", "cleared.service"]);
    // So a person says that it shall stay down.
    machine.sh("systemctl reset-failed cleared").unwrap();
    machine.set("key/f", "good").unwrap();
    machine.sh("systemctl restart agenix-install-secrets").unwrap();
    machine.wait_state("picky.service", "active").unwrap();
    std::thread::sleep(LASTING);
    assert_states(&machine, "failed", &["unwanted.service"]);
    assert_states(&machine, "inactive", &["cleared.service"]);
}

#[test]
fn what_a_switch_could_not_start_for_want_of_a_file_starts_when_it_comes() {
    let [before, after] = [
        r#"systemd.services.later = service { };
           systemd.services.unbound = service { };
           systemd.services.stopped = service { };
           artifacts.store.second = { files.f = { }; };
           artifacts.store.third = { files.f = { }; bindUnits = [ "stopped.service" ]; };"#,
        r#"systemd.services.later = service { };
           systemd.services.unbound = service { };
           systemd.services.stopped = service { };
           artifacts.store.second = { files.f = { }; bindUnits = [ "later.service" ]; };
           artifacts.store.third = { files.f = { }; bindUnits = [ "stopped.service" ]; };"#,
    ]
    .map(|more| evaluate(&[("web1", &late(more))]).unwrap().remove(0));
    let machine = Machine::boot(&before, &[("key/f", "good"), ("third/f", "text")]).unwrap();
    wait_states(&machine, "active", &["later.service", "stopped.service"]);
    machine.switch(&before, &after).unwrap();
    assert_states(&machine, "inactive", &["later.service"]);
    machine.set("second/f", "text").unwrap();
    // After the switch a person stops some, of which one was never the watcher's business.
    machine.sh("systemctl stop stopped unbound artifact-third; systemctl restart agenix-install-secrets").unwrap();
    machine.wait_state("later.service", "active").unwrap();
    std::thread::sleep(LASTING);
    assert_states(&machine, "inactive", &["stopped.service", "unbound.service", "artifact-third.service"]);
}

#[test]
fn what_a_person_stops_stays_stopped_whoever_watches() {
    let machine = boot();
    machine.sh(&format!("systemctl stop {ATTIC} web; systemctl restart artifacts-watch")).unwrap();
    machine.sh("systemctl kill -s KILL artifacts-watch").unwrap();
    std::thread::sleep(LASTING);
    machine.wait("the watcher to be back", "systemctl is-active -q artifacts-watch").unwrap();
    machine.sh("systemctl restart agenix-install-secrets sops-install-secrets").unwrap();
    std::thread::sleep(LASTING);
    assert_states(&machine, "inactive", &[ATTIC, "atticd.service", "both.service", "web.service"]);
    assert_states(&machine, "active", &[API]);
}

#[test]
fn a_queue_that_ran_over_is_noticed() {
    let machine = boot();
    // Neighbours fill the queue while the watcher does not read; the one event that matters finds no room.
    machine
        .sh("systemctl kill -s STOP artifacts-watch; mkdir -p /run/agenix/attic; cd /run/agenix/attic; \
             n=$(cat /proc/sys/fs/inotify/max_queued_events); seq -f n%.0f $((n / 2 + 9)) | xargs touch; \
             mv env /run/agenix.d/away; systemctl kill -s CONT artifacts-watch")
        .unwrap();
    machine.wait_state("atticd.service", "inactive").unwrap();
}

#[test]
fn the_watcher_and_the_cleaner_are_confined() {
    let machine = boot();
    // The same confinement around a program that tries each thing that it is to keep from.
    let probe = r#"#!/bin/bash
        t() { if "${@:2}" > /dev/null 2>&1; then echo "$1 goes"; else echo "$1 is refused"; fi; }
        t namespaces unshare --user true
        t chown chown daemon /run/probe/own
        t setuid chmod u+s /run/probe/own
        t 32-bit setarch i686 true
        t internet bash -c 'exec 3<> /dev/udp/127.0.0.1/9'
        t unix test -S /run/systemd/private
        t realtime chrt -f 1 true
        grep -E '^(CapBnd|NoNewPrivs):' /proc/self/status
    "#;
    std::fs::write(machine.shared().join("probe"), probe).unwrap();
    let run = |unit: &str| {
        machine.sh(&format!(
            "mkdir -p /run/probe; cp /run/shared/probe /run/probe/; : > /run/probe/own; chmod 755 /run/probe/probe; \
             sed -E '/^(ExecStart|Type|Restart|RuntimeDirectory.*|RemainAfterExit)=/d' /etc/systemd/system/{unit} | \
             sed '/^\\[Service\\]/a Type=oneshot\\nStandardOutput=file:/run/probe/out\\nExecStart=/run/probe/probe' > /run/systemd/system/probe.service; \
             rm -f /run/probe/out; systemctl daemon-reload; systemctl start probe.service; cat /run/probe/out"
        ))
    };
    for (unit, capabilities) in [(WATCHER, "0000000000000004"), ("artifacts-clean.service", "000000000000000a")] {
        let said = run(unit).unwrap();
        let expected = [
            "namespaces is refused",
            "chown is refused",
            "setuid is refused",
            "32-bit is refused",
            "internet is refused",
            "unix goes",
            "realtime is refused",
        ];
        let [privileges, bound] = ["NoNewPrivs:\t1".to_owned(), format!("CapBnd:\t{capabilities}")];
        let lines: Vec<&str> = said.lines().collect();
        assert_eq!(lines[..7], expected, "{unit}");
        assert!(lines.contains(&&*privileges) && lines.contains(&&*bound), "{unit}: {said}");
    }
}

#[test]
fn the_program_is_small_and_its_watcher_sleeps() {
    let machine = boot();
    // Its whole address space: what is resident is less.
    machine.sh("prlimit --as=$((10 << 20)) /etc/artifacts/bin/artifacts-target check attic").unwrap();
    let resident = "awk '/VmRSS/ { print $2 }' /proc/$(systemctl show --value -p MainPID artifacts-watch)/status";
    let kilobytes: u64 = machine.sh(resident).unwrap().parse().unwrap();
    assert!(kilobytes < 10 * 1024, "{kilobytes} kB");
    let busy = "p=/proc/$(systemctl show --value -p MainPID artifacts-watch); \
                echo $(cut -d' ' -f14,15 $p/stat) $(awk '/ctxt/ { print $2 }' $p/status)";
    std::thread::sleep(LASTING);
    let before = machine.sh(busy).unwrap();
    // Readers at work wake nobody.
    machine.sh("for i in $(seq 50); do cat /var/lib/attic/secrets/env > /dev/null; done").unwrap();
    std::thread::sleep(LASTING);
    assert_eq!(machine.sh(busy).unwrap(), before, "time and context switches of an idle watcher");
}
