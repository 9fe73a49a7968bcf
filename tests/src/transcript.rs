//! What a person sees, kept as text: commands and their answers, compared with a file that `BLESS=1` rewrites.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs;
use std::num::NonZeroU16;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

use crate::desk::Desk;
use crate::fleet::{Ran, in_session};

/// No session shows more lines.
const ROWS: u16 = 400;

/// No encrypted file is smaller.
const ENCRYPTED: u64 = 100;

/// A session that is written down.
#[derive(Default)]
pub struct Transcript {
    text: String,
    stand_ins: Vec<(String, String)>,
}

impl Transcript {
    /// From now on this text is written down as another: a key, a directory, whatever is different in each run.
    pub fn stand_in(&mut self, text: impl AsRef<OsStr>, for_it: &str) {
        self.stand_ins.push((text.as_ref().to_string_lossy().into_owned(), for_it.to_owned()));
    }

    /// What has happened meanwhile, for whoever reads.
    pub fn tell(&mut self, what: &str) {
        let _ = writeln!(self.text, "# {what}");
    }

    fn tell_end(&mut self, how: &str) {
        let _ = writeln!(self.text, "[{how}]");
    }

    /// Runs a command without a terminal, as the shell's line `shown`, and writes down what it says: standard error after
    /// standard output, and marked; the exit status when it is not 0.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn run(&mut self, shown: &str, command: &mut Command) -> Result<()> {
        self.given(shown, command, b"")
    }

    /// The same with something on standard input.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn given(&mut self, shown: &str, command: &mut Command, input: &[u8]) -> Result<()> {
        let (stdin, mut writer) = std::io::pipe()?;
        std::io::Write::write_all(&mut writer, input)?;
        drop(writer);
        let mut command = in_session(command);
        command.env_remove("CLICOLOR_FORCE").env_remove("COLUMNS").stdin(Stdio::from(stdin));
        let ran = Ran::from(command.output().context("the command")?);
        let _ = writeln!(self.text, "$ {shown}");
        for (mark, said) in [("", ran.stdout), ("| ", ran.stderr)] {
            for line in sorted(said.lines().map(|line| self.steady(line)).collect()) {
                let _ = writeln!(self.text, "{mark}{line}");
            }
        }
        match ran.status {
            Some(0) => {}
            Some(status) => self.tell_end(&format!("exit status {status}")),
            None => self.tell_end("killed"),
        }
        self.text.push('\n');
        Ok(())
    }

    /// Runs a command at a terminal, as the shell's line `shown`, with a person who gives these answers to what is asked, and writes
    /// down what is on the screen besides how far it is. Returns the exit status.
    ///
    /// # Errors
    /// When something else is asked, or nothing.
    pub fn at_terminal(&mut self, shown: &str, command: &mut Command, answers: &[(&str, &str)]) -> Result<Option<i32>> {
        let mut desk = Desk::start(command.env("NO_COLOR", "1"))?;
        for (question, answer) in answers {
            desk.sees(question)?.types(&format!("{answer}\r"))?;
        }
        let (status, printed) = desk.ends()?;
        let screen = on_screen(&printed)?;
        let _ = writeln!(self.text, "$ {shown}");
        let lines = screen.lines().map(|line| self.steady(line)).collect();
        for line in sorted(lines) {
            let _ = writeln!(self.text, "{line}");
        }
        Ok(status)
    }

    /// Writes down what was written down before.
    pub fn says(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// Writes down a command that is the shell's, and says nothing.
    pub fn types(&mut self, shown: &str) {
        let _ = writeln!(self.text, "$ {shown}");
    }

    /// Ends what belongs together.
    pub fn ends(&mut self) {
        self.text.push('\n');
    }

    /// What was written down.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The line without what differs from run to run.
    fn steady(&self, line: &str) -> String {
        let mut line = line.trim_end().to_owned();
        for (text, for_it) in &self.stand_ins {
            line = line.replace(text, for_it);
        }
        // The name of what is in the trash begins with a time and something random.
        if let Some((before, name)) = line.split_once("/.artifacts/trash/")
            && let Some(label) =
                name.split_once("Z-").and_then(|(_, rest)| rest.split_once('-')).map(|(_, label)| label)
        {
            line = format!("{before}/.artifacts/trash/…-{label}");
        }
        // How many records an audit log has is of no interest here, and its end has times in it.
        if line.contains("log: ") && line.ends_with(" records, hash chain intact") {
            line = line
                .split_inclusive(", ")
                .map(|part| if part.ends_with(" records, ") { "42 records, " } else { part })
                .collect();
        }
        if line.trim_start_matches("| ").starts_with("head: ") {
            return "head: 42 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08".to_owned();
        }
        // What stands for recipients stands for keys that are new each time.
        if let Some((before, after)) = line.split_once("--accept-recipients=")
            && let Some((_, after)) = after.split_at_checked(64)
        {
            line = format!("{before}--accept-recipients=DIGEST{after}");
        }
        // How long it took is of no interest here.
        if let Some((before, last)) = line
            .rsplit_once(", ")
            .filter(|(before, _)| before.contains(" artifacts: ") || before.contains(" artifact: "))
            && (last.ends_with(" s") || last.ends_with(" min"))
            && last.starts_with(|c: char| c.is_ascii_digit())
        {
            line = before.to_owned();
        }
        // An age file has a few bytes of random length in its header.
        let words: Vec<&str> = line.split(' ').collect();
        let unit = |word: &str| matches!(word.trim_end_matches([',', ')']), "bytes" | "B");
        let sized = |at: usize| words.get(at + 1).is_some_and(|next| unit(next));
        let number = |word: &str| word.trim_start_matches('(').parse::<u64>().is_ok_and(|size| size >= ENCRYPTED);
        let steady = words.iter().enumerate().map(|(at, word)| match *word {
            word if sized(at) && number(word) && word.starts_with('(') => "(N",
            word if sized(at) && number(word) => "N",
            word => word,
        });
        steady.collect::<Vec<_>>().join(" ")
    }

    /// Compares what was written down with the file of that name.
    ///
    /// # Errors
    /// When they differ, with the first difference.
    pub fn is_kept_as(&self, name: &str) -> Result<()> {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("transcripts").join(name);
        if std::env::var_os("BLESS").is_some() {
            fs::write(&file, &self.text)?;
        }
        let kept = fs::read_to_string(&file).unwrap_or_default();
        let mut pairs = self.text.lines().zip(kept.lines().chain(std::iter::repeat("(the end)"))).enumerate();
        let differs = pairs.find(|(_, (now, then))| now != then);
        if let Some((at, (now, then))) = differs {
            let name = file.display();
            anyhow::bail!(
                "{name}:{}: expected\n{then}\nfound\n{now}\nLook at it, then run with BLESS=1\n{}",
                at + 1,
                self.text
            );
        }
        ensure!(kept.len() == self.text.len(), "{} has more lines than was said", file.display());
        Ok(())
    }
}

/// Readers are in the order of their keys, which are new in each run; here they are in that of what stands for them.
fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines
        .chunk_by_mut(|one, other| reader(one).is_some() && reader(other).is_some())
        .for_each(|run| run.sort_by(|one, other| reader(one).cmp(&reader(other))));
    lines
}

/// Returns what is on the screen of a terminal with 80 columns at the end.
fn on_screen(printed: &str) -> Result<String> {
    let size = |number: u16| NonZeroU16::new(number).context("no rows or columns");
    let mut terminal = vt100::Parser::new(size(ROWS)?, size(80)?, 0);
    terminal.process(printed.as_bytes());
    Ok(terminal.screen().contents())
}

/// The reader that a line is about and nothing else.
fn reader(line: &str) -> Option<&str> {
    let word = line.trim_start_matches(['+', '-', ' ']);
    (word.starts_with("age1") && !word.contains(' ')).then_some(word)
}
