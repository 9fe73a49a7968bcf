//! The programs of age plugins.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use artifacts_report::{Area, HealthFinding};

/// Describes the age plugins of this machine.
#[derive(Debug, Clone, Default)]
pub struct PluginFacts {
    /// Plugins that the admin enabled, with their programs; none where there is no program outside the repository.
    pub enabled: BTreeMap<String, Option<PathBuf>>,
    /// Plugins whose programs are in the search path.
    pub installed: BTreeSet<String>,
    /// Plugins that identities need.
    pub needed: BTreeSet<String>,
}

/// Judges the age plugins. None is run.
pub fn plugins(facts: &PluginFacts) -> Vec<HealthFinding> {
    let area = Area::Plugins;
    let mut findings = Vec::new();
    for (name, program) in &facts.enabled {
        findings.push(match program {
            Some(program) => HealthFinding::ok(area, format!("age plugin `{name}` is {}", program.display())),
            None => HealthFinding::broken(
                area,
                format!("age plugin `{name}` is enabled, and `age-plugin-{name}` is not installed"),
            )
            .advice(format!("install `age-plugin-{name}` in a directory of PATH outside the repository")),
        });
    }
    for name in facts.needed.iter().filter(|name| !facts.enabled.contains_key(*name)) {
        let what = format!("an identity needs age plugin `{name}`, which is not enabled");
        findings.push(
            HealthFinding::work(area, what)
                .advice(format!("if you trust this plugin, pass `--age-plugin {name}` or set ARTIFACTS_AGE_PLUGINS")),
        );
    }
    let unused: Vec<&str> =
        facts.installed.iter().filter(|name| !facts.enabled.contains_key(*name)).map(String::as_str).collect();
    if !unused.is_empty() {
        findings.push(HealthFinding::ok(area, format!("installed and not enabled: {}", unused.join(", "))));
    }
    if findings.is_empty() {
        findings.push(HealthFinding::ok(area, "no age plugin is enabled or needed"));
    }
    findings
}

#[cfg(test)]
mod tests {
    use artifacts_report::Verdict;

    use super::*;

    fn judged(enabled: &[(&str, Option<&str>)], installed: &[&str], needed: &[&str]) -> Vec<Verdict> {
        let all = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        let enabled = enabled.iter().map(|(name, program)| ((*name).to_owned(), program.map(PathBuf::from))).collect();
        let facts = PluginFacts { enabled, installed: all(installed), needed: all(needed) };
        plugins(&facts).into_iter().map(|one| one.verdict).collect()
    }

    #[test]
    fn what_is_enabled_has_to_be_installed_and_what_is_needed_enabled() {
        assert_eq!(judged(&[], &[], &[]), [Verdict::Ok]);
        assert_eq!(judged(&[], &["tpm"], &[]), [Verdict::Ok]);
        assert_eq!(judged(&[("tpm", Some("/bin/age-plugin-tpm"))], &["tpm"], &["tpm"]), [Verdict::Ok]);
        assert_eq!(judged(&[("tpm", None)], &[], &[]), [Verdict::Broken]);
        assert_eq!(judged(&[], &["tpm"], &["tpm"]), [Verdict::Work, Verdict::Ok]);
    }
}
