use std::io::{IsTerminal as _, Read as _};

use artifacts_plan::Instance;
use artifacts_prompt::Question;
use artifacts_report::{Done, Failure, Report, reader_changes};
use artifacts_seam::Secret;
use artifacts_spec::{Name, PromptKind};
use clap::Args;

use super::Status;
use crate::args::Global;
use crate::output::Output;
use crate::rooms::Run;
use crate::setting::{Setting, look, plaintext};
use crate::{consent, dry_run, person};

/// The largest value, in bytes: as large as a generator's file may be.
const LARGEST: u64 = 16 << 20;

#[derive(Debug, Args)]
pub struct Options {
    #[command(flatten)]
    file: crate::file::File,
    /// Take standard input even when it is empty
    #[arg(long)]
    allow_empty: bool,
    /// Show what would be written, and read and write nothing
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
        let mut rooms = run.rooms()?;
        if self.dry_run {
            let survey = look(&run, &mut rooms, instance)?;
            let mut report = run.rows(std::iter::once(instance), &survey);
            report.readers =
                consent::changes(&run, std::iter::once(instance), &survey, plaintext(instance, &file, &survey, false))?;
            dry_run::describe(&mut report, &run, &survey, &[instance.name.clone()].into());
            report.instances.iter_mut().for_each(|row| row.done = Some(Done::WouldSet));
            if !output.json() {
                output.painted(&reader_changes(&report.readers));
            }
            return Ok(output.report(&report));
        }
        let setting = Setting::begin(&run, &mut rooms, global, output, instance, &file, false)?;
        let value = self.value(global, instance, &file)?;
        let report = setting.finish(&mut rooms, value)?;
        Ok(output.report(&report))
    }

    /// Standard input as it is; from a terminal, a hidden line that is asked for twice.
    fn value(&self, global: &Global, instance: &Instance, file: &Name) -> Result<Secret, Failure> {
        let failed = |why: String| Failure::new(instance.name.to_string(), why);
        if std::io::stdin().is_terminal() {
            let mut terminal = person::terminal().filter(|_| !global.no_input).ok_or_else(|| {
                failed(format!("there is no value for `{file}`"))
                    .help(Some("give it on standard input: `… | artifacts set INSTANCE FILE`"))
            })?;
            let question = Question {
                instance: instance.name.clone(),
                prompt: file.clone(),
                description: None,
                kind: PromptKind::Hidden,
            };
            return terminal.ask(&question).map_err(|e| failed(e.to_string()).help(e.help()));
        }
        // Room for all that is read, so that no copy is left behind.
        let mut bytes = Vec::with_capacity(usize::try_from(LARGEST).unwrap_or_default() + 1);
        let read = std::io::stdin().take(LARGEST + 1).read_to_end(&mut bytes);
        let value = Secret::new(bytes);
        read.map_err(|e| failed(format!("standard input cannot be read: {e}")))?;
        if value.size() > LARGEST {
            return Err(failed(format!("`{file}` would be larger than {LARGEST} bytes")));
        }
        if value.size() == 0 && !self.allow_empty {
            return Err(failed("standard input is empty".to_owned())
                .help(Some("a program before it may have failed; `--allow-empty` stores nothing but nothing")));
        }
        Ok(value)
    }
}
