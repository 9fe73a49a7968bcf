//! The files that an installer brings to a new machine.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use artifacts_declared::{DeclaredFile, InstanceName, Name};
use artifacts_flow::{FileSelection, Run};
use artifacts_plan::Instance;
use artifacts_report::{Failure, FileChange};
use artifacts_seam::Secret;
use artifacts_text::counted;
use serde_json::{Value, json};

use crate::console::Console;
use crate::provision_tree::ProvisionTree;

/// Says which files an installer brings.
pub const INSTALLED: &str =
    "`provision` writes files that have `deploy = false` and their own `path`, such as a host's private key";

/// Says where a file goes on the new machine.
pub struct ProvisionedFile<'a> {
    instance: &'a Instance,
    file: &'a Name,
    path: &'a str,
    mode: u32,
}

/// Holds what is known of the size of a file.
pub enum Size {
    /// So many bytes were written.
    Written(u64),
    /// So many are stored of what would be written, where that can be determined.
    Stored(Option<u64>),
}

/// Returns the target's own artifacts.
pub fn own(run: &Run, target: &str) -> Vec<Instance> {
    let is_own = |instance: &&Instance| match &instance.name {
        InstanceName::Machine { target: of, .. } | InstanceName::User { target: of, .. } => of.as_str() == target,
        InstanceName::Shared { .. } => false,
    };
    run.instances().values().filter(is_own).cloned().collect()
}

/// Finds, among a target's own artifacts, the secret files that no backend brings there and that have a place of their own.
pub fn provisioned_files<'a>(target: &str, own: &'a [Instance]) -> Result<Vec<ProvisionedFile<'a>>, Failure> {
    let failed = |why: String| Failure::new(target, why);
    let kinds: BTreeSet<&str> = own.iter().flat_map(|one| &one.targets).map(|target| target.kind.as_str()).collect();
    if kinds.len() > 1 {
        let kinds: Vec<&str> = kinds.into_iter().collect();
        return Err(failed(format!("matches more than one target: {}", kinds.join(", "))));
    }
    let mut files = Vec::new();
    for instance in own {
        for (name, file) in &instance.artifact.files {
            let Some(path) = installed(instance, name, file) else { continue };
            let mode = file.mode.as_deref().unwrap_or("0400");
            let mode = u32::from_str_radix(mode, 8)
                .map_err(|_| failed(format!("{}/{name} has the mode `{mode}`, which is no number", instance.name)))?;
            files.push(ProvisionedFile { instance, file: name, path, mode: mode & 0o777 });
        }
    }
    if files.is_empty() {
        return Err(failed("nothing to provision".to_owned()).hint(Some(INSTALLED)));
    }
    let paths: BTreeSet<&str> = files.iter().map(|file| file.path).collect();
    if paths.len() < files.len() {
        return Err(failed("two files have the same `path`".to_owned()).hint(Some("set a different `path` for each")));
    }
    Ok(files)
}

/// Where an installer puts a file. The usual place is one that backends fill.
fn installed<'a>(instance: &Instance, name: &Name, file: &'a DeclaredFile) -> Option<&'a str> {
    let usual = format!("/artifacts/{}/{name}", instance.name.artifact());
    file.path.as_deref().filter(|path| file.secret && !file.deploy && path.starts_with('/') && !path.ends_with(&usual))
}

fn selection(files: &[ProvisionedFile<'_>]) -> FileSelection {
    let mut wanted = FileSelection::new();
    for ProvisionedFile { instance, file, .. } in files {
        wanted.entry(instance.name.clone()).or_default().push((*file).clone());
    }
    wanted
}

/// Decrypts the files and writes each to its place in the tree.
pub fn write(
    run: &mut Run,
    target: &str,
    files: &[ProvisionedFile<'_>],
    tree: &ProvisionTree,
) -> Result<Vec<Size>, Failure> {
    let failed = |why: String| Failure::new(target, why);
    let mut values: BTreeMap<InstanceName, BTreeMap<Name, Secret>> = BTreeMap::new();
    for (name, read) in run.read(&selection(files)) {
        values.insert(name, read?.files);
    }
    let mut sizes = Vec::new();
    for ProvisionedFile { instance, file, path, mode } in files {
        let value = values.get(&instance.name).and_then(|files| files.get(*file));
        let value = value.ok_or_else(|| failed(format!("`{file}` did not come back")))?;
        tree.write(Path::new(path), value.expose(), *mode)
            .map_err(|why| failed(format!("{path} cannot be written: {why}")))?;
        sizes.push(Size::Written(value.size()));
    }
    Ok(sizes)
}

/// Tells what would be written. How large it is tells no one without opening it; how much is stored for it, the receipt does.
pub fn preview(run: &mut Run, files: &[ProvisionedFile<'_>]) -> Result<Vec<Size>, Failure> {
    let found = run.would_read(&selection(files))?;
    let stored = |ProvisionedFile { instance, file, .. }: &ProvisionedFile<'_>| {
        let changes = found.get(&instance.name).into_iter().flatten();
        Size::Stored(changes.into_iter().find(|change| change.file == file.as_str()).and_then(FileChange::stored))
    };
    Ok(files.iter().map(stored).collect())
}

impl ProvisionedFile<'_> {
    fn line(&self, size: &Size) -> String {
        let size = match size {
            Size::Written(size) => counted(*size, "byte"),
            Size::Stored(Some(size)) => format!("would write; {} stored", counted(*size, "byte")),
            Size::Stored(None) => "would write".to_owned(),
        };
        format!("{} {:04o} {}/{} {size}", self.path, self.mode, self.instance.name, self.file)
    }

    fn json(&self, size: &Size) -> Value {
        let mut row = json!({
            "path": self.path, "instance": self.instance.name.to_string(), "file": self.file.as_str(),
            "mode": format!("{:04o}", self.mode), "size": null,
        });
        match size {
            Size::Written(size) => row["size"] = json!(size),
            Size::Stored(stored) => row["stored"] = json!(stored),
        }
        row
    }
}

/// Shows a line each, in words or in JSON.
pub fn show(console: &Console, files: &[ProvisionedFile<'_>], sizes: &[Size]) {
    let all = files.iter().zip(sizes);
    if console.json() {
        let files: Vec<_> = all.map(|(file, size)| file.json(size)).collect();
        console.object(json!({"files": files}), &[]);
    } else {
        all.for_each(|(file, size)| console.line(&artifacts_text::terminal(&file.line(size))));
    }
}
