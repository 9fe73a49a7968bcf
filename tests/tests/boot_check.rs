//! The machine of the flake's check `boot`, which needs a whole nixpkgs to run there: here its units run under a real systemd.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

use artifacts_tests::systemd::{Machine, evaluate, program};

const CHECK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../nix/checks/boot.nix");

#[test]
fn the_machine_boots_and_its_service_reads_what_was_made() {
    // What NixOS has and the stand-in lacks: two of its accounts.
    let modules = format!(
        r#"[ (import {CHECK} {{ nixosModule = {{ }}; }}).nodes.machine
          {{ artifacts = {{ package = "{}"; targetPackage = "{}"; }};
            users.users.nobody = {{ }}; users.groups.nogroup = {{ }}; }} ]"#,
        program("artifacts").unwrap().display(),
        program("artifacts-target").unwrap().display(),
    );
    let machine = evaluate(&[("machine", &modules)]).unwrap().remove(0);
    let machine = Machine::boot(&machine, &[]).unwrap();
    // Line by line what the check's `testScript` says.
    for unit in ["artifact-token.service", "reader.service", "artifacts-watch.service"] {
        machine.wait_state(unit, "active").unwrap();
    }
    assert_eq!(machine.sh("cat /run/artifacts/token/token").unwrap(), "made of seed");
    assert_eq!(machine.sh("stat -L -c '%U %a' /run/artifacts/token/token").unwrap(), "nobody 440");
    assert!(!machine.run("runuser -u nobody -- cat /run/artifacts/seed/seed").unwrap().status.success());
}
