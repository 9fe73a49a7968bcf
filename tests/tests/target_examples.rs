//! The examples as test machines: each with one line changed, evaluated from the real modules and booted under a real systemd.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::missing_panics_doc)]

use std::fs;

use artifacts_tests::checkout::Checkout;
use artifacts_tests::nix::nix;
use artifacts_tests::systemd::{Configuration, Machine, evaluate_flake, program};

const REAL: &str = r#"artifacts.default.backend = "agenix";"#;
const TEST: &str = r#"artifacts.default.backend = "dummy";"#;

/// An example, with that one line changed in this file of it.
fn test_machines(name: &str, file: &str, keys: &[&str]) -> Checkout {
    let checkout = Checkout::new().unwrap();
    checkout.example(name, keys).unwrap();
    let text = fs::read_to_string(checkout.path().join(file)).unwrap();
    assert_eq!(text.matches(REAL).count(), 1);
    checkout.write(file, &text.replace(REAL, TEST)).unwrap();
    checkout.commit().unwrap();
    checkout
}

fn evaluate(checkout: &Checkout, machines: &[&str]) -> Vec<Configuration> {
    let [target, host] = ["artifacts-target", "artifacts"].map(|name| program(name).unwrap().display().to_string());
    let programs = format!("{{ artifacts.targetPackage = \"{target}\"; artifacts.package = \"{host}\"; }}");
    evaluate_flake(&checkout.path(), machines, &programs).unwrap()
}

/// Boots a machine of an example, on which these are up, and whose units systemd accepts.
fn boot(configuration: &Configuration, units: &[&str]) -> Machine {
    let machine = Machine::boot(configuration, &[]).unwrap();
    for unit in units {
        assert_eq!(machine.state(unit).unwrap(), "active", "{unit}\n{}", machine.journal());
    }
    machine.verify(configuration).unwrap();
    machine
}

/// Mode, owner and group of files.
fn seen(machine: &Machine, files: &str) -> String {
    machine.sh(&format!("stat -L -c '%n %a %U %G' {files}; stat -f -L -c %T {files} | sort -u")).unwrap()
}

#[test]
fn a_chain_of_certificates_is_made_where_it_is_used() {
    let checkout = test_machines("ca", "flake.nix", &["web1", "web2", "admin"]);
    checkout.run(&["status"]).unwrap().ends(0).says("on-target");
    let configuration = evaluate(&checkout, &["web1"]).remove(0);
    let units = ["artifact-root\\x2dca.service", "artifact-intermediate\\x2dca.service", "artifact-tls.service"];
    let machine = boot(&configuration, &units);
    let files = "/run/artifacts/root-ca/cert /run/artifacts/intermediate-ca/cert /run/artifacts/tls/cert /run/artifacts/tls/key";
    assert_eq!(
        seen(&machine, files),
        "/run/artifacts/root-ca/cert 444 root root\n/run/artifacts/intermediate-ca/cert 444 root root\n\
         /run/artifacts/tls/cert 444 root root\n/run/artifacts/tls/key 400 root root\ntmpfs"
    );
    machine
        .sh("openssl verify -x509_strict -CAfile /run/artifacts/root-ca/cert -untrusted /run/artifacts/intermediate-ca/cert \
             -verify_hostname web1 /run/artifacts/tls/cert")
        .unwrap();
    let same = "test \"$(openssl pkey -in /run/artifacts/tls/key -pubout)\" = \"$(openssl x509 -in /run/artifacts/tls/cert -noout -pubkey)\"";
    machine.sh(same).unwrap();
    // What signs is on no machine, but for what is made from it.
    machine.sh("test ! -e /run/artifacts/root-ca/key -a ! -e /run/artifacts/intermediate-ca/key").unwrap();
}

#[test]
fn a_template_is_filled_in_where_it_is_used() {
    let checkout = test_machines("template", "flake.nix", &["web1", "web2", "admin"]);
    let configuration = evaluate(&checkout, &["web1"]).remove(0);
    let machine = boot(&configuration, &["artifact-database.service", "artifact-app.service"]);
    let password = machine.sh("cat /run/artifacts/database/password").unwrap();
    assert_eq!(password.len(), 64);
    let text = machine.sh("cat /var/lib/app/app.toml").unwrap();
    assert!(text.starts_with("[server]\n") && text.contains(&format!("password = \"{password}\"")), "{text}");
    assert_eq!(
        seen(&machine, "/run/artifacts/database/password /var/lib/app/app.toml"),
        "/run/artifacts/database/password 400 root root\n/var/lib/app/app.toml 400 root root\ntmpfs"
    );
}

#[test]
fn a_machine_s_own_key_is_made_when_it_boots() {
    let checkout = test_machines("bootstrap", "flake.nix", &["admin"]);
    checkout.run(&["status"]).unwrap().ends(0);
    let configuration = evaluate(&checkout, &["web1"]).remove(0);
    let machine = boot(&configuration, &["artifact-host\\x2dkey.service", "artifact-token.service"]);
    assert_eq!(machine.sh("cat /run/artifacts/token/secret").unwrap().len(), 64);
    machine.sh("ssh-keygen -l -f /run/artifacts/host-key/public; test ! -e /run/artifacts/host-key/private").unwrap();
}

#[test]
fn both_ends_of_a_tunnel_know_each_others_key() {
    let checkout = test_machines("wireguard", "machine.nix", &["hub", "leaf", "admin"]);
    checkout.run(&["status"]).unwrap().ends(0).says("4 artifacts: 4 on-target");
    let machines: Vec<Machine> = evaluate(&checkout, &["hub", "leaf"])
        .iter()
        .map(|one| boot(one, &["artifact-wireguard.service", "artifact-tunnel.service"]))
        .collect();
    // What real machines have stored is nothing to these.
    let public = |machine: &Machine| {
        let key = machine.sh("wg pubkey < /run/artifacts/wireguard/private").unwrap();
        assert_eq!(machine.sh("cat /run/artifacts/wireguard/public").unwrap(), key);
        key
    };
    let keys: Vec<String> = machines.iter().map(public).collect();
    assert_ne!(keys[0], keys[1]);
    for (machine, theirs) in machines.iter().zip(keys.iter().rev()) {
        let tunnel = machine.sh("cat /run/artifacts/tunnel/wg0.conf").unwrap();
        assert!(tunnel.contains(&format!("PublicKey = {theirs}\n")), "{tunnel}");
        assert_eq!(
            seen(machine, "/run/artifacts/wireguard/private /run/artifacts/tunnel/wg0.conf"),
            "/run/artifacts/wireguard/private 400 root root\n/run/artifacts/tunnel/wg0.conf 400 root root\ntmpfs"
        );
    }
}

#[test]
fn what_real_machines_have_stored_is_not_read_by_test_machines() {
    let checkout = Checkout::new().unwrap();
    checkout.example("wireguard", &["hub", "leaf", "admin"]).unwrap();
    checkout.run(&["generate", "--accept-recipients"]).unwrap().ends(0);
    let public = |what: &str| {
        let attribute = format!(".#nixosConfigurations.hub.config.artifacts.store.wireguard.files.public.{what}");
        nix(&checkout.path(), &["eval", "--json", &attribute])
    };
    let stored = fs::read_to_string(checkout.path().join("secrets/per-machine/hub/wireguard/public/public")).unwrap();
    assert_eq!(public("value").unwrap(), format!("\"{}\"", stored.trim_end()));

    let module = fs::read_to_string(checkout.path().join("machine.nix")).unwrap().replace(REAL, TEST);
    checkout.write("machine.nix", &module).unwrap();
    let known = fs::read_to_string(checkout.path().join("test-keys.nix")).unwrap();
    let value = public("value").unwrap();
    assert!(known.contains(&format!("public = {value};")), "{value}");
    assert_eq!(public("exists").unwrap(), "true");

    let without = module.lines().filter(|line| !line.contains("testValue = ")).map(|line| format!("{line}\n"));
    let bare: String = without.collect();
    checkout.write("machine.nix", &bare.replace("files.public = {", "files.private = { }; files.public = {")).unwrap();
    assert_eq!(public("exists").unwrap(), "false");
    let said = "leaf/wireguard: `public` is generated on the target (dummy), so Nix cannot read it; set \
                artifacts.store.wireguard.files.public.testValue, or read it there: /run/artifacts/wireguard/public";
    // Nothing that could be made is waited for.
    checkout
        .run(&["generate", "--accept-recipients", "tunnel"])
        .unwrap()
        .ends(1)
        .says(said)
        .never_says(stored.trim_end());
}
