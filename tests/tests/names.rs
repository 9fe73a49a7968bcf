//! Names as people type them, through the program itself.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

use anyhow::Result;
use artifacts_tests::fleet::Fleet;
use serde_json::{Value, json};

/// A machine `web1` beside an artifact `web1`, a machine and a user of one name, and a name that a shell would run.
fn fleet() -> Result<Fleet> {
    let fleet = Fleet::new()?;
    let admin = fleet.new_key("admin")?;
    let artifact = |files: &[&str]| {
        let write = |script: String, name: &&str| script + &format!("echo '{name}' > \"$out/{name}\"\n");
        let script = files.iter().fold("#!/bin/bash\n".to_owned(), write);
        let make = fleet.generator(&format!("make {}", files.join(" ")), &script).unwrap();
        let files: serde_json::Map<String, Value> = files.iter().map(|name| ((*name).to_owned(), json!({}))).collect();
        json!({"backend": "agenix", "files": files, "generator": make})
    };
    let web1 = json!({"attic": artifact(&["env"]), "pair": artifact(&["one", "two"]), "$(id)": artifact(&["a b"])});
    let (web2, ssh) = (json!({"web1": artifact(&["key"])}), json!({"ssh": artifact(&["id"])}));
    let mut fleet = fleet.machine("web1", &web1)?.machine("web2", &web2)?.machine("bob", &ssh)?.target(
        "home-manager",
        "bob",
        &ssh,
    )?;
    for name in ["web1", "web2", "bob"] {
        fleet.of(name)["config"]["agenix"]["publicUserKeys"] = json!([admin]);
    }
    fleet.run(["generate", "--accept-recipients"])?.ends(0);
    Ok(fleet)
}

#[test]
fn every_form_of_a_name_is_taken_and_the_only_file_may_be_left_out() -> Result<()> {
    let fleet = fleet()?;
    let admin = fleet.key_file("admin");
    let get = |arguments: &[&str]| fleet.run([&["-i", admin.to_str().unwrap(), "get"], arguments].concat());
    for (arguments, value) in [
        (&["web1/attic"][..], "env\n"),
        (&["web1/attic", "env"], "env\n"),
        (&["web1/attic/env"], "env\n"),
        (&["attic"], "env\n"),
        (&["attic/env"], "env\n"),
        (&["per-machine/web1/attic"], "env\n"),
        (&["per-machine/web1/attic/env"], "env\n"),
        (&["web1/pair", "two"], "two\n"),
        (&["$(id)"], "a b\n"),
        (&["web1/$(id)", "a b"], "a b\n"),
        (&["web2/web1"], "key\n"),
        (&["att*"], "env\n"),
    ] {
        assert_eq!(get(arguments)?.ends(0).stdout, value, "{arguments:?}");
    }
    get(&["web1/pair"])?.ends(1).says("web1/pair: no file specified").says("its files: one, two");
    get(&["attc"])?.ends(1).says("no artifact matches this selector").says("did you mean `attic`?");
    get(&["web1/$(di)"])?.ends(1).says("did you mean `'web1/$(id)'`?");
    let rows =
        |selector: &str| fleet.run(["--json", "status", selector]).map(|ran| ran.ends(0).json()["instances"].clone());
    assert_eq!(rows("web1/")?.as_array().unwrap().len(), 3);
    assert_eq!(rows("bob")?.as_array().unwrap().len(), 2);
    assert_eq!(rows("web?/*")?.as_array().unwrap().len(), 4);
    Ok(())
}

#[test]
fn what_is_ambiguous_shows_both_forms_and_replaces_nothing() -> Result<()> {
    let fleet = fleet()?;
    let before = fleet.stored()?;
    let both = "pass `per-machine/web1/` for the machine, or `web2/web1` for the artifact";
    for command in [
        &["status"][..],
        &["generate"],
        &["rotate", "--yes"],
        &["rekey"],
        &["adopt"],
        &["graph"],
        &["sops-config"],
        &["get"],
        &["edit", "--dry-run"],
        &["set", "--dry-run"],
    ] {
        fleet.run([command, &["web1"]].concat())?.ends(1).says("web1: names the machine and the artifact").says(both);
    }
    fleet.run(["list", "web1/"])?.ends(0).says("present web1/attic").says("present web1/pair");
    // A machine's and a user's name means both where nothing is replaced.
    fleet.run(["status", "bob/ssh"])?.ends(0).says("2 ");
    let forms = "pass `per-machine/bob/ssh` for the machine's artifact, or `per-user/bob/ssh` for the user's artifact";
    fleet.run(["rotate", "--yes", "bob/ssh"])?.ends(1).says(forms);
    fleet.run(["generate", "--stale", "bob/ssh"])?.ends(1).says(forms);
    fleet.given(&["set", "bob/ssh"], b"other")?.ends(1).says(forms);
    fleet.run(["get", "bob/ssh"])?.ends(1).says("matches 2 instances");
    assert!(fleet.stored()? == before);
    fleet.given(&["set", "per-user/bob/ssh"], b"other")?.ends(0);
    assert!(fleet.stored()? != before);
    Ok(())
}

#[test]
fn what_is_removed_is_named_without_doubt() -> Result<()> {
    let mut fleet = fleet()?;
    // First the machine, then the user of that name.
    for name in ["bob2", "bob3"] {
        let bob = fleet.of("bob");
        (bob["artifacts"], bob["name"]) = (json!({}), json!(name));
    }
    let before = fleet.stored()?;
    let forms = "pass `per-machine/bob/ssh` for the machine's artifact, or `per-user/bob/ssh` for the user's artifact";
    fleet.run(["prune", "--yes", "bob/ssh"])?.ends(1).says(forms);
    fleet.run(["prune", "--yes", "bob"])?.ends(1).says("pass `per-machine/bob/` for the machine");
    fleet.run(["prune", "--yes", "bbo/"])?.ends(1).says("no orphaned entry matches this selector").says("`bob/`");
    assert!(fleet.stored()? == before);
    fleet.run(["prune", "--yes", "per-user/bob/"])?.ends(0);
    let left: Vec<String> = fleet.stored()?.into_keys().filter(|path| path.contains("bob")).collect();
    assert!(!left.is_empty() && left.iter().all(|path| path.starts_with("per-machine/bob/ssh/")), "{left:?}");
    Ok(())
}

#[test]
fn verbs_of_other_tools_and_the_old_name_of_a_command() -> Result<()> {
    let fleet = Fleet::new()?.machine("web1", &json!({}))?;
    let verb = |line: &[&str]| fleet.run(line.iter().copied());
    verb(&["decrypt", "web1/attic", "env"])?
        .ends(2)
        .says("unknown command `decrypt`")
        .says("`artifacts get web1/attic env`");
    verb(&["view", "web1/$(id)"])?.ends(2).says("`artifacts get 'web1/$(id)'`");
    verb(&["updatekeys"])?.ends(2).says("hint: `artifacts rekey`");
    verb(&["rm", "web1/old"])?.ends(2).says("`artifacts prune web1/old`");
    verb(&["add", "attic"])?.ends(2).says("artifacts.store.attic.files.secret = { };");
    verb(&["statsu"])?.ends(2).says("unknown command `statsu` hint: did you mean `artifacts status`?");
    for name in ["provision", "export"] {
        verb(&[name, "nothing", "/dev/shm/x"])?.ends(1).says("no artifacts are declared for this target");
    }
    Ok(())
}
