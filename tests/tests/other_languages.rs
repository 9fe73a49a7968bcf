//! Backends in C, Python and JavaScript, as the tools of these languages make them: each keeps secrets through the whole program.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

use std::fs;

use anyhow::{Context as _, Result};
use artifacts_tests::fleet::{Fleet, guest};
use serde_json::json;

/// Bytes that are no text, with newlines at the end, and an empty file.
const MAKE: &str = "#!/bin/bash\nprintf 'the secret \\377\\n\\n' > \"$out/secret\"\n: > \"$out/empty\"\n";
const SECRET: &[u8] = b"the secret \xff\n\n";

/// Generates, gets and rekeys with the example of this name, which says this where the list of recipients is empty.
fn keeps_secrets(name: &str, empty: &str) -> Result<()> {
    let component =
        guest(name).context("`cargo xtask other-guests` makes it, and installs the tools for it where it can")?;
    let fleet = Fleet::new()?;
    let files = json!({"secret": {}, "empty": {}});
    let artifact = json!({"backend": name, "files": files, "generator": fleet.generator("make", MAKE)?});
    let mut fleet = fleet.machine("web1", &json!({ "a": artifact }))?;
    let (one, other) = (fleet.new_key("one")?, fleet.new_key("other")?);
    fleet.backend(name, json!({"component": component, "grants": {"identities": true}}));
    fleet.configure("web1", name, json!({ "recipients": [one] }));

    fleet.run(["--accept-grants", "generate", "--accept-recipients"])?.ends(0);
    let entry = fleet.path().join("secrets/per-machine/web1/a");
    assert!(fs::read_to_string(entry.join("secret.age"))?.starts_with("-----BEGIN AGE ENCRYPTED FILE-----"));
    assert_eq!(fleet.run(["--json", "status"])?.ends(0).state("per-machine/web1/a"), "present");

    let with = |key: &str, more: &[&str]| {
        let key = fleet.key_file(key).to_str().unwrap().to_owned();
        fleet.output([&["-i", key.as_str()], more].concat())
    };
    assert_eq!(with("one", &["get", "a", "secret"])?.stdout, SECRET);
    assert_eq!(with("one", &["get", "a", "empty"])?.stdout, b"");
    assert!(!with("other", &["get", "a", "secret"])?.status.success());

    fs::write(entry.join("more.age"), "")?;
    fleet.run(["status"])?.ends(3).says("`more.age` is not part of the entry");
    fs::remove_file(entry.join("more.age"))?;
    fleet.configure("web1", name, json!({ "recipients": [other] }));
    fleet.run(["status"])?.ends(3).says("recipients");
    let key = fleet.key_file("one");
    fleet.run(["-i", key.to_str().unwrap(), "rekey", "--accept-recipients"])?.ends(0).says("1 re-encrypted");
    let key = fleet.key_file("other");
    let got = fleet.output(["-i", key.to_str().unwrap(), "get", "a", "secret"])?;
    assert_eq!(got.stdout, SECRET);

    fleet.configure("web1", name, json!({ "recipients": [] }));
    fleet.run(["status"])?.ends(1).says(&format!("the backend reports: {empty}"));
    Ok(())
}

#[test]
fn a_backend_in_c_keeps_secrets() -> Result<()> {
    keeps_secrets("in-c", "no target names a recipient")
}

#[test]
fn a_backend_in_python_keeps_secrets() -> Result<()> {
    keeps_secrets("in-python", "web1: expected")
}

#[test]
fn a_backend_in_javascript_keeps_secrets() -> Result<()> {
    keeps_secrets("in-javascript", "web1: expected")
}
