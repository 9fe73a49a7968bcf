//! Artifacts and mounts: a file on a mount, and a mount that needs a file.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::missing_panics_doc)]

use artifacts_tests::systemd::{Machine, evaluate, program};

fn boot(modules: &str) -> Machine {
    let modules = format!(
        r#"[ ({{ pkgs, ... }}: {{
          artifacts.targetPackage = "{target}";
          artifacts.package = "{host}";
          artifacts.default.backend = "dummy";
          {modules}
        }}) ]"#,
        target = program("artifacts-target").unwrap().display(),
        host = program("artifacts").unwrap().display(),
    );
    let configuration = evaluate(&[("web1", &modules)]).unwrap().remove(0);
    let machine = Machine::boot(&configuration, &[("looked/f", "stored")]).unwrap();
    machine.verify(&configuration).unwrap();
    machine
}

#[test]
fn what_a_file_is_on_is_mounted_before_it_is_looked_at_or_made() {
    // Nothing else wants these two.
    let mount = |name: &str| {
        format!(
            r#"environment.etc."systemd/system/srv-{name}.mount".text = "[Mount]\nWhat=tmpfs\nWhere=/srv/{name}\nType=tmpfs\n";"#
        )
    };
    let machine = boot(&format!(
        r#"{made} {looked}
        artifacts.store.made = {{ files.f.path = "/srv/made/f"; generator = pkgs.writers.writeBash "made" "echo made > $out/f"; }};
        artifacts.store.looked = {{ backend = "agenix"; files.f.path = "/srv/looked/f"; }};
        systemd.services.agenix-install-secrets.after = [ "srv-looked.mount" ];"#,
        made = mount("made"),
        looked = mount("looked"),
    ));
    let began = |unit: &str| machine.property(unit, "InactiveExitTimestampMonotonic").unwrap().parse::<u64>().unwrap();
    let done = |unit: &str| machine.property(unit, "ActiveEnterTimestampMonotonic").unwrap().parse::<u64>().unwrap();
    for name in ["made", "looked"] {
        machine.wait_state(&format!("artifact-{name}.service"), "active").unwrap();
        assert_eq!(machine.sh(&format!("findmnt -n -o FSTYPE -T /srv/{name}")).unwrap(), "tmpfs");
        assert!(done(&format!("srv-{name}.mount")) <= began(&format!("artifact-{name}.service")), "{name}");
    }
}

/// What `bindUnits` says to do for a mount, as systemd itself reads it from fstab.
#[test]
fn a_mount_waits_for_a_file_as_it_is_told_to_where_it_is_declared() {
    let machine = boot(
        r#"artifacts.store.nas = {
          files.credentials = { };
          generator = pkgs.writers.writeBash "nas" "sleep 2; echo password=x > $out/credentials";
        };"#,
    );
    let fstab = "tmpfs /srv/nas tmpfs nofail,x-systemd.requires=artifact-nas.service 0 0";
    machine
        .sh(&format!(
            "echo '{fstab}' > /run/fstab; mkdir /run/made; cd /run/made; \
             SYSTEMD_FSTAB=/run/fstab /lib/systemd/system-generators/systemd-fstab-generator . . .; \
             cp -a . /run/systemd/system; systemctl log-target journal; systemctl daemon-reload; \
             rm -rf /run/artifacts.d/now/nas; \
             systemctl stop local-fs.target sysinit.target basic.target multi-user.target 'artifact*'; \
             systemctl start multi-user.target"
        ))
        .unwrap();
    machine.wait_state("srv-nas.mount", "active").unwrap();
    let at = |unit: &str, name: &str| machine.property(unit, name).unwrap().parse::<u64>().unwrap();
    assert!(
        at("artifact-nas.service", "ActiveEnterTimestampMonotonic")
            <= at("srv-nas.mount", "InactiveExitTimestampMonotonic")
    );
    let said = machine.sh("journalctl -o cat").unwrap();
    assert!(!said.contains("ordering cycle"), "{said}");
    machine.sh("systemctl stop artifact-nas; ! mountpoint -q /srv/nas").unwrap();
}
