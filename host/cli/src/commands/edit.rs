use std::ffi::OsString;
use std::fs::File;
use std::io::IsTerminal as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use artifacts_flow::Rooms;
use artifacts_plan::State;
use artifacts_ram::Folder;
use artifacts_report::{Failure, Report};
use artifacts_seam::Secret;
use artifacts_spec::Name;
use clap::Args;

use super::Status;
use crate::args::Global;
use crate::environment::Environment;
use crate::output::Output;
use crate::rooms::Run;
use crate::setting::{Setting, look, preview};
use crate::{bounded, person, signals, terminal};

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
        let run = Run::of(global, output, &[self.file.selector()])?;
        let (instance, file) = match self.file.resolve(&run) {
            Ok(meant) => meant,
            Err(errors) => return Ok(output.report(&Report { errors, ..Report::default() })),
        };
        let failed = |why: String| Failure::new(instance.name.to_string(), why);
        let mut rooms = run.rooms()?;
        if self.dry_run {
            return Ok(output.report(&preview(&run, &mut rooms, output, instance, &file, true)?));
        }
        let editor = Editor::of(run.environment(), global)?;
        let survey = look(&run, &mut rooms, instance)?;
        let absent = survey.found.values().any(|found| found.state == State::Absent);
        let begin = |rooms: &mut Rooms<'_>| Setting::begin(&run, rooms, global, output, instance, &file, true);
        let mut setting = Ok(begin(&mut rooms)?);
        let before =
            if absent { Secret::new(Vec::new()) } else { artifacts_flow::retrieve_file(&mut rooms, instance, &file)? };
        let ram = |e: artifacts_ram::Error| failed(e.to_string()).help(e.help());
        let folder = run.ram().folder().map_err(ram)?;
        folder.write(file.as_str(), before.expose(), 0o600).map_err(ram)?;
        loop {
            let start = Instant::now();
            editor.edit(&folder, &file).map_err(&failed)?;
            let after = Secret::new(folder.read(file.as_str(), bounded::VALUE as u64).map_err(ram)?.to_vec());
            let Some(value) = changed(&before, &after) else {
                output.note(unchanged(start.elapsed()));
                return Ok(output.report(&run.rows(std::iter::once(instance), &survey)));
            };
            if value.size() == 0 {
                return Err(failed("the editor left it empty; nothing was changed".to_owned())
                    .help(Some("`artifacts set --allow-empty` stores nothing but nothing")));
            }
            match setting.and_then(|setting| setting.finish(&mut rooms, value)) {
                Ok(report) => return Ok(output.report(&report)),
                Err(failure) => editor.once_more(global, output, failure)?,
            }
            // Everything anew: what failed may be what was opened or looked at before.
            setting = run.rooms().and_then(|anew| {
                rooms = anew;
                begin(&mut rooms)
            });
        }
    }
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
            Failure::new("", why).help(Some("`artifacts set INSTANCE FILE` takes the value from standard input"))
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
    fn edit(&self, folder: &Folder, file: &Name) -> Result<(), String> {
        let failed = |e: std::io::Error| format!("the editor cannot be run: {e}; nothing was changed");
        // The shell has Ctrl-C, too, and outlives it: how the editor ends is what counts. A program that a shell starts has no
        // such traps.
        let mut script = OsString::from("trap : INT QUIT\n");
        script.push(&self.command);
        script.push(" \"$1\"");
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(script).arg("sh").arg(folder.path().join(file.as_str())).env("TMPDIR", folder.path());
        // What an editor draws is the secret: it goes to the person's terminal, never to where a log is kept.
        let [input, drawn] = [self.stream().map_err(failed)?, self.stream().map_err(failed)?];
        let status = signals::edit(shell.stdin(input).stdout(drawn)).map_err(failed)?;
        if status.success() { Ok(()) } else { Err(format!("the editor ended with {status}; nothing was changed")) }
    }

    /// Tells why it was not stored. The person may have the editor again with what was typed in it; else that is lost.
    fn once_more(&self, global: &Global, output: &Output, failure: Failure) -> Result<(), Failure> {
        const LOST: &str = "what was typed is lost, and nothing was changed";
        if self.terminal.is_none() {
            return Err(Failure { message: format!("{}; {LOST}", failure.message), ..failure });
        }
        let subject = failure.subject.clone();
        output.failures(&[failure]);
        if terminal::confirm(global, "Edit again?")?.unwrap_or(false) {
            Ok(())
        } else {
            Err(Failure::new(subject, LOST))
        }
    }

    fn stream(&self) -> std::io::Result<Stdio> {
        self.terminal.as_ref().map_or_else(|| Ok(Stdio::null()), |tty| Ok(tty.try_clone()?.into()))
    }
}

/// The new value; none when it is the old one. The newline that editors put at the end of a file that had none is not meant.
fn changed(before: &Secret, after: &Secret) -> Option<Secret> {
    let (old, new) = (before.expose(), after.expose());
    let meant = match new.strip_suffix(b"\n") {
        Some(bare) if !old.is_empty() && !old.ends_with(b"\n") => bare,
        _ => new,
    };
    (meant != old).then(|| Secret::new(meant.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newline_of_the_editor_is_not_meant() {
        let secret = |text: &str| Secret::new(text.as_bytes().to_vec());
        let changed = |old, new| changed(&secret(old), &secret(new));
        assert_eq!(changed("a", "a\n"), None);
        assert_eq!(changed("a\n", "a\n"), None);
        assert_eq!(changed("a", "b\n"), Some(secret("b")));
        assert_eq!(changed("a\n", "b\n"), Some(secret("b\n")));
        assert_eq!(changed("", "b\n"), Some(secret("b\n")));
        assert_eq!(changed("a\n", "a"), Some(secret("a")));
    }
}
