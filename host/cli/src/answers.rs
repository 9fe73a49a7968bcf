//! Values for prompts that were written down.

use std::path::Path;

use artifacts_prompt::AnswersFile;
use artifacts_report::Failure;

use crate::limited_input;

/// The largest file of answers, in bytes.
const LARGEST: usize = 8 << 20;

/// Reads an answers file, or standard input for `-`, as TOML or JSON.
pub fn read_answers(path: &Path) -> Result<AnswersFile, Failure> {
    let name = if path == Path::new("-") { "standard input".to_owned() } else { path.display().to_string() };
    let failed = |e: std::io::Error| {
        Failure::new(name.clone(), format!("cannot read the answers file: {e}"))
            .hint(Some("pass a TOML or JSON file that maps instances and prompts to values, or `-` for standard input"))
    };
    let content = limited_input::read(path, LARGEST).map_err(failed)?;
    let text = std::str::from_utf8(content.expose()).map_err(|_| failed(std::io::Error::other("not valid UTF-8")))?;
    AnswersFile::parse(text).map_err(|e| Failure::about(name.clone(), e))
}
