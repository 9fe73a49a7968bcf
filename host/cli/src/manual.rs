//! The manual: its pages, and where they are written.

use std::path::Path;

use artifacts_plan::suggestion;
use artifacts_report::Failure;
use clap::Command;

use crate::help::{Page, pages, roff};

/// Holds every page.
pub struct Manual(Vec<Page>);

impl Manual {
    pub fn new(root: &Command) -> Self {
        Self(pages(root))
    }

    /// Returns a page by its words: `generate`, `backend list`, `artifacts-files`.
    pub fn page(&self, words: &[String]) -> Result<&Page, Failure> {
        let named = words.join("-");
        let name = match named.strip_prefix("artifacts").map(|rest| rest.trim_start_matches('-')) {
            Some(rest) => rest,
            None => named.as_str(),
        };
        let short =
            |page: &Page| page.name.strip_prefix("artifacts").unwrap_or_default().trim_start_matches('-').to_owned();
        let found = self.0.iter().find(|page| short(page) == name);
        found.ok_or_else(|| {
            let meant = suggestion(name, self.0.iter().map(short));
            let hint = meant.map(|meant| format!("did you mean `artifacts man {meant}`?"));
            Failure::new(named.clone(), "no such page of the manual").hint(hint)
        })
    }

    /// Writes all pages as `man` expects them below a directory.
    pub fn write(&self, dir: &Path) -> Result<(), Failure> {
        for page in &self.0 {
            let dir = dir.join(format!("man{}", page.section));
            let file = dir.join(format!("{}.{}", page.name, page.section));
            std::fs::create_dir_all(&dir)
                .and_then(|()| std::fs::write(&file, roff(page)))
                .map_err(|e| Failure::new(file.display().to_string(), format!("cannot write it: {e}")))?;
        }
        Ok(())
    }
}
