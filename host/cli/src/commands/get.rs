use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::os::fd::AsFd as _;

use artifacts_report::Failure;
use artifacts_seam::Secret;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as BASE64;
use clap::Args;
use serde_json::json;

use crate::console::Console;
use crate::context::Context;
use crate::exit::Exit;
use crate::global::Global;
use crate::instance_file::{FileUse, InstanceFile};

#[derive(Debug, Args)]
pub struct Options {
    #[command(flatten)]
    file: InstanceFile,
}

impl Options {
    pub fn run(&self, global: &Global, console: &Console) -> Result<Exit, Failure> {
        let context = Context::new(global, console)?;
        let mut run = context.open(&self.file.selectors(FileUse::Read))?;
        let (instance, file) = match self.file.resolve(&run, FileUse::Read) {
            Ok(meant) => meant,
            Err(errors) => return Ok(console.errors(errors)),
        };
        let value = run.read_file(&instance, &file)?;
        if console.json() {
            let (encoding, text) = match std::str::from_utf8(value.expose()) {
                Ok(text) => ("utf-8", text.to_owned()),
                Err(_) => ("base64", BASE64.encode(value.expose())),
            };
            let name = instance.to_string();
            let said = json!({"instance": name, "file": file.as_str(), "encoding": encoding, "value": text});
            console.object(said, &[]);
        } else {
            write(&value).map_err(|e| {
                Failure::new(instance.to_string(), format!("cannot write `{file}` to standard output: {e}"))
            })?;
        }
        Ok(Exit::DONE)
    }
}

/// The bytes and nothing else, past every buffer that is not wiped.
fn write(value: &Secret) -> std::io::Result<()> {
    match File::from(std::io::stdout().as_fd().try_clone_to_owned()?).write_all(value.expose()) {
        // Anyone who reads has enough of it.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}
