use std::collections::{BTreeMap, BTreeSet};

use artifacts_declared::{Artifact, Dependencies, InstanceName, Name, Target, TargetId};
use artifacts_text::{nix_attribute, nix_string, shortened};

use crate::{Instance, Problem, suggestion};

/// So much of a name that is wrong is shown, in bytes.
const SHOWN: usize = 300;

/// Finds the instances whose files a generator reads, by the name of the directory in `$in`. `all` are the names of everything that
/// is declared; what is not among them is a matter of [`undeclared`].
///
/// # Errors
/// The first one that is no dependency whatever is declared.
pub(crate) fn dependencies(
    instance: &InstanceName,
    (target, artifact): (&Target, &Artifact),
    all: &BTreeSet<&InstanceName>,
) -> Result<BTreeMap<Name, InstanceName>, Problem> {
    let wrong = Wrong { instance, artifact, all };
    let find = |(directory, text): (&str, &str)| {
        let found = match Name::new(text) {
            Ok(name) => by_name(name, (target, artifact), all).map_err(|own| wrong.private(text, &own)),
            Err(_) => wrong.in_full(text),
        }?;
        let directory = Name::new(directory).map_err(|_| wrong.invalid(directory))?;
        Ok((directory, found))
    };
    artifact.dependencies.iter().map(find).collect()
}

/// An artifact by name is that of the same target, or else a shared one of any target. A shared artifact has no target, and so reads
/// shared ones only. Where there is but the target's own, that is the error.
fn by_name(
    name: Name,
    (target, artifact): (&Target, &Artifact),
    all: &BTreeSet<&InstanceName>,
) -> Result<InstanceName, InstanceName> {
    let own = target.artifacts.get(&name).map(|declared| target.instance(&name, declared));
    let shared = InstanceName::Shared { artifact: name };
    match own {
        Some(own) if !artifact.shared || own == shared => Ok(own),
        Some(own) if !all.contains(&shared) => Err(own),
        _ => Ok(shared),
    }
}

/// Describes a dependency of an instance that nothing declares, as far as is known.
pub(crate) fn undeclared(instance: &Instance, all: &BTreeSet<&InstanceName>) -> Option<Problem> {
    let wrong = Wrong { instance: &instance.name, artifact: &instance.artifact, all };
    let (directory, name) = instance.dependencies.iter().find(|(_, name)| !all.contains(name))?;
    let (_, text) = instance.artifact.dependencies.iter().find(|(of, _)| *of == directory.as_str())?;
    let problem = if text.contains('/') { wrong.undeclared(name) } else { wrong.unknown(text, &instance.targets) };
    Some(Problem { undeclared: Some(Box::new(name.clone())), ..problem })
}

/// Says what is wrong with dependencies.
struct Wrong<'a> {
    instance: &'a InstanceName,
    artifact: &'a Artifact,
    all: &'a BTreeSet<&'a InstanceName>,
}

impl Wrong<'_> {
    /// Takes an instance by its full name, which needs a directory.
    fn in_full(&self, text: &str) -> Result<InstanceName, Problem> {
        let Ok(name) = text.parse::<InstanceName>() else { return Err(self.invalid(text)) };
        if matches!(self.artifact.dependencies, Dependencies::List(_)) {
            let message = format!("`dependencies` lists artifacts, but {name} is an instance");
            return Err(self.problem(message, format!("write {}", self.corrected(text, &name))));
        }
        Ok(name)
    }

    /// A text that is the name of nothing, perhaps since it is as people type names.
    fn invalid(&self, text: &str) -> Problem {
        let hint = match self.all.iter().find(|name| name.short() == text) {
            Some(meant) => format!("write {}", self.corrected(text, meant)),
            None => {
                "write an artifact, per-machine/MACHINE/ARTIFACT, per-user/USER/ARTIFACT or shared/ARTIFACT".to_owned()
            }
        };
        self.problem(format!("invalid dependency `{}`", shortened(text, SHOWN)), hint)
    }

    /// A shared artifact that reads what one target has.
    fn private(&self, text: &str, own: &InstanceName) -> Problem {
        let message = format!("a shared artifact cannot depend on `{text}`, which is {own} alone");
        let hint = format!(
            "set `artifacts.store.{}.shared = true`, or write {}",
            nix_attribute(text),
            self.corrected(text, own)
        );
        self.problem(message, hint)
    }

    /// An instance that nothing declares.
    fn undeclared(&self, name: &InstanceName) -> Problem {
        let text = name.to_string();
        let all: Vec<String> = self.all.iter().map(ToString::to_string).collect();
        let hint = match suggestion(&text, &all) {
            Some(meant) => format!("did you mean {meant}?"),
            None => declare_there(name.artifact().as_str()),
        };
        self.problem(format!("unknown dependency {}: no target declares it", shortened(&text, SHOWN)), hint)
    }

    /// A name that neither a target of the instance nor a shared artifact has.
    fn unknown(&self, text: &str, targets: &[TargetId]) -> Problem {
        let known = self.all.iter().filter(|name| match name {
            InstanceName::Shared { .. } => true,
            InstanceName::Machine { target, .. } | InstanceName::User { target, .. } => {
                targets.iter().any(|one| one.name == *target)
            }
        });
        let elsewhere = self.all.iter().find(|name| name.artifact().as_str() == text);
        let hint = if let Some(other) = elsewhere {
            format!("to read that of another target, write {}", self.corrected(text, other))
        } else if let Some(meant) = suggestion(text, known.map(|name| name.artifact())) {
            format!("did you mean `{meant}`?")
        } else {
            declare_there(text)
        };
        let of = targets.first().map(ToString::to_string).unwrap_or_default();
        self.problem(format!("unknown dependency `{text}`: not an artifact of {of}, and not a shared one"), hint)
    }

    /// Returns the declaration with an instance in the place of a name that is wrong, as Nix reads it.
    fn corrected(&self, wrong: &str, meant: &InstanceName) -> String {
        let entry = |(directory, text): (&str, &str)| {
            let name = if text == wrong { meant.to_string() } else { text.to_owned() };
            let directory =
                if directory.contains('/') { name.rsplit('/').next().unwrap_or_default() } else { directory };
            format!("{} = {};", nix_attribute(directory), nix_string(&name))
        };
        let entries: Vec<String> = self.artifact.dependencies.iter().map(entry).collect();
        format!("`dependencies = {{ {} }};`", entries.join(" "))
    }

    fn problem(&self, message: impl Into<String>, hint: impl Into<String>) -> Problem {
        Problem::new(self.instance.clone(), message, hint)
    }
}

fn declare_there(artifact: &str) -> String {
    format!("declare `artifacts.store.{}` there, or remove it from `dependencies`", nix_attribute(artifact))
}
