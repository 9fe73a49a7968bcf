//! What a person sees, kept as text: commands and their answers, compared with a file that `BLESS=1` rewrites.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

use crate::fleet::{Ran, in_session};

/// A session that is written down.
#[derive(Default)]
pub struct Transcript {
    text: String,
    stand_ins: Vec<(String, String)>,
}

impl Transcript {
    /// From now on this text is written down as another: a key, a folder, whatever is different in each run.
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
            let mut lines: Vec<String> = said.lines().map(|line| self.steady(line)).collect();
            // Readers are in the order of their keys, which are new in each run.
            lines
                .chunk_by_mut(|one, other| reader(one).is_some() && reader(other).is_some())
                .for_each(|run| run.sort_by(|one, other| reader(one).cmp(&reader(other))));
            for line in lines {
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

    /// The line without what differs from run to run.
    fn steady(&self, line: &str) -> String {
        let mut line = line.trim_end().to_owned();
        for (text, for_it) in &self.stand_ins {
            line = line.replace(text, for_it);
        }
        // An age file has a few bytes of random length in its header.
        let words: Vec<&str> = line.split(' ').collect();
        let sized = |at: usize| words.get(at + 1).is_some_and(|next| next.trim_end_matches(',') == "bytes");
        let number = |word: &str| word.parse::<u64>().is_ok();
        let steady = words.iter().enumerate().map(|(at, word)| if sized(at) && number(word) { "N" } else { word });
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

/// The reader that a line is about and nothing else.
fn reader(line: &str) -> Option<&str> {
    let word = line.trim_start_matches(['+', '-', ' ']);
    (word.starts_with("age1") && !word.contains(' ')).then_some(word)
}
