use std::collections::{BTreeMap, BTreeSet};

use artifacts_text::nix_attribute;

use crate::{Proposal, Tool};

/// Holds a file in Nix.
#[derive(Debug, Clone)]
pub struct SourceText {
    /// Its path below the root.
    pub path: String,
    /// Its text.
    pub text: String,
}

/// Names a line that has an old reference.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReferenceUse {
    /// The file, below the root.
    pub path: String,
    /// The line, from 1 on.
    pub line: usize,
}

/// Says what an old reference becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OldReference {
    /// As it is: `config.age.secrets.attic.path`, `/run/agenix/attic`.
    pub old: String,
    /// What takes its place.
    pub new: String,
    /// Where it is used.
    pub uses: Vec<ReferenceUse>,
}

/// Returns the paths that a tool gives a secret by default.
fn literals(tool: Tool, name: &str) -> Vec<String> {
    match tool {
        Tool::Agenix | Tool::AgenixRekey => vec![format!("/run/agenix/{name}")],
        Tool::Sops => vec![format!("/run/secrets/{name}"), format!("/run/secrets-for-users/{name}")],
        Tool::Clan | Tool::NixosArtifacts => Vec::new(),
    }
}

/// Returns what becomes of each reference to a secret, and where files of the checkout use it. The literal path of a secret is listed
/// only where it is used.
pub fn references(proposal: &Proposal, sources: &[SourceText]) -> Vec<OldReference> {
    let mut by_old: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut paths = BTreeSet::new();
    for artifact in &proposal.artifacts {
        for (file, used) in artifact.uses.values().flatten() {
            let new = format!(
                "config.artifacts.store.{}.files.{}.path",
                nix_attribute(artifact.name.as_str()),
                nix_attribute(file.as_str())
            );
            let old = format!("{}.path", proposal.tool.option(&used.old, &used.key));
            by_old.entry(old).or_default().insert(new.clone());
            for path in literals(proposal.tool, &used.old) {
                paths.insert(path.clone());
                by_old.entry(path).or_default().insert(new.clone());
            }
        }
    }
    if proposal.tool == Tool::NixosArtifacts {
        return Vec::new();
    }
    let mut used_at = uses(&by_old, sources);
    let mut found = Vec::new();
    for (old, news) in by_old {
        let lines = used_at.remove(&old).unwrap_or_default();
        if paths.contains(&old) && lines.is_empty() {
            continue;
        }
        let old = if paths.contains(&old) { old } else { format!("config.{old}") };
        let of = |new| OldReference { old: old.clone(), new, uses: lines.clone() };
        found.extend(news.into_iter().map(of));
    }
    found
}

/// Characters of a path in a text.
fn is_of_path(c: char) -> bool {
    c.is_ascii_alphanumeric() || "/._-@+".contains(c)
}

/// Finds the lines that have one of these references.
fn uses(old: &BTreeMap<String, BTreeSet<String>>, sources: &[SourceText]) -> BTreeMap<String, Vec<ReferenceUse>> {
    let mut uses: BTreeMap<String, Vec<ReferenceUse>> = BTreeMap::new();
    for source in sources {
        for (number, line) in source.text.lines().enumerate() {
            for word in words(line) {
                if old.contains_key(&word) {
                    let place = ReferenceUse { path: source.path.clone(), line: number + 1 };
                    uses.entry(word).or_default().push(place);
                }
            }
        }
    }
    uses
}

/// Returns what in a line could be a reference.
fn words(line: &str) -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    for begin in ["/run/agenix/", "/run/secrets/", "/run/secrets-for-users/"] {
        for (at, _) in line.match_indices(begin) {
            let rest = &line[at..];
            let end = rest.find(|c| !is_of_path(c)).unwrap_or(rest.len());
            words.insert(rest[..end].trim_end_matches(['.', '/']).to_owned());
        }
    }
    for begin in ["age.secrets.", "sops.secrets.", "clan.core.vars.generators."] {
        for (at, _) in line.match_indices(begin) {
            words.extend(attribute_path(&line[at..]));
        }
    }
    words
}

/// Returns a path of attributes up to the first `path`, as it begins a text, each attribute written as we write it.
fn attribute_path(text: &str) -> Option<String> {
    let mut parts = Vec::new();
    let mut rest = text;
    loop {
        let (part, after) = if let Some(quoted) = rest.strip_prefix('"') {
            quoted.split_once('"')?
        } else {
            let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || "_-'".contains(c))).unwrap_or(rest.len());
            rest.split_at(end)
        };
        parts.push(nix_attribute(part));
        if part == "path" && parts.len() > 3 {
            return Some(parts.join("."));
        }
        rest = after.strip_prefix('.')?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_be_a_reference_is_found_in_a_line() {
        for (line, expected) in [
            ("x = config.age.secrets.attic.path;", &["age.secrets.attic.path"][..]),
            ("x = osConfig.sops.secrets.\"web/attic\".path + \"/x\";", &["sops.secrets.\"web/attic\".path"]),
            ("x = config.age.secrets.\"attic\".path;", &["age.secrets.attic.path"]),
            ("ExecStart = \"cat /run/agenix/attic /run/secrets/a.b.\";", &["/run/agenix/attic", "/run/secrets/a.b"]),
            ("age.secrets.attic.file = ./attic.age;", &[]),
            ("age.secrets.path = { };", &[]),
            ("sops.secrets = { };", &[]),
        ] {
            let found = words(line);
            assert_eq!(found.iter().map(String::as_str).collect::<Vec<_>>(), expected, "{line}");
        }
    }
}
