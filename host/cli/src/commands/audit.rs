use std::time::SystemTime;

use artifacts_audit::{Filter, parse_moment};
use artifacts_report::Failure;
use clap::Args;

use crate::audit_answer::AuditAnswer;
use crate::audit_log;
use crate::console::Console;
use crate::environment::Environment;
use crate::exit::Exit;
use crate::global::Global;
use crate::selectors::Selectors;

#[derive(Debug, Args)]
pub struct Options {
    #[command(flatten)]
    selectors: Selectors,
    /// Only calls of this backend
    #[arg(long, value_name = "NAME")]
    backend: Option<String>,
    /// Only calls since TIME: `2026-01-31T12:00:00Z`, `2026-01-31` (in UTC), `today`, `yesterday`, `3d` or `12h`
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<SystemTime>,
    /// Only calls before TIME
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<SystemTime>,
    /// Print every record instead of a summary
    #[arg(long)]
    all: bool,
    /// Exit with 1 if a backend was denied access or the chain is broken
    #[arg(long)]
    check: bool,
}

fn moment(text: &str) -> Result<SystemTime, String> {
    parse_moment(text, Environment::now())
}

impl Options {
    pub fn run(&self, global: &Global, console: &Console) -> Result<Exit, Failure> {
        let path = audit_log::place(global, &Environment::read())?;
        if let Err(unsafe_place) = audit_log::check(&path, global.audit_log.is_some()) {
            console.warning(&unsafe_place.message, unsafe_place.hint.as_deref());
        }
        let filter = Filter { backend: self.backend.clone(), since: self.since, until: self.until };
        let answer = AuditAnswer::read(&path, &filter, &self.selectors.parsed())?;
        if console.json() {
            console.object(answer.json(self.all), &[]);
        } else {
            answer.print(self.all, console);
        }
        Ok(if self.check && answer.is_alarming() { Exit::FAILED } else { Exit::DONE })
    }
}
