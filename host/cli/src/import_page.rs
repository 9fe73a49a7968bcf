//! What an import shows.

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;

use artifacts_import::{OldReference, Remark};
use artifacts_report::Failure;
use artifacts_text::counted;
use serde_json::{Value, json};

use crate::console::Console;
use crate::import_search::ImportSearch;
use crate::stored_options::StoredOptions;

/// Writes the module into a new file, which is a person's from then on.
///
/// # Errors
/// When there is a file already, or it cannot be written.
pub fn write(search: &ImportSearch, file: &Path) -> Result<(), Failure> {
    let Some(module) = &search.module else { return Ok(()) };
    let mut options = OpenOptions::new();
    let made = options.write(true).create_new(true).open(file);
    let written = made.and_then(|mut made| made.write_all(module.text.as_bytes()));
    written.map_err(|why| {
        let hint = "nothing is overwritten: pass a new file, or remove it";
        Failure::new(file.display().to_string(), format!("cannot write the module: {why}")).hint(Some(hint))
    })
}

/// Shows the module, unless it was written, and beside it what references become and what has no place.
pub fn show(console: &Console, search: &ImportSearch, written: Option<&Path>) {
    for reference in &search.references {
        console.message(&line(reference));
    }
    let (open, settled) = (&search.proposal.remarks, &search.proposal.settled);
    let shown = if console.verbose() { settled.as_slice() } else { &[] };
    for Remark { subject, why, action } in open.iter().chain(shown) {
        console.warned(&Failure::new(subject.clone(), why.clone()).hint(Some(action.clone())));
    }
    if shown.len() < settled.len() {
        console.message(&format!("{} on what is declared already; -v shows them", counted(settled.len(), "remark")));
    }
    if search.proposal.artifacts.is_empty() && open.is_empty() {
        console.message(&format!("no secrets of {} found that could be imported", search.proposal.tool.as_str()));
    }
    let Some(module) = &search.module else { return };
    let artifacts = search.proposal.undeclared().map(|(artifact, target)| artifact.instance(target));
    let count = counted(artifacts.collect::<BTreeSet<_>>().len(), "artifact");
    let next = match written {
        Some(file) => format!(
            "{count} declared in {}; import it, `git add` it, then run this again to take the values",
            file.display()
        ),
        None => {
            format!("{count} to declare; put the module into a file, import it, then run this again to take the values")
        }
    };
    console.gap();
    if written.is_none() {
        console.exact(&module.text);
        console.gap();
    }
    console.message(&next);
}

/// Shows which old options have their values in storages now, and which of them have perhaps another one there.
pub fn show_stored(console: &Console, stored: &StoredOptions) {
    for (options, what) in [
        (&stored.removable, "stored; once nothing refers to them, remove these before you deploy"),
        (&stored.uncompared, "stored before, with values that were not compared; look at these before you remove them"),
    ] {
        if !options.is_empty() {
            let names: Vec<&str> = options.iter().map(String::as_str).collect();
            console.message(&format!("{what}:\n  {}", names.join("\n  ")));
        }
    }
}

fn line(reference: &OldReference) -> String {
    let places: Vec<String> = reference.uses.iter().map(|one| format!("  {}:{}", one.path, one.line)).collect();
    let places = if places.is_empty() { String::new() } else { format!("\n{}", places.join("\n")) };
    format!("{} -> {}{places}", reference.old, reference.new)
}

/// Returns the same for other programs.
pub fn json(search: &ImportSearch, written: Option<&Path>, stored: &StoredOptions) -> Value {
    let reference = |one: &OldReference| {
        let uses: Vec<Value> = one.uses.iter().map(|at| json!({"file": at.path, "line": at.line})).collect();
        json!({"old": one.old, "new": one.new, "uses": uses})
    };
    let remark = |one: &Remark| json!({"subject": one.subject, "why": one.why, "action": one.action});
    json!({
        "module": search.module.as_ref().map(|module| &module.text),
        "file": written.map(|file| file.display().to_string()),
        "references": search.references.iter().map(reference).collect::<Vec<_>>(),
        "remarks": search.proposal.remarks.iter().chain(&search.proposal.settled).map(remark).collect::<Vec<_>>(),
        "removable": stored.removable,
        "uncompared": stored.uncompared,
    })
}
