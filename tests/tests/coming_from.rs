//! The steps of the page *Coming from another tool*, with files that age and sops themselves made.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

use std::fs;
use std::process::{Command, Output, Stdio};

use anyhow::{Result, ensure};
use artifacts_tests::fleet::{Fleet, Ran};
use artifacts_tests::sops::sops;
use serde_json::json;

const SECRET: &str = "as it was before";
const INSTANCE: &str = "per-machine/web1/attic";

/// A machine that declares what another tool holds.
fn fleet(backend: &str) -> Result<Fleet> {
    let fleet = Fleet::new()?;
    let generator = fleet.generator("make", "#!/bin/sh\nexit 1\n")?;
    let artifact = json!({"backend": backend, "files": {"env": {}}, "generator": generator});
    let mut fleet = fleet.machine("web1", &json!({"attic": artifact}))?;
    let host = fleet.of("web1")["config"]["agenix"]["publicHostKey"].clone();
    fleet.configure("web1", "sops-nix", json!({"publicHostKey": host}));
    Ok(fleet)
}

fn host(fleet: &mut Fleet) -> String {
    fleet.of("web1")["config"]["agenix"]["publicHostKey"].as_str().unwrap_or_default().to_owned()
}

fn done(output: Output) -> Result<Vec<u8>> {
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(output.stdout)
}

/// Puts the old tool's file where ours belongs.
fn lay(fleet: &Fleet, file: &str, bytes: &[u8]) -> Result<()> {
    let slice = fleet.path().join("secrets").join(INSTANCE);
    fs::create_dir_all(&slice)?;
    Ok(fs::write(slice.join(file), bytes)?)
}

/// `… | artifacts set`.
fn set(fleet: &Fleet, bytes: &[u8]) -> Result<Ran> {
    let given = fleet.path().join(".keys/given");
    fs::write(&given, bytes)?;
    let mut command = fleet.command(["--no-input", "--accept-recipients", "set", INSTANCE, "env"])?;
    Ok(command.stdin(Stdio::from(fs::File::open(given)?)).output()?.into())
}

fn age(fleet: &mut Fleet, more: &[&str]) -> Result<Vec<u8>> {
    let plain = fleet.path().join(".keys/plain");
    fs::write(&plain, SECRET)?;
    let host = host(fleet);
    done(Command::new("age").args(["-r", &host]).args(more).arg(plain).output()?)
}

fn is_taken_over(fleet: &Fleet) -> Result<()> {
    assert_eq!(fleet.run(["--json", "status"])?.ends(0).state(INSTANCE), "present");
    let key = fleet.key_file("web1");
    let ran = fleet.run(["-i", key.to_str().unwrap(), "get", INSTANCE, "env"])?.ends(0);
    assert_eq!(ran.stdout, SECRET);
    // What is there is not made again: its generator would fail.
    fleet.run(["generate", "--accept-recipients"])?.ends(0);
    Ok(())
}

#[test]
fn armored_and_binary_files_are_adopted_where_they_lie() -> Result<()> {
    for form in [&["--armor"][..], &[]] {
        let mut fleet = fleet("agenix")?;
        let sealed = age(&mut fleet, form)?;
        lay(&fleet, "env.age", &sealed)?;
        assert_eq!(fleet.run(["--json", "status"])?.ends(3).state(INSTANCE), "stale (receipt)");
        fleet.run(["adopt"])?.ends(0).says("adopted web1/attic");
        assert_eq!(fleet.stored()?[&format!("{INSTANCE}/env.age")], sealed);
        is_taken_over(&fleet)?;
        // A value that is stored again is armored.
        let key = fleet.key_file("web1");
        fleet.run(["-i", key.to_str().unwrap(), "--accept-recipients", "rekey", "--all"])?.ends(0);
        assert!(fleet.stored()?[&format!("{INSTANCE}/env.age")].starts_with(b"-----BEGIN AGE"));
        is_taken_over(&fleet)?;
    }
    Ok(())
}

/// nixos-artifacts has a user's files below the user's name; here it is the flake's attribute.
#[test]
fn armored_files_of_a_user_are_moved_to_the_attributes_name_and_adopted() -> Result<()> {
    let fleet = Fleet::new()?;
    let generator = fleet.generator("make", "#!/bin/sh\nexit 1\n")?;
    let artifact = json!({"backend": "agenix", "files": {"key": {}}, "generator": generator});
    let mut fleet = fleet.target("home-manager", "alice@laptop", &json!({"ssh": artifact}))?;
    let user = fleet.new_key("alice")?;
    fleet.configure("alice@laptop", "agenix", json!({"publicUserKeys": [user]}));
    let plain = fleet.path().join(".keys/plain");
    fs::write(&plain, SECRET)?;
    let sealed = done(Command::new("age").args(["--armor", "-r", &user]).arg(plain).output()?)?;
    write(&fleet, "secrets/per-user/alice/ssh/key.age", &sealed)?;
    fleet.run(["status"])?.ends(3).says("absent alice@laptop/ssh");
    fs::rename(fleet.path().join("secrets/per-user/alice"), fleet.path().join("secrets/per-user/alice@laptop"))?;
    fleet.run(["adopt"])?.ends(0).says("adopted alice@laptop/ssh");
    let key = fleet.key_file("alice");
    let ran = fleet.run(["-i", key.to_str().unwrap(), "get", "ssh", "key"])?.ends(0);
    assert_eq!(ran.stdout, SECRET);
    Ok(())
}

#[test]
fn secrets_of_agenix_are_set_from_what_age_prints() -> Result<()> {
    for backend in ["agenix", "sops-nix"] {
        let mut fleet = fleet(backend)?;
        let old = fleet.path().join("attic.age");
        fs::write(&old, age(&mut fleet, &[])?)?;
        let plain = done(Command::new("age").arg("-d").arg("-i").arg(fleet.key_file("web1")).arg(&old).output()?)?;
        set(&fleet, &plain)?.ends(0);
        is_taken_over(&fleet)?;
    }
    Ok(())
}

#[test]
fn values_of_a_sops_file_are_set_and_a_binary_one_is_adopted() -> Result<()> {
    let mut fleet = fleet("sops-nix")?;
    let host = host(&mut fleet);
    let old = fleet.path().join("secrets.yaml");
    fs::write(&old, format!("attic: {SECRET}\nother: x\n"))?;
    let key = fleet.key_file("web1");
    let old = old.to_str().unwrap();
    done(sops(&fleet, &key, &["-e", "-i", "--age", &host, old])?)?;
    let value = done(sops(&fleet, &key, &["-d", "--extract", "[\"attic\"]", old])?)?;
    set(&fleet, &value)?.ends(0);
    is_taken_over(&fleet)?;

    let mut fleet = self::fleet("sops-nix")?;
    let host = self::host(&mut fleet);
    let plain = fleet.path().join(".keys/plain");
    fs::write(&plain, SECRET)?;
    let arguments = ["-e", "--age", &host, "--input-type", "binary", "--output-type", "json", plain.to_str().unwrap()];
    let sealed = done(sops(&fleet, &fleet.key_file("web1"), &arguments)?)?;
    lay(&fleet, "env.sops", &sealed)?;
    fleet.run(["adopt"])?.ends(0).says("adopted web1/attic");
    is_taken_over(&fleet)
}

/// A PGP key in the home that the tests' sops has. The agent of `gpg` ends with this.
struct Pgp<'a>(&'a Fleet);

impl<'a> Pgp<'a> {
    fn new(fleet: &'a Fleet) -> Result<(Self, String)> {
        let pgp = Self(fleet);
        pgp.gpg(&[
            "--batch",
            "--passphrase",
            "",
            "--quick-gen-key",
            "admin@example.org",
            "default",
            "default",
            "never",
        ])?;
        let listed = String::from_utf8(pgp.gpg(&["--batch", "--with-colons", "--list-keys"])?)?;
        let fingerprint = listed.lines().find_map(|line| line.strip_prefix("fpr:::::::::")).unwrap_or_default();
        Ok((pgp, fingerprint.trim_end_matches(':').to_owned()))
    }

    fn gpg(&self, arguments: &[&str]) -> Result<Vec<u8>> {
        let home = self.0.path();
        done(Command::new("gpg").args(arguments).env_clear().env("PATH", "/usr/bin:/bin").env("HOME", home).output()?)
    }
}

impl Drop for Pgp<'_> {
    fn drop(&mut self) {
        let mut end = Command::new("gpgconf");
        let _ = end
            .args(["--kill", "gpg-agent"])
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", self.0.path())
            .output();
    }
}

#[test]
fn what_sops_encrypted_for_pgp_is_set_once_and_a_key_besides_stays_until_sops_removes_it() -> Result<()> {
    let mut fleet = fleet("sops-nix")?;
    let host = host(&mut fleet);
    let (_agent, fingerprint) = Pgp::new(&fleet)?;
    let key = fleet.key_file("web1");
    let plain = fleet.path().join(".keys/plain");
    fs::write(&plain, SECRET)?;
    let seal = |readers: &[&str]| {
        let arguments =
            [&["-e"], readers, &["--input-type", "binary", "--output-type", "json", plain.to_str().unwrap()]];
        done(sops(&fleet, &key, &arguments.concat())?)
    };
    // For nobody else: nobody here could open it.
    let sealed = seal(&["--pgp", &fingerprint])?;
    lay(&fleet, "env.sops", &sealed)?;
    fleet.run(["adopt"])?.ends(1).says("cannot adopt: `env.sops`: the file has no age recipient, only pgp");
    let old = format!("secrets/{INSTANCE}/env.sops");
    let value = done(sops(&fleet, &key, &["-d", "--input-type", "json", "--output-type", "binary", &old])?)?;
    assert_eq!(value, SECRET.as_bytes());
    fs::remove_dir_all(fleet.path().join("secrets"))?;
    set(&fleet, &value)?.ends(0);
    is_taken_over(&fleet)?;

    // For the machine as well.
    fs::remove_dir_all(fleet.path().join("secrets"))?;
    lay(&fleet, "env.sops", &seal(&["--pgp", &fingerprint, "--age", &host])?)?;
    fleet.run(["adopt"])?.ends(0).says("adopted web1/attic").says(&format!("pgp {fingerprint}, as it claims"));
    is_taken_over(&fleet)?;
    let with_pgp = |key| sops(&fleet, key, &["-d", "--input-type", "json", "--output-type", "binary", &old]);
    let none = fleet.path().join(".keys/none");
    assert_eq!(done(with_pgp(&none)?)?, SECRET.as_bytes());
    let identity = key.to_str().unwrap();
    fleet.run(["-i", identity, "--no-input", "rekey", "--all"])?.ends(1).says(&fingerprint).says("--accept-recipients");
    fleet.run(["-i", identity, "--accept-recipients", "rekey", "--all"])?.ends(0);
    assert_eq!(done(with_pgp(&none)?)?, SECRET.as_bytes(), "whoever has the PGP key alone still decrypts it");
    is_taken_over(&fleet)?;
    // A new value is given by sops, and the recipients are changed by it.
    let refused = set(&fleet, b"new")?.ends(1).says("a value is new").says("`sops edit FILE`");
    refused.says(&fingerprint);
    assert_eq!(done(with_pgp(&none)?)?, SECRET.as_bytes());
    artifacts_tests::sops::edited(&fleet, &none, &old, "by hand")?;
    fleet.run(["adopt"])?.ends(0);
    assert_eq!(fleet.run(["-i", identity, "get", INSTANCE, "env"])?.ends(0).stdout, "by hand");
    assert_eq!(done(with_pgp(&none)?)?, b"by hand");
    let form = ["--input-type", "binary", "--output-type", "binary", &old];
    done(sops(&fleet, &key, &[&["rotate", "--in-place", "--rm-pgp", &fingerprint][..], &form].concat())?)?;
    fleet.run(["adopt"])?.says("adopted web1/attic");
    fleet.run(["-i", identity, "--accept-recipients", "rekey"])?.ends(0).says(&fingerprint);
    assert!(!with_pgp(&none)?.status.success());
    set(&fleet, SECRET.as_bytes())?.ends(0);
    is_taken_over(&fleet)
}

/// Whatever lies in a storage besides slices is another's: not shown, not pruned, not changed.
fn leaves_alone(fleet: &Fleet, theirs: &[&str]) -> Result<()> {
    let ran = fleet.run(["prune", "--yes"])?.ends(0);
    for file in theirs {
        assert!(fleet.path().join(file).exists(), "{file} is gone: {ran}");
    }
    Ok(())
}

#[test]
fn sources_of_agenix_rekey_are_set_with_the_master_identity() -> Result<()> {
    let mut fleet = fleet("agenix")?;
    let (host, master) = (host(&mut fleet), fleet.new_key("master")?);
    fleet.configure("web1", "agenix", json!({"publicHostKey": host, "publicUserKeys": [master]}));
    let (source, rekeyed) = ("secrets/attic.age", "secrets/rekeyed/web1/0123456789abcdef0123456789abcdef-attic.age");
    fs::create_dir_all(fleet.path().join("secrets/rekeyed/web1"))?;
    let plain = fleet.path().join(".keys/plain");
    fs::write(&plain, SECRET)?;
    for (reader, file) in [(&master, source), (&host, rekeyed)] {
        done(Command::new("age").args(["-r", reader, "-o"]).arg(fleet.path().join(file)).arg(&plain).output()?)?;
    }
    assert_eq!(fleet.run(["--json", "status"])?.ends(3).state(INSTANCE), "absent");
    set(&fleet, &fleet.decrypt("master", source)?)?.ends(0);
    is_taken_over(&fleet)?;
    let stored = format!("secrets/{INSTANCE}/env.age");
    for reader in ["web1", "master"] {
        assert_eq!(fleet.decrypt(reader, &stored)?, SECRET.as_bytes(), "{reader}");
    }
    leaves_alone(&fleet, &[source, rekeyed])
}

/// A file of sops' binary form, as clan's default store has it: in JSON, for the keys of a machine and of its users.
fn sops_of_clan(fleet: &Fleet, recipients: &str, file: &str) -> Result<()> {
    let plain = fleet.path().join(".keys/plain");
    fs::write(&plain, SECRET)?;
    let words = ["-e", "--age", recipients, "--input-type", "binary", "--output-type", "json", plain.to_str().unwrap()];
    let sealed = done(sops(fleet, &fleet.key_file("web1"), &words)?)?;
    Ok(write(fleet, file, &sealed)?)
}

fn write(fleet: &Fleet, file: &str, bytes: &[u8]) -> std::io::Result<()> {
    let path = fleet.path().join(file);
    fs::create_dir_all(path.parent().unwrap())?;
    fs::write(path, bytes)
}

fn moved(fleet: &Fleet, from: &str, to: &str) -> Result<()> {
    write(fleet, to, &fs::read(fleet.path().join(from))?)?;
    Ok(fs::remove_file(fleet.path().join(from))?)
}

/// A generator with a secret and a public file, for a machine alone and shared.
fn vars(backend: &str) -> Result<(Fleet, String, String)> {
    let mut fleet = fleet(backend)?;
    let (host, user) = (host(&mut fleet), fleet.new_key("user")?);
    let mut attic = fleet.of("web1")["artifacts"]["attic"].clone();
    attic["files"]["id"] = json!({"secret": false});
    let mut ca = attic.clone();
    ca["shared"] = json!(true);
    fleet.of("web1")["artifacts"] = json!({"attic": attic, "ca": ca});
    fleet.configure("web1", backend, json!({"publicHostKey": host, "publicUserKeys": [user]}));
    Ok((fleet, host, user))
}

fn vars_are_taken_over(fleet: &Fleet, readers: &[&str]) -> Result<()> {
    fleet.run(["adopt"])?.ends(0).says("adopted web1/attic").says("adopted shared/ca");
    let status = fleet.run(["--json", "status"])?.ends(0);
    for instance in [INSTANCE, "shared/ca"] {
        assert_eq!(status.state(instance), "present");
        assert_eq!(fleet.run(["get", instance, "id"])?.ends(0).stdout, "public");
        for reader in readers {
            let key = fleet.key_file(reader);
            let ran = fleet.run(["-i", key.to_str().unwrap(), "get", instance, "env"])?.ends(0);
            assert_eq!(ran.stdout, SECRET, "{reader}");
        }
    }
    fleet.run(["generate", "--accept-recipients"])?.ends(0);
    Ok(())
}

#[test]
fn vars_that_clan_keeps_with_sops_are_moved_and_adopted() -> Result<()> {
    let (fleet, host, user) = vars("sops-nix")?;
    for (theirs, ours) in
        [("vars/per-machine/web1/attic", "secrets/per-machine/web1/attic"), ("vars/shared/ca", "secrets/shared/ca")]
    {
        sops_of_clan(&fleet, &format!("{host},{user}"), &format!("{theirs}/env/secret"))?;
        write(&fleet, &format!("{theirs}/id/value"), b"public")?;
        // Who reads it stays as links, beside it.
        std::fs::create_dir_all(fleet.path().join(format!("{theirs}/env/machines")))?;
        std::os::unix::fs::symlink(
            "../../../../../../sops/machines/web1",
            fleet.path().join(format!("{theirs}/env/machines/web1")),
        )?;
        moved(&fleet, &format!("{theirs}/env/secret"), &format!("{ours}/env.sops"))?;
        moved(&fleet, &format!("{theirs}/id/value"), &format!("{ours}/public/id"))?;
    }
    vars_are_taken_over(&fleet, &["web1", "user"])
}

#[test]
fn vars_that_clan_keeps_with_age_are_moved_adopted_and_encrypted_to_admins_too() -> Result<()> {
    let (fleet, host, _) = vars("agenix")?;
    let plain = fleet.path().join(".keys/plain");
    fs::write(&plain, SECRET)?;
    for (theirs, ours) in [("per-machine/web1/attic", "per-machine/web1/attic"), ("shared/ca", "shared/ca")] {
        let file = format!("secrets/clan-vars/{theirs}/env/env.age");
        let sealed = done(Command::new("age").args(["--armor", "-r", &host]).arg(&plain).output()?)?;
        write(&fleet, &file, &sealed)?;
        write(&fleet, &format!("vars/{theirs}/id/value"), b"public")?;
        moved(&fleet, &file, &format!("secrets/{ours}/env.age"))?;
        moved(&fleet, &format!("vars/{theirs}/id/value"), &format!("secrets/{ours}/public/id"))?;
    }
    let of_clan = "secrets/clan-vars/per-machine/web2/other/f/f.age";
    write(&fleet, of_clan, b"of another")?;
    vars_are_taken_over(&fleet, &["web1"])?;
    // Adopting encrypts nothing: the user, a reader by declaration, is one in fact only now.
    let stored = format!("secrets/{INSTANCE}/env.age");
    assert!(fleet.decrypt("user", &stored).is_err());
    let key = fleet.key_file("web1");
    fleet.run(["-i", key.to_str().unwrap(), "--accept-recipients", "rekey", "--all"])?.ends(0);
    assert_eq!(fleet.decrypt("user", &stored)?, SECRET.as_bytes());
    leaves_alone(&fleet, &[of_clan])
}
