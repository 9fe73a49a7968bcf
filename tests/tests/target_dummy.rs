//! Artifacts that are made on the target, at boot, under a real systemd: nothing of them is stored anywhere.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::missing_panics_doc)]

use std::path::Path;
use std::sync::LazyLock;

use artifacts_tests::systemd::{Configuration, Machine, evaluate, other_version, program};

/// A declaration as it is for real machines, with one line that makes it a test machine.
const DECLARATION: &str = r#"
  artifacts.default.backend = "dummy";
  users.users.daemon = { };
  users.groups.daemon = { };

  artifacts.store.attic = {
    files.env = { owner = "daemon"; group = "daemon"; path = "/var/lib/attic/secrets/env"; mode = "0440"; };
    prompts.token.description = "the provider's token";
    prompts.realm = { type = "line"; testValue = "test.example"; };
    generator = pkgs.writers.writeBash "attic" ''
      echo "TOKEN=$(cat $prompts/token)" > $out/env
      echo "REALM=$(cat $prompts/realm)" >> $out/env
    '';
    bindUnits = [ "atticd.service" ];
  };
  systemd.services.atticd = {
    wantedBy = [ "multi-user.target" ];
    serviceConfig.Type = "exec";
    script = "test -r /var/lib/attic/secrets/env && exec sleep infinity";
  };

  artifacts.store.cluster = {
    shared = true;
    files.token = { };
    generator = pkgs.writers.writeBash "cluster" "head -c 16 /dev/urandom | base64 > $out/token";
  };
"#;

const CHAIN: &str = r#"
  artifacts.store.ca = {
    files.key.deploy = false;
    files.cert.secret = false;
    generator = pkgs.writers.writeBash "ca" ''
      openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=ca -days 9 -keyout $out/key -out $out/cert
    '';
  };
  artifacts.store.leaf = {
    files.key = { };
    files.cert.secret = false;
    dependencies = [ "ca" ];
    bindUnits = [ "leafd.service" ];
    generator = pkgs.writers.writeBash "leaf" ''
      openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=leaf -keyout $out/key -out /tmp/leaf.csr
      openssl x509 -req -in /tmp/leaf.csr -CA $in/ca/cert -CAkey $in/ca/key -CAserial /tmp/serial -CAcreateserial -days 9 -out $out/cert
    '';
  };
  systemd.services.leafd = { wantedBy = [ "multi-user.target" ]; script = "exec sleep infinity"; };
  artifacts.store.tools = {
    files.path = { };
    generator = pkgs.writers.writeBash "tools" "echo $PATH > $out/path";
  };
  artifacts.store.mounted = {
    files.f.path = "/srv/late/f";
    generator = pkgs.writers.writeBash "mounted" "echo mounted > $out/f";
  };
  environment.etc."systemd/system/srv-late.mount".text = "[Mount]\nWhat=tmpfs\nWhere=/srv/late\nType=tmpfs\n";
  artifacts.store.template = {
    files.conf.mode = "0444";
    dependencies.cluster = "shared/cluster";
    generator = pkgs.writers.writeBash "template" ''
      case $PATH in /fail/*) exit 1;; esac
      echo "token = $(cat $in/cluster/token)" > $out/conf
    '';
  };
  artifacts.store.broken = {
    files.f = { };
    generator = pkgs.writers.writeBash "broken" "exit 9";
    bindUnits = [ "unlucky.service" ];
  };
  systemd.services.unlucky = { wantedBy = [ "multi-user.target" ]; script = "exec sleep infinity"; };
  artifacts.store.smtp = {
    files.password = { owner = "daemon"; };
    files.user = { secret = false; testValue = "someone"; };
    files.known.testValue = "known";
    prompts.known.type = "line";
    bindUnits = [ "relay.service" ];
  };
  artifacts.store.fixed = {
    files.f.testValue = "fixed";
    dependencies.id = "per-machine/ctrl/id";
    generator = pkgs.writers.writeBash "reads-another" "cp $in/id/f $out/f";
  };
  systemd.services.relay = { wantedBy = [ "multi-user.target" ]; script = "exec sleep infinity"; };
  artifacts.store.after = {
    files.f = { };
    dependencies = [ "broken" ];
    generator = pkgs.writers.writeBash "after" "echo > $out/f";
  };
"#;

fn modules(more: &str) -> String {
    modules_with(&program("artifacts-target").unwrap(), &program("artifacts").unwrap(), more)
}

fn modules_with(target: &Path, host: &Path, more: &str) -> String {
    format!(
        r#"[ ({{ lib, pkgs, ... }}: {{
          artifacts.targetPackage = "{target}";
          artifacts.package = "{host}";
          {DECLARATION}
          {more}
        }}) ]"#,
        target = target.display(),
        host = host.display(),
    )
}

static WEB: LazyLock<Configuration> = LazyLock::new(|| evaluate(&[("web1", &modules(CHAIN))]).unwrap().remove(0));

const ATTIC: &str = "artifact-attic.service";

#[test]
fn what_is_declared_appears_at_boot_and_what_fails_fails_alone() {
    let machine = Machine::boot(&WEB, &[]).unwrap();
    for unit in [ATTIC, "artifact-cluster.service", "artifact-ca.service", "artifact-leaf.service", "atticd.service"] {
        assert_eq!(machine.state(unit).unwrap(), "active", "{unit}\n{}", machine.journal());
    }
    let seen = machine.sh("stat -L -c '%a %U %G' /var/lib/attic/secrets/env /run/artifacts/cluster/token").unwrap();
    assert_eq!(seen, "440 daemon daemon\n400 root root");
    let text = machine.sh("cat /var/lib/attic/secrets/env").unwrap();
    assert!(text.starts_with("TOKEN=made-up-") && text.ends_with("REALM=test.example"), "{text}");
    assert_eq!(machine.sh("stat -f -L -c %T /var/lib/attic/secrets/env").unwrap(), "tmpfs");
    // What a person would type is made up, or has its test value.
    assert_eq!(machine.state("relay.service").unwrap(), "active", "{}", machine.journal());
    let typed = machine.sh("cd /run/artifacts/smtp && stat -L -c '%a %U' password && cat user known password").unwrap();
    assert!(typed.starts_with("400 daemon\nsomeoneknownmade-up-"), "{typed}");
    machine.sh("openssl verify -CAfile /run/artifacts/ca/cert /run/artifacts/leaf/cert").unwrap();
    machine.sh("test ! -e /run/artifacts/ca/key").unwrap();
    // Nothing else asks for that file system.
    assert_eq!(machine.sh("mountpoint -q /srv/late && cat /srv/late/f").unwrap(), "mounted");
    // Each call of the backend is on record there, and no value.
    let record = machine.sh("cat /var/log/artifacts/audit.jsonl").unwrap();
    assert!(record.contains("\"serialize\"") && record.contains("per-machine/web1/attic"), "{record}");
    let token = machine.sh("cat /run/artifacts/cluster/token").unwrap();
    assert!(!record.contains("made-up-") && !record.contains(&token), "{record}");
    assert_eq!(
        machine.sh("stat -c %a%U /var/log/artifacts /var/log/artifacts/audit.jsonl").unwrap(),
        "700root\n600root"
    );
    assert_eq!(
        machine.sh("cat /run/artifacts/template/conf").unwrap(),
        format!("token = {}", machine.sh("cat /run/artifacts/cluster/token").unwrap())
    );
    // What another machine has is not here, and is not needed where all is given.
    assert_eq!(machine.sh("cat /run/artifacts/fixed/f").unwrap(), "fixed");
    let began = |unit: &str| machine.property(unit, "InactiveExitTimestampMonotonic").unwrap().parse::<u64>().unwrap();
    let done = |unit: &str| machine.property(unit, "ActiveEnterTimestampMonotonic").unwrap().parse::<u64>().unwrap();
    assert!(done("artifact-ca.service") <= began("artifact-leaf.service"));
    assert!(done(ATTIC) <= began("atticd.service"));

    assert_eq!(machine.state("artifact-broken.service").unwrap(), "failed");
    assert_eq!(machine.state("artifact-after.service").unwrap(), "failed");
    assert_eq!(machine.state("unlucky.service").unwrap(), "inactive");
    for text in ["per-machine/web1/broken", "status 9"] {
        machine.wait_said("artifact-broken", text).unwrap();
    }
}

#[test]
fn a_second_run_changes_nothing_and_a_removed_file_is_lost_until_it_returns() {
    let machine = Machine::boot(&WEB, &[]).unwrap();
    // The audit log gets a line for the run, but none of a backend that is given a generator's values again.
    let look = "find /run/artifacts /run/artifacts.d /var/lib/attic -printf '%p %i %m %U %T@ %C@\n' | sort
        grep '\"serialize\"' /var/log/artifacts/audit.jsonl";
    let before = machine.sh(look).unwrap();
    machine.sh(&format!("systemctl restart {ATTIC} artifact-leaf artifact-template")).unwrap();
    machine.sh("/etc/artifacts/bin/artifacts activate attic cluster leaf template").unwrap();
    assert_eq!(machine.sh(look).unwrap(), before);
    machine.wait_state("atticd.service", "active").unwrap();

    machine.sh("mv /run/artifacts.d/now/attic/env /run/away").unwrap();
    machine.wait_state("atticd.service", "inactive").unwrap();
    machine.sh("mv /run/away /run/artifacts.d/now/attic/env").unwrap();
    machine.wait_state("atticd.service", "active").unwrap();
    assert_eq!(machine.state(ATTIC).unwrap(), "active");
}

#[test]
fn what_somebody_removed_is_made_anew_by_a_restart_of_its_unit() {
    let machine = Machine::boot(&WEB, &[]).unwrap();
    machine.wait_state("atticd.service", "active").unwrap();
    let read = "cat /var/lib/attic/secrets/env";
    let before = machine.sh(read).unwrap();
    machine.sh("rm /run/artifacts.d/now/attic/env").unwrap();
    for unit in [ATTIC, "atticd.service"] {
        machine.wait_state(unit, "inactive").unwrap();
    }
    machine.sh(&format!("systemctl restart {ATTIC}")).unwrap();
    machine.wait_state("atticd.service", "active").unwrap();
    let after = machine.sh(read).unwrap();
    assert!(after.starts_with("TOKEN=made-up-") && after != before, "{after}");
    assert_eq!(machine.sh("stat -L -c '%a %U' /var/lib/attic/secrets/env").unwrap(), "440 daemon");
}

#[test]
fn what_was_made_of_something_that_is_lost_goes_on() {
    let machine = Machine::boot(&WEB, &[]).unwrap();
    machine.wait_state("leafd.service", "active").unwrap();
    machine.sh("mv /run/artifacts.d/now/ca/cert /run/away").unwrap();
    machine.wait_state("artifact-ca.service", "inactive").unwrap();
    for unit in ["artifact-leaf.service", "leafd.service"] {
        assert_eq!(machine.state(unit).unwrap(), "active", "{unit}");
    }
    machine.sh("mv /run/away /run/artifacts.d/now/ca/cert").unwrap();
    machine.wait_state("artifact-ca.service", "active").unwrap();
    for unit in ["artifact-leaf.service", "leafd.service"] {
        assert_eq!(machine.state(unit).unwrap(), "active", "{unit}");
    }
}

#[test]
fn a_generator_finds_bash_and_what_is_set_for_generators() {
    let machine = Machine::boot(&WEB, &[]).unwrap();
    let path = machine.sh("cat /run/artifacts/tools/path").unwrap();
    assert!(["-coreutils/bin", "-bash/bin"].iter().all(|tool| path.contains(tool)), "{path}");
    let set = "rm -rf /run/artifacts.d/now/tools; \
               ARTIFACTS_GENERATOR_PATH=/opt/tools/bin /etc/artifacts/bin/artifacts activate tools; \
               cat /run/artifacts/tools/path";
    let path = machine.sh(set).unwrap();
    assert!(path.starts_with("/opt/tools/bin:"), "{path}");
}

#[test]
fn what_could_not_follow_something_that_was_made_anew_follows_it_the_next_time() {
    let machine = Machine::boot(&WEB, &[]).unwrap();
    let activate = "/etc/artifacts/bin/artifacts activate template";
    machine.sh("systemctl stop artifacts-watch; rm /run/artifacts.d/now/cluster/token").unwrap();
    let failed = machine.run(&format!("ARTIFACTS_GENERATOR_PATH=/fail/bin {activate}")).unwrap();
    assert_eq!(failed.status.code(), Some(1));
    let said = machine.sh(&format!("{activate} 2>&1")).unwrap();
    assert_eq!(said, "regenerated per-machine/web1/template");
    machine
        .sh("test \"$(cat /run/artifacts/template/conf)\" = \"token = $(cat /run/artifacts/cluster/token)\"")
        .unwrap();
    assert_eq!(machine.sh(&format!("{activate} 2>&1")).unwrap(), "");
}

#[test]
fn of_many_at_once_the_first_ones_values_stay() {
    let machine = Machine::boot(&WEB, &[]).unwrap();
    let script = "systemctl stop artifacts-watch; rm -rf /run/artifacts.d/now/{cluster,ca,leaf}; \
        for n in 1 2 3 4 5 6; do /etc/artifacts/bin/artifacts activate cluster leaf > /run/said.$n 2>&1 & done; wait; \
        cat /run/said.* | sort";
    assert_eq!(
        machine.sh(script).unwrap(),
        "generated per-machine/web1/ca\ngenerated per-machine/web1/leaf\ngenerated shared/cluster"
    );
    machine.sh("openssl verify -CAfile /run/artifacts/ca/cert /run/artifacts/leaf/cert").unwrap();
}

#[test]
fn a_reboot_makes_new_values_since_nothing_is_kept_on_a_disk() {
    let read = || {
        let machine = Machine::boot(&WEB, &[]).unwrap();
        let kinds = "find -L /run/artifacts /var/lib/attic -type f -exec stat -f -L -c %T {} + | sort -u";
        assert_eq!(machine.sh(kinds).unwrap(), "tmpfs");
        let values = machine.sh("cat /run/artifacts/cluster/token /var/lib/attic/secrets/env").unwrap();
        let token = values.lines().next().unwrap();
        assert_eq!(machine.sh(&format!("grep -rlsF '{token}' /etc /var/lib /var/log || true")).unwrap(), "");
        values
    };
    assert_ne!(read(), read());
}

#[test]
fn a_switch_removes_what_is_no_longer_declared_and_makes_what_is_new() {
    let (before, after) = (
        r#"
          artifacts.store.gone = {
            files.f = { };
            files.placed.path = "/var/lib/gone/placed";
            generator = pkgs.writers.writeBash "gone" "echo gone-value | tee $out/f > $out/placed";
            bindUnits = [ "gone.service" ];
          };
          artifacts.store.stored = {
            backend = "agenix";
            files.f = { };
            generator = pkgs.writers.writeBash "stored" "echo made-here > $out/f";
            bindUnits = [ "stored.service" ];
          };
        "#,
        r#"
          imports = [ {
            artifacts.store.attic.files.more.path = "/var/lib/attic/more";
            artifacts.store.attic.generator = lib.mkForce (pkgs.writers.writeBash "attic" "echo 2 | tee $out/env > $out/more");
            artifacts.store.root.files.more = { };
            artifacts.store.root.generator = lib.mkForce (pkgs.writers.writeBash "root" "echo new | tee $out/key > $out/more");
            artifacts.store.cluster.files.token.mode = "0440";
            artifacts.store.cluster.generator = lib.mkForce (pkgs.writers.writeBash "cluster" "echo other > $out/token");
          } ];
          artifacts.store.stored = {
            files.f = { };
            generator = pkgs.writers.writeBash "stored" "echo made-here > $out/f";
            bindUnits = [ "stored.service" ];
          };
        "#,
    );
    let common = r#"
      artifacts.store.root = { files.key = { }; generator = pkgs.writers.writeBash "root" "echo old > $out/key"; };
      artifacts.store.branch = {
        files.f = { };
        dependencies = [ "root" ];
        generator = pkgs.writers.writeBash "branch" "cat $in/root/key > $out/f";
      };
      systemd.services.gone = { wantedBy = [ "multi-user.target" ]; script = "exec sleep infinity"; };
      systemd.services.stored = { wantedBy = [ "multi-user.target" ]; script = "exec sleep infinity"; };
    "#;
    let [before, after] = [before, after].map(|more| modules(&format!("{common}{more}")));
    let [before, after] = [&before, &after].map(|modules| evaluate(&[("web1", modules)]).unwrap().remove(0));
    let machine = Machine::boot(&before, &[("stored/f", "stored")]).unwrap();
    machine.wait_state("stored.service", "active").unwrap();
    assert_eq!(machine.sh("cat /run/artifacts/stored/f /var/lib/gone/placed").unwrap(), "storedgone-value");
    let token = "stat -L -c %i /run/artifacts/cluster/token; cat /run/artifacts/cluster/token";
    let [kept, consumer] =
        [token, "systemctl show --value -p MainPID stored"].map(|script| machine.sh(script).unwrap());

    machine.switch(&before, &after).unwrap();
    assert_eq!(machine.sh("grep -rl gone-value /run /var/lib || true; find /run/artifacts* /var/lib/gone -name '*gone*' -o -name placed").unwrap(), "/var/lib/gone");
    machine.wait_said("artifacts-clean", "artifact `gone` is no longer declared: removed").unwrap();
    // Another generator alone is no reason for another value; another set of files is.
    assert_eq!(machine.sh(token).unwrap(), kept);
    assert_eq!(machine.sh("stat -L -c %a /run/artifacts/cluster/token").unwrap(), "440");
    assert_eq!(machine.sh("cat /var/lib/attic/secrets/env /var/lib/attic/more").unwrap(), "2\n2");
    // What is made of something that is made anew follows it.
    assert_eq!(machine.sh("cat /run/artifacts/root/key /run/artifacts/branch/f").unwrap(), "new\nnew");
    // What was stored is made here now, and its consumer never stopped.
    assert_eq!(machine.sh("cat /run/artifacts/stored/f").unwrap(), "made-here");
    machine.sh("systemctl restart agenix-install-secrets").unwrap();
    std::thread::sleep(std::time::Duration::from_secs(5));
    for unit in [ATTIC, "artifact-stored.service", "stored.service", "atticd.service"] {
        assert_eq!(machine.state(unit).unwrap(), "active", "{unit}\n{}", machine.journal());
    }
    assert_eq!(machine.sh("systemctl show --value -p MainPID stored").unwrap(), consumer);

    machine.switch(&after, &before).unwrap();
    machine.wait("the value to be stored again", "test \"$(cat /run/artifacts/stored/f)\" = stored").unwrap();
    machine.sh("test ! -e /var/lib/attic/more -a ! -L /var/lib/attic/more").unwrap();
    assert_eq!(
        machine.sh("ls -A /run/artifacts.d/now /run/artifacts.d/new").unwrap(),
        "/run/artifacts.d/new:\n\n/run/artifacts.d/now:\nattic\nbranch\ncluster\ngone\nroot"
    );
}

#[test]
fn another_version_of_the_programs_restarts_the_watcher_and_nothing_else() {
    let stored = r#"
      artifacts.store.stored = { backend = "agenix"; files.f = { }; bindUnits = [ "stored.service" ]; };
      systemd.services.stored = { wantedBy = [ "multi-user.target" ]; script = "exec sleep infinity"; };
    "#;
    let [target, host] = ["artifacts-target", "artifacts"].map(|name| other_version(name).unwrap());
    let modules = [modules(stored), modules_with(&target, &host, stored)];
    let [before, after] = modules.map(|modules| evaluate(&[("web1", &modules)]).unwrap().remove(0));
    let units = before.units();
    assert_eq!(units, after.units());
    let changed: Vec<&String> = units.iter().filter(|name| before.unit(name) != after.unit(name)).collect();
    assert_eq!(changed, ["artifacts-watch.service"]);

    let machine = Machine::boot(&before, &[("stored/f", "stored")]).unwrap();
    let same = "systemctl show --value -p InvocationID -p NRestarts atticd stored artifact-attic artifact-cluster artifact-stored";
    let (was, watcher) = (machine.sh(same).unwrap(), machine.property("artifacts-watch", "InvocationID").unwrap());
    machine.switch(&before, &after).unwrap();
    let programs = "readlink /etc/artifacts/bin/artifacts-target /etc/artifacts/bin/artifacts";
    assert_eq!(machine.sh(&format!("{programs} | grep -c /other-package-")).unwrap(), "2");
    assert_ne!(machine.property("artifacts-watch", "InvocationID").unwrap(), watcher);
    std::thread::sleep(std::time::Duration::from_secs(5));
    assert_eq!(machine.sh(same).unwrap(), was, "{}", machine.journal());
}

/// A user whose password is made at boot, and systemd's own making of users, which reads it as it does on NixOS.
const EARLY: &str = r#"
  artifacts.store.bob = {
    files.hash.neededFor = "users";
    files.late = { };
    dependencies = [ "salt" ];
    generator = pkgs.writers.writeBash "bob" ''
      printf %s "$(openssl passwd -6 -salt "$(cat $in/salt/salt)" "$(head -c 16 /dev/urandom | base64)")" > $out/hash
      echo late > $out/late
    '';
  };
  artifacts.store.salt = {
    files.salt.deploy = false;
    generator = pkgs.writers.writeBash "salt" "od -An -N4 -tx1 /dev/urandom | tr -d ' \\n' > $out/salt";
  };
  systemd.sysusers.enable = true;
  systemd.services.systemd-sysusers = {
    overrideStrategy = "asDropin";
    wantedBy = [ "sysinit.target" ];
    unitConfig.ConditionNeedsUpdate = "";
    serviceConfig.LoadCredential = [ "passwd.hashed-password.bob:/run/artifacts/bob/hash" ];
  };
  environment.etc."sysusers.d/bob.conf".text = "u bob - Bob /\n";
"#;

#[test]
fn what_users_need_is_there_before_they_are_made() {
    let early = evaluate(&[("web1", &modules(EARLY))]).unwrap().remove(0);
    let machine = Machine::boot(&early, &[]).unwrap();
    for unit in ["artifact-bob.service", "artifact-salt.service", "systemd-sysusers.service", ATTIC, "atticd.service"] {
        assert_eq!(machine.state(unit).unwrap(), "active", "{unit}\n{}", machine.journal());
    }
    let hash = machine.sh("cat /run/artifacts/bob/hash").unwrap();
    assert!(hash.starts_with("$6$"), "{hash}");
    assert_eq!(machine.sh("getent shadow bob | cut -d: -f2").unwrap(), hash);
    // What systemd says of an order at boot comes before the journal: so it is asked again.
    let all = "sysinit.target basic.target multi-user.target systemd-sysusers.service";
    machine
        .sh(&format!(
            "systemctl log-target journal; systemctl stop {all} 'artifact-*'; systemctl start multi-user.target"
        ))
        .unwrap();
    machine.wait_state("artifact-bob.service", "active").unwrap();
    let said = machine.sh("journalctl -o cat").unwrap();
    assert!(!said.contains("ordering cycle"), "{said}");
    machine.verify(&early).unwrap();
}

#[test]
fn systemd_accepts_every_unit() {
    Machine::boot(&WEB, &[]).unwrap().verify(&WEB).unwrap();
}

#[test]
fn deterministic_machines_agree_on_what_they_share_and_on_nothing_else() {
    let more = r#"
      artifacts.config.dummy.deterministic = true;
      artifacts.store.random = {
        files.f = { };
        generator = pkgs.writers.writeBash "random" "cat /proc/sys/kernel/random/uuid > $out/f";
      };
      artifacts.store.several = {
        files.first = { };
        files.second = { };
        files.again = { };
        generator = pkgs.writers.writeBash "several" ''
          exec 3< /dev/urandom
          for file in first second; do head -c 16 <&3 | base64 > $out/$file; done
          head -c 16 /dev/random | base64 > $out/again
        '';
      };
      artifacts.store.most = { files.f = { }; generator = pkgs.writers.writeBash "most" "head -c 1048576 /dev/urandom > $out/f"; };
      artifacts.store.more = {
        files.constant = { };
        files.f = { };
        generator = pkgs.writers.writeBash "more" "echo 1 > $out/constant; head -c 1048577 /dev/urandom > $out/f";
      };
    "#;
    let modules = modules(more);
    let machines = evaluate(&[("web1", &modules), ("web2", &modules)]).unwrap();
    let read = |machine: &Configuration| {
        let machine = Machine::boot(machine, &[]).unwrap();
        machine
            .wait_said("artifact-random", "the generator is not deterministic: `f` changed between two runs")
            .unwrap();
        let much = "/dev/urandom has only 1048576 bytes, and the generator read all of them: `f` changed between two runs with";
        machine.wait_said("artifact-more", much).unwrap();
        assert_eq!(machine.state("artifact-most.service").unwrap(), "active", "{}", machine.journal());
        let several =
            machine.sh("cd /run/artifacts/several; cat first; cmp first again; cmp -s first second || echo other");
        assert!(several.unwrap().ends_with("\nother"), "each opening is read from the beginning");
        (machine.sh("cat /run/artifacts/cluster/token").unwrap(), machine.sh("cat /var/lib/attic/secrets/env").unwrap())
    };
    let (one, two, again) = (read(&machines[0]), read(&machines[1]), read(&machines[0]));
    assert_eq!(one, again);
    assert_eq!(one.0, two.0);
    assert_ne!(one.1, two.1);
}

#[test]
fn a_hostile_directory_is_refused_by_name() {
    let machine = Machine::boot(&WEB, &[]).unwrap();
    // Nothing is waited for: a pipe has nobody at its other end.
    let activate = "timeout 60 /etc/artifacts/bin/artifacts activate cluster";
    let before = machine.sh("cat /run/artifacts/cluster/token; stat -c %Z /etc/passwd").unwrap();
    let bytes = "/run/artifacts.d/now/cluster";
    let placed = "/run/artifacts/cluster/token";
    let keep = |what: &str, then: &str| format!("mv {what} /run/kept; {then}");
    let back = |what: &str| format!("rm -rf {what}; mv /run/kept {what}");
    for (spoil, mend, said) in [
        (keep("/run/artifacts", "ln -s /run/kept /run/artifacts"), back("/run/artifacts"), "/run/artifacts: expected"),
        ("chown daemon /run/artifacts".to_owned(), "chown root /run/artifacts".to_owned(), "/run/artifacts: expected"),
        ("chmod 0777 /run/artifacts".to_owned(), "chmod 0755 /run/artifacts".to_owned(), "/run/artifacts: expected"),
        (
            keep("/run/artifacts.d", "ln -s /run/kept /run/artifacts.d"),
            back("/run/artifacts.d"),
            "/run/artifacts.d: expected",
        ),
        (
            "chown daemon /run/artifacts.d".to_owned(),
            "chown root /run/artifacts.d".to_owned(),
            "/run/artifacts.d: expected",
        ),
        (
            "chmod 0775 /run/artifacts.d".to_owned(),
            "chmod 0755 /run/artifacts.d".to_owned(),
            "/run/artifacts.d: expected",
        ),
        (
            keep("/run/artifacts.d/now", "ln -s /run/kept /run/artifacts.d/now"),
            back("/run/artifacts.d/now"),
            "/run/artifacts.d/now: ",
        ),
        (keep(bytes, &format!("ln -s /run/kept {bytes}")), back(bytes), "/run/artifacts.d/now/cluster: expected"),
        (
            keep(&format!("{bytes}/token"), &format!("ln -s /etc/passwd {bytes}/token")),
            back(&format!("{bytes}/token")),
            "/run/artifacts.d/now/cluster/token: expected",
        ),
        (
            keep(&format!("{bytes}/token"), &format!("mkfifo {bytes}/token")),
            back(&format!("{bytes}/token")),
            "/run/artifacts.d/now/cluster/token: expected",
        ),
        (
            format!("ln {bytes}/token /run/kept"),
            "rm /run/kept".to_owned(),
            "/run/artifacts.d/now/cluster/token: expected",
        ),
        (
            keep("/run/artifacts.d/links/cluster", "mkfifo /run/artifacts.d/links/cluster"),
            back("/run/artifacts.d/links/cluster"),
            "/run/artifacts.d/links/cluster: ",
        ),
        (
            keep(placed, &format!("mkfifo {placed}")),
            back(placed),
            "/run/artifacts/cluster/token: expected a symbolic link or nothing",
        ),
        (
            keep(placed, &format!("echo > {placed}")),
            back(placed),
            "/run/artifacts/cluster/token: expected a symbolic link or nothing",
        ),
        (
            keep(placed, &format!("mkdir {placed}")),
            back(placed),
            "/run/artifacts/cluster/token: expected a symbolic link or nothing",
        ),
        (
            keep("/run/artifacts/cluster", "ln -s /etc /run/artifacts/cluster; chown -h daemon /run/artifacts/cluster"),
            back("/run/artifacts/cluster"),
            "/run/artifacts/cluster: untrusted symbolic link `cluster`",
        ),
    ] {
        machine.sh(&spoil).unwrap();
        let output = machine.run(activate).unwrap();
        let heard = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(1) && heard.contains(said), "{spoil}: {}: {heard}", output.status);
        machine.sh(&mend).unwrap();
        machine.sh(activate).unwrap();
    }
    assert_eq!(machine.sh("cat /run/artifacts/cluster/token; stat -c %Z /etc/passwd").unwrap(), before);
    machine.sh("test ! -e /etc/token").unwrap();
}

#[test]
fn whoever_kills_it_at_any_moment_leaves_complete_files_or_none() {
    let machine = Machine::boot(&WEB, &[]).unwrap();
    let script = "systemctl stop artifacts-watch; \
        for delay in $(seq 0 4 200); do \
          rm -rf /run/artifacts.d/now/template; \
          /etc/artifacts/bin/artifacts activate template > /dev/null 2>&1 & \
          sleep $(printf '0.%03d' $delay); kill -KILL $!; wait $!; \
          if test -e /run/artifacts/template/conf; then \
            test \"$(cat /run/artifacts/template/conf)\" = \"token = $(cat /run/artifacts/cluster/token)\" || exit 1; \
          fi; \
        done 2> /dev/null; \
        /etc/artifacts/bin/artifacts activate template; cat /run/artifacts/template/conf; ls -A /run/artifacts.d/new /run/artifacts/template";
    let said = machine.sh(script).unwrap();
    assert!(said.ends_with("/run/artifacts.d/new:\n\n/run/artifacts/template:\nconf"), "{said}");
}
