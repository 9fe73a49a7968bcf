//! What a person types and pastes at a prompt goes into the value that was asked for, and nowhere else.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::Result;
use artifacts_tests::desk::Desk;
use artifacts_tests::fleet::{Fleet, through};
use serde_json::{Value, json};

const MAKE: &str = "#!/bin/bash\ncat $prompts/* > \"$out/f\"\n";

/// One machine with one artifact that asks.
fn asking(prompts: &Value) -> Result<Fleet> {
    let fleet = Fleet::new()?;
    let generator = fleet.generator("make", MAKE)?;
    let artifact = json!({"backend": "agenix", "files": {"f": {}}, "prompts": prompts, "generator": generator});
    fleet.machine("web1", &json!({"a": artifact}))
}

/// A shell at the terminal that runs the command, does `then`, and shows what is left for it of the input.
fn shell(fleet: &Fleet, then: &str) -> Result<Command> {
    let script = format!(
        "sh -c 'echo $$ > \"$PID_FILE\"; exec \"$@\"' sh \"$@\"; echo \"status $?\"; {then}
        read -r -t 0.5 -n 1 left; echo \"left ${{left:-nothing}}\""
    );
    let mut shell = Command::new("bash");
    shell.args(["--norc", "--noprofile", "-i", "-c", &script, "bash"]).env("PID_FILE", pid_file(fleet));
    Ok(through(shell, &fleet.command(["generate", "--accept-recipients"])?))
}

fn pid_file(fleet: &Fleet) -> PathBuf {
    fleet.home().join("pid")
}

/// Sends a signal to the program that the shell runs.
fn send(fleet: &Fleet, signal: &str) -> Result<()> {
    let pid = fs::read_to_string(pid_file(fleet))?;
    assert!(Command::new("kill").args(["-s", signal, pid.trim()]).status()?.success());
    Ok(())
}

fn key() -> String {
    (1..=11).fold(String::new(), |key, line| key + &format!("MIIE{line}\r"))
}

#[test]
fn no_line_of_a_paste_reaches_the_shell_or_another_prompt() -> Result<()> {
    let fleet = asking(&json!({"p": {"type": "hidden"}, "q": {"type": "line"}}))?;
    for (before, after) in [("\u{1b}[200~", "\u{1b}[201~"), ("", "")] {
        let mut desk = Desk::start(&shell(&fleet, "")?)?;
        desk.sees("p: ")?.types(&format!("{before}{}{after}", key()))?;
        desk.sees("pasted 11 lines")?.sees("d discard (default)")?.types("\r")?.sees("discarded")?;
        desk.types("\u{3}")?
            .sees("^C\r\n")?
            .sees("Stopped at prompt 1 of 2.")?
            .sees("status 130")?
            .sees("left nothing")?;
        let (_, shown) = desk.ends()?;
        assert!(!shown.contains("MIIE"), "{shown}");
    }
    assert_eq!(fleet.run(["--json", "status"])?.state("per-machine/web1/a"), "absent");
    Ok(())
}

#[test]
fn arrow_keys_are_no_part_of_a_secret() -> Result<()> {
    let fleet = asking(&json!({"p": {"type": "hidden"}}))?;
    let mut desk = Desk::start(&fleet.command(["generate", "--accept-recipients"])?)?;
    for name in ["p: ", "again: "] {
        desk.sees(name)?.types("pw\u{1b}[Dx\r")?;
    }
    let (status, shown) = desk.ends()?;
    assert_eq!(status, Some(0), "{shown}");
    assert_eq!(fleet.decrypt("web1", "secrets/per-machine/web1/a/f.age")?, b"pxw");
    Ok(())
}

#[test]
fn ctrl_c_says_what_is_kept_and_ends_the_line() -> Result<()> {
    let fleet = asking(&json!({"p1": {"type": "line"}, "p2": {"type": "line"}, "p3": {"type": "line"}}))?;
    let mut desk = Desk::start(&fleet.command(["generate", "--accept-recipients"])?)?;
    desk.sees("1 of 3")?.sees("p1: ")?.types("x\r")?.sees("2 of 3")?.sees("p2: ")?.types("y\r")?;
    desk.sees("3 of 3")?.sees("p3: ")?.types("\u{3}")?;
    desk.sees("^C\r\n")?
        .sees("Stopped at prompt 3 of 3. No answer is stored yet; 2 answers are kept in memory.\r\n")?;
    desk.sees("Choice [q]: ")?.types("\u{3}")?.sees("2 answers were discarded.\r\n")?;
    assert_eq!(desk.ends()?.0, Some(130));
    assert!(fleet.stored()?.is_empty());
    Ok(())
}

/// One machine with two artifacts that ask for a line each, and one that depends on the first.
fn two_asking() -> Result<Fleet> {
    let fleet = Fleet::new()?;
    let generator = fleet.generator("make", MAKE)?;
    let asking =
        json!({"backend": "agenix", "files": {"f": {}}, "prompts": {"p": {"type": "line"}}, "generator": generator});
    let mut behind = asking.clone();
    behind["prompts"] = json!({});
    behind["generator"] = fleet.generator("behind", "#!/bin/bash\ncat $in/a/f > \"$out/f\"\n")?;
    behind["dependencies"] = json!(["a"]);
    fleet.machine("web1", &json!({"a": asking, "b": asking, "c": behind}))
}

#[test]
fn what_is_skipped_stays_absent_and_everything_else_is_generated() -> Result<()> {
    let fleet = two_asking()?;
    let mut desk = Desk::start(&fleet.command(["generate", "--accept-recipients", "--accept-reading"])?)?;
    desk.sees("1 of 2")?.sees("p: ")?.types("\u{e}")?;
    desk.sees("skipped; web1/a is not generated in this run")?;
    desk.sees("2 of 2")?.sees("p: ")?.types("x\r")?;
    let (status, shown) = desk.ends()?;
    assert_eq!(status, Some(3), "{shown}");
    let after = fleet.run(["--json", "status"])?;
    let state = |name: &str| after.state(&format!("per-machine/web1/{name}"));
    assert_eq!(["a", "b", "c"].map(state), ["absent", "present", "absent"], "{shown}");
    Ok(())
}

#[test]
fn what_is_complete_is_generated_after_ctrl_c() -> Result<()> {
    let fleet = two_asking()?;
    let mut desk = Desk::start(&fleet.command(["generate", "--accept-recipients", "--accept-reading"])?)?;
    desk.sees("1 of 2")?.sees("p: ")?.types("x\r")?;
    desk.sees("2 of 2")?.sees("p: ")?.types("half\u{3}")?;
    desk.sees("g  generate the 1 complete artifact now")?.sees("Choice [q]: ")?.types("g")?;
    let (status, shown) = desk.ends()?;
    assert_eq!(status, Some(3), "{shown}");
    let after = fleet.run(["--json", "status"])?;
    let state = |name: &str| after.state(&format!("per-machine/web1/{name}"));
    assert_eq!(["a", "b", "c"].map(state), ["present", "absent", "present"], "{shown}");
    Ok(())
}

#[test]
fn who_answered_wrong_may_answer_again_and_keeps_every_other_answer() -> Result<()> {
    let fleet = Fleet::new()?;
    let checks = "#!/bin/bash\n[[ $(cat $prompts/p) = good ]] || exit 3\ncat $prompts/* > \"$out/f\"\n";
    let (checks, make) = (fleet.generator("checks", checks)?, fleet.generator("make", MAKE)?);
    let artifact = |prompts: Value, generator| json!({"backend": "agenix", "files": {"f": {}}, "prompts": prompts, "generator": generator});
    let picky = artifact(json!({"p": {"type": "line"}, "q": {"type": "hidden"}}), checks);
    let fleet = fleet.machine("web1", &json!({"a": picky, "b": artifact(json!({"p": {"type": "line"}}), make)}))?;
    let mut desk = Desk::start(&fleet.command(["generate", "--accept-recipients"])?)?;
    desk.sees("1 of 3")?.sees("p: ")?.types("bad\r")?;
    desk.sees("2 of 3")?.sees("q: ")?.types("s3cret\r")?.sees("again: ")?.types("s3cret\r")?;
    desk.sees("3 of 3")?.sees("p: ")?.types("other\r")?;
    desk.sees("exited with status 3")?.sees("Enter its answers again?")?.sees("[y/N] ")?.types("y\r")?;
    // The answers of before are there: one is changed, the other stays.
    desk.sees("1 of 2")?.sees("p: bad")?.types("\u{15}good\r")?;
    desk.sees("2 of 2")?.sees("6 characters")?.types("\r")?;
    let (status, shown) = desk.ends()?;
    assert_eq!(status, Some(0), "{shown}");
    assert!(!shown.contains("s3cret"), "{shown}");
    assert_eq!(fleet.decrypt("web1", "secrets/per-machine/web1/a/f.age")?, b"goods3cret");
    assert_eq!(fleet.decrypt("web1", "secrets/per-machine/web1/b/f.age")?, b"other");
    Ok(())
}

#[test]
fn prompts_are_asked_at_the_terminal_whoever_reads_the_output() -> Result<()> {
    let fleet = asking(&json!({"p": {"type": "line"}}))?;
    let mut shell = Command::new("bash");
    shell.args(["-c", "\"$@\" 2>/dev/null | true; echo \"status ${PIPESTATUS[0]}\"", "bash"]);
    let mut desk = Desk::start(&through(shell, &fleet.command(["generate", "--accept-recipients"])?))?;
    desk.sees("p: ")?.types("typed\r")?.sees("status 0")?;
    desk.ends()?;
    assert_eq!(fleet.decrypt("web1", "secrets/per-machine/web1/a/f.age")?, b"typed");
    Ok(())
}

#[test]
fn what_ends_the_program_at_a_prompt_gives_the_terminal_back() -> Result<()> {
    let fleet = asking(&json!({"p": {"type": "hidden"}}))?;
    for (signal, status) in [("TERM", "143"), ("HUP", "129")] {
        let mut desk = Desk::start(&shell(&fleet, "stty -a;")?)?;
        desk.sees("p: ")?.types("half")?.sees("4 characters")?;
        send(&fleet, signal)?;
        desk.sees("\u{1b}[?2004l")?.sees(&format!("status {status}"))?;
        desk.sees(" icanon")?.sees(" echo ")?.sees("left nothing")?;
        desk.ends()?;
    }
    Ok(())
}

#[test]
fn a_program_stopped_at_a_prompt_gives_the_terminal_back_and_asks_on_afterwards() -> Result<()> {
    let fleet = asking(&json!({"p": {"type": "hidden"}}))?;
    for stop in ["\u{1a}", ""] {
        let mut desk = Desk::start(&shell(&fleet, "stty -a; fg; echo \"status $?\";")?)?;
        desk.sees("p: ")?.types("half")?.sees("4 characters")?.types(stop)?;
        if stop.is_empty() {
            send(&fleet, "TSTP")?;
        }
        desk.sees("\u{1b}[?2004l")?.sees("status 147")?.sees(" icanon")?.sees(" echo ")?;
        desk.sees("\u{1b}[?2004h")?.sees("4 characters")?.types("-whole\r")?.sees("again: ")?.types("half-whole\r")?;
        desk.sees("status 0")?;
        let (_, shown) = desk.ends()?;
        assert!(!shown.contains("half") && !shown.contains("whole"), "{shown}");
        assert_eq!(fleet.decrypt("web1", "secrets/per-machine/web1/a/f.age")?, b"half-whole");
        fs::remove_dir_all(fleet.path().join("secrets"))?;
    }
    Ok(())
}

#[test]
fn answers_are_told_apart_by_what_they_hold_and_may_come_from_standard_input() -> Result<()> {
    let json = r#"{"per-machine/web1/a": {"p": "from json"}}"#;
    let toml = "[\"per-machine/web1/a\"]\np = \"from toml\"\n";
    for (text, value) in [(json, "from json"), (toml, "from toml")] {
        for name in ["answers.json", "answers.toml", "answers", "-"] {
            let fleet = asking(&json!({"p": {"type": "hidden"}}))?;
            let path = fleet.home().join(name);
            let mut command = fleet.command(["generate", "--no-input", "--accept-recipients", "--answers"])?;
            fs::write(&path, text)?;
            if name == "-" {
                command.arg("-").stdin(File::open(&path)?);
            } else {
                command.arg(&path).stdin(Stdio::null());
            }
            let output = command.output()?;
            assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
            assert_eq!(fleet.decrypt("web1", "secrets/per-machine/web1/a/f.age")?, value.as_bytes(), "{name}");
        }
    }
    Ok(())
}

#[test]
fn an_identity_may_come_from_standard_input() -> Result<()> {
    let fleet = asking(&json!({"p": {"type": "line"}}))?;
    let answers = fleet.home().join("answers");
    fs::write(&answers, r#"{"per-machine/web1/a": {"p": "typed"}}"#)?;
    fleet.run(["generate", "--accept-recipients", "--answers", answers.to_str().unwrap()])?.ends(0);
    let mut command = fleet.command(["-i", "-", "get", "a", "f"])?;
    let output = command.stdin(File::open(fleet.key_file("web1"))?).output()?;
    assert_eq!(output.stdout, b"typed", "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

#[test]
fn standard_input_has_one_reader() -> Result<()> {
    let fleet = asking(&json!({"p": {"type": "line"}}))?;
    let answers = r#"{"per-machine/web1/a": {"p": "typed"}}"#;
    for arguments in [
        &["-i", "-", "set", "a", "f"][..],
        &["-i", "-", "generate", "--answers", "-"],
        &["-i", "-", "-i", "-", "status"],
        &["--backends", "-", "set", "a", "f"],
    ] {
        let mut command = fleet.command(arguments)?;
        let file = fleet.home().join("input");
        fs::write(&file, answers)?;
        let ran: artifacts_tests::fleet::Ran = command.stdin(File::open(file)?).output()?.into();
        ran.ends(2).says("both read standard input");
        assert!(fleet.stored()?.is_empty(), "{arguments:?}");
    }
    // A preview takes no value.
    fleet.run(["-i", "-", "set", "--dry-run", "a", "f"])?.never_says("standard input");
    Ok(())
}

#[test]
fn all_wrong_answers_of_a_file_are_reported_at_once_and_everything_else_is_generated() -> Result<()> {
    let fleet = Fleet::new()?;
    let typed = json!({"backend": "agenix", "files": {"f": {}}, "prompts": {"f": {"type": "hidden"}}});
    let all: serde_json::Map<String, Value> = (0..200).map(|number| (format!("a{number:03}"), typed.clone())).collect();
    let fleet = fleet.machine("web1", &Value::Object(all))?;
    let of = |number| {
        let answer = match number {
            149 => "f = 5",
            150 => "f = \"\"",
            151 => "g = \"s3cret\"",
            _ => "f = \"s3cret\"",
        };
        format!("[\"per-machine/web1/a{number:03}\"]\n{answer}\n")
    };
    let text: String = (0..200).map(of).collect();
    let answers = fleet.home().join("answers.toml");
    fs::write(&answers, text)?;
    let ran = fleet.run([
        "--json",
        "generate",
        "--no-input",
        "--accept-recipients",
        "--answers",
        answers.to_str().unwrap(),
    ])?;
    let ran = ran.ends(1).never_says("s3cret");
    let json = ran.json();
    let subjects: Vec<&str> =
        json["errors"].as_array().unwrap().iter().filter_map(|error| error["subject"].as_str()).collect();
    assert_eq!(subjects, [149, 150, 151].map(|number| format!("per-machine/web1/a{number}")), "{ran}");
    let generated = json["instances"].as_array().unwrap().iter().filter(|row| row["state"] == "present").count();
    assert_eq!(generated, 197, "{ran}");
    Ok(())
}
