use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use artifacts_declared::{File, InstanceName, Name};
use artifacts_flow::{FileSelection, Run};
use artifacts_plan::{Instance, Selector};
use artifacts_report::{Failure, FileChange, Report};
use artifacts_seam::Secret;
use artifacts_text::counted;
use clap::Args;
use serde_json::{Value, json};

use super::Status;
use crate::args::Global;
use crate::context::Context;
use crate::output::Output;
use crate::tree::Tree;

const INSTALLED: &str =
    "an installer brings what is `deploy = false` and has a `path` of its own, such as a host's private key";

#[derive(Debug, Args)]
pub struct Options {
    /// The machine or user
    #[arg(value_name = "TARGET")]
    target: String,
    /// A folder that is not there yet, or empty, on a file system in RAM
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Show what would be written, and open and write nothing
    #[arg(long)]
    dry_run: bool,
}

/// A file on its way to the new machine.
struct Piece<'a> {
    instance: &'a Instance,
    file: &'a Name,
    path: &'a str,
    mode: u32,
}

impl Options {
    pub fn run(&self, global: &Global, output: &Output) -> Result<Status, Failure> {
        let context = Context::new(global, output)?;
        let mut run = context.open(&["machine", "user"].map(|kind| self.selector(kind)))?;
        let failed = |why: String| Failure::new(self.target.clone(), why);
        let own = self.own(&run);
        if own.is_empty() {
            let mut errors = run.errors();
            errors.push(failed("it has no artifact of its own".to_owned()).hint(Some(INSTALLED)));
            return Ok(output.report(&Report { errors, ..Report::default() }));
        }
        let pieces = self.pieces(&own)?;
        let paths: BTreeSet<&str> = pieces.iter().map(|piece| piece.path).collect();
        if paths.len() < pieces.len() {
            return Err(failed("two files have one path".to_owned()).hint(Some("give each its own `path`")));
        }
        let mut wanted = FileSelection::new();
        for piece in &pieces {
            wanted.entry(piece.instance.name.clone()).or_default().push(piece.file.clone());
        }
        if self.dry_run {
            Tree::check(&self.folder)?;
            return preview(&mut run, output, &wanted, &pieces);
        }
        let tree = Tree::begin(&self.folder)?;
        let mut values: BTreeMap<InstanceName, BTreeMap<Name, Secret>> = BTreeMap::new();
        for (name, read) in run.read(&wanted) {
            values.insert(name, read?.files);
        }
        let mut sizes = Vec::new();
        for piece in &pieces {
            let value = values.get(&piece.instance.name).and_then(|files| files.get(piece.file));
            let value = value.ok_or_else(|| failed(format!("`{}` did not come back", piece.file)))?;
            tree.write(Path::new(piece.path), value.expose(), piece.mode)
                .map_err(|why| failed(format!("{} cannot be written: {why}", piece.path)))?;
            sizes.push(Size::Written(value.size()));
        }
        tree.appear().map_err(|why| failed(format!("{} cannot be made: {why}", self.folder.display())))?;
        Ok(tell(output, &pieces, &sizes))
    }

    fn selector(&self, kind: &str) -> Selector {
        Selector::new(format!("per-{kind}/{}/", self.target))
    }

    /// The target's own artifacts.
    fn own(&self, run: &Run) -> Vec<Instance> {
        let target = |instance: &&Instance| match &instance.name {
            InstanceName::Machine { target, .. } | InstanceName::User { target, .. } => target.as_str() == self.target,
            InstanceName::Shared { .. } => false,
        };
        run.instances().values().filter(target).cloned().collect()
    }

    /// Of the target's own artifacts, the secret files that no backend brings there and that have a place of their own.
    fn pieces<'a>(&self, own: &'a [Instance]) -> Result<Vec<Piece<'a>>, Failure> {
        let failed = |why: String| Failure::new(self.target.clone(), why);
        let kinds: BTreeSet<&str> =
            own.iter().flat_map(|one| &one.targets).map(|target| target.kind.as_str()).collect();
        if kinds.len() > 1 {
            let kinds: Vec<&str> = kinds.into_iter().collect();
            return Err(failed(format!("there is more than one target of this name: {}", kinds.join(", "))));
        }
        let mut pieces = Vec::new();
        for instance in own {
            for (name, file) in &instance.artifact.files {
                let Some(path) = installed(instance, name, file) else { continue };
                let mode = file.mode.as_deref().unwrap_or("0400");
                let mode = u32::from_str_radix(mode, 8).map_err(|_| {
                    failed(format!("{}/{name} has the mode `{mode}`, which is no number", instance.name))
                })?;
                pieces.push(Piece { instance, file: name, path, mode: mode & 0o777 });
            }
        }
        if pieces.is_empty() {
            return Err(failed("it has no file for an installer".to_owned()).hint(Some(INSTALLED)));
        }
        Ok(pieces)
    }
}

/// Where an installer puts a file. The usual place is one that backends fill.
fn installed<'a>(instance: &Instance, name: &Name, file: &'a File) -> Option<&'a str> {
    let usual = format!("/artifacts/{}/{name}", instance.name.artifact());
    file.path.as_deref().filter(|path| file.secret && !file.deploy && path.starts_with('/') && !path.ends_with(&usual))
}

/// What would be written. How large it is tells nobody without opening it; how much is stored for it, the receipt does.
fn preview(run: &mut Run, output: &Output, wanted: &FileSelection, pieces: &[Piece<'_>]) -> Result<Status, Failure> {
    let found = run.would_read(wanted)?;
    let mut sizes = Vec::new();
    for Piece { instance, file, .. } in pieces {
        let files = found.get(&instance.name).into_iter().flatten();
        let stored = files.into_iter().find(|change| change.file == file.as_str()).and_then(FileChange::stored);
        sizes.push(Size::Stored(stored));
    }
    Ok(tell(output, pieces, &sizes))
}

/// What is known of the size of a file.
enum Size {
    /// So many bytes were written.
    Written(u64),
    /// So many are stored of what would be written, where that can be told.
    Stored(Option<u64>),
}

impl Piece<'_> {
    fn line(&self, size: &Size) -> String {
        let told = match size {
            Size::Written(size) => counted(*size, "byte"),
            Size::Stored(Some(size)) => format!("would be written, {} stored", counted(*size, "byte")),
            Size::Stored(None) => "would be written".to_owned(),
        };
        format!("{} {:04o} {}/{} {told}", self.path, self.mode, self.instance.name, self.file)
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

/// A line each, in words or in JSON.
fn tell(output: &Output, pieces: &[Piece<'_>], sizes: &[Size]) -> Status {
    let all = pieces.iter().zip(sizes);
    if output.json() {
        let files: Vec<_> = all.map(|(piece, size)| piece.json(size)).collect();
        output.object(json!({"files": files}), &[]);
    } else {
        all.for_each(|(piece, size)| output.line(&artifacts_text::terminal(&piece.line(size))));
    }
    Status::DONE
}
