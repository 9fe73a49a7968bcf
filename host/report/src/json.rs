use artifacts_plan::State;
use serde_json::{Value, json};

use crate::{Failure, Report, Row};

impl Report {
    /// The one object that `--json` prints.
    pub fn json(&self) -> Value {
        json!({
            "schema": 1,
            "instances": self.instances.iter().map(row).collect::<Vec<_>>(),
            "errors": self.errors.iter().map(failure).collect::<Vec<_>>(),
        })
    }
}

fn row(row: &Row) -> Value {
    let mut value = json!({
        "name": row.name,
        "backend": row.backend,
        "state": row.state.as_str(),
        "reasons": row.state.reasons().iter()
            .map(|reason| json!({"kind": reason.kind, "message": reason.message}))
            .collect::<Vec<_>>(),
    });
    if let State::Error(why) = &row.state {
        value["error"] = json!(why);
    }
    if let Some(done) = row.done {
        value["done"] = json!(done.as_str());
    }
    value
}

fn failure(failure: &Failure) -> Value {
    json!({
        "subject": failure.subject,
        "backend": failure.backend,
        "message": failure.message,
        "help": failure.help,
    })
}
