//! Secrets that a person types: declared without a generator, under a real Nix.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::Result;
use artifacts_tests::checkout::Checkout;
use artifacts_tests::desk::Desk;
use artifacts_tests::fleet::{Ran, stored};
use artifacts_tests::nix;
use serde_json::json;

/// A machine whose secrets agenix or sops-nix installs.
fn machine(checkout: &Checkout, name: &str, backend: &str, store: &str) -> Result<String> {
    let (host, admin) = (checkout.public(name)?, checkout.public("admin")?);
    Ok(format!(
        r#"nixosConfigurations.{name} = nixpkgs.lib.nixosSystem {{ modules = [
          inputs.artifacts.nixosModules.default inputs.agenix.nixosModules.default inputs.sops-nix.nixosModules.sops
          ({{ pkgs, ... }}: {{
            nixpkgs.hostPlatform = "x86_64-linux"; networking.hostName = "{name}"; artifacts.root = ./.;
            artifacts.default.backend = "{backend}";
            artifacts.config.{backend} = {{ publicHostKey = "{host}"; publicUserKeys = [ "{admin}" ]; }};
            {store}
          }})
        ]; }};"#
    ))
}

/// One file, several of all kinds, and one that two machines share.
const STORE: &str = r#"
  artifacts.store.smtp.files.password = { };
  artifacts.store.mail = {
    description = "account of the mail relay";
    files.password = { }; files.spare = { }; files.user.secret = false; files.pem = { };
    prompts.spare.required = false;
    prompts.pem = { type = "multiline-hidden"; description = "private key, PEM"; };
  };
  artifacts.store.cluster = { shared = true; files.token = { }; };
"#;

const CLUSTER: &str = "artifacts.store.cluster = { shared = true; files.token = { }; };";

fn checkout(backend: &str) -> Result<Checkout> {
    let checkout = Checkout::new()?;
    for key in ["web1", "web2", "admin"] {
        checkout.key(key)?;
    }
    let [web1, web2] = [machine(&checkout, "web1", backend, STORE)?, machine(&checkout, "web2", backend, CLUSTER)?];
    checkout.flake(&format!("{web1}{web2}"))?;
    Ok(checkout)
}

const ANSWERS: &str = r#"
["per-machine/web1/smtp"]
password = "s3cret of smtp"

["per-machine/web1/mail"]
password = "s3cret of mail "
spare = ""
user = "someone"
pem = """
-----BEGIN-----
-----END-----
"""

["shared/cluster"]
token = "s3cret of all"
"#;

fn answers(checkout: &Checkout, text: &str) -> Result<PathBuf> {
    let path = checkout.home().join("answers");
    fs::write(&path, text)?;
    Ok(path)
}

fn answered(checkout: &Checkout, text: &str) -> Result<Ran> {
    let answers = answers(checkout, text)?;
    checkout.run(&["generate", "--no-input", "--accept-recipients", "--answers", answers.to_str().unwrap()])
}

fn given(checkout: &Checkout, arguments: &[&str], value: &str) -> Result<Ran> {
    let input = checkout.home().join("input");
    fs::write(&input, value)?;
    Ok(checkout.command(arguments)?.stdin(fs::File::open(input)?).stderr(Stdio::piped()).output()?.into())
}

fn value(checkout: &Checkout, name: &str, file: &str) -> Result<String> {
    let key = checkout.key_file("admin");
    Ok(checkout.run(&["-i", key.to_str().unwrap(), "get", name, file])?.ends(0).stdout)
}

#[test]
fn what_is_typed_is_stored_byte_for_byte_and_is_absent_before() -> Result<()> {
    for backend in ["agenix", "sops-nix"] {
        let checkout = checkout(backend)?;
        assert_eq!(checkout.run(&["--json", "status"])?.ends(3).state("per-machine/web1/smtp"), "absent");
        checkout.run(&["status"])?.ends(3).says("artifacts generate").never_says("error");
        let dry = checkout.run(&["generate", "--dry-run"])?.ends(3).says("prompts for");
        dry.says("pem").says("spare").says("token");
        answered(&checkout, ANSWERS)?.ends(0).never_says("s3cret");
        for (name, file, expected) in [
            ("smtp", "password", "s3cret of smtp"),
            ("mail", "password", "s3cret of mail "),
            ("mail", "spare", ""),
            ("mail", "user", "someone"),
            ("mail", "pem", "-----BEGIN-----\n-----END-----\n"),
            ("shared/cluster", "token", "s3cret of all"),
        ] {
            assert_eq!(value(&checkout, name, file)?, expected, "{backend}: {name} {file}");
        }
        checkout.run(&["status"])?.ends(0);
        // Nix reads the public one, and a build has all files of both machines.
        let user = ".#nixosConfigurations.web1.config.artifacts.store.mail.files.user.value";
        assert_eq!(nix::nix(&checkout.path(), &["eval", "--raw", user])?, "someone");
        for machine in ["web1", "web2"] {
            let system = format!(".#nixosConfigurations.{machine}.config.system.build.toplevel.drvPath");
            nix::nix(&checkout.path(), &["eval", "--raw", &system])?;
        }
    }
    Ok(())
}

#[test]
fn without_an_answer_nothing_is_stored_and_the_template_answers_nothing() -> Result<()> {
    let checkout = checkout("agenix")?;
    let ran = checkout.run(&["generate", "--no-input", "--accept-recipients"])?.ends(1);
    let (_, template) = ran.stderr.split_once("--answers FILE").unwrap();
    let (_, template) = template.split_once("\n\n").unwrap();
    let template: Vec<&str> = template.lines().map(str::trim).take_while(|line| !line.starts_with("error")).collect();
    let template = template.join("\n");
    assert!(template.contains("# private key, PEM\n# pem = \"\"\"\n# \"\"\"\n"), "{template}");
    assert!(template.contains("# account of the mail relay\n# password = \"\"\n"), "{template}");
    answered(&checkout, &template)?.ends(1).says("no answer for prompts `password`, `pem`, `spare`, `user`");
    // An empty answer to what needs a value is a mistake; what is answered beside it is stored all the same.
    let empty = ANSWERS.replace("\"s3cret of smtp\"", "\" \"");
    let ran = answered(&checkout, &empty)?.ends(1).says("no value for \"web1/smtp\".\"password\"");
    ran.says("prompts.<prompt>.required = false").never_says("s3cret");
    let stored = stored(&checkout.path())?;
    assert!(
        !stored.keys().any(|path| path.contains("web1/smtp")) && stored.keys().any(|path| path.contains("web1/mail"))
    );
    // Each artifact with answers is stored, whatever others lack.
    answered(&checkout, "[\"shared/cluster\"]\ntoken = \"s3cret\"\n")?.ends(1);
    assert_eq!(checkout.run(&["--json", "status"])?.ends(3).state("shared/cluster"), "present");
    Ok(())
}

#[test]
fn a_person_is_asked_for_each_file_and_may_leave_empty_what_is_optional() -> Result<()> {
    let checkout = checkout("agenix")?;
    let mut desk = Desk::start(&checkout.command(&["generate", "mail"])?)?;
    desk.sees("Encrypt to these recipients?")?.types("y\r")?;
    desk.sees("1 of 4")?
        .sees("account of the mail relay")?
        .sees("password: ")?
        .types("\r")?
        .sees("A value is required.")?;
    desk.sees("password: ")?.types("s3cret\r")?.sees("again: ")?.types("s3cret\r")?;
    desk.sees("2 of 4")?.sees("private key, PEM")?.sees("pem:")?.types("line\r\u{4}")?;
    desk.sees("3 of 4")?.sees("may be left empty")?.sees("spare: ")?.types("\r")?.sees("again: ")?.types("\r")?;
    desk.sees("4 of 4")?.sees("user: ")?.types("someone\r")?;
    let (status, shown) = desk.ends()?;
    assert!(status == Some(0) && !shown.contains("s3cret"), "{shown}");
    let found = [("password", "s3cret"), ("pem", "line\n"), ("spare", ""), ("user", "someone")];
    for (file, expected) in found {
        assert_eq!(value(&checkout, "mail", file)?, expected);
    }
    Ok(())
}

#[test]
fn one_file_is_set_where_no_other_needs_a_value() -> Result<()> {
    let checkout = checkout("agenix")?;
    let set = |name: &str, file: &str| given(&checkout, &["--accept-recipients", "set", name, file], "s3cret");
    set("mail", "password")?.ends(1).says("it also needs a value for `pem`").says("asks for all of its files");
    set("smtp", "password")?.ends(0);
    assert_eq!(value(&checkout, "smtp", "password")?, "s3cret");
    // An empty value is a second question; a no changes nothing.
    for (answer, status, expected) in [("n", Some(1), "s3cret"), ("y", Some(0), "")] {
        let mut desk = Desk::start(&checkout.command(&["set", "smtp", "password"])?)?;
        desk.sees("password: ")?.types("\r")?.sees("again: ")?.types("\r")?;
        desk.sees("Store an empty value as `password`? [y/N]")?.types(&format!("{answer}\r"))?;
        let (ended, shown) = desk.ends()?;
        assert_eq!(ended, status, "{shown}");
        assert_eq!(value(&checkout, "smtp", "password")?, expected);
    }
    given(&checkout, &["set", "smtp", "password"], "")?.ends(1).says("--allow-empty");
    Ok(())
}

#[test]
fn a_new_value_is_typed_and_never_made_up() -> Result<()> {
    let checkout = checkout("agenix")?;
    answered(&checkout, ANSWERS)?.ends(0);
    let before = stored(&checkout.path())?;
    checkout.run(&["rotate", "--yes", "--no-input", "smtp"])?.ends(1).says("no answer for prompt `password`");
    assert_eq!(stored(&checkout.path())?, before);
    let file = answers(&checkout, "[\"web1/smtp\"]\npassword = \"another\"\n")?;
    checkout.run(&["rotate", "--yes", "--answers", file.to_str().unwrap(), "smtp"])?.ends(0);
    assert_eq!(value(&checkout, "smtp", "password")?, "another");
    assert_eq!(value(&checkout, "mail", "password")?, "s3cret of mail ");
    Ok(())
}

#[test]
fn what_nothing_would_use_is_said_once_and_costs_no_other() -> Result<()> {
    let checkout = Checkout::new()?;
    for key in ["web1", "admin"] {
        checkout.key(key)?;
    }
    let store = "artifacts.store.good.files.f = { }; artifacts.store.bare = { files.f = { }; prompts.p = { }; };";
    checkout.flake(&machine(&checkout, "web1", "agenix", store)?)?;
    let ran = checkout.run(&["--json", "status"])?.ends(1);
    let errors = ran.json()["errors"].clone();
    assert_eq!(errors.as_array().map(Vec::len), Some(1), "{errors}");
    assert!(
        errors[0]["message"].as_str().unwrap().starts_with("artifacts.store.bare.prompts.p: nothing uses the answer")
    );
    assert_eq!(ran.state("per-machine/web1/good"), "absent");
    Ok(())
}

/// A person's way to a green `status`, command by command.
struct Story {
    checkout: Checkout,
    typed: Vec<String>,
}

impl Story {
    fn new(backend: &str, store: &str) -> Result<Self> {
        let checkout = Checkout::new()?;
        for key in ["web1", "admin"] {
            checkout.key(key)?;
        }
        checkout.flake(&machine(&checkout, "web1", backend, store)?)?;
        Ok(Self { checkout, typed: Vec::new() })
    }

    fn command(&mut self, arguments: &[&str]) -> Result<Command> {
        self.typed.push(format!("artifacts {}", arguments.join(" ")));
        self.checkout.command(arguments)
    }

    /// The end: everything is stored and staged.
    fn is_green(&mut self, count: usize) -> Result<()> {
        let (status, shown) = Desk::start(&self.command(&["status"])?)?.ends()?;
        assert_eq!(status, Some(0), "{shown}");
        assert!(shown.contains(&format!("{count} present")), "{shown}");
        Ok(())
    }
}

#[test]
fn a_sops_users_six_secrets_take_two_commands() -> Result<()> {
    let files = [
        "smtp.files.password",
        "smtp.files.user",
        "attic.files.token",
        "borg.files.passphrase",
        "wifi.files.psk",
        "dns.files.key",
    ];
    let declared: Vec<String> = files.iter().map(|file| format!("artifacts.store.{file} = {{ }};")).collect();
    let mut story = Story::new("sops-nix", &declared.join("\n"))?;
    let mut desk = Desk::start(&story.command(&["generate"])?)?;
    desk.sees("Encrypt to these recipients?")?.types("y\r")?;
    for (number, file) in (1..).zip(["token", "passphrase", "key", "password", "user", "psk"]) {
        desk.sees(&format!("{number} of 6"))?.sees(&format!("{file}: "))?.types(&format!("s3cret {file}\r"))?;
        desk.sees("again: ")?.types(&format!("s3cret {file}\r"))?;
    }
    let (status, shown) = desk.ends()?;
    assert_eq!(status, Some(0), "{shown}");
    story.is_green(5)?;
    assert_eq!(story.typed, ["artifacts generate", "artifacts status"]);
    assert_eq!(value(&story.checkout, "wifi", "psk")?, "s3cret psk");
    Ok(())
}

#[test]
fn an_agenix_users_twelve_secrets_take_two_commands_and_an_answers_file() -> Result<()> {
    let declared: Vec<String> = (1..=12).map(|number| format!("artifacts.store.s{number}.files.f = {{ }};")).collect();
    let mut story = Story::new("agenix", &declared.join("\n"))?;
    // They are in age files. A loop of a shell makes answers of them, which no disk sees.
    let old: serde_json::Map<String, serde_json::Value> = (1..=12)
        .map(|number| (format!("per-machine/web1/s{number}"), json!({"f": format!("s3cret {number}\n")})))
        .collect();
    let (from, to) = std::io::pipe()?;
    let mut generate = story.command(&["generate", "--accept-recipients", "--answers", "-"])?;
    generate.stdin(from).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = generate.spawn()?;
    drop(generate);
    serde_json::to_writer(to, &old)?;
    let ran: Ran = child.wait_with_output()?.into();
    ran.ends(0).never_says("s3cret");
    story.is_green(12)?;
    assert_eq!(story.typed, ["artifacts generate --accept-recipients --answers -", "artifacts status"]);
    assert_eq!(value(&story.checkout, "s12", "f")?, "s3cret 12\n");
    Ok(())
}
