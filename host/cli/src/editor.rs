//! The editor of a person.

use std::ffi::OsString;
use std::fs::File;
use std::io::IsTerminal as _;
use std::process::{Command, Stdio};

use artifacts_report::Failure;

use crate::draft::Draft;
use crate::environment::Environment;
use crate::{person, signals};

/// Starts the program that a person edits with.
pub struct Editor {
    command: OsString,
    /// None where no one sits: a script may still do it.
    terminal: Option<File>,
}

impl Editor {
    /// Finds the editor; without a terminal, `$VISUAL` or `$EDITOR` has to name one.
    pub fn new(environment: &Environment, no_input: bool) -> Result<Self, Failure> {
        let refused = |why: &str| {
            Failure::new("", why).hint(Some("`artifacts set INSTANCE FILE` reads the value from standard input"))
        };
        if no_input {
            return Err(refused("`edit` needs a terminal and does not work with `--no-input`"));
        }
        let terminal = std::io::stdin().is_terminal().then(person::tty).flatten();
        let said = environment.get("VISUAL").or_else(|| environment.get("EDITOR"));
        match (said, &terminal) {
            (Some(command), _) => Ok(Self { command: command.to_owned(), terminal }),
            (None, Some(_)) => Ok(Self { command: "vi".into(), terminal }),
            (None, None) => Err(refused("no terminal, and $EDITOR is not set")),
        }
    }

    /// Runs the editor, which may be a command with arguments, on the file in RAM. Its own temporary files belong there, too.
    pub fn edit(&self, draft: &Draft) -> Result<(), String> {
        let failed = |e: std::io::Error| format!("cannot run the editor: {e}; nothing was changed");
        // The shell has Ctrl-C, too, and outlives it: how the editor ends is what counts. A program that a shell starts has no
        // such traps.
        let mut script = OsString::from("trap : INT QUIT\n");
        script.push(&self.command);
        script.push(" \"$1\"");
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(script).arg("sh").arg(draft.path()).env("TMPDIR", draft.dir.path());
        // What an editor draws is the secret: it goes to the person's terminal, never to where a log is kept.
        let [input, drawn] = [self.stream().map_err(failed)?, self.stream().map_err(failed)?];
        let status = signals::edit(shell.stdin(input).stdout(drawn)).map_err(failed)?;
        if status.success() { Ok(()) } else { Err(format!("the editor exited with {status}; nothing was changed")) }
    }

    /// Returns whether a person can be asked to edit again.
    pub fn is_at_terminal(&self) -> bool {
        self.terminal.is_some()
    }

    fn stream(&self) -> std::io::Result<Stdio> {
        self.terminal.as_ref().map_or_else(|| Ok(Stdio::null()), |tty| Ok(tty.try_clone()?.into()))
    }
}
