//! The editor of a person.

use std::ffi::OsString;
use std::fs::File;
use std::io::IsTerminal as _;
use std::process::{Command, Stdio};

use artifacts_report::Failure;
use artifacts_trust::Trust;

use crate::draft::Draft;
use crate::editor_copies::{EditorCopies, copies};
use crate::environment::Environment;
use crate::{person, signals, terminal};

/// Starts the program that a person edits with.
pub struct Editor {
    command: OsString,
    /// Keep it from keeping copies.
    arguments: &'static str,
    /// What it sees of the environment: no private key.
    environment: Vec<(OsString, OsString)>,
    /// None where no one sits: a script may still do it.
    terminal: Option<File>,
}

impl Editor {
    /// Finds the editor; without a terminal, `$VISUAL` or `$EDITOR` has to name one.
    pub fn new(environment: &Environment, trust: &Trust, no_input: bool) -> Result<Self, Failure> {
        let refused = |why: &str| {
            Failure::new("", why).hint(Some("`artifacts set INSTANCE FILE` reads the value from standard input"))
        };
        if no_input {
            return Err(refused("`edit` needs a terminal and does not work with `--no-input`"));
        }
        let terminal = std::io::stdin().is_terminal().then(person::tty).flatten();
        let written = environment.get("VISUAL").or_else(|| environment.get("EDITOR"));
        let command = match (written, &terminal) {
            (Some(command), _) => command.to_owned(),
            (None, Some(_)) => "vi".into(),
            (None, None) => return Err(refused("no terminal, and $EDITOR is not set")),
        };
        let arguments = match copies(&command, environment.search_path()) {
            EditorCopies::Off(arguments) => arguments,
            EditorCopies::Kept(editor) => {
                confirm_copies(trust, &editor, terminal.is_some())?;
                ""
            }
            EditorCopies::Unknown => "",
        };
        Ok(Self { command, arguments, environment: environment.variables().to_vec(), terminal })
    }

    /// Runs the editor, which may be a command with arguments, on the file in RAM. Its own temporary files belong there, too.
    pub fn edit(&self, draft: &Draft) -> Result<(), String> {
        let failed = |e: std::io::Error| format!("cannot run the editor: {e}; nothing was changed");
        // The shell has Ctrl-C, too, and outlives it: how the editor ends is what counts. A program that a shell starts has no
        // such traps.
        let mut script = OsString::from("trap : INT QUIT\n");
        script.push(&self.command);
        script.push(" ");
        script.push(self.arguments);
        script.push(" \"$1\"");
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(script).arg("sh").arg(draft.path());
        shell.env_clear().envs(self.environment.iter().cloned()).env("TMPDIR", draft.dir.path());
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

/// Asks, once on this machine, whether an editor may have a secret that may keep copies of it.
fn confirm_copies(trust: &Trust, editor: &str, has_terminal: bool) -> Result<(), Failure> {
    let known = serde_json::json!({"editor": editor});
    if trust.accepted(&known)? {
        return Ok(());
    }
    let why =
        format!("`{editor}` may keep copies of the file outside of RAM, such as backups, unsaved files and history");
    let refused = |message: String| {
        let hint =
            "set EDITOR to vim, nvim, nano or emacs, which are started so that they keep none; or use `artifacts set`";
        Failure::new("", message).hint(Some(hint))
    };
    match terminal::confirm(!has_terminal, &format!("{why}. Edit secrets with `{editor}` on this machine?"))? {
        Some(true) => Ok(trust.accept(&known)?),
        Some(false) => Err(refused("nothing was changed: the editor was not accepted".to_owned())),
        None => Err(refused(why)),
    }
}
