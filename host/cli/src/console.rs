//! What goes to standard output and standard error.

use std::fmt::Display;
use std::io::{Error, ErrorKind, IsTerminal, Write as _};
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use artifacts_declared::InstanceName;
use artifacts_nix::EvaluationStep;
use artifacts_plan::ShortNames;
use artifacts_report::{
    Checkup, Failure, ProgressLine, RecipientNames, Report, ReportPage, RestorableEntry, RowFilter, Style, TrashedEntry,
};
use artifacts_text::{size, terminal};
use serde_json::{Value, json};

use crate::environment::is_dumb_terminal;
use crate::exit::Exit;
use crate::progress;
use crate::width::{self, width_of};

/// Where a command's words go: one JSON object or a table to standard output, everything else to standard error.
#[derive(Debug, Clone, Copy)]
pub struct Console {
    json: bool,
    /// How often the person asked for more.
    pub verbosity: u8,
    /// Whether the person asked for words that may hold a secret.
    pub secrets_too: bool,
    /// Whether the command changes what is stored.
    stores: bool,
    start: Instant,
}

/// How instances are named, once it is known what is declared.
static NAMES: Mutex<Option<Arc<ShortNames>>> = Mutex::new(None);

/// Why standard output did not take everything. What a command did has to end well all the same, so this is reported last.
static LOST: OnceLock<Error> = OnceLock::new();

/// From so long on it is told how long something took.
const LONG: Duration = Duration::from_secs(2);

/// So many lines of another program's words, unless the person asks for more.
const FOREIGN: usize = 20;

/// How wide the terminal is, in columns.
pub fn columns() -> usize {
    terminal_size::terminal_size().map_or(80, |(width, _)| usize::from(width.0).max(1))
}

/// How high the terminal is, in lines; none where it does not say.
pub fn height() -> Option<usize> {
    terminal_size::terminal_size().map(|(_, height)| usize::from(height.0)).filter(|height| *height > 0)
}

/// Sets whether text is painted, for each stream by itself where that is left open.
pub fn choose_color(color: clap::ColorChoice) {
    let choice = match color {
        // A dumb terminal gets none, also where a variable of a build service would have it.
        clap::ColorChoice::Auto if is_dumb_terminal() => anstream::ColorChoice::Never,
        clap::ColorChoice::Auto => anstream::ColorChoice::Auto,
        clap::ColorChoice::Always => anstream::ColorChoice::Always,
        clap::ColorChoice::Never => anstream::ColorChoice::Never,
    };
    choice.write_global();
}

impl Console {
    /// `stores` says whether the command changes what is stored.
    pub fn new(json: bool, verbosity: u8, secrets_too: bool, stores: bool) -> Self {
        let start = Instant::now();
        Self { json, verbosity, secrets_too, stores, start }
    }

    /// Whether the person asked for more.
    pub fn verbose(&self) -> bool {
        self.verbosity > 0
    }

    /// Sets how instances are named in all text from now on.
    pub fn name_instances(&self, names: ShortNames) {
        *NAMES.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(names));
    }

    /// Returns how instances are named.
    pub fn names(&self) -> Arc<ShortNames> {
        NAMES.lock().unwrap_or_else(PoisonError::into_inner).clone().unwrap_or_default()
    }

    fn style(&self, stream: &(impl AsFd + IsTerminal)) -> Style {
        let foreign = if self.verbose() { usize::MAX } else { FOREIGN };
        Style { width: width_of(stream), foreign, verbose: self.verbose(), names: self.names() }
    }

    fn on_stdout(&self) -> Style {
        self.style(&std::io::stdout())
    }

    pub fn on_stderr(&self) -> Style {
        self.style(&std::io::stderr())
    }

    /// Ends a command: what it did, and the exit status that follows from it.
    pub fn report(&self, report: &Report) -> Exit {
        let mut page = report.result_page(Some(self.took()), &self.on_stdout());
        if self.stores
            && !report.is_preview
            && !report.errors.is_empty()
            && !report.errors.iter().any(Failure::is_declined)
            && report.rows.is_empty()
            && report.trashed.is_empty()
            && report.restorable.is_empty()
        {
            page.tail.push_str("nothing changed\n");
        }
        self.end_with(report, &page, &report.errors)
    }

    /// Ends a command whose standard output is taken: what it did goes to standard error.
    pub fn report_aside(&self, report: &Report) -> Exit {
        let page = report.result_page(Some(self.took()), &self.on_stderr());
        if !report.rows.is_empty() {
            self.painted(&page.head);
        }
        self.failures(&report.errors);
        if !report.rows.is_empty() {
            self.painted(&page.tail);
        }
        Exit::from(report.exit_status())
    }

    /// Ends a command that shows what the instances are.
    pub fn status(&self, report: &Report, listing: RowFilter) -> Exit {
        self.end_with(report, &report.status_page(listing, &self.on_stdout()), &report.errors_without_row())
    }

    /// Ends a command that lists the trash.
    pub fn trash(&self, report: &Report) -> Exit {
        let mut page = report.result_page(None, &self.on_stdout());
        if page.head.is_empty() && report.errors.is_empty() {
            page.head.push_str("nothing can be restored: the trash is empty\n");
        }
        self.end_with(report, &page, &report.errors)
    }

    /// Ends a command that checks the setup.
    pub fn checkup(&self, checkup: &Checkup, listing: RowFilter) -> Exit {
        self.idle();
        if self.json {
            self.line(&checkup.json().to_string());
        } else {
            self.page(&checkup.page(listing, &self.on_stdout()), &[]);
        }
        Exit::from(checkup.exit_status())
    }

    fn end_with(&self, report: &Report, page: &ReportPage, errors: &[Failure]) -> Exit {
        if self.json {
            self.line(&report.json().to_string());
            self.failures(&report.errors);
        } else {
            self.page(page, errors);
        }
        Exit::from(report.exit_status())
    }

    /// The result, errors, and last the summary, with empty lines between them.
    fn page(&self, ReportPage { head, tail }: &ReportPage, errors: &[Failure]) {
        print_stdout(head);
        let is_seen = self.shows_both();
        if !head.is_empty() && !errors.is_empty() {
            self.gap();
        }
        self.failures(errors);
        if !tail.is_empty() && (!head.is_empty() || (is_seen && !errors.is_empty())) {
            print_stdout(&"\n");
        }
        print_stdout(tail);
    }

    /// How long the command has run.
    fn took(&self) -> Duration {
        self.start.elapsed()
    }

    /// Ends a command that has nothing to report but errors.
    pub fn errors(&self, errors: Vec<Failure>) -> Exit {
        self.report(&Report { errors, ..Report::default() })
    }

    /// Failures, to standard error.
    pub fn failures(&self, failures: &[Failure]) {
        print_stderr(&artifacts_report::failures(failures, &self.on_stderr()));
    }

    /// Ends a command that could not begin.
    pub fn failure(&self, failure: Failure) -> Exit {
        self.report(&Report { errors: vec![failure], ..Report::default() })
    }

    /// Ends the program: what was said and did not arrive makes a failure of any status.
    pub fn end(&self, status: Exit) -> Exit {
        let Some(lost) = LOST.get() else { return status };
        let why = format!("cannot write to standard output: {lost}");
        let hint = self.stores.then_some("the changes are stored; `artifacts status` shows them");
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

    /// A text that other programs read, exactly as it is: nothing in it is taken for a terminal's escape sequence.
    pub fn exact(&self, text: &str) {
        told(progress::aside(|| std::io::stdout().write_all(text.as_bytes())));
    }

    /// A line of a command's own answer about one thing, its name padded to so many columns.
    pub fn field(&self, name: &str, columns: usize, value: &str) -> String {
        let style = self.on_stdout();
        // Prose is wrapped in a pipe, too.
        let width = style.width.min(width::of_help());
        artifacts_report::field(name, columns, value, &Style { width, ..style })
    }

    /// A message to a person, on standard error.
    pub fn message(&self, text: &str) {
        print_stderr(&artifacts_report::note(text, &self.on_stderr()));
    }

    /// Entries that would be moved to the trash, on standard error.
    pub fn trashed(&self, entries: &[TrashedEntry]) {
        self.painted(&artifacts_report::trashed(entries, &self.on_stderr()));
    }

    /// Entries that would come back from the trash, on standard error.
    pub fn restorable(&self, entries: &[RestorableEntry], names: &RecipientNames) {
        self.painted(&artifacts_report::restorable(entries, names, &self.on_stderr()));
    }

    /// Words that were made fit for a terminal, and painted, before; to standard error.
    pub fn painted(&self, text: &str) {
        print_stderr(&self.names().shorten_text(text));
    }

    /// An empty line between a message and the result, where a person sees one below the other.
    pub fn gap(&self) {
        if self.shows_both() {
            self.painted("\n");
        }
    }

    fn shows_both(&self) -> bool {
        self.watched() && self.has_reader()
    }

    /// Whether a person reads the answers.
    pub fn has_reader(&self) -> bool {
        std::io::stdout().is_terminal()
    }

    /// A message that only the curious want.
    pub fn detail(&self, text: &str) {
        if self.verbose() {
            self.message(text);
        }
    }

    /// Messages that only the curious want.
    pub fn details(&self, lines: impl IntoIterator<Item = String>) {
        lines.into_iter().for_each(|line| self.detail(&line));
    }

    /// Says in the line that rewrites itself what is done, and of how many how many are.
    pub fn phase(&self, phase: &'static str, count: usize, total: usize) {
        self.rewrite(|line, now| {
            line.begin(phase, now);
            line.count(count, total);
        });
    }

    /// Says in the line that rewrites itself what is done, of which no part is seen. The line goes with what is returned.
    pub fn waits(&self, phase: &'static str) -> Waiting {
        self.rewrite(|line, now| line.begin(phase, now));
        Waiting
    }

    /// Says in the line that rewrites itself which targets are evaluated.
    pub fn evaluating(&self, step: EvaluationStep<'_>) {
        self.rewrite(|line, now| {
            line.begin("evaluating", now);
            line.count(step.done, step.total);
            if step.is_over {
                line.finish(step.target, now);
            } else {
                line.start(step.target.to_owned(), now);
            }
        });
    }

    /// Says in the line that rewrites itself which component is compiled; none any more at the end.
    pub fn compiling(&self, compiled: Option<(&str, usize)>) {
        let Some((name, bytes)) = compiled else { return self.idle() };
        self.rewrite(|line, now| {
            line.begin("compiling", now);
            line.start(format!("backend {} ({}), needed once", terminal(name), size(bytes as u64)), now);
        });
    }

    /// Returns an instance's name as it is shown.
    pub fn name(&self, name: &InstanceName) -> String {
        self.names().shorten(name)
    }

    /// Work on an instance begins.
    pub fn begin(&self, name: &InstanceName) {
        let name = self.name(name);
        self.rewrite(|line, now| line.start(name, now));
    }

    /// Work on an instance ends. Returns how long it took, where that was long.
    pub fn finish(&self, name: &InstanceName) -> Option<String> {
        let name = self.name(name);
        let took = self.rewrite(|line, now| line.finish(&name, now))??;
        (took >= LONG).then(|| format!("{} s", took.as_secs()))
    }

    /// Removes the line that rewrites itself.
    pub fn idle(&self) {
        progress::end();
    }

    /// Changes the line that rewrites itself, where there is one: at a terminal that can, and for no one who gets a line each.
    fn rewrite<T>(&self, change: impl FnOnce(&mut ProgressLine, Duration) -> T) -> Option<T> {
        let is_visible = !self.json && !self.verbose() && progress::is_possible();
        (is_visible || self.verbose()).then(|| progress::update(self.start, is_visible, change))
    }

    /// A warning, with what to do.
    pub fn warning(&self, text: &str, hint: Option<&str>) {
        print_stderr(&artifacts_report::warning(text, hint, &self.on_stderr()));
    }

    /// A failure that stops nothing.
    pub fn warned(&self, failure: &Failure) {
        print_stderr(&failure.warning(&self.on_stderr()));
    }

    pub fn json(&self) -> bool {
        self.json
    }

    /// Whether a person watches the messages.
    pub fn watched(&self) -> bool {
        std::io::stderr().is_terminal()
    }
}

/// The line that says what is waited for, until it is dropped.
pub struct Waiting;

impl Drop for Waiting {
    fn drop(&mut self) {
        progress::end();
    }
}

fn print_stderr(text: &dyn Display) {
    let _ = progress::aside(|| write!(anstream::stderr(), "{text}"));
}

fn print_stdout(text: &dyn Display) {
    told(progress::aside(|| write!(anstream::stdout(), "{text}")));
}

fn told(written: std::io::Result<()>) {
    match written {
        // A closed pipe is the reader's choice.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => drop(LOST.set(error)),
        Err(_) | Ok(()) => {}
    }
}
