//! One file: given, edited, provisioned.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::Result;
use artifacts_tests::desk::Desk;
use artifacts_tests::fleet::{Fleet, Ran, in_session};
use artifacts_tests::script;
use serde_json::{Value, json};

const MAKE: &str =
    "#!/bin/bash\nprintf 'first of one' > $out/one\nprintf 'first of two' > $out/two\nprintf 'shown\\n' > $out/pub\n";

/// `web1` and an admin; `pair` has two secret files and a public one, `from` is made from it.
fn fleet(backend: &str) -> Result<Fleet> {
    let fleet = Fleet::new()?;
    let make = fleet.generator("make", MAKE)?;
    let copy = fleet.generator("copy", "#!/bin/bash\ncat $in/pair/one > $out/secret\n")?;
    let admin = fleet.new_key("admin")?;
    let pair =
        json!({"backend": backend, "files": {"one": {}, "two": {}, "pub": {"secret": false}}, "generator": make});
    let from = json!({"backend": "agenix", "files": {"secret": {}}, "dependencies": ["pair"], "generator": copy});
    let mut fleet = fleet.machine("web1", &json!({"pair": pair, "from": from}))?;
    fleet.of("web1")["config"]["agenix"]["publicUserKeys"] = json!([admin]);
    Ok(fleet)
}

fn made() -> Result<Fleet> {
    let fleet = fleet("agenix")?;
    fleet.run(["generate", "--accept-recipients"])?.ends(0);
    Ok(fleet)
}

const ONE: &str = "secrets/per-machine/web1/pair/one.age";
const TWO: &str = "secrets/per-machine/web1/pair/two.age";

#[test]
fn a_file_is_set_without_a_key_and_its_neighbour_stays_byte_for_byte() -> Result<()> {
    let fleet = made()?;
    let before = fleet.stored()?;
    let ran = fleet.given(&["set", "pair", "one"], b"second\0of one\n")?.ends(0).never_says("second");
    let ran =
        ran.says("set web1/pair one, 2 recipients").says("now stale web1/from dependency: web1/pair was regenerated");
    ran.says("keep artifacts adopt web1/from").says("new value artifacts rotate web1/from");
    assert_eq!(fleet.decrypt("web1", ONE)?, b"second\0of one\n");
    let after = fleet.stored()?;
    assert_eq!(after["per-machine/web1/pair/two.age"], before["per-machine/web1/pair/two.age"]);
    assert_eq!(after["per-machine/web1/pair/public/pub"], b"shown\n");
    let ran = fleet.run(["--json", "status"])?.ends(3);
    assert_eq!(ran.state("per-machine/web1/pair"), "present");
    assert_eq!(ran.state("per-machine/web1/from"), "stale (dependency)");
    // Both can still be read: the header of the one that stayed is still known.
    let key = fleet.key_file("admin");
    for (file, value) in [("one", "second\0of one\n"), ("two", "first of two")] {
        let ran = fleet.run(["-i", key.to_str().unwrap(), "get", "pair", file])?.ends(0);
        assert_eq!(ran.stdout, value);
    }
    Ok(())
}

#[test]
fn the_largest_value_that_is_taken_comes_back() -> Result<()> {
    let largest: Vec<u8> = (0..16u32 << 20).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    for backend in ["agenix", "sops-nix"] {
        let mut fleet = fleet(backend)?;
        let config = fleet.of("web1")["config"]["agenix"].clone();
        fleet.configure("web1", "sops-nix", config);
        fleet.run(["generate", "--accept-recipients"])?.ends(0);
        let key = fleet.key_file("admin");
        let key = key.to_str().unwrap();
        fleet.given(&["-i", key, "set", "pair", "one"], &largest)?.ends(0);
        let got = fleet.output(["-i", key, "get", "pair", "one"])?;
        assert!(got.stdout == largest, "{backend}: {}", String::from_utf8_lossy(&got.stderr));
        fleet.given(&["set", "pair", "one"], vec![0; (16 << 20) + 1])?.ends(1).says("the limit is 16777216 bytes");
    }
    Ok(())
}

#[test]
fn with_other_readers_the_others_are_read_and_it_says_why() -> Result<()> {
    let mut fleet = made()?;
    let second = fleet.new_key("second")?;
    fleet.of("web1")["config"]["agenix"]["publicUserKeys"].as_array_mut().unwrap().push(json!(second));
    let before = fleet.stored()?;
    fleet.given(&["set", "pair", "one"], b"x")?.ends(1).says("--accept-recipients");
    let ran = fleet.given(&["--accept-recipients", "set", "pair", "one"], b"x")?.ends(1);
    ran.says("its recipients changed, so all of its files must be re-encrypted, but the other files cannot be read")
        .says("-i");
    assert_eq!(fleet.stored()?, before);
    let key = fleet.key_file("admin");
    fleet.given(&["-i", key.to_str().unwrap(), "set", "pair", "one"], b"x")?.ends(0);
    assert_eq!(fleet.decrypt("second", ONE)?, b"x");
    assert_eq!(fleet.decrypt("second", TWO)?, b"first of two");
    Ok(())
}

#[test]
fn what_lacks_another_file_is_not_made_whole_by_one_alone() -> Result<()> {
    let mut fleet = made()?;
    fleet.of("web1")["artifacts"]["pair"]["files"]["three"] = json!({});
    // What is still missing keeps no other file from being set, and stays missing.
    fleet.given(&["--accept-recipients", "set", "pair", "one"], b"first of one")?.ends(3);
    assert_eq!(fleet.run(["--json", "status"])?.state("per-machine/web1/pair"), "stale (files)");
    fleet.given(&["set", "pair", "three"], b"x")?.ends(0);
    assert_eq!(fleet.decrypt("web1", ONE)?, b"first of one");
    // Nor is what another backend stored.
    fleet.of("web1")["artifacts"]["pair"]["backend"] = json!("sops-nix");
    let config = fleet.of("web1")["config"]["agenix"].clone();
    fleet.configure("web1", "sops-nix", config);
    let before = fleet.stored()?;
    let remembered = || fs::read(fleet.home().join("state/artifacts/headers/headers"));
    let headers = remembered()?;
    fleet.given(&["set", "pair", "one"], b"x")?.ends(1).says("stored by backend `agenix`");
    assert_eq!(fleet.stored()?, before);
    assert_eq!(remembered()?, headers, "what lies nowhere is not remembered");
    Ok(())
}

#[test]
fn a_public_file_is_set_for_nobody_and_shown_as_a_diff() -> Result<()> {
    let mut fleet = made()?;
    let second = fleet.new_key("second")?;
    fleet.of("web1")["config"]["agenix"]["publicUserKeys"].as_array_mut().unwrap().push(json!(second));
    fleet.given(&["set", "pair", "pub"], b"other\n")?.ends(3).says("- shown").says("+ other");
    let dry = fleet.given(&["--json", "set", "--dry-run", "pair", "pub"], b"")?.ends(3).json();
    assert_eq!(dry["recipients"], json!(null), "what is not written has no new reader");
    // Whom the secret files are encrypted to is still told as it is.
    assert_eq!(fleet.run(["--json", "status"])?.ends(3).state("per-machine/web1/pair"), "stale (recipients)");
    assert_eq!(fleet.decrypt("web1", ONE)?, b"first of one");
    Ok(())
}

#[test]
fn what_was_secret_becomes_public_after_a_yes_only() -> Result<()> {
    let mut fleet = made()?;
    fleet.of("web1")["artifacts"]["pair"]["files"]["two"] = json!({"secret": false});
    let before = fleet.stored()?;
    for arguments in [&["set", "pair", "two"][..], &["rotate", "--yes", "pair"]] {
        let ran = fleet.given(arguments, b"typed")?.ends(1).says("+ everyone (public file)");
        ran.says("--accept-recipients").never_says("typed");
    }
    fleet.run(["generate", "--regenerate", "--dry-run", "pair"])?.ends(3).says("+ everyone (public file)");
    assert_eq!(fleet.stored()?, before);
    fleet.given(&["--accept-recipients", "set", "pair", "two"], b"typed")?.ends(3);
    // It is agreed to by now; the other secret stays one.
    fleet.given(&["set", "pair", "two"], b"typed again")?.ends(3);
    assert_eq!(fleet.stored()?["per-machine/web1/pair/public/two"], b"typed again");
    assert_eq!(fleet.decrypt("web1", ONE)?, b"first of one");
    Ok(())
}

#[test]
fn what_is_given_whole_counts_as_made_from_what_lies_there() -> Result<()> {
    let fleet = made()?;
    let from = "per-machine/web1/from";
    fleet.run(["rotate", "--yes", "pair"])?.ends(0);
    assert_eq!(fleet.run(["--json", "status"])?.ends(3).state(from), "stale (dependency)");
    fleet.given(&["set", "from", "secret"], b"by hand")?.ends(0);
    assert_eq!(fleet.run(["--json", "status"])?.ends(0).state(from), "present");
    fleet.run(["generate", "--stale"])?.ends(0);
    assert_eq!(fleet.decrypt("web1", "secrets/per-machine/web1/from/secret.age")?, b"by hand");
    // The first making, too.
    fs::remove_dir_all(fleet.path().join("secrets").join(from))?;
    fleet.given(&["set", "from", "secret"], b"imported")?.ends(0);
    assert_eq!(fleet.run(["--json", "status"])?.ends(0).state(from), "present");
    fleet.run(["rotate", "--yes", "pair"])?.ends(0);
    assert_eq!(fleet.run(["--json", "status"])?.ends(3).state(from), "stale (dependency)");
    Ok(())
}

#[test]
fn what_is_given_whole_counts_as_made_for_what_is_declared_now() -> Result<()> {
    let mut fleet = made()?;
    let from = "per-machine/web1/from";
    fleet.of("web1")["artifacts"]["from"]["validation"] = json!("other");
    assert_eq!(fleet.run(["--json", "status"])?.ends(3).state(from), "stale (validation)");
    fleet.given(&["set", "from", "secret"], b"by hand")?.ends(0);
    assert_eq!(fleet.run(["--json", "status"])?.ends(0).state(from), "present");
    Ok(())
}

#[test]
fn an_age_counts_as_it_is_declared_and_a_part_makes_the_whole_no_younger() -> Result<()> {
    let mut fleet = made()?;
    let pair = "per-machine/web1/pair";
    std::thread::sleep(Duration::from_secs(2));
    fleet.of("web1")["artifacts"]["pair"]["maxAge"] = json!(1);
    assert_eq!(fleet.run(["--json", "status"])?.ends(3).state(pair), "stale (expired)");
    for file in ["one", "pub"] {
        fleet.given(&["set", "pair", file], b"x")?.ends(3);
    }
    fleet.of("web1")["artifacts"]["pair"]["maxAge"] = json!(3600);
    assert_eq!(fleet.run(["--json", "status"])?.ends(3).state(pair), "present");
    fleet.of("web1")["artifacts"]["pair"]["maxAge"] = json!(1);
    assert_eq!(fleet.run(["--json", "status"])?.ends(3).state(pair), "stale (expired)");
    fleet.of("web1")["artifacts"]["pair"].as_object_mut().unwrap().remove("maxAge");
    assert_eq!(fleet.run(["--json", "status"])?.ends(3).state(pair), "present");
    Ok(())
}

#[test]
fn what_would_be_written_and_what_goes_is_told_before_and_after() -> Result<()> {
    let mut fleet = made()?;
    let dry = fleet.given(&["set", "--dry-run", "pair", "pub"], b"")?.ends(0).says("pub: public");
    dry.never_says("one: ").never_says("two: ").never_says("replaces");
    let dry = fleet.given(&["set", "--dry-run", "pair", "one"], b"")?.ends(0).says("one: 2 recipients");
    dry.never_says("two: ").never_says("pub: public");
    let key = fleet.key_file("admin");
    let dry = fleet.run(["-i", key.to_str().unwrap(), "edit", "--dry-run", "pair", "one"])?.ends(0);
    dry.says("one: 2 recipients").never_says("two: ");
    // What is declared no more goes with what is set.
    fleet.of("web1")["artifacts"]["pair"]["files"].as_object_mut().unwrap().remove("two");
    let gone = "two: removed";
    fleet.given(&["set", "--dry-run", "pair", "one"], b"")?.says("one: 2 recipients").says(gone);
    fleet.given(&["set", "--dry-run", "pair", "pub"], b"")?.never_says(gone);
    fleet.given(&["set", "pair", "pub"], b"x")?.never_says("declared secret");
    fleet.given(&["set", "pair", "one"], b"x")?.says("two: removed (no longer declared)");
    // With other readers all that stays is encrypted anew.
    let mut fleet = made()?;
    let second = fleet.new_key("second")?;
    fleet.of("web1")["config"]["agenix"]["publicUserKeys"].as_array_mut().unwrap().push(json!(second));
    let dry = fleet.given(&["set", "--dry-run", "pair", "one"], b"")?.says("one: +publicUserKeys[1] of web1");
    dry.says("two: +publicUserKeys[1] of web1");
    Ok(())
}

#[test]
fn where_all_files_are_written_as_one_the_others_are_read_and_it_says_why() -> Result<()> {
    let mut fleet = fleet("sops-nix")?;
    let mut config = fleet.of("web1")["config"]["agenix"].clone();
    config["format"] = json!("json");
    fleet.configure("web1", "sops-nix", config);
    fleet.run(["generate", "--accept-recipients"])?.ends(0);
    let before = fleet.stored()?;
    fleet
        .given(&["set", "pair", "one"], b"x")?
        .ends(1)
        .says("its backend stores all files together, but the other files cannot be read")
        .says("-i");
    assert_eq!(fleet.stored()?, before);
    let key = fleet.key_file("admin");
    let key = key.to_str().unwrap();
    fleet.given(&["-i", key, "set", "pair", "one"], b"x")?.ends(0);
    for (file, value) in [("one", "x"), ("two", "first of two")] {
        assert_eq!(fleet.run(["-i", key, "get", "pair", file])?.ends(0).stdout, value);
    }
    Ok(())
}

#[test]
fn what_was_typed_is_edited_again_when_it_cannot_be_stored() -> Result<()> {
    let fleet = made()?;
    let editor = fleet.path().join("editor");
    // The first time something else is stored meanwhile; the second time the words are still there.
    let receipt = fleet.path().join("secrets/per-machine/web1/pair/receipt.json");
    let spoil = format!("[ -e \"$1.again\" ] || printf ' ' >> '{}'; : > \"$1.again\"", receipt.display());
    script::write(&editor, format!("#!/bin/bash\nprintf ' and more' >> \"$1\"\n{spoil}\n"))?;
    let key = fleet.key_file("admin");
    let command = || -> Result<Command> {
        let mut command = fleet.command(["-i", key.to_str().unwrap(), "edit", "pair", "one"])?;
        command.env_remove("VISUAL").env("EDITOR", format!("'{}'", editor.display()));
        Ok(command)
    };
    let ran: Ran = in_session(&command()?).output()?.into();
    let ran = ran.ends(1).says("another process changed").says("your edits were discarded; nothing was changed");
    ran.never_says("(agenix): web1/pair");
    let mut desk = Desk::start(&command()?)?;
    desk.sees("another process changed")?.sees("Edit again? [y/N]")?.types("n\n")?.sees("your edits were discarded")?;
    assert_eq!(desk.ends()?.0, Some(1));
    assert_eq!(fleet.decrypt("web1", ONE)?, b"first of one");
    let mut desk = Desk::start(&command()?)?;
    desk.sees("another process changed")?.sees("Edit again? [y/N]")?.types("y\n")?;
    let (status, shown) = desk.ends()?;
    assert_eq!(status, Some(0), "{shown}");
    assert_eq!(fleet.decrypt("web1", ONE)?, b"first of one and more and more");
    Ok(())
}

/// Editors that leave something else than a file that was written, the first time at least, and what is said of it.
const CLUMSY: [(&str, &str); 8] = [
    ("printf ' and more' >> \"$1\"; ln \"$1\" \"$1~\"", "found 2 links"),
    ("cp \"$1\" ~/x; printf ' and more' >> ~/x; ln -sf ~/x \"$1\"", "found a symbolic link"),
    ("printf ' and more' >> \"$1\"; mv \"$1\" \"$1.bak\"; ln -s \"$1.bak\" \"$1\"", "found a symbolic link"),
    ("rm \"$1\"", "found none"),
    ("rm \"$1\"; mkdir \"$1\"; touch \"$1/x\"", "found a directory"),
    ("rm \"$1\"; mkfifo \"$1\"", "found a named pipe"),
    ("head -c 17000000 /dev/zero | tr '\\0' x > \"$1\"", "expected at most"),
    ("printf ' and more' >> \"$1\"; exit 3", "the editor exited with exit status: 3"),
];

#[test]
fn whatever_an_editor_leaves_may_be_edited_again() -> Result<()> {
    for (clumsy, said) in CLUMSY {
        let fleet = made()?;
        let editor = fleet.path().join("editor");
        let again = fleet.path().join("again");
        // The second time it says what it found, and writes as one should.
        let well = "head -c 40 \"$1\" > ~/found; printf 'edited' > \"$1\"";
        let script =
            format!("if [ -e '{again}' ]; then {well}; else : > '{again}'; {clumsy}; fi", again = again.display());
        script::write(&editor, format!("#!/bin/bash\n{script}\n"))?;
        let key = fleet.key_file("admin");
        let command = || -> Result<Command> {
            let mut command = fleet.command(["-i", key.to_str().unwrap(), "edit", "pair", "one"])?;
            command.env_remove("VISUAL").env("EDITOR", format!("'{}'", editor.display()));
            Ok(command)
        };
        let ran: Ran = in_session(&command()?).output()?.into();
        ran.ends(1).says(said).says("your edits were discarded; nothing was changed");
        assert_eq!(fleet.decrypt("web1", ONE)?, b"first of one");
        fs::remove_file(&again)?;
        let mut desk = Desk::start(&command()?)?;
        desk.sees("Edit again? [y/N]")?.types("n\n")?.sees("your edits were discarded")?;
        assert_eq!(desk.ends()?.0, Some(1));
        fs::remove_file(&again)?;
        let mut desk = Desk::start(&command()?)?;
        desk.sees("Edit again? [y/N]")?.types("y\n")?;
        let (status, shown) = desk.ends()?;
        assert_eq!(status, Some(0), "{clumsy}: {shown}");
        assert_eq!(fleet.decrypt("web1", ONE)?, b"edited", "{clumsy}");
        let found = fs::read_to_string(fleet.home().join("found"))?;
        let expected = match said {
            "expected at most" => "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
            _ if clumsy.contains("more") => "first of one and more",
            _ => "first of one",
        };
        assert_eq!(found, expected, "{clumsy}");
    }
    Ok(())
}

#[test]
fn an_editor_that_fails_with_nothing_typed_has_failed() -> Result<()> {
    let fleet = made()?;
    let key = fleet.key_file("admin");
    let mut command = fleet.command(["-i", key.to_str().unwrap(), "edit", "pair", "one"])?;
    command.env_remove("VISUAL").env("EDITOR", "exit 3; :");
    let (status, shown) = Desk::start(&command)?.ends()?;
    assert!(status == Some(1) && !shown.contains("Edit again"), "{shown}");
    assert!(shown.contains("exit status: 3") && !shown.contains("your edits were discarded"), "{shown}");
    Ok(())
}

#[test]
fn what_was_never_stored_is_named_with_the_way_to_store_it() -> Result<()> {
    let mut fleet = made()?;
    fleet.of("web1")["artifacts"]["pair"]["files"]["three"] = json!({});
    let key = fleet.key_file("admin");
    let get = fleet.run(["-i", key.to_str().unwrap(), "get", "pair", "three"])?.ends(1);
    get.says("`three` is declared but not stored").says("artifacts set web1/pair three");
    // It keeps no other file from being encrypted to others, and does not count as stored afterwards.
    let ran = fleet.run(["-i", key.to_str().unwrap(), "--accept-recipients", "rekey", "--all", "pair"])?.ends(3);
    ran.says("`three` is declared but not stored");
    assert_eq!(fleet.run(["--json", "status"])?.ends(3).state("per-machine/web1/pair"), "stale (files)");
    assert_eq!(fleet.decrypt("web1", ONE)?, b"first of one");
    Ok(())
}

#[test]
fn an_editor_has_ctrl_c_to_itself_and_ends_with_the_program() -> Result<()> {
    let fleet = made()?;
    let (begun, go) = (fleet.path().join("begun"), fleet.path().join("go"));
    let editor = fleet.path().join("editor");
    let wait = format!("echo $$ > '{}'; until [ -e '{}' ]; do sleep 0.1; done", begun.display(), go.display());
    script::write(&editor, format!("#!/bin/bash\n{wait}\necho edited > \"$1\"\n"))?;
    let key = fleet.key_file("admin");
    let start = || -> Result<(Child, i32)> {
        let mut command = fleet.command(["-i", key.to_str().unwrap(), "edit", "pair", "one"])?;
        command
            .env_remove("VISUAL")
            .env("EDITOR", format!("'{}'", editor.display()))
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let child = command.spawn()?;
        let end = Instant::now() + Duration::from_mins(1);
        loop {
            if let Some(pid) = fs::read_to_string(&begun).ok().and_then(|text| text.trim().parse().ok()) {
                fs::remove_file(&begun)?;
                return Ok((child, pid));
            }
            assert!(Instant::now() < end, "the editor never began");
            sleep(Duration::from_millis(20));
        }
    };
    let signal = |child: &Child, name: &str| Command::new("kill").arg(name).arg(child.id().to_string()).status();
    let (mut child, _) = start()?;
    for name in ["-INT", "-QUIT"] {
        assert!(signal(&child, name)?.success());
    }
    // Longer than a run has to end by itself.
    sleep(Duration::from_secs(2));
    fs::write(&go, "")?;
    assert!(child.wait()?.success());
    assert_eq!(fleet.decrypt("web1", ONE)?, b"edited");
    fs::remove_file(&go)?;
    let before = fleet.stored()?;
    let (mut child, editing) = start()?;
    assert!(signal(&child, "-TERM")?.success());
    assert!(!child.wait()?.success());
    let end = Instant::now() + Duration::from_mins(1);
    // One that nobody waits for stays as a name.
    while fs::read_to_string(format!("/proc/{editing}/stat")).is_ok_and(|stat| !stat.contains(") Z ")) {
        assert!(Instant::now() < end, "the editor goes on without the file");
        sleep(Duration::from_millis(20));
    }
    assert_eq!(fleet.stored()?, before);
    Ok(())
}

#[test]
fn an_editor_that_ends_well_after_ctrl_c_at_the_terminal_has_its_words_kept() -> Result<()> {
    let fleet = made()?;
    let editor = fleet.path().join("editor");
    let save = "#!/bin/bash\nfile=$1\ntrap 'echo \"edited after $signal\" > \"$file\"; sleep 0.5; exit 0' INT QUIT\n";
    let key = fleet.key_file("admin");
    for shell in ["dash", "bash"] {
        let path = fleet.path().join(shell);
        fs::create_dir(&path)?;
        std::os::unix::fs::symlink(format!("/bin/{shell}"), path.join("sh"))?;
        let path = format!("{}:{}", path.display(), std::env::var("PATH")?);
        for (keys, signal) in [("\u{3}", "INT"), ("\u{1c}", "QUIT")] {
            let begin = format!("signal='{shell} {signal}'\necho ready\nwhile :; do sleep 0.1; done\n");
            script::write(&editor, format!("{save}{begin}"))?;
            let mut command =
                fleet.command(["-i", key.to_str().unwrap(), "edit", "--accept-recipients", "pair", "one"])?;
            command.env_remove("VISUAL").env("EDITOR", format!("'{}'", editor.display())).env("PATH", &path);
            let mut desk = Desk::start(&command)?;
            desk.sees("ready")?.types(keys)?;
            let (status, shown) = desk.ends()?;
            assert_eq!(fleet.decrypt("web1", ONE)?, format!("edited after {shell} {signal}").as_bytes(), "{shown}");
            assert_eq!(status, Some(0), "{shown}");
        }
    }
    // One that dies of it is one that failed.
    script::write(&editor, "#!/bin/bash\necho spoiled > \"$1\"\necho ready\nsleep 60\n")?;
    let before = fleet.stored()?;
    let mut command = fleet.command(["-i", key.to_str().unwrap(), "edit", "pair", "one"])?;
    command.env_remove("VISUAL").env("EDITOR", format!("'{}'", editor.display()));
    let mut desk = Desk::start(&command)?;
    desk.sees("ready")?.types("\u{3}")?.sees("the editor exited with exit status: 130")?;
    desk.sees("Edit again? [y/N]")?.types("n\n")?.sees("your edits were discarded")?;
    assert_eq!(desk.ends()?.0, Some(1));
    assert_eq!(fleet.stored()?, before);
    Ok(())
}

#[test]
fn what_is_not_declared_not_made_or_not_here_is_refused_before_it_is_read() -> Result<()> {
    let mut fleet = fleet("agenix")?;
    fleet.run(["set", "pair", "three"])?.ends(1).says("no file `three`");
    fleet.run(["set", "nothing", "one"])?.ends(1).says("no artifact matches this selector");
    fleet.run(["set", "pair", "one"])?.ends(1).says("not generated yet").says("generate web1/pair");
    // One that is all of its artifact is made by it.
    fleet.of("web1")["artifacts"]["from"]["dependencies"] = json!([]);
    fleet.given(&["--accept-recipients", "set", "from", "secret"], b"by hand")?.ends(0);
    assert_eq!(fleet.decrypt("web1", "secrets/per-machine/web1/from/secret.age")?, b"by hand");
    for empty in [&b""[..], b"\n", b" \r\n"] {
        fleet.given(&["set", "from", "secret"], empty)?.ends(1).says("standard input is empty");
    }
    fleet.given(&["set", "--dry-run", "from", "secret"], b"")?.ends(0).says("would set");
    assert_eq!(fleet.decrypt("web1", "secrets/per-machine/web1/from/secret.age")?, b"by hand");
    fleet.of("web1")["artifacts"]["pair"]["backend"] = json!("dummy");
    fleet.given(&["set", "pair", "one"], b"x")?.ends(1).says("generated on the target");
    fs::write(fleet.path().join("secrets/per-machine/web1/from/secret.age"), "x")?;
    fleet.given(&["set", "from", "secret"], b"x")?.ends(1).says("a commit or a backup");
    Ok(())
}

/// Runs `edit` with a script as the editor.
fn edit(fleet: &Fleet, script: &str, file: &str) -> Result<Ran> {
    let editor = fleet.path().join("editor");
    script::write(&editor, format!("#!/bin/bash\n{script}\n"))?;
    let key = fleet.key_file("admin");
    let mut command = fleet.command(["-i", key.to_str().unwrap(), "edit", "--accept-recipients", "pair", file])?;
    command.env_remove("VISUAL").env("EDITOR", format!("'{}' --wait", editor.display()));
    Ok(command.output()?.into())
}

#[test]
fn a_file_is_edited_in_ram_and_an_unchanged_one_is_not_written() -> Result<()> {
    let fleet = made()?;
    let seen = fleet.path().join("seen");
    let script = format!(
        "shift; stat -f -c %T \"$1\" > '{0}'; stat -c %a \"$1\" >> '{0}'; echo \"$1\" >> '{0}'; sed -i s/first/second/ \"$1\"",
        seen.display()
    );
    edit(&fleet, &script, "one")?.ends(0).never_says("second of one");
    assert_eq!(fleet.decrypt("web1", ONE)?, b"second of one");
    let seen = fs::read_to_string(seen)?;
    let [kind, mode, path] = seen.lines().collect::<Vec<_>>()[..] else { panic!("{seen}") };
    assert_eq!((kind, mode), ("tmpfs", "600"));
    assert!(!std::path::Path::new(path).exists(), "it is gone afterwards");
    let before = fleet.stored()?;
    edit(&fleet, "true", "one")?.says("no changes").says("code --wait");
    edit(&fleet, "sleep 1.5", "one")?.says("no changes").never_says("opens a window");
    edit(&fleet, "shift; echo >> \"$1\"", "one")?.says("no changes");
    edit(&fleet, "shift; : > \"$1\"", "one")?.ends(1).says("the edited file is empty; nothing was changed");
    assert_eq!(fleet.stored()?, before);
    Ok(())
}

#[test]
fn one_ctrl_c_after_the_editor_does_not_lose_what_was_written() -> Result<()> {
    let fleet = made()?;
    for delay in ["0", "0.005", "0.02", "0.05", "0.1"] {
        let script = format!(
            "printf 'after {delay}' > \"$2\"; top=$(awk '/^PPid/ {{ print $2 }}' /proc/$PPID/status)\n\
             (sleep {delay}; kill -INT \"$top\") 2> /dev/null & disown || true"
        );
        edit(&fleet, &script, "one")?.ends(0);
        assert_eq!(fleet.decrypt("web1", ONE)?, format!("after {delay}").as_bytes());
    }
    Ok(())
}

#[test]
fn an_editor_that_fails_or_is_killed_writes_nothing_and_leaves_nothing() -> Result<()> {
    let fleet = made()?;
    let before = fleet.stored()?;
    let path = fleet.path().join("path");
    let note = format!("shift; echo spoiled > \"$1\"; echo backup > \"$1~\"; echo \"$1\" > '{}'; ", path.display());
    for end in ["exit 1", "kill -9 $$", "rm \"$1\"", "rm \"$1\"; ln -s /etc/passwd \"$1\"", "rm \"$1\"; mkfifo \"$1\""]
    {
        edit(&fleet, &format!("{note}{end}"), "one")?.ends(1).never_says("spoiled");
        assert_eq!(fleet.stored()?, before, "{end}");
        let dir = std::path::PathBuf::from(fs::read_to_string(&path)?.trim());
        assert!(!dir.parent().unwrap().exists(), "{end}");
    }
    let mut command = fleet.command(["edit", "pair", "one"])?;
    command.env_remove("VISUAL").env_remove("EDITOR");
    let ran: Ran = command.output()?.into();
    ran.ends(1).says("no terminal, and $EDITOR is not set");
    Ok(())
}

#[test]
fn an_installer_finds_the_host_s_private_key_in_its_place_and_nothing_else() -> Result<()> {
    let fleet = Fleet::new()?;
    let admin = fleet.new_key("admin")?;
    let host = fleet.generator(
        "host",
        "#!/bin/bash\nssh-keygen -q -t ed25519 -N '' -C root@new -f $out/key && mv $out/key.pub $out/pub\n",
    )?;
    let plain = fleet.generator("plain", "#!/bin/bash\necho secret > $out/secret\n")?;
    let key = json!({"deploy": false, "path": "/etc/ssh/ssh_host_ed25519_key", "mode": "0600"});
    let usual = json!({"deploy": false, "path": "/run/artifacts/ca/secret"});
    let artifacts = json!({
        "host": {"backend": "agenix", "files": {"key": key, "pub": {"secret": false}}, "generator": host},
        "ca": {"backend": "agenix", "files": {"secret": usual}, "generator": plain},
        "app": {"backend": "agenix", "files": {"secret": {"path": "/var/lib/app"}}, "generator": plain},
    });
    let mut fleet = fleet.machine("new", &artifacts)?;
    fleet.of("new")["config"]["agenix"] = json!({"publicUserKeys": [admin]});
    // First the key alone; its public half is then the machine's, and the rest is made for it.
    fleet.run(["generate", "--accept-recipients", "host"])?.ends(0);
    let public = fs::read_to_string(fleet.path().join("secrets/per-machine/new/host/public/pub"))?;
    fleet.of("new")["config"]["agenix"]["publicHostKey"] = json!(public.trim());
    let identity = fleet.key_file("admin");
    let identity = identity.to_str().unwrap();
    fleet.run(["--accept-recipients", "-i", identity, "generate"])?.ends(0);
    let ram = tempfile::tempdir_in("/dev/shm")?;
    let place = ram.path().join("extra");
    let place = place.to_str().unwrap();
    fleet.run(["provision", "--dry-run", "new", place])?.ends(0).says("/etc/ssh/ssh_host_ed25519_key 0600");
    let ran = fleet.run(["-i", identity, "--json", "provision", "new", place])?.ends(0);
    assert_eq!(ran.json()["files"].as_array().unwrap().len(), 1, "{ran}");
    let laid = ram.path().join("extra/etc/ssh/ssh_host_ed25519_key");
    assert_eq!(fs::metadata(&laid)?.permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(ram.path().join("extra/etc"))?.permissions().mode() & 0o777, 0o755);
    let output = Command::new("age")
        .arg("-d")
        .arg("-i")
        .arg(&laid)
        .arg(fleet.path().join("secrets/per-machine/new/app/secret.age"))
        .output()?;
    assert_eq!(output.stdout, b"secret\n", "the machine reads with it what is deployed to it");
    // Nothing is overwritten, nothing goes to a disk, nothing contains `..`.
    fleet.run(["-i", identity, "provision", "new", place])?.ends(1).says("already exists");
    let disk = fleet.path().join("extra");
    let on_disk = fleet.run(["-i", identity, "provision", "new", disk.to_str().unwrap()])?;
    if on_disk.status != Some(0) {
        on_disk.ends(1).says("not RAM-backed");
        assert!(!disk.exists());
    }
    fleet.of("new")["artifacts"]["host"]["files"]["key"]["path"] = json!("/etc/../../key");
    let other = ram.path().join("other");
    fleet.run(["-i", identity, "provision", "new", other.to_str().unwrap()])?.ends(1).says("contains `..`");
    assert!(!other.exists());
    assert_eq!(fs::read_dir(ram.path())?.count(), 1, "nothing is left");
    fleet.run(["provision", "nobody", "/dev/shm/x"])?.ends(1).says("no artifacts are declared for this target");
    let _: Value = fleet.spec();
    Ok(())
}
