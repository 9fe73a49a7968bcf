use std::path::{Path, PathBuf};

use artifacts_declared::TargetKind;
use artifacts_text::nix_string;
use serde::Deserialize;
use serde_json::Value;

use crate::evaluate::EvaluationQuery;
use crate::{Error, Flake, Nix, TargetFailure, TargetRef};

/// Nix function that reads what other tools have in a configuration.
const FOREIGN: &str = include_str!("../../../nix/lib/foreign.nix");

/// Nix function that reads a `secrets.nix` of agenix: the public keys by file.
const RULES: &str = "_: builtins.mapAttrs (_: rule: builtins.map (key: builtins.unsafeDiscardStringContext key) \
                     (rule.publicKeys or [ ])) (import (builtins.toPath PATH))";

/// Holds what other tools have in one configuration.
#[derive(Debug, Clone, Deserialize)]
pub struct ForeignTarget {
    /// Whether it is a machine or a user.
    pub kind: TargetKind,
    /// Name of the target.
    pub name: String,
    /// Its place in the flake.
    pub place: String,
    /// Whether it is another form of a target, such as a specialisation.
    pub form: bool,
    /// What was found, as plain data: see `nix/lib/foreign.nix`. Null for a form that does not evaluate.
    pub found: Value,
}

/// Holds what other tools have in the configurations of a flake.
#[derive(Debug, Default)]
pub struct ForeignSecrets {
    /// Configurations that evaluated.
    pub targets: Vec<ForeignTarget>,
    /// Those that did not.
    pub failures: Vec<TargetFailure>,
}

impl Flake<'_> {
    /// Evaluates what other tools have in the exported configurations and those inside them, each export in a process of its own.
    ///
    /// # Errors
    /// When Nix cannot be run at all.
    pub fn foreign_secrets(&self) -> Result<ForeignSecrets, Error> {
        let mut all = ForeignSecrets::default();
        let found = self.ask_each(self.targets(), |target| {
            let what = format!("evaluating {target}");
            let function = self.function(target, EvaluationQuery::Instead(&format!("({FOREIGN})")));
            self.evaluate_as::<Vec<ForeignTarget>>(&what, target.output(), &function)
        });
        for (target, result) in self.targets().iter().zip(found) {
            match result {
                Ok((targets, _)) => all.targets.extend(targets),
                Err(error) if error.is_of_nix() => return Err(error),
                Err(error) => {
                    all.failures.push(TargetFailure { kind: target.kind, name: target.name.clone(), error });
                }
            }
        }
        Ok(all)
    }

    /// Reads a file of agenix' rules, as `secrets.nix`, below the flake's source: the public keys by file.
    ///
    /// # Errors
    /// When it does not evaluate, also since it reads what is outside of the source.
    pub fn agenix_rules(&self, file: &Path) -> Result<Value, Error> {
        let what = format!("evaluating {}", file.display());
        let path = nix_string(&self.source().join(file).display().to_string());
        // Of the flake any output serves: its source may be read, and nothing else.
        let output = self.targets().first().map_or("nixosConfigurations", TargetRef::output);
        self.evaluate_as::<Value>(&what, output, &RULES.replace("PATH", &path)).map(|(rules, _)| rules)
    }

    /// Returns where a path is below the source of the flake; none if it is elsewhere.
    pub fn below_source(&self, path: &Path) -> Option<PathBuf> {
        let named = self.nix.store_of_flake(&self.metadata).named_path(path);
        named.strip_prefix(self.source()).ok().map(Path::to_owned)
    }
}

impl Nix {
    /// Evaluates an expression without any input.
    ///
    /// # Errors
    /// When it does not evaluate.
    pub fn evaluate_text(&self, what: &str, expression: &str) -> Result<Value, Error> {
        let answer = self.nix(what, &["eval", "--json", "--expr", expression])?;
        serde_json::from_slice(&answer.stdout).map_err(|source| Error::Output {
            what: what.to_owned(),
            bytes: answer.stdout.len(),
            source,
        })
    }
}
