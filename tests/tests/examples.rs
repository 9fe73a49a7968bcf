//! The examples do what they say, under a real Nix.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use anyhow::Result;
use artifacts_tests::checkout::Checkout;
use artifacts_tests::nix;

fn verify(root: &Path, intermediate: &Path, leaf: &Path) -> Result<Output> {
    let mut openssl = Command::new("openssl");
    openssl.args(["verify", "-x509_strict", "-CAfile"]).arg(root).arg("-untrusted").arg(intermediate).arg(leaf);
    Ok(openssl.output()?)
}

#[test]
fn a_chain_of_certificates_is_made_and_made_again_in_order() -> Result<()> {
    let checkout = Checkout::new()?;
    checkout.example("ca", &["web1", "web2", "admin"])?;
    let key = checkout.key_file("admin");
    let admin = key.to_str().unwrap();
    checkout.run(&["graph", "--format", "mermaid"])?.ends(0).says("shared/intermediate-ca");
    checkout.run(&["generate", "--accept-recipients"])?.ends(0);
    let cert = |name: &str| checkout.path().join(format!("secrets/{name}/public/cert"));
    let holds = || -> Result<()> {
        for machine in ["web1", "web2"] {
            let leaf = cert(&format!("per-machine/{machine}/tls"));
            let output = verify(&cert("shared/root-ca"), &cert("shared/intermediate-ca"), &leaf)?;
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(())
    };
    holds()?;
    // No machine reads what signs; each reads its own key.
    for name in ["root-ca", "intermediate-ca"] {
        let file = format!("secrets/shared/{name}/key.age");
        assert!(checkout.decrypt("web1", &file).is_err() && checkout.decrypt("admin", &file).is_ok());
    }
    let file = "secrets/per-machine/web1/tls/key.age";
    assert!(checkout.decrypt("web1", file)?.contains("PRIVATE KEY") && checkout.decrypt("web2", file).is_err());

    // In a later run: the root is read back for a new intermediate, the leaves follow.
    let old = fs::read(cert("per-machine/web1/tls"))?;
    checkout
        .run(&["-i", admin, "--accept-reading", "rotate", "--yes", "intermediate-ca"])?
        .ends(0)
        .says("- ")
        .says("+ ");
    let ran = checkout.run(&["--json", "status"])?.ends(3);
    assert_eq!(ran.state("per-machine/web2/tls"), "stale (dependency)");
    let output = verify(&cert("shared/root-ca"), &cert("shared/intermediate-ca"), &cert("per-machine/web1/tls"))?;
    assert!(!output.status.success(), "the old leaf is not the new intermediate's");
    checkout.run(&["-i", admin, "--accept-reading", "rotate", "--stale", "--yes"])?.ends(0);
    holds()?;
    assert_ne!(fs::read(cert("per-machine/web1/tls"))?, old);
    Ok(())
}

#[test]
fn a_password_stands_in_its_place_in_a_template() -> Result<()> {
    let checkout = Checkout::new()?;
    checkout.example("template", &["web1", "web2", "admin"])?;
    let key = checkout.key_file("admin");
    let admin = key.to_str().unwrap();
    let (password, file) =
        ("secrets/per-machine/web1/database/password.age", "secrets/per-machine/web1/app/app.toml.age");
    checkout.run(&["generate", "--accept-recipients"])?.ends(0);
    let text = checkout.decrypt("web1", file)?;
    assert!(text.contains(&format!("password = \"{}\"\n", checkout.decrypt("web1", password)?)), "{text}");
    assert!(text.starts_with("[server]\n"), "{text}");
    // Another password, in another run.
    checkout.run(&["rotate", "--yes", "database"])?.ends(0);
    let ran = checkout.run(&["--json", "status"])?.ends(3);
    assert_eq!(ran.state("per-machine/web1/app"), "stale (dependency)");
    checkout.run(&["-i", admin, "--accept-reading", "rotate", "--stale", "--yes"])?.ends(0);
    let text = checkout.decrypt("web1", file)?;
    assert!(text.contains(&format!("password = \"{}\"\n", checkout.decrypt("web1", password)?)), "{text}");
    // Another template.
    let module = fs::read_to_string(checkout.path().join("machine.nix"))?;
    checkout.write("machine.nix", &module.replace("8080", "9090"))?;
    let ran = checkout.run(&["--json", "status"])?.ends(3);
    assert_eq!(ran.state("per-machine/web1/app"), "stale (validation)");
    Ok(())
}

#[test]
fn a_secret_of_one_machine_feeds_what_all_share_and_reaches_no_other() -> Result<()> {
    let checkout = Checkout::new()?;
    checkout.example("controller", &["controller", "peer1", "peer2", "admin"])?;
    let key = checkout.key_file("admin");
    let admin = key.to_str().unwrap();
    let stored = |file: &str| checkout.path().join("secrets").join(file);
    // Consent to the recipients is none to the reading, at first generation neither; all else is generated.
    let ran = checkout.run(&["generate", "--accept-recipients"])?.ends(1).says("--accept-reading");
    let ran = ran.says("The generator of shared/network wants to read controller/identity:");
    ran.says("reaches peer1 (nixos), peer2 (nixos); not declared there").says("publishes name");
    assert!(!stored("shared/network").exists() && stored("shared/join").exists());
    checkout.run(&["-i", admin, "--accept-reading", "generate"])?.ends(0);
    checkout.run(&["status"])?.ends(0);

    // Each file with each key: the secret is the controller's, the token the peers', the network's key everyone's.
    for (file, readers) in [
        ("secrets/per-machine/controller/identity/secret.age", ["controller", "admin"].as_slice()),
        ("secrets/shared/join/token.age", &["peer1", "peer2", "admin"]),
        ("secrets/shared/network/key.age", &["controller", "peer1", "peer2", "admin"]),
    ] {
        for who in ["controller", "peer1", "peer2", "admin"] {
            assert_eq!(checkout.decrypt(who, file).is_ok(), readers.contains(&who), "{who} and {file}");
        }
    }
    let name = || fs::read_to_string(stored("shared/network/public/name"));
    let first = name()?;
    assert_eq!(first.trim().len(), 64);
    let deployed = |machine: &str| {
        let secrets = format!(".#nixosConfigurations.{machine}.config.age.secrets");
        nix::nix(&checkout.path(), &["eval", "--json", &secrets, "--apply", "builtins.attrNames"])
    };
    assert_eq!(deployed("controller")?.trim(), r#"["identity/secret","network/key"]"#);
    assert_eq!(deployed("peer2")?.trim(), r#"["join/token","network/key"]"#);

    // A new secret makes stale what was made of it.
    checkout.run(&["rotate", "--yes", "controller/identity"])?.ends(0);
    let ran = checkout.run(&["--json", "status"])?.ends(3);
    assert_eq!(ran.state("shared/network"), "stale (dependency)");
    checkout.run(&["-i", admin, "rotate", "--stale", "--yes"])?.ends(0).never_says("wants to read");
    assert_ne!(name()?, first);
    let receipt: serde_json::Value = serde_json::from_slice(&fs::read(stored("shared/network/receipt.json"))?)?;
    assert!(receipt["dependencies"]["per-machine/controller/identity"].is_string(), "{receipt}");
    Ok(())
}

#[test]
fn a_machine_s_own_key_is_made_first_and_the_rest_for_it() -> Result<()> {
    let checkout = Checkout::new()?;
    checkout.example("bootstrap", &["admin"])?;
    let key = checkout.key_file("admin");
    let admin = key.to_str().unwrap();
    // One run makes the key, and then, for it, the rest: once somebody agrees to the new reader.
    checkout.run(&["status"])?.ends(1).says("artifacts.hostKey is not set");
    checkout.run(&["generate"])?.ends(1).says("First use of").never_says("ssh-ed25519 SHA256");
    let digest = checkout.run(&["--json", "generate"])?.ends(1).json()["recipientsDigest"].as_str().unwrap().to_owned();
    let ran = checkout.run(&["generate", &format!("--accept-recipients={digest}")])?.ends(1);
    let ran = ran.says("--accept-recipients").says("ssh-ed25519 SHA256");
    ran.never_says("artifacts.hostKey is not set").says("generated web1/host-key");
    assert!(!checkout.path().join("secrets/per-machine/web1/token").exists());
    checkout.run(&["--accept-recipients", "generate"])?.ends(0).says("1 generated, 1 unchanged");
    checkout.run(&["status"])?.ends(0);
    let ram = tempfile::tempdir_in("/dev/shm")?;
    let place = ram.path().join("web1");
    checkout
        .run(&["-i", admin, "provision", "web1", place.to_str().unwrap()])?
        .ends(0)
        .says("/etc/ssh/ssh_host_ed25519_key 0600");
    let mut age = Command::new("age");
    age.arg("-d").arg("-i").arg(place.join("etc/ssh/ssh_host_ed25519_key"));
    let output = age.arg(checkout.path().join("secrets/per-machine/web1/token/secret.age")).output()?;
    assert_eq!(output.stdout.len(), 65, "the machine reads its token with what the installer brings");
    Ok(())
}

#[test]
fn a_machine_s_own_key_is_no_failure_for_what_else_has_no_reader_yet() -> Result<()> {
    let checkout = Checkout::new()?;
    checkout.example("bootstrap", &["admin"])?;
    checkout
        .run(&["generate", "--accept-recipients", "host-key"])?
        .ends(0)
        .says("1 artifact: 1 generated")
        .never_says("token");
    checkout.run(&["generate", "host-key"])?.ends(0);
    Ok(())
}

#[test]
fn a_new_machine_is_made_whole_by_one_run() -> Result<()> {
    let checkout = Checkout::new()?;
    checkout.example("bootstrap", &["admin"])?;
    // What is made from what the machine reads can be made for the admin alone, and waits for it all the same.
    let module = fs::read_to_string(checkout.path().join("machine.nix"))?;
    let copy = "artifacts.store.copy = { files.f.deploy = false; dependencies = [ \"token\" ];\n\
                generator = pkgs.writers.writeBash \"copy\" \"cp $in/token/secret $out/f\"; };\n";
    let token = "artifacts.store.token = {";
    checkout.write("machine.nix", &module.replace(token, &format!("{copy}{token}")))?;
    let named =
        checkout.run(&["generate", "--accept-recipients", "token"])?.ends(1).says("artifacts.hostKey is not set");
    named.never_says("host-key");
    checkout.run(&["--accept-recipients", "generate"])?.ends(0).says("3 artifacts: 3 generated");
    checkout.run(&["status"])?.ends(0);
    Ok(())
}
