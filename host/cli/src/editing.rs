//! Editing one file until its new value is stored, or the person gives up.

use std::time::{Duration, Instant};

use artifacts_flow::{Run, Set};
use artifacts_ram::Ram;
use artifacts_report::{Failure, Report};
use artifacts_seam::Secret;

use crate::console::Console;
use crate::draft::{Draft, Taken};
use crate::editor::Editor;
use crate::terminal;

const LOST: &str = "your edits were discarded; nothing was changed";

/// Has the file edited and stores what was typed. Where that fails, the person may edit again what they typed.
pub fn edit(run: &mut Run, set: &Set, editor: &Editor, ram: &Ram, console: &Console) -> Result<Report, Failure> {
    let selection = run.select_one(&set.instance);
    let mut agreed = run.survey(&selection).lock(set.clone()).agree();
    if !agreed.is_open() {
        return Ok(agreed.give_up());
    }
    let before = agreed.stored()?.unwrap_or_else(|| Secret::new(Vec::new()));
    let subject = set.instance.to_string();
    let mut draft = Draft::new(ram.private_dir(), &subject, &set.file, &before)?;
    loop {
        let start = Instant::now();
        let edited = editor.edit(&draft).map_err(|why| Failure::new(subject.clone(), why));
        let value = match draft.collect(edited, &before)? {
            Taken::Unchanged => {
                console.message(unchanged(start.elapsed()));
                return Ok(agreed.leave());
            }
            Taken::Failed(failure) => {
                once_more(editor, console, failure)?;
                draft.renew().map_err(lost)?;
                continue;
            }
            Taken::Value(value) => value,
        };
        let report = agreed.set(value).finish();
        let Some(failure) = report.errors.first().cloned().filter(|_| report.rows.is_empty()) else {
            return Ok(report);
        };
        once_more(editor, console, failure)?;
        draft.renew().map_err(lost)?;
        // It is begun again: what failed may be what was decrypted or surveyed before.
        run.retry();
        agreed = run.survey(&selection).lock(set.clone()).agree();
    }
}

/// Tells why it was not stored. The person may have the editor again with what was typed in it; else that is lost.
fn once_more(editor: &Editor, console: &Console, failure: Failure) -> Result<(), Failure> {
    if !editor.is_at_terminal() {
        return Err(lost(failure));
    }
    let subject = failure.subject.clone();
    console.failures(&[failure]);
    // There is an editor, so questions are allowed.
    match terminal::confirm(false, "Edit again?") {
        Ok(Some(true)) => Ok(()),
        Ok(_) => Err(Failure::new(subject, LOST)),
        Err(failure) => Err(lost(failure)),
    }
}

/// A failure after which there is no other try.
fn lost(failure: Failure) -> Failure {
    Failure { message: format!("{}; {LOST}", failure.message), ..failure }
}

/// What is said when there is nothing to store.
fn unchanged(took: Duration) -> &'static str {
    // No one reads and decides so fast.
    if took < Duration::from_secs(1) {
        "no changes; if your editor opens a window, make it wait, for example EDITOR='code --wait'"
    } else {
        "no changes"
    }
}
