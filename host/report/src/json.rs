use artifacts_declared::InstanceName;
use artifacts_plan::InstanceState;
use artifacts_text::command_words;
use serde_json::{Value, json};

use crate::{Failure, FileChange, Hint, InstanceRow, Orphaned, ReadRequest, RecipientChange, Report, TrashedEntry};

impl Report {
    /// The one object that `--json` prints.
    pub fn json(&self) -> Value {
        let mut value = json!({
            "schema": 1,
            "instances": self.rows.iter().map(row).collect::<Vec<_>>(),
            "errors": self.errors.iter().map(Failure::json).collect::<Vec<_>>(),
        });
        if !self.recipients.is_empty() {
            value["recipients"] = self.recipients.iter().map(RecipientChange::json).collect();
        }
        if let Some(digest) = &self.recipients_digest {
            value["recipientsDigest"] = json!(digest);
        }
        if !self.read_requests.is_empty() {
            value["readRequests"] = self.read_requests.iter().map(ReadRequest::json).collect();
        }
        if !self.trashed.is_empty() {
            value["trashed"] = self.trashed.iter().map(TrashedEntry::json).collect();
        }
        if !self.orphaned.is_empty() {
            value["orphaned"] = self.orphaned.iter().map(Orphaned::json).collect();
        }
        if let Some((opened, written)) = self.counts {
            value["decrypted"] = json!(opened);
            value["written"] = json!(written);
        }
        value
    }
}

fn row((name, row): (&InstanceName, &InstanceRow)) -> Value {
    let mut value = json!({
        "name": name.to_string(),
        "backend": row.backend,
        "state": row.state.as_str(),
        "reasons": row.state.reasons().iter()
            .map(|reason| json!({"kind": reason.kind.as_str(), "message": reason.message}))
            .collect::<Vec<_>>(),
        "staged": row.staged,
    });
    if let InstanceState::Error(why) = &row.state {
        value["error"] = json!(why);
    }
    if let Some(done) = row.done {
        value["done"] = json!(done.as_str());
    }
    if row.done.is_none() && !row.hints.is_empty() {
        value["hints"] = row.hints.iter().map(Hint::json).collect();
    }
    if !row.files.is_empty() {
        value["files"] = row.files.iter().map(FileChange::json).collect();
    }
    let notes: Vec<String> = row.lines().collect();
    if !notes.is_empty() {
        value["notes"] = json!(notes);
    }
    value
}

impl Failure {
    /// Returns it as `--json` has it; `command` has the words of a hint that is one command.
    pub fn json(&self) -> Value {
        json!({
            "subject": self.subject,
            "backend": self.backend,
            "message": self.message,
            "kind": self.kind,
            "hint": self.hint,
            "command": self.hint.as_deref().and_then(command_words),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_that_is_one_command_has_its_words_beside_it() {
        let of = |hint: &str| Failure::new("shared/a", "not generated yet").hint(Some(hint)).json();
        let one = of("`artifacts generate 'shared/a b'`");
        assert_eq!(one["command"], json!(["artifacts", "generate", "shared/a b"]));
        assert_eq!(one["hint"], "`artifacts generate 'shared/a b'`");
        assert_eq!(of("declare it again")["command"], Value::Null);
        assert_eq!(Failure::new("", "it failed").json()["command"], Value::Null);
    }
}
