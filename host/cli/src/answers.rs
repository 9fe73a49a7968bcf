//! Values for prompts that were written down.

use std::path::Path;

use artifacts_prompt::{AnswersFile, AnswersFormat};
use artifacts_report::Failure;

use crate::bounded;

/// The largest file of answers, in bytes.
const LARGEST: usize = 8 << 20;

/// Reads an answers file, as TOML or JSON by its name.
pub fn read_answers(path: &Path) -> Result<AnswersFile, Failure> {
    let failed = |e: std::io::Error| {
        Failure::new(path.display().to_string(), format!("the answers cannot be read: {e}"))
            .hint(Some("name a file in TOML or JSON: instance, prompt, value"))
    };
    let content = bounded::read(path, LARGEST).map_err(failed)?;
    let text = std::str::from_utf8(content.expose()).map_err(|_| failed(std::io::Error::other("they are no UTF-8")))?;
    let format = if path.extension().is_some_and(|e| e == "json") { AnswersFormat::Json } else { AnswersFormat::Toml };
    AnswersFile::parse(text, format).map_err(|e| Failure::about(path.display().to_string(), e))
}
