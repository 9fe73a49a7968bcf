//! What must not hold up a boot.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::missing_panics_doc)]

use artifacts_tests::systemd::{Machine, evaluate, program};

#[test]
fn a_generator_that_never_ends_fails_alone_and_a_boot_ends() {
    let modules = format!(
        r#"[ ({{ pkgs, ... }}: {{
          artifacts.targetPackage = "{target}";
          artifacts.package = "{host}";
          artifacts.default.backend = "dummy";
          artifacts.store.endless = {{
            files.f = {{ }};
            timeout = "3s";
            generator = pkgs.writers.writeBash "endless" "sleep infinity";
            bindUnits = [ "never.service" ];
          }};
          artifacts.store.other = {{
            files.f = {{ }};
            generator = pkgs.writers.writeBash "other" "echo other > $out/f";
            bindUnits = [ "at-once.service" ];
          }};
          systemd.services.never = {{ wantedBy = [ "multi-user.target" ]; script = "exec sleep infinity"; }};
          systemd.services.at-once = {{ wantedBy = [ "multi-user.target" ]; script = "exec sleep infinity"; }};
        }}) ]"#,
        target = program("artifacts-target").unwrap().display(),
        host = program("artifacts").unwrap().display(),
    );
    let machine = Machine::boot(&evaluate(&[("web1", &modules)]).unwrap()[0], &[]).unwrap();
    let at = |unit: &str, name: &str| machine.property(unit, name).unwrap().parse::<u64>().unwrap();
    assert_eq!(machine.state("multi-user.target").unwrap(), "active");
    assert_eq!(machine.state("artifact-endless.service").unwrap(), "failed");
    assert_eq!(machine.state("never.service").unwrap(), "inactive");
    machine.wait_said("artifact-endless", "per-machine/web1/endless").unwrap();
    // Nobody else waited for it.
    let failed = at("artifact-endless.service", "InactiveEnterTimestampMonotonic");
    assert!(at("at-once.service", "ActiveEnterTimestampMonotonic") < failed);
    assert!(at("multi-user.target", "ActiveEnterTimestampMonotonic") < failed + 30_000_000);
}
