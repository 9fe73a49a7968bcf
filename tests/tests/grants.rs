//! What a backend may do: asked for, registered, accepted by the admin, enforced, and on record.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

use std::fs;
use std::path::Path;

use anyhow::Result;
use artifacts_tests::desk::Desk;
use artifacts_tests::fleet::{Fleet, guest};
use serde_json::json;

const MAKE: &str = "#!/bin/bash\nprintf hunter2 > \"$out/secret\"\n";

/// A machine whose artifact is stored by a guest that wants to see plaintext.
fn fleet(component: &str, grants: &serde_json::Value, mode: &str) -> Result<Fleet> {
    let fleet = Fleet::new()?;
    let generator = fleet.generator("make", MAKE)?;
    let artifact = json!({"backend": "mine", "files": {"secret": {}}, "generator": generator});
    let mut fleet = fleet.machine("web1", &json!({"a": artifact}))?;
    fleet.backend("mine", json!({"component": guest(component)?, "grants": grants}));
    let recipient = fleet.new_key("mine")?;
    fleet.configure("web1", "mine", json!({"recipients": [recipient], "serialize": mode}));
    Ok(fleet)
}

#[test]
fn a_grant_counts_once_the_admin_has_accepted_it_for_these_bytes() -> Result<()> {
    let mut fleet = fleet("hostile-plaintext", &json!({"plaintext": true}), "")?;
    fleet
        .run(["generate"])?
        .ends(1)
        .says("you have not accepted its grants and limits on this machine")
        .says("--accept-grants");
    assert!(fleet.stored()?.is_empty());
    fleet.run(["--accept-grants", "--accept-recipients", "generate"])?.ends(0);
    fleet.run(["status"])?.ends(0);
    // Other bytes are another component.
    let copy = fleet.path().join("changed.wasm");
    let mut bytes = fs::read(guest("hostile-plaintext")?)?;
    bytes.extend_from_slice(b"\0\x02\x01x");
    fs::write(&copy, bytes)?;
    fleet.backend("mine", json!({"component": copy, "grants": {"plaintext": true}}));
    fleet.run(["status"])?.ends(1).says("you have not accepted");
    // What others could have written is not believed.
    fleet.backend("mine", json!({"component": guest("hostile-plaintext")?, "grants": {"plaintext": true}}));
    fleet.run(["status"])?.ends(0);
    std::os::unix::fs::PermissionsExt::set_mode(&mut fs::metadata(fleet.accepted())?.permissions(), 0o777);
    fs::set_permissions(fleet.accepted(), std::os::unix::fs::PermissionsExt::from_mode(0o777))?;
    fleet.run(["status"])?.ends(1).says("can be written by others");
    Ok(())
}

#[test]
fn what_was_not_granted_is_refused_and_on_record() -> Result<()> {
    // Asked for and not registered; registered and not asked for.
    for (component, grants) in [("hostile-plaintext", json!({})), ("hostile", json!({"plaintext": true}))] {
        let fleet = fleet(component, &grants, "store-plain")?;
        fleet
            .run(["generate", "--accept-recipients"])?
            .ends(1)
            .says("requested something that it is not granted")
            .never_says("hunter2");
        assert!(fleet.stored()?.is_empty());
        fleet.run(["audit"])?.ends(0).says("denied secrets.bytes").says("plaintext never accessed");
        assert!(!fs::read_to_string(fleet.audit_log())?.contains("hunter2"));
    }
    Ok(())
}

#[test]
fn a_secret_that_a_backend_stores_in_plain_text_is_not_stored() -> Result<()> {
    let mut fleet = fleet("hostile-plaintext", &json!({"plaintext": true}), "store-plain")?;
    let generator = fleet.generator("long", "#!/bin/bash\nprintf 'correct-horse-%s' battery > \"$out/secret\"\n")?;
    fleet.of("web1")["artifacts"]["a"]["generator"] = generator;
    let ran = fleet.run(["--accept-grants", "--accept-recipients", "generate"])?.ends(1);
    ran.says("what it stored contains the secret `secret` in plain text").never_says("correct-horse-battery");
    assert!(fleet.stored()?.is_empty());
    Ok(())
}

#[test]
fn words_of_a_backend_that_saw_a_secret_are_shown_only_when_asked_for() -> Result<()> {
    for mode in ["fail-secret", "panic-secret", "log-secret", "print-secret", "name-secret"] {
        let fleet = fleet("hostile-plaintext", &json!({"plaintext": true}), mode)?;
        let ran = fleet.run(["--accept-grants", "--json", "-v", "generate", "--accept-recipients"])?;
        ran.never_says("hunter2");
        assert!(!fs::read_to_string(fleet.audit_log())?.contains("hunter2"), "{mode}");
    }
    for (mode, status) in [("fail-secret", 1), ("panic-secret", 1), ("log-secret", 0)] {
        let fleet = fleet("hostile-plaintext", &json!({"plaintext": true}), mode)?;
        // Asked for, but by a script; at a terminal, but not asked for; asked for, but as JSON.
        let accepted = ["--accept-grants", "--accept-recipients"];
        let ran = fleet.run([&accepted[..], &["generate", "--show-output", "--regenerate", "--yes"]].concat())?;
        ran.ends(status).says("may contain a secret").never_says("hunter2");
        for arguments in [["generate", "--regenerate", "--yes", "-v"], ["--json", "generate", "--regenerate", "--yes"]]
        {
            let (ended, shown) = Desk::start(&fleet.command(arguments)?)?.ends()?;
            assert_eq!(ended, Some(status), "{shown}");
            assert!(!shown.contains("hunter2"), "{mode}: {shown}");
        }
        let asked = ["generate", "--regenerate", "--yes", "--show-output", "--json"];
        let (_, shown) = Desk::start(&fleet.command(asked)?)?.ends()?;
        assert!(!shown.contains("hunter2"), "{mode}: {shown}");
        let asked = ["generate", "--regenerate", "--yes", "--show-output"];
        let (ended, shown) = Desk::start(&fleet.command(asked)?)?.ends()?;
        assert_eq!(ended, Some(status), "{shown}");
        assert!(shown.contains("mine") && shown.contains("hunter2"), "{mode}: {shown}");
        assert!(!fs::read_to_string(fleet.audit_log())?.contains("hunter2"), "{mode}");
    }
    Ok(())
}

#[test]
fn what_a_backend_says_is_shown_as_its_own() -> Result<()> {
    let mut fleet = fleet("hostile", &json!({}), "")?;
    let recipient = fleet.new_key("mine")?;
    let behave = |fleet: &mut Fleet, mode: &str| {
        let config = json!({"recipients": [recipient], "check": mode, "text": "the reason of it"});
        fleet.configure("web1", "mine", config);
    };
    behave(&mut fleet, "log-control");
    let ran = fleet.run(["status"])?.says("mine: warning: \\u{1b}[2J").never_says("\u{1b}[2J");
    assert_eq!(ran.stderr.matches("mine: warning").count(), 1, "{ran}");
    assert!(!fleet.run(["--json", "status"])?.stdout.contains("owned"));
    behave(&mut fleet, "log-flood");
    fleet.run(["status"])?.never_says("mine: info");
    fleet.run(["-v", "status"])?.says("mine: info: again");
    behave(&mut fleet, "print-control");
    fleet.run(["-vv", "status"])?.never_says("mine: output");
    behave(&mut fleet, "panic");
    fleet.run(["status"])?.ends(1).says("mine: output: the reason of it (web1/a)");
    Ok(())
}

#[test]
fn the_admin_is_asked_at_a_terminal() -> Result<()> {
    let fleet = fleet("hostile-plaintext", &json!({"plaintext": true}), "")?;
    let sha256 = fleet.run(["--json", "backend", "explain", "mine"])?.ends(0).json()["sha256"].clone();
    let ask = |answer: &str| -> Result<(Option<i32>, String)> {
        let mut desk = Desk::start(&fleet.command(["generate", "--accept-recipients"])?)?;
        desk.sees("`mine` is a third-party component")?.sees(sha256.as_str().unwrap())?.sees("read every secret")?;
        desk.sees("[y/N]")?.types(answer)?;
        desk.ends()
    };
    for answer in ["n\n", "\n", "yn\n", "\u{4}"] {
        let (status, shown) = ask(answer)?;
        assert_eq!(status, Some(1), "{answer:?}: {shown}");
        assert_eq!(shown.matches("the grants of backend `mine` were not accepted").count(), 1, "{shown}");
        assert!(!shown.contains("--accept-grants") && !shown.contains("error:"), "who says no needs no flag: {shown}");
    }
    assert!(fleet.stored()?.is_empty());
    fleet.run(["backend", "explain", "mine"])?.ends(0).says("accepted no");
    let (status, shown) = ask("y\n")?;
    assert_eq!(status, Some(0), "{shown}");
    fleet.run(["status"])?.ends(0);
    fleet.run(["backend", "explain", "mine"])?.ends(0).says("accepted yes");
    Ok(())
}

#[test]
fn a_backend_inside_the_program_is_explained_too() -> Result<()> {
    let mut fleet = fleet("hostile", &json!({}), "")?;
    fleet
        .run(["backend", "explain", "sops-nix"])?
        .ends(0)
        .says("component builtin:sops-nix version")
        .says("registered no; bundled under this name")
        .says("plaintext yes requested, granted (bundled)")
        .says("limit memory 256 MiB default");
    let explained = fleet.run(["--json", "backend", "explain", "agenix"])?.ends(0).json();
    assert_eq!(explained["sources"]["plaintext"], "bundled");
    assert_eq!((&explained["bundled"], &explained["declared"]), (&json!(true), &json!(false)));
    assert_eq!(explained["effective"], explained["requested"]);
    fleet.backend("sops-nix", json!({"component": "builtin:sops-nix", "limits": {"time": 3}, "storage": "elsewhere"}));
    fleet.run(["backend", "explain", "sops-nix"])?.ends(0).says("registered yes").says("limit time 3 s registered");
    fleet.run(["backend", "explain", "none"])?.ends(1).says("unknown backend `none`");
    Ok(())
}

#[test]
fn an_escape_is_on_record_with_its_path() -> Result<()> {
    let mut fleet = fleet("hostile", &json!({}), "")?;
    let recipient = fleet.new_key("mine")?;
    fleet.configure("web1", "mine", json!({"recipients": [recipient], "check": "read-outside"}));
    fleet.run(["generate", "--accept-recipients"])?.ends(0);
    let audit = fleet.run(["audit"])?.ends(0).says("etc/passwd");
    assert!(audit.stdout.contains("denied"), "{audit}");
    let json = fleet.run(["--json", "audit", "--all", "--backend", "mine", "per-machine/web1/"])?.ends(0).json();
    let records = json["records"].as_array().unwrap();
    let ended: Vec<_> = records.iter().filter(|record| record["kind"] == "ended").collect();
    assert!(ended.iter().any(|record| record["observed"]["operation"] == "serialize"), "{json}");
    assert!(ended.iter().all(|record| record["reported"]["files"].is_array()));
    fleet.run(["--json", "audit", "--backend", "other"])?.ends(0);
    fleet.run(["audit", "--until", "2001-01-01T00:00:00Z"])?.ends(0).says("no matching audit records in");
    Ok(())
}

#[test]
fn without_a_place_for_the_record_nothing_runs() -> Result<()> {
    let fleet = fleet("hostile", &json!({}), "")?;
    fleet.run(["--audit-log", "/proc/nowhere/audit", "generate", "--accept-recipients"])?.ends(1).says("--audit-log");
    assert!(fleet.stored()?.is_empty());
    Ok(())
}

#[test]
fn a_backend_is_explained_and_inspected_without_being_run() -> Result<()> {
    let fleet = fleet("hostile-plaintext", &json!({"plaintext": true}), "")?;
    fleet.run(["backend", "explain", "mine"])?.ends(0).says("plaintext yes requested, granted by its registration");
    let explained = fleet.run(["--json", "backend", "explain", "mine"])?.ends(0).json();
    assert_eq!(explained["effective"]["plaintext"], true);
    assert_eq!(explained["effective"]["identities"], false);
    let path = guest("hostile-plaintext")?;
    let seen = fleet.run(["--json", "backend", "inspect", path.to_str().unwrap()])?.ends(0).json();
    assert_eq!(seen["runs"], true);
    assert_eq!(seen["manifest"]["requests"]["plaintext"], true);
    fleet.run(["backend", "inspect", "/etc/passwd"])?.ends(1).says("runs no");
    Ok(())
}

#[test]
fn backends_are_registered_in_a_file_of_their_own_too() -> Result<()> {
    let fleet = Fleet::new()?;
    let generator = fleet.generator("make", MAKE)?;
    let mut fleet =
        fleet.machine("web1", &json!({"a": {"backend": "mine", "files": {"secret": {}}, "generator": generator}}))?;
    let recipient = fleet.new_key("mine")?;
    fleet.configure("web1", "mine", json!({"recipients": [recipient]}));
    let component = fleet.named("mine", &guest("hostile")?).unwrap();
    fs::copy(&component, fleet.path().join("mine.wasm"))?;
    let sha256 = {
        use sha2::Digest as _;
        format!("{:x}", sha2::Sha256::digest(fs::read(component)?))
    };
    let file = fleet.path().join("backends.toml");
    let file = |text: String| -> Result<String> {
        fs::write(&file, text)?;
        Ok(file.display().to_string())
    };
    let whole = format!("[mine]\ncomponent = \"mine.wasm\"\nsha256 = \"{sha256}\"\nstorage = \"elsewhere\"\n");
    fleet.run(["--backends", &file(whole.clone())?, "generate", "--accept-recipients"])?.ends(0);
    assert!(fleet.path().join("elsewhere/per-machine/web1/a/receipt.json").exists());
    fleet.run(["--backends", &file(whole.replace("storage", "stroage"))?, "status"])?.ends(1).says("stroage");
    fleet.run(["--backends", &file("[mine".to_owned())?, "status"])?.ends(1).says("not valid TOML");
    fleet.backend("mine", json!({"component": guest("hostile")?}));
    fleet.run(["--backends", &file(whole)?, "status"])?.ends(1).says("differs from its registration");
    Ok(())
}

#[test]
fn annotate_writes_a_manifest_that_inspect_reads() -> Result<()> {
    let fleet = fleet("hostile", &json!({}), "")?;
    let (to, manifest) = (fleet.path().join("mine.wasm"), fleet.path().join("manifest.json"));
    fs::write(
        &manifest,
        json!({"schema": 1, "name": "renamed", "version": "7", "description": "Mine.", "scopes": ["machine"], "persists": "storage"})
            .to_string(),
    )?;
    let arguments = [
        "backend",
        "annotate",
        guest("hostile")?.to_str().unwrap(),
        "--manifest",
        manifest.to_str().unwrap(),
        "--output",
        to.to_str().unwrap(),
    ]
    .map(str::to_owned);
    fleet.run(arguments)?.ends(0);
    fleet.run(["backend", "inspect", to.to_str().unwrap()])?.ends(0).says("renamed").says("version 7");
    // One that has the contract's name, and nothing of what belongs to it.
    let contract = include_str!("../../wit/backend.wit");
    let version = contract.split_once("package artifacts:backend@").and_then(|(_, rest)| rest.split(';').next());
    let storage = format!("artifacts:backend/storage@{}", version.unwrap());
    let export = [&[1, 0, u8::try_from(storage.len())?], storage.as_bytes(), &[5, 0, 0]].concat();
    let other = [&b"\0asm\x0d\0\x01\0"[..], &[5, 3, 1, 1, 0, 11, u8::try_from(export.len())?], &export].concat();
    let path = fleet.path().join("other.wasm");
    fs::write(&path, other)?;
    let other = path.to_str().unwrap();
    fleet.run(["backend", "annotate", other, "--manifest", manifest.to_str().unwrap()])?.ends(0);
    fleet.run(["backend", "inspect", other])?.ends(1).says("runs no").says("does not fit the contract");
    fs::write(&manifest, "{\"schema\": 1, \"name\": \"../x\"}")?;
    let arguments =
        ["backend", "annotate", to.to_str().unwrap(), "--manifest", manifest.to_str().unwrap()].map(str::to_owned);
    fleet.run(arguments)?.ends(1).says("invalid manifest");
    Ok(())
}

#[test]
fn bytes_outside_of_the_store_are_pinned_whatever_their_path_says() -> Result<()> {
    let mut fleet = fleet("hostile", &json!({}), "")?;
    let outside = fleet.path().join("evil.wasm");
    fs::copy(guest("hostile")?, &outside)?;
    let climbs = format!("/nix/store/../..{}", outside.display());
    for component in [
        json!(outside),
        json!(climbs),
        json!({"path": outside, "drv": "/nix/store/none.drv"}),
        json!({"path": climbs, "drv": "/nix/store/none.drv"}),
    ] {
        fleet.backend("mine", json!({"component": component, "sha256": null}));
        fleet.run(["status"])?.ends(1).says("is outside the Nix store and has no registered SHA-256");
        assert!(!fs::read_to_string(fleet.audit_log()).unwrap_or_default().contains("mine"), "{component}");
    }
    Ok(())
}

#[test]
fn what_is_no_file_is_no_component_and_holds_no_one_up() -> Result<()> {
    let mut fleet = fleet("hostile", &json!({}), "")?;
    let pipe = fleet.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status()?.success());
    let huge = fleet.path().join("huge.wasm");
    fs::File::create(&huge)?.set_len((64 << 20) + 1)?;
    for (path, why) in [
        (Path::new("/dev/zero"), "expected a regular file"),
        (pipe.as_path(), "expected a regular file"),
        (huge.as_path(), "at most 67108864 bytes, found 67108865 bytes"),
    ] {
        fleet.run(["backend".as_ref(), "inspect".as_ref(), path.as_os_str()])?.ends(1).says(why);
        let annotate = ["backend".as_ref(), "annotate".as_ref(), path.as_os_str(), "--manifest".as_ref()];
        fleet.run(annotate.into_iter().chain([path.as_os_str()]))?.ends(1).says(why);
        fleet.backend("mine", json!({"component": {"path": path, "drv": "/nix/store/none.drv"}}));
        fleet.run(["status"])?.ends(1).says(why);
    }
    Ok(())
}

#[test]
fn large_slices_go_to_their_backend_few_at_a_time_and_no_larger_than_it_may_have_them() -> Result<()> {
    let fleet = Fleet::new()?;
    let artifact = json!({"backend": "mine", "files": {"secret": {}}, "generator": fleet.generator("make", MAKE)?});
    let mut fleet = fleet.machine("web1", &json!({"a": artifact, "b": artifact, "c": artifact}))?;
    let recipient = fleet.new_key("mine")?;
    fleet.configure("web1", "mine", json!({"recipients": [recipient]}));
    for name in ["a", "b", "c"] {
        let dir = fleet.path().join("secrets/per-machine/web1").join(name);
        fs::create_dir_all(&dir)?;
        fs::File::create(dir.join("secret"))?.set_len(33 << 20)?;
    }
    let component = guest("hostile")?;
    fleet.backend("mine", json!({"component": component, "limits": {"memory": 1 << 30}}));
    fleet.run(["--accept-grants", "status"])?;
    let checks = |fleet: &Fleet| -> Result<Vec<Vec<String>>> {
        let audit = fleet.run(["--json", "audit", "--all"])?.ends(0).json();
        let records = audit["records"].as_array().unwrap().iter().filter(|record| record["kind"] == "ended");
        Ok(records.map(|record| serde_json::from_value(record["observed"]["instances"].clone()).unwrap()).collect())
    };
    let found = checks(&fleet)?;
    assert_eq!(found, [vec!["per-machine/web1/a", "per-machine/web1/b"], vec!["per-machine/web1/c"]]);

    fleet.backend("mine", json!({"component": component, "limits": {"output": 1000}}));
    fleet.run(["status"])?.ends(1).says("too large: the limit in bytes is 1000");
    Ok(())
}

#[test]
fn a_limit_above_its_default_is_accepted_as_a_grant_is() -> Result<()> {
    let mut fleet = fleet("hostile-plaintext", &json!({"plaintext": true}), "")?;
    let register = |fleet: &mut Fleet, limits: serde_json::Value| {
        let entry =
            json!({"component": guest("hostile-plaintext").unwrap(), "grants": {"plaintext": true}, "limits": limits});
        fleet.backend("mine", entry);
    };
    fleet.run(["--accept-grants", "status"])?;
    fleet.run(["status"])?.never_says("you have not accepted");
    // What stays within the defaults is what was accepted before.
    register(&mut fleet, json!({"memory": 64 << 20, "time": 10}));
    fleet.run(["status"])?.never_says("you have not accepted");
    register(&mut fleet, json!({"memory": 1 << 30}));
    let ran = fleet.run(["status"])?.ends(1).says("you have not accepted its grants and limits on this machine");
    ran.says("plaintext, memory 1 GiB (default 256 MiB)").says("--accept-grants");
    fleet
        .run(["backend", "explain", "mine"])?
        .says("accepted no")
        .says("limit memory 1 GiB registered, default 256 MiB");
    let mut desk = Desk::start(&fleet.command(["status"])?)?;
    desk.sees("memory 1 GiB (default 256 MiB)")?.sees("[y/N]")?.types("y\n")?;
    desk.ends()?;
    fleet.run(["status"])?.never_says("you have not accepted");
    fleet.run(["audit", "--all"])?.says("memory up to 1 GiB");
    // More than that is another question, and without any grant it is one, too.
    register(&mut fleet, json!({"memory": 2_u64 << 30}));
    fleet.run(["status"])?.ends(1).says("you have not accepted");
    fleet.backend("mine", json!({"component": guest("hostile")?, "limits": {"time": 60}}));
    fleet
        .run(["status"])?
        .ends(1)
        .says("you have not accepted its grants and limits on this machine: time 60 s (default 10 s)");
    // What is part of the program is trusted with it.
    fleet.backend("agenix", json!({"component": "builtin:agenix", "limits": {"time": 60}}));
    assert!(fleet.run(["--json", "backend", "explain", "agenix"])?.ends(0).json()["accepted"].is_null());
    Ok(())
}

#[test]
fn a_backend_has_one_name_and_none_of_a_bundled_one() -> Result<()> {
    let mut fleet = fleet("hostile", &json!({}), "")?;
    let sha256 = |path: &Path| -> Result<String> {
        use sha2::Digest as _;
        Ok(format!("{:x}", sha2::Sha256::digest(fs::read(path)?)))
    };
    let component = guest("hostile")?;
    fleet.backend("mine", json!({"component": component, "sha256": sha256(&component)?}));
    let words = "it is registered as `mine`, and its component names itself `hostile`";
    fleet.run(["status"])?.ends(1).says(words).says("artifacts.backends.hostile");
    fleet.run(["backend", "explain", "mine"])?.ends(1).says(words);
    fleet.run(["backend", "list"])?.ends(1).says(words);
    // Whatever the component is: one that names itself so, another bundled one, one that is not even there.
    fleet.backend("mine", json!({"component": component}));
    fleet.backend("agenix", json!({"component": component}));
    let path = fleet.path().join(".components/agenix.wasm");
    for taken in
        [json!({"component": path}), json!({"component": "builtin:sops-nix"}), json!({"component": "/nowhere"})]
    {
        fleet.backend("agenix", taken.clone());
        let words = "`agenix` is the name of a bundled backend";
        fleet.run(["backend", "explain", "agenix"])?.ends(1).says(words);
        fleet.of("web1")["artifacts"]["a"]["backend"] = json!("agenix");
        fleet.run(["status"])?.ends(1).says(words);
        fleet.of("web1")["artifacts"]["a"]["backend"] = json!("mine");
    }
    let file = fleet.path().join("backends.toml");
    fs::write(&file, format!("[sops-nix]\ncomponent = \"{}\"\n", path.display()))?;
    let file = file.to_str().unwrap();
    fleet.run(["--backends", file, "backend", "explain", "sops-nix"])?.ends(1).says("the name of a bundled backend");
    Ok(())
}

#[test]
fn a_configuration_that_does_not_fit_is_named_before_the_backend_is_called() -> Result<()> {
    let mut fleet = fleet("hostile", &json!({}), "")?;
    let mut manifest = artifacts_contract::inspect(&fs::read(guest("hostile")?)?).manifest.unwrap();
    manifest.config = json!({"type": "object", "required": ["vault"]}).as_object().unwrap().clone();
    manifest.examples.clear();
    let strict = fleet.path().join("strict.wasm");
    fs::write(&strict, artifacts_contract::annotate(&fs::read(guest("hostile")?)?, &manifest)?)?;
    fleet.backend("mine", json!({"component": strict}));
    for words in [&["status"][..], &["generate", "--accept-recipients"]] {
        let ran = fleet.run(words)?.ends(1);
        ran.says("`artifacts.config.mine.vault` of nixos web1 does not fit: it is not set, and is required");
    }
    assert!(fleet.stored()?.is_empty());
    assert!(!fs::read_to_string(fleet.audit_log())?.contains("\"begun\""), "it was called");
    Ok(())
}

#[test]
fn a_manifest_whose_schema_or_example_does_not_hold_is_not_written() -> Result<()> {
    let fleet = fleet("hostile", &json!({}), "")?;
    let (to, file) = (fleet.path().join("mine.wasm"), fleet.path().join("manifest.json"));
    let base = json!({"schema": 1, "name": "mine", "version": "7", "description": "Mine.", "scopes": ["machine"], "persists": "storage"});
    for (field, value, words) in [
        ("config", json!({"type": "objekt"}), "`config` is no JSON Schema that can be used: at `/type`"),
        ("examples", json!([{}, {"recipients": []}]), "`examples[1].recipients` does not fit `config`"),
    ] {
        let mut manifest = base.clone();
        manifest["config"] = json!({"properties": {"recipients": {"type": "array", "minItems": 1}}});
        manifest[field] = value;
        fs::write(&file, manifest.to_string())?;
        let arguments = [
            "backend",
            "annotate",
            guest("hostile")?.to_str().unwrap(),
            "--manifest",
            file.to_str().unwrap(),
            "--output",
            to.to_str().unwrap(),
        ]
        .map(str::to_owned);
        fleet.run(arguments)?.ends(1).says(words);
        assert!(!to.exists());
    }
    Ok(())
}

#[test]
fn backends_of_a_file_are_listed_and_explained_without_a_flake() -> Result<()> {
    let fleet = Fleet::new()?;
    fs::copy(guest("hostile")?, fleet.path().join("it.wasm"))?;
    let file = fleet.path().join("backends.toml");
    fs::write(&file, "[hostile]\ncomponent = \"it.wasm\"\nlimits = { memory = 1073741824 }\n")?;
    let empty = tempfile::tempdir()?;
    let run = |words: &[&str]| -> Result<artifacts_tests::fleet::Ran> {
        let mut command = fleet.command(words)?;
        let mut alone = std::process::Command::new(command.get_program());
        let own = command.get_args().skip(2).map(std::ffi::OsStr::to_owned).collect::<Vec<_>>();
        alone.args(["--backends".as_ref(), file.as_os_str()]).args(own).current_dir(empty.path());
        for (name, value) in command.get_envs() {
            value.map(|value| alone.env(name, value));
        }
        command.stdin(std::process::Stdio::null());
        Ok(alone.output()?.into())
    };
    run(&["backend", "list"])?.ends(0).says("hostile").says("agenix");
    run(&["backend", "explain", "hostile"])?.ends(0).says("registered yes").says("memory 1 GiB");
    assert_eq!(fs::read_dir(empty.path())?.count(), 0);
    Ok(())
}
