//! The admin at the terminal, with the flags and the answers file that speak for them.

use std::collections::BTreeSet;
use std::io::Write as _;

use artifacts_declared::{InstanceName, Name, Prompt};
use artifacts_flow::{
    Adoption, Answer, DeclaredPrompt, FormerValue, Operator, Phase, PromptValues, Question, RequestedPrompt, RunEvent,
};
use artifacts_plan::Instance;
use artifacts_prompt::{AnswerFault, AnswersFile};
use artifacts_report::{Exposure, Failure, RecipientChange, RecipientNames, Report};
use artifacts_text::{Explain, counted, shell_word};

use crate::audit_log::TERMINAL;
use crate::console::Console;
use crate::global::{AcceptedDigest, Global};
use crate::messages::Messages;
use crate::{person, recipient_question, terminal};

/// Holds what was accepted on the command line.
#[derive(Debug, Clone, Default)]
pub struct Flags {
    accept_recipients: Vec<AcceptedDigest>,
    accept_reading: bool,
    no_input: bool,
    /// Whether the command's own question is answered.
    yes: bool,
}

impl Flags {
    /// Takes what was passed; `yes` answers the command's own question.
    pub fn new(global: &Global, yes: bool) -> Self {
        Self {
            accept_recipients: global.accept_recipients.clone(),
            accept_reading: global.accept_reading,
            no_input: global.no_input,
            yes,
        }
    }
}

/// Asks at the terminal, and prints to standard error.
pub struct TerminalOperator {
    flags: Flags,
    console: Console,
    answers: Option<AnswersFile>,
    messages: Messages,
    /// The user whose checkout root writes in.
    foreign_owner: Option<u32>,
}

impl TerminalOperator {
    /// Answers by these flags and this answers file, then asks. `foreign_owner` is the user whose checkout root writes in.
    pub fn new(flags: Flags, console: Console, answers: Option<AnswersFile>, foreign_owner: Option<u32>) -> Self {
        Self { flags, console, answers, messages: Messages::new(console), foreign_owner }
    }

    fn ask(&self, question: &str) -> Result<Answer, Failure> {
        Ok(match terminal::confirm(self.flags.no_input, question)? {
            Some(true) => Answer::Yes { by: TERMINAL },
            Some(false) => Answer::No,
            None => Answer::NoOne,
        })
    }

    fn can_ask(&self) -> bool {
        !self.flags.no_input && person::terminal().is_some()
    }

    fn recipients(&self, changes: &[RecipientChange], names: &RecipientNames, digest: &str) -> Result<Answer, Failure> {
        let accepted = accepted_beforehand(&self.flags.accept_recipients, digest);
        let terminal = person::terminal().filter(|_| accepted.is_none() && !self.flags.no_input);
        let Some(mut terminal) = terminal else {
            recipient_question::show(self.console, changes, names);
            // A digest of others accepts nothing, and whoever passed it is not there to be asked.
            let is_yes = accepted.unwrap_or_default();
            return Ok(if is_yes { Answer::Yes { by: "--accept-recipients" } } else { Answer::NoOne });
        };
        let is_yes = recipient_question::ask(self.console, &mut terminal, changes, names)?;
        Ok(if is_yes { Answer::Yes { by: TERMINAL } } else { Answer::No })
    }

    fn new_values(&self, former: &[FormerValue]) -> Result<Answer, Failure> {
        if self.can_ask() {
            for FormerValue { name, why, keep } in former {
                self.console.message(&format!("{name}: {why}; keep: {keep}"));
            }
        }
        self.ask("Generate new values instead?")
    }

    fn questions(&self, requests: &[RequestedPrompt]) -> Vec<artifacts_prompt::PromptRequest> {
        let names = self.console.names();
        let question = |request: &RequestedPrompt| artifacts_prompt::PromptRequest {
            instance: request.instance.clone(),
            shown: names.shorten(&request.instance),
            prompt: request.prompt.clone(),
            description: request.description.clone(),
            details: request.details.iter().map(|line| names.shorten_text(line).into_owned()).collect(),
            needs: request.needs.clone(),
            earlier: request.earlier.clone(),
            kind: request.kind,
            required: request.required,
        };
        requests.iter().map(question).collect()
    }
}

impl Operator for TerminalOperator {
    fn confirm(&mut self, question: &Question<'_>) -> Result<Answer, Failure> {
        match question {
            Question::Recipients { changes, names, digest } => self.recipients(changes, names, digest),
            Question::ReadAccess(readings) => {
                self.console.painted(&artifacts_report::read_requests(readings));
                if self.flags.accept_reading {
                    return Ok(Answer::Yes { by: "--accept-reading" });
                }
                self.ask("Allow this access?")
            }
            Question::AnswerAccess(requests) => {
                self.console.painted(&artifacts_report::answer_requests(requests));
                if self.flags.accept_reading {
                    return Ok(Answer::Yes { by: "--accept-reading" });
                }
                self.ask("Allow this use?")
            }
            Question::TryAgain(failures) => {
                if !self.can_ask() {
                    return Ok(Answer::NoOne);
                }
                // What to do about them is said at the end, if the answer is no.
                let brief: Vec<Failure> = failures.iter().map(|failure| failure.clone().hint(None::<String>)).collect();
                self.console.failures(&brief);
                self.console.message("all answers are kept in memory");
                self.ask(if failures.len() == 1 { "Enter its answers again?" } else { "Enter their answers again?" })
            }
            // What comes back is shown in any case: it says who can decrypt it.
            Question::Restore { entries, names } => {
                self.console.restorable(entries, names);
                if self.flags.yes {
                    return Ok(Answer::Yes { by: "--yes" });
                }
                self.ask(&format!("Restore {}?", counted(entries.len(), "entry")))
            }
            Question::Replace(_) | Question::NewValues(_) | Question::Trash(_) | Question::Remove(..)
                if self.flags.yes =>
            {
                Ok(Answer::Yes { by: "--yes" })
            }
            Question::Replace(values) => {
                self.console.painted(&artifacts_report::replaced_values(values, &self.console.on_stderr()));
                self.console.message("old values stay in the trash for 30 days");
                self.ask(&format!("Replace {}?", counted(values.len(), "value")))
            }
            Question::NewValues(former) => self.new_values(former),
            // Nothing is preselected, by no flag either.
            Question::ReplaceReadable(_) if self.flags.yes => Ok(Answer::NoOne),
            Question::ReplaceReadable(value) => {
                self.console.painted(&Exposure::page_of(value, &self.console.on_stderr()));
                self.ask(&format!("Replace {}?", self.console.name(&value.name)))
            }
            Question::Trash(rows) => {
                self.console.trashed(rows);
                self.ask(&format!("Move {} to the trash?", counted(rows.len(), "entry")))
            }
            Question::Remove(entries, names) => {
                self.console.restorable(entries, names);
                self.ask(&format!("Remove {} for good?", counted(entries.len(), "entry")))
            }
        }
    }

    fn answer_faults(&self, prompts: &[DeclaredPrompt<'_>], are_all: bool) -> Vec<(Option<InstanceName>, Failure)> {
        let Some(answers) = &self.answers else { return Vec::new() };
        let known = prompts.iter().map(|(instance, name, prompt)| (*instance, *name, prompt.is_required()));
        let faults = answers.faults(&known.collect::<Vec<_>>(), are_all);
        let failed = |fault: AnswerFault| {
            let subject = fault.instance.as_ref().map(ToString::to_string).unwrap_or_default();
            (fault.instance, Failure { subject, ..failed(&fault.error) })
        };
        faults.into_iter().map(failed).collect()
    }

    fn open_prompts(&self, instance: &Instance) -> Vec<Name> {
        let given =
            |name: &Name, prompt: &Prompt| self.answers.as_ref()?.get(&instance.name, name, prompt.is_required());
        let open = instance.artifact.prompts.iter().filter(|(name, prompt)| given(name, prompt).is_none());
        open.map(|(name, _)| name.clone()).collect()
    }

    fn without_terminal(&self, requests: &[RequestedPrompt], is_preview: bool) -> Option<String> {
        let can_ask = if is_preview { !self.flags.no_input } else { self.can_ask() };
        if can_ask {
            return None;
        }
        let missing = artifacts_prompt::all_answered(&self.questions(requests), self.answers.as_ref()).err();
        Some(missing.and_then(|error| error.hint()).unwrap_or_default())
    }

    fn enter(
        &mut self,
        requests: &[RequestedPrompt],
        others: &[BTreeSet<InstanceName>],
    ) -> Result<PromptValues, Failure> {
        let mut terminal = if self.flags.no_input || requests.is_empty() { None } else { person::terminal() };
        let questions = self.questions(requests);
        artifacts_prompt::ask_all(&questions, others, self.answers.as_ref(), terminal.as_mut()).map_err(|e| failed(&e))
    }

    fn waits(&self) -> bool {
        !self.flags.no_input
    }

    fn phase(&mut self, phase: Phase) {
        match phase {
            Phase::Checking { count, total } => self.console.phase("checking", count, total),
            Phase::Decrypting { count, total } => self.console.phase("decrypting", count, total),
            Phase::Idle => self.console.idle(),
        }
    }

    fn notify(&mut self, event: &RunEvent<'_>) {
        let console = self.console;
        match event {
            RunEvent::MissingLayer(weaker) => {
                console.warning(weaker, Some("pass `--require-sandbox` to make this an error"));
            }
            RunEvent::Backend(messages) => self.messages.show(messages),
            RunEvent::RecipientChanges { changes, names, preview } => {
                if !(*preview && console.json()) {
                    recipient_question::show(console, changes, names);
                }
            }
            RunEvent::Adoption(adoption) => show_adoption(console, adoption),
            RunEvent::Generating { .. }
            | RunEvent::Generated { .. }
            | RunEvent::NotGenerated(_)
            | RunEvent::Reencrypted { .. } => show_work(console, event),
            RunEvent::Waiting { storage, pid } => {
                let process = pid.map(|pid| format!(" (process {pid})")).unwrap_or_default();
                console.message(&format!(
                    "waiting for another artifacts{process}, which holds the lock of storage {storage}; Ctrl-C stops"
                ));
            }
            RunEvent::GeneratorOutput { name, output: printed } => show_output(console, name, printed.expose()),
            RunEvent::Staged(warnings) => {
                for warning in *warnings {
                    console.warning(&warning.to_string(), warning.hint().as_deref());
                }
                if let Some(owner) = self.foreign_owner {
                    console.warning(
                        &format!(
                            "artifacts runs as root in a checkout of user {owner}: its stored files belong to root"
                        ),
                        Some(&format!("run it as that user; until then `chown -R {owner}` the storage")),
                    );
                }
            }
            // Programs find it in the report.
            RunEvent::Preview(_) if console.json() => {}
            RunEvent::Preview(report) => show_preview(console, report),
            RunEvent::Exposure(exposure) => {
                if self.can_ask() && !self.flags.yes {
                    console.painted(&exposure.page(&console.on_stderr()));
                }
            }
            RunEvent::NothingOrphaned => {
                if !console.json() {
                    console.line("no entry is orphaned");
                }
            }
            RunEvent::EvaluatingAgain => console.detail("public files changed; evaluating again"),
            RunEvent::Note(text) => console.message(text),
            RunEvent::Warning(text, hint) => console.warning(text, *hint),
        }
    }
}

fn failed(error: &artifacts_prompt::Error) -> Failure {
    Failure::from(error)
}

/// Returns whether `--accept-recipients` is a yes; none when it was not passed. A digest of others is a no: what it stood for is
/// not there.
fn accepted_beforehand(flags: &[AcceptedDigest], digest: &str) -> Option<bool> {
    let accepts = |flag: &AcceptedDigest| match flag {
        AcceptedDigest::All => true,
        AcceptedDigest::Exactly(theirs) => theirs == digest,
    };
    (!flags.is_empty()).then(|| flags.iter().any(accepts))
}

/// Shows what would be written and asked.
fn show_preview(console: Console, report: &Report) {
    let pages = report.preview(&console.on_stderr())
        + &artifacts_report::read_requests(&report.read_requests)
        + &artifacts_report::answer_requests(&report.answer_requests);
    console.painted(&pages);
    if !pages.is_empty() {
        console.gap();
    }
}

/// Shows how far generating and encrypting is.
fn show_work(console: Console, event: &RunEvent<'_>) {
    match event {
        RunEvent::Generating { name, count, total } => {
            console.phase("generating", *count, *total);
            console.begin(name);
        }
        RunEvent::NotGenerated(name) => drop(console.finish(name)),
        RunEvent::Generated { name, count, total } => {
            let took = console.finish(name).map(|took| format!(", {took}")).unwrap_or_default();
            console.phase("generating", *count, *total);
            console.detail(&format!("generated {name} ({count} of {total}{took})"));
        }
        RunEvent::Reencrypted { name, count, total } => {
            console.phase("re-encrypting", *count, *total);
            console.detail(&format!("re-encrypted {name} ({count} of {total})"));
        }
        _ => {}
    }
}

/// Shows what would be accepted of an entry.
fn show_adoption(console: Console, adoption: &Adoption) {
    let Adoption { name, differences, headers, new_headers, unread, miscounted, other_recipients, .. } = adoption;
    let keys = match (headers.len(), new_headers) {
        (0, _) => "contains no age file".to_owned(),
        (1, 0) => "its age file is known".to_owned(),
        (1, _) => "its age file is new; from now on it belongs to this artifact".to_owned(),
        (all, 0) => format!("its {all} age files are known"),
        (all, 1) => format!("1 of its {all} age files is new; from now on it belongs to this artifact"),
        (all, new) => format!("{new} of its {all} age files are new; from now on they belong to this artifact"),
    };
    console.message(&format!("{name}:"));
    let recipients = (*unread && !headers.is_empty()).then(|| {
        let word = shell_word(&name.to_string());
        let who = if *miscounted {
            "recipients unknown; their number differs from the declaration"
        } else {
            "recipients unknown"
        };
        format!("{who}; to encrypt to the declared ones: `artifacts rekey --all {word}`")
    });
    for line in differences.iter().chain([&keys]).chain(&recipients).chain(other_recipients) {
        console.message(&format!("  {line}"));
    }
}

/// Shows what a generator printed to a person who asks for it, and nowhere else: it may hold a secret.
fn show_output(console: Console, name: &InstanceName, printed: &[u8]) {
    if console.secrets_too && !printed.is_empty() {
        console.message(&format!("{name}: output of the generator:"));
        let mut stderr = std::io::stderr();
        let _ = writeln!(stderr, "{}", artifacts_text::terminal_lines(&String::from_utf8_lossy(printed)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_accepts_what_it_stands_for_and_refuses_everything_else() {
        let exactly = |text: &str| AcceptedDigest::Exactly(text.to_owned());
        assert_eq!(accepted_beforehand(&[], "a"), None, "the person is asked");
        assert_eq!(accepted_beforehand(&[AcceptedDigest::All], "a"), Some(true));
        assert_eq!(accepted_beforehand(&[exactly("a")], "a"), Some(true));
        assert_eq!(accepted_beforehand(&[exactly("b")], "a"), Some(false));
        assert_eq!(
            accepted_beforehand(&[exactly("b"), exactly("a")], "a"),
            Some(true),
            "one for each question of a run"
        );
    }
}
