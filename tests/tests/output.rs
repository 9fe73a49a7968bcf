//! What is shown where: at a terminal, in a pipe, and in one that no one reads; colors, and the line that rewrites itself.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

use std::process::{Command, Stdio};

use anyhow::Result;
use artifacts_tests::desk::Desk;
use artifacts_tests::fleet::{Fleet, Ran, in_session};
use serde_json::json;

const LONG: &str = "prometheus-node-exporter-federation-client-certificate-of-the-monitoring-of-the-second-site";

fn fleet(script: &str) -> Result<Fleet> {
    let fleet = Fleet::new()?;
    let generator = fleet.generator("make", script)?;
    let artifact = json!({"backend": "agenix", "files": {"f": {}}, "generator": generator});
    fleet.machine("web1", &json!({"a": artifact, LONG: artifact}))
}

/// A command at a terminal that knows colors.
fn at_terminal(fleet: &Fleet, words: &[&str]) -> Result<Command> {
    let mut command = fleet.command(words)?;
    for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "COLORTERM", "LC_ALL", "LC_CTYPE"] {
        command.env_remove(name);
    }
    command.env("TERM", "xterm-256color").env("LANG", "en_US.UTF-8");
    Ok(command)
}

fn screen(command: &Command) -> Result<String> {
    Ok(Desk::start(command)?.ends()?.1)
}

#[test]
fn an_output_that_no_one_reads_is_no_error() -> Result<()> {
    let fleet = fleet("#!/bin/bash\necho x > $out/f\n")?;
    for words in [&["status", "--all"][..], &["--json", "status"], &["--help"]] {
        let mut command = in_session(&fleet.command(words)?);
        let (reader, writer) = std::io::pipe()?;
        drop(reader);
        let ran = Ran::from(command.stdout(Stdio::from(writer)).stderr(Stdio::piped()).spawn()?.wait_with_output()?);
        assert!(ran.status != Some(1) && ran.status.is_some() && ran.stderr.is_empty(), "{words:?}: {ran}");
    }
    Ok(())
}

#[test]
fn a_page_of_the_manual_is_text_for_a_person_and_roff_for_a_program() -> Result<()> {
    let fleet = fleet("#!/bin/bash\necho x > $out/f\n")?;
    let shown = screen(&at_terminal(&fleet, &["man", "selectors"])?)?;
    assert!(shown.contains("artifacts-selectors(7)") && !shown.contains(".SH"), "{shown}");
    fleet.run(["man", "selectors"])?.ends(0).says(".TH ARTIFACTS-SELECTORS 7");
    Ok(())
}

#[test]
fn a_pipe_gets_whole_lines_and_a_terminal_whole_names() -> Result<()> {
    let fleet = fleet("#!/bin/bash\necho x > $out/f\n")?;
    let ran = fleet.run(["status"])?.ends(3);
    let row = ran.stdout.lines().find(|line| line.contains(LONG)).unwrap();
    assert_eq!(row, format!("absent     web1/{LONG}"));
    assert!(ran.stdout.ends_with("2 artifacts: 2 absent\n") && ran.stderr.is_empty(), "{ran}");
    // `list` is `status --all`.
    let listed = fleet.run(["list", "a"])?.ends(3).stdout;
    assert_eq!(
        listed,
        "absent     web1/a         agenix\n\nnext\n  1 absent                artifacts generate web1/a\n\n1 artifact: 1 absent\n"
    );
    assert_eq!(listed, fleet.run(["status", "--all", "a"])?.stdout);
    assert!(!fleet.run(["status", "a"])?.stdout.contains("agenix"));
    let shown = screen(&at_terminal(&fleet, &["--color", "never", "status"])?)?;
    assert!(shown.lines().any(|line| line.trim_end().ends_with(&format!("web1/{LONG}"))), "{shown}");
    Ok(())
}

#[test]
fn color_is_for_terminals_that_have_it_and_for_anyone_who_asks() -> Result<()> {
    let fleet = fleet("#!/bin/bash\necho x > $out/f\n")?;
    let yellow = "\u{1b}[33mabsent";
    assert!(screen(&at_terminal(&fleet, &["status"])?)?.contains(yellow));
    for plain in [
        at_terminal(&fleet, &["status"])?.env("NO_COLOR", "1"),
        at_terminal(&fleet, &["status"])?.env("TERM", "dumb"),
        &mut at_terminal(&fleet, &["--color", "never", "status"])?,
    ] {
        let shown = screen(plain)?;
        assert!(shown.contains("absent     web1/a") && !shown.contains("\u{1b}[33m"), "{shown}");
    }
    let forced = screen(at_terminal(&fleet, &["--color", "always", "status"])?.env("NO_COLOR", "1"))?;
    assert!(forced.contains(yellow), "{forced}");
    assert!(!fleet.run(["status"])?.stdout.contains('\u{1b}'));
    assert!(fleet.run(["--color", "always", "status"])?.stdout.contains(yellow));
    Ok(())
}

#[test]
fn one_line_says_how_far_it_is_and_is_gone_at_the_end() -> Result<()> {
    // The line appears while a generator runs, which takes its time.
    let fleet = fleet("#!/bin/bash\nsleep 2\necho x > $out/f\n")?;
    let mut desk = Desk::start(&at_terminal(&fleet, &["generate", "--accept-recipients"])?)?;
    desk.sees("\r\u{1b}[K")?.sees("generating    0 of 2   web1/a")?.sees("generated")?;
    let (status, shown) = desk.ends()?;
    assert_eq!(status, Some(0), "{shown}");
    // What is left of it is cleared before anything else is printed.
    let end = shown.rfind("generating ").unwrap();
    assert!(shown[end..].contains("\r\u{1b}[K") && shown.find("2 artifacts: 2 generated").unwrap() > end, "{shown}");
    assert!(shown[..end].lines().all(|line| !line.contains("generating ") || line.contains('\r')), "{shown}");
    Ok(())
}

#[test]
fn in_a_pipe_and_on_a_dumb_terminal_there_is_no_line() -> Result<()> {
    let fleet = fleet("#!/bin/bash\nsleep 1\necho x > $out/f\n")?;
    let shown = screen(at_terminal(&fleet, &["generate", "--accept-recipients", "a"])?.env("TERM", "dumb"))?;
    assert!(!shown.contains("generating") && shown.contains("generated  web1/a"), "{shown}");
    let ran = fleet.run(["-v", "generate", "--accept-recipients"])?.ends(0);
    assert!(ran.stderr.contains(&format!("generated web1/{LONG} (1 of 1")), "{ran}");
    assert!(!ran.stderr.contains('\r'), "{ran}");
    Ok(())
}
