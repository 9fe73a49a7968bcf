//! What goes to standard output and standard error.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::io::{Error, ErrorKind, IsTerminal as _, Write as _};
use std::sync::OnceLock;

use artifacts_report::{Failure, Report, Style};
use serde_json::{Value, json};

use crate::exit::Exit;

/// Where a command's words go: one JSON object or a table to standard output, everything else to standard error.
#[derive(Debug, Clone, Copy)]
pub struct Console {
    json: bool,
    pub verbose: bool,
    /// How often the person asked for more.
    pub verbosity: u8,
    /// Whether the person asked for words that may hold a secret.
    pub secrets_too: bool,
    style: Style,
}

/// Why standard output did not take everything. What a command did has to end well all the same, so this is reported last.
static LOST: OnceLock<Error> = OnceLock::new();

/// Set once the reader of standard output left.
static LEFT: OnceLock<()> = OnceLock::new();

/// Lines as wide as the terminal up to this: longer ones are hard to read.
const WIDTH: usize = 100;

/// So many lines of another program's words, unless the person asks for more.
const FOREIGN: usize = 20;

/// How wide lines are, in columns.
pub fn width() -> usize {
    columns().clamp(40, WIDTH)
}

/// How wide the terminal is, in columns.
pub fn columns() -> usize {
    terminal_size::terminal_size().map_or(80, |(width, _)| usize::from(width.0).max(1))
}

/// How high the terminal is, in lines; none where it does not say.
pub fn height() -> Option<usize> {
    terminal_size::terminal_size().map(|(_, height)| usize::from(height.0)).filter(|height| *height > 0)
}

impl Console {
    pub fn new(json: bool, verbosity: u8, secrets_too: bool) -> Self {
        let foreign = if verbosity > 0 { usize::MAX } else { FOREIGN };
        let style = Style { width: width(), foreign };
        Self { json, verbose: verbosity > 0, verbosity, secrets_too, style }
    }

    /// The same for a command that mostly speaks to a journal, which has a line for each of ours.
    pub fn unwrapped(mut self) -> Self {
        if !self.watched() {
            self.style.width = usize::MAX;
        }
        self
    }

    /// Ends a command: its report, and the exit status that follows from it.
    pub fn report(&self, report: &Report) -> Exit {
        if self.json {
            self.line(&report.json().to_string());
        } else {
            print_stdout(&report.table(self.style));
        }
        self.failures(&report.errors);
        Exit::from(report.exit_status())
    }

    /// Ends a command that has nothing to report but errors.
    pub fn errors(&self, errors: Vec<Failure>) -> Exit {
        self.report(&Report { errors, ..Report::default() })
    }

    /// Failures, to standard error.
    pub fn failures(&self, failures: &[Failure]) {
        // What to do about one cause is said once, however many fail of it.
        let mut said = BTreeSet::new();
        let once = |failure: &Failure| match &failure.hint {
            Some(hint) if !said.insert(hint.clone()) => Failure { hint: None, ..failure.clone() }.text(self.style),
            _ => failure.text(self.style),
        };
        let text: String = failures.iter().map(once).collect();
        let _ = write!(anstream::stderr(), "{text}");
    }

    /// Ends a command that could not begin.
    pub fn failure(&self, failure: Failure) -> Exit {
        self.report(&Report { errors: vec![failure], ..Report::default() })
    }

    /// Ends the program: what was said and did not arrive makes a failure of any status. `stores` says whether there is more to
    /// be told than was said.
    pub fn end(&self, status: Exit, stores: bool) -> Exit {
        let Some(lost) = LOST.get() else { return status };
        let why = format!("cannot write to standard output: {lost}");
        let hint = stores.then_some("the changes are stored; `artifacts status` shows them");
        self.failures(&[Failure::new("", why).hint(hint)]);
        Exit::FAILED
    }

    /// What a command has to say in JSON, with what every answer has.
    pub fn object(&self, mut value: Value, errors: &[Failure]) {
        let mut object = json!({"schema": 1});
        if let (Some(object), Some(said)) = (object.as_object_mut(), value.as_object_mut()) {
            object.append(said);
        }
        object["errors"] = errors.iter().map(Failure::json).collect();
        self.line(&object.to_string());
    }

    /// A line of a command's own answer.
    pub fn line(&self, text: &str) {
        print_stdout(&format_args!("{text}\n"));
    }

    /// A line of a command's own answer about one thing, its name padded to so many columns.
    pub fn field(&self, name: &str, columns: usize, value: &str) -> String {
        artifacts_report::field(name, columns, value, self.style)
    }

    /// A message to a person, on standard error.
    pub fn message(&self, text: &str) {
        let _ = write!(anstream::stderr(), "{}", artifacts_report::note(text, self.style));
    }

    /// What to do about what was printed on standard output; nothing where its reader left.
    pub fn hint(&self, text: &str) {
        if LEFT.get().is_none() {
            self.message(text);
        }
    }

    /// Words that were made fit for a terminal, and painted, before; to standard error.
    pub fn painted(&self, text: &str) {
        let _ = write!(anstream::stderr(), "{text}");
    }

    /// A message that only the curious want.
    pub fn detail(&self, text: &str) {
        if self.verbose {
            self.message(text);
        }
    }

    /// Messages that only the curious want.
    pub fn details(&self, lines: impl IntoIterator<Item = String>) {
        lines.into_iter().for_each(|line| self.detail(&line));
    }

    /// How far it is: for anyone who watches.
    pub fn progress(&self, text: &str) {
        if self.verbose || self.watched() {
            self.message(text);
        }
    }

    /// A warning, with what to do.
    pub fn warning(&self, text: &str, hint: Option<&str>) {
        let _ = write!(anstream::stderr(), "{}", artifacts_report::warning(text, hint, self.style));
    }

    /// A failure that stops nothing.
    pub fn warned(&self, failure: &Failure) {
        let _ = write!(anstream::stderr(), "{}", failure.warning(self.style));
    }

    /// How wide what it prints is.
    pub fn style(&self) -> Style {
        self.style
    }

    pub fn json(&self) -> bool {
        self.json
    }

    /// Whether a person watches the messages.
    pub fn watched(&self) -> bool {
        std::io::stderr().is_terminal()
    }
}

fn print_stdout(text: &dyn Display) {
    match write!(anstream::stdout(), "{text}") {
        // A closed pipe is the reader's choice.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => drop(LOST.set(error)),
        Err(_) => drop(LEFT.set(())),
        Ok(()) => {}
    }
}
