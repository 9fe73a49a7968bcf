use std::ffi::OsString;
use std::fs::File;
use std::io::IsTerminal as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use artifacts_flow::Set;
use artifacts_report::{Failure, Report};
use artifacts_seam::Secret;
use clap::Args;

use super::Status;
use crate::args::Global;
use crate::context::Context;
use crate::draft::{Draft, Taken};
use crate::environment::Environment;
use crate::output::Output;
use crate::{person, signals, terminal};

#[derive(Debug, Args)]
pub struct Options {
    #[command(flatten)]
    file: crate::file::File,
    /// Show what would be written, and start no editor, open and write nothing
    #[arg(long)]
    dry_run: bool,
}

impl Options {
    pub fn run(&self, global: &Global, output: &Output) -> Result<Status, Failure> {
        let context = Context::new(global, output)?;
        let mut run = context.open(&[self.file.selector()])?;
        let (instance, file) = match self.file.resolve(&run) {
            Ok(meant) => meant,
            Err(errors) => return Ok(output.report(&Report { errors, ..Report::default() })),
        };
        let selection = run.select_one(&instance);
        let set = Set { instance: instance.clone(), file: file.clone(), opens: true };
        if self.dry_run {
            return Ok(output.report(&run.survey(&selection).preview(&set)));
        }
        let editor = Editor::of(context.environment(), global)?;
        let mut agreed = run.survey(&selection).lock(set.clone()).agree();
        if !agreed.is_open() {
            return Ok(output.report(&agreed.give_up()));
        }
        let before = agreed.stored()?.unwrap_or_else(|| Secret::new(Vec::new()));
        let subject = instance.to_string();
        let mut draft = Draft::new(context.ram().folder(), &subject, &file, &before)?;
        loop {
            let start = Instant::now();
            let edited = editor.edit(&draft).map_err(|why| Failure::new(subject.clone(), why));
            let failure = match draft.take(edited, &before)? {
                Taken::Unchanged => {
                    output.note(unchanged(start.elapsed()));
                    return Ok(output.report(&agreed.leave()));
                }
                Taken::Failed(failure) => failure,
                Taken::Value(value) => {
                    let report = agreed.set(value).finish();
                    let Some(failure) = report.errors.first().cloned().filter(|_| report.rows.is_empty()) else {
                        return Ok(output.report(&report));
                    };
                    editor.once_more(global, output, failure)?;
                    draft.renew().map_err(lost)?;
                    // It is begun again: what failed may be what was decrypted or surveyed before.
                    run.retry();
                    agreed = run.survey(&selection).lock(set.clone()).agree();
                    continue;
                }
            };
            editor.once_more(global, output, failure)?;
            draft.renew().map_err(lost)?;
        }
    }
}

const LOST: &str = "what was typed is lost, and nothing was changed";

/// A failure after which there is no other try.
fn lost(failure: Failure) -> Failure {
    Failure { message: format!("{}; {LOST}", failure.message), ..failure }
}

/// What is said when there is nothing to store.
fn unchanged(took: Duration) -> &'static str {
    // Nobody reads and decides so fast.
    if took < Duration::from_secs(1) {
        "unchanged; nothing was written. An editor with a window of its own has to be told to wait, such as `code --wait`"
    } else {
        "unchanged; nothing was written"
    }
}

/// What the person likes to edit with, and where.
struct Editor {
    command: OsString,
    /// None where nobody sits: a script may still do it.
    terminal: Option<File>,
}

impl Editor {
    fn of(environment: &Environment, global: &Global) -> Result<Self, Failure> {
        let refused = |why: &str| {
            Failure::new("", why).hint(Some("`artifacts set INSTANCE FILE` takes the value from standard input"))
        };
        if global.no_input {
            return Err(refused("with `--no-input` nobody is asked, and so nobody edits"));
        }
        let terminal = std::io::stdin().is_terminal().then(person::tty).flatten();
        let said = environment.get("VISUAL").or_else(|| environment.get("EDITOR"));
        match (said, &terminal) {
            (Some(command), _) => Ok(Self { command: command.to_owned(), terminal }),
            (None, Some(_)) => Ok(Self { command: "vi".into(), terminal }),
            (None, None) => Err(refused("there is no terminal to edit at, and $EDITOR is not set")),
        }
    }

    /// Runs the editor, which may be a command with arguments, on the file in RAM. Its own temporary files belong there, too.
    fn edit(&self, draft: &Draft) -> Result<(), String> {
        let failed = |e: std::io::Error| format!("the editor cannot be run: {e}; nothing was changed");
        // The shell has Ctrl-C, too, and outlives it: how the editor ends is what counts. A program that a shell starts has no
        // such traps.
        let mut script = OsString::from("trap : INT QUIT\n");
        script.push(&self.command);
        script.push(" \"$1\"");
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(script).arg("sh").arg(draft.path()).env("TMPDIR", draft.folder.path());
        // What an editor draws is the secret: it goes to the person's terminal, never to where a log is kept.
        let [input, drawn] = [self.stream().map_err(failed)?, self.stream().map_err(failed)?];
        let status = signals::edit(shell.stdin(input).stdout(drawn)).map_err(failed)?;
        if status.success() { Ok(()) } else { Err(format!("the editor ended with {status}; nothing was changed")) }
    }

    /// Tells why it was not stored. The person may have the editor again with what was typed in it; else that is lost.
    fn once_more(&self, global: &Global, output: &Output, failure: Failure) -> Result<(), Failure> {
        if self.terminal.is_none() {
            return Err(lost(failure));
        }
        let subject = failure.subject.clone();
        output.failures(&[failure]);
        match terminal::confirm(global.no_input, "Edit again?") {
            Ok(Some(true)) => Ok(()),
            Ok(_) => Err(Failure::new(subject, LOST)),
            Err(failure) => Err(lost(failure)),
        }
    }

    fn stream(&self) -> std::io::Result<Stdio> {
        self.terminal.as_ref().map_or_else(|| Ok(Stdio::null()), |tty| Ok(tty.try_clone()?.into()))
    }
}
