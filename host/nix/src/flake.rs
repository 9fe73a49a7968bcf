use std::ffi::OsString;
use std::path::Path;
use std::{fmt, thread};

use artifacts_declared::{InstanceName, TargetKind};
use percent_encoding::percent_decode_str;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::cache::{CachedEvaluation, EvaluationCache};
use crate::metadata::FlakeMetadata;
use crate::{Error, Nix, message};

/// Describes a configuration that a flake exports. Evaluation shows whether it declares artifacts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TargetRef {
    /// Whether it is a machine or a user.
    pub kind: TargetKind,
    /// Attribute in the flake.
    pub name: String,
}

impl TargetRef {
    /// Returns the output of the flake that contains it.
    pub fn output(&self) -> &'static str {
        output(self.kind)
    }
}

impl fmt::Display for TargetRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.output(), self.name.escape_debug())
    }
}

pub(crate) const KINDS: [TargetKind; 3] = [TargetKind::Nixos, TargetKind::HomeManager, TargetKind::Darwin];

fn output(kind: TargetKind) -> &'static str {
    match kind {
        TargetKind::Nixos => "nixosConfigurations",
        TargetKind::HomeManager => "homeConfigurations",
        TargetKind::Darwin => "darwinConfigurations",
    }
}

/// Nix function that lists the attributes of a set without evaluating them.
const NAMES: &str = "builtins.attrNames";

/// Represents a resolved flake: its source stays the same, whatever happens in its directory meanwhile.
#[derive(Debug)]
pub struct Flake<'a> {
    pub(crate) nix: &'a Nix,
    pub(crate) reference: String,
    pub(crate) metadata: FlakeMetadata,
    pub(crate) cache: Option<EvaluationCache>,
    targets: Vec<TargetRef>,
}

impl Nix {
    /// Resolves a flake and lists the configurations that it exports, evaluating none of them.
    ///
    /// # Errors
    /// When there is no such flake, or it exports no configuration at all.
    pub fn flake(&self, reference: &str) -> Result<Flake<'_>, Error> {
        let (metadata, evaluator) = thread::scope(|scope| {
            let evaluator = self.options.cache.is_some().then(|| scope.spawn(|| self.evaluator()));
            let metadata = self.metadata(reference);
            (metadata, evaluator.and_then(|thread| thread.join().ok()))
        });
        let metadata = metadata?;
        let cache = evaluator.transpose()?.and_then(|evaluator| EvaluationCache::new(self, &metadata, evaluator));
        let mut flake = Flake { nix: self, reference: reference.to_owned(), metadata, cache, targets: Vec::new() };
        flake.targets = flake.list()?;
        if flake.targets.is_empty() {
            return Err(Error::NoTargets { reference: flake.reference });
        }
        Ok(flake)
    }

    fn metadata(&self, reference: &str) -> Result<FlakeMetadata, Error> {
        // Versions of Nix differ in how they say so, and what they say could be about anything.
        let base = self.options.directory.as_deref().unwrap_or(Path::new(""));
        let is_missing = |path: &str| {
            let decoded = percent_decode_str(path).decode_utf8_lossy();
            !base.join(path).exists() && !base.join(&*decoded).exists()
        };
        if local_path(reference).is_some_and(is_missing) {
            return Err(Error::NoDirectory { reference: reference.to_owned() });
        }
        let what = format!("reading the flake `{reference}`");
        let mut arguments: Vec<OsString> = vec!["flake".into(), "metadata".into(), "--json".into()];
        arguments.extend(self.flake_arguments());
        arguments.push(reference.into());
        let answer = self.nix(&what, &arguments)?;
        serde_json::from_slice(&answer.stdout).map_err(|source| Error::Output {
            what,
            bytes: answer.stdout.len(),
            source,
        })
    }

    /// Returns the arguments for reading a flake. The lock file is left unchanged.
    pub(crate) fn flake_arguments(&self) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = vec!["--no-write-lock-file".into()];
        for (input, reference) in &self.options.override_inputs {
            arguments.extend(["--override-input".into(), input.into(), reference.into()]);
        }
        arguments.extend(self.options.arguments.iter().cloned());
        arguments
    }
}

impl Flake<'_> {
    /// Returns the exported configurations, sorted.
    pub fn targets(&self) -> &[TargetRef] {
        &self.targets
    }

    /// Returns the configurations that can have the instances of a selector that names a machine or user: `web1/`, `web1/attic`,
    /// `per-machine/web1`, `per-user/alice@laptop/ssh`. `None` if any of them can: a word may be an artifact's name, a pattern
    /// may match users inside a machine, and a shared artifact needs all its targets, and so does its dependent.
    pub fn targets_of(&self, selector: &str) -> Option<Vec<TargetRef>> {
        let (first, rest) = selector.split_once('/')?;
        let may_be_elsewhere = self.targets.iter().any(|target| InstanceName::SCOPES.contains(&target.name.as_str()));
        if first == "shared" || may_be_elsewhere || selector.contains(['*', '?', '[', '\\']) {
            return None;
        }
        let (scope, name) = match first {
            "per-machine" | "per-user" => (Some(first), rest.split('/').next().unwrap_or_default()),
            _ => (None, first),
        };
        (!name.is_empty()).then(|| self.targets_named(scope, name))
    }

    /// Returns the configurations that can have the machine or user of a name: `per-machine`, `per-user`, or either.
    pub fn targets_named(&self, scope: Option<&str>, name: &str) -> Vec<TargetRef> {
        let may_be = |own| scope.is_none_or(|scope| scope == own);
        // A user inside a machine's configuration is `<user>@<machine>`, and both may have an `@`.
        let inside =
            |machine: &str| name.strip_suffix(machine).is_some_and(|user| user.len() > 1 && user.ends_with('@'));
        let can_have = |target: &&TargetRef| match target.kind {
            TargetKind::HomeManager => may_be("per-user") && target.name == name,
            TargetKind::Nixos | TargetKind::Darwin => {
                (may_be("per-machine") && target.name == name) || (may_be("per-user") && inside(&target.name))
            }
        };
        self.targets.iter().filter(can_have).cloned().collect()
    }

    /// Returns the directory in the store from which it is evaluated.
    pub fn source(&self) -> &Path {
        &self.metadata.path
    }

    fn list(&self) -> Result<Vec<TargetRef>, Error> {
        let lists = thread::scope(|scope| {
            let running = KINDS.map(|kind| scope.spawn(move || self.names(kind)));
            running.map(|thread| thread.join().unwrap_or(Err(Error::Cancelled)))
        });
        let mut targets = Vec::new();
        for list in lists {
            targets.extend(list?);
        }
        targets.sort();
        Ok(targets)
    }

    fn names(&self, kind: TargetKind) -> Result<Vec<TargetRef>, Error> {
        let what = format!("listing {} of `{}`", output(kind), self.reference);
        match self.evaluate_as::<Vec<String>>(&what, output(kind), NAMES) {
            Ok((names, _)) => Ok(names.into_iter().map(|name| TargetRef { kind, name }).collect()),
            Err(Error::Failed { message, .. }) if is_absent(&message, output(kind)) => {
                if let Some(cache) = &self.cache {
                    let none = CachedEvaluation { said: String::new(), answer: Value::Array(Vec::new()) };
                    cache.put(&self.question(output(kind), NAMES), &none);
                }
                Ok(Vec::new())
            }
            Err(error) => Err(error),
        }
    }

    /// Applies a Nix function to an attribute of the flake, and reads the answer. The second part is Nix's other output. A cached
    /// answer is used while it `holds`, with the output of that time.
    pub(crate) fn evaluate_json<T>(
        &self,
        what: &str,
        attribute: &str,
        function: &str,
        (read, holds): (impl Fn(Value) -> Result<T, Error>, impl Fn(&T) -> bool),
    ) -> Result<(T, String), Error> {
        let question = self.question(attribute, function);
        if let Some(CachedEvaluation { said, answer }) = self.cache.as_ref().and_then(|cache| cache.get(&question))
            && let Some(earlier) = read(answer).ok().filter(holds)
        {
            return Ok((earlier, said));
        }
        let answer = self.nix.nix(what, &question).map_err(|error| error.in_source(self.metadata.source()))?;
        let bytes = answer.stdout.len();
        let fault = |source| Error::Output { what: what.to_owned(), bytes, source };
        let parsed = serde_json::from_slice(&answer.stdout).map_err(fault)?;
        let entry = CachedEvaluation { said: message::messages(&answer.stderr), answer: parsed };
        if let Some(cache) = &self.cache {
            cache.put(&question, &entry);
        }
        Ok((read(entry.answer).map_err(|error| error.of_size(bytes))?, entry.said))
    }

    /// Does the same for an answer that always holds.
    pub(crate) fn evaluate_as<T: DeserializeOwned>(
        &self,
        what: &str,
        attribute: &str,
        function: &str,
    ) -> Result<(T, String), Error> {
        let fault = |source| Error::Output { what: what.to_owned(), bytes: 0, source };
        let read = |answer| serde_json::from_value(answer).map_err(fault);
        self.evaluate_json(what, attribute, function, (read, |_: &T| true))
    }

    /// Returns the arguments that are Nix's complete input.
    fn question(&self, attribute: &str, function: &str) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = vec!["eval".into(), "--json".into()];
        arguments.extend(self.nix.flake_arguments());
        arguments.push(format!("{}#{attribute}", self.metadata.evaluated()).into());
        arguments.extend(["--apply".into(), function.into()]);
        arguments
    }
}

/// Returns the path that a flake reference is, before any query and fragment.
pub(crate) fn local_path(reference: &str) -> Option<&str> {
    let path = reference.strip_prefix("path:").unwrap_or(reference);
    path.starts_with(['.', '/']).then(|| path.split(['?', '#']).next().unwrap_or(path))
}

/// Returns whether Nix reports that the flake has no such output, which is not an error.
fn is_absent(message: &str, output: &str) -> bool {
    let first = message.lines().next().unwrap_or_default();
    first.contains("does not provide attribute") && first.contains(&format!("'{output}'"))
}
