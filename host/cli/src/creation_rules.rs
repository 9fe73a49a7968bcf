//! The rules of a `.sops.yaml`: who reads which file.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::iter::once;

use artifacts_declared::InstanceName;
use artifacts_flow::{Run, Survey, SurveyedInstance};
use artifacts_plan::Instance;
use artifacts_seam::KeyKind;

/// Name of the bundled backend that writes files of sops.
const SOPS_NIX: &str = "sops-nix";

/// Names the recipients of the files whose path matches.
pub struct CreationRule {
    pub path_regex: String,
    /// Both forms of an SSH key that is converted: what has one of them only is not what is stored.
    pub age: Vec<String>,
    /// Fingerprints of PGP keys that decrypt the file as well.
    pub pgp: Vec<String>,
}

impl CreationRule {
    /// Makes a rule for these recipients of a file.
    fn new(path_regex: String, recipients: &BTreeSet<String>, both: impl Fn(&String) -> Vec<String>) -> Self {
        let of_age = |key: &&String| KeyKind::of(key) != KeyKind::Other;
        // They are as a file claims them.
        let is_fingerprint = |name: &&str| name.bytes().all(|byte| byte.is_ascii_hexdigit());
        let pgp =
            recipients.iter().filter_map(|key| key.strip_prefix("pgp ")).filter(is_fingerprint).map(str::to_owned);
        Self { path_regex, age: recipients.iter().filter(of_age).flat_map(both).collect(), pgp: pgp.collect() }
    }
}

/// Makes the rules of an instance; none if it has no files of sops, or its recipients are unknown.
pub fn creation_rules(run: &mut Run, name: &InstanceName, survey: &Survey) -> Vec<CreationRule> {
    let storage = run.backend_of(name).filter(|(component, _)| component == SOPS_NIX).map(|(_, storage)| storage);
    let found = storage.zip(survey.found.get(name)).zip(run.instances().get(name));
    let both = |recipient: &String| once(recipient.clone()).chain(run.ssh_forms(recipient).cloned()).collect();
    found.map_or_else(Vec::new, |((storage, found), instance)| rules(instance, &storage, found, both))
}

/// Makes a rule for what is deployed, structured files among it, after one for each file with recipients of its own: the first that
/// fits counts.
fn rules(
    instance: &Instance,
    storage: &str,
    found: &SurveyedInstance,
    both: impl Fn(&String) -> Vec<String>,
) -> Vec<CreationRule> {
    let dir = escaped(&format!("{storage}/{}", instance.name));
    let deployed: BTreeSet<&str> = instance
        .for_backend
        .files
        .iter()
        .filter(|file| !file.targets.is_empty())
        .map(|file| file.name.as_str())
        .collect();
    let shared = found.recipients.iter().find(|(file, _)| deployed.contains(file.as_str()));
    let shared = shared.or(found.recipients.iter().next());
    let Some((_, shared)) = shared else { return Vec::new() };
    let own = found.recipients.iter().filter(|(_, of_file)| *of_file != shared);
    let own = own
        .map(|(file, of_file)| CreationRule::new(format!("^{dir}/{}\\.sops$", escaped(file.as_str())), of_file, &both));
    let rest = CreationRule::new(format!("^{dir}/[^/]+\\.sops(\\.json|\\.yaml)?$"), shared, &both);
    own.chain([rest]).collect()
}

/// Nothing in it means anything but itself.
fn escaped(text: &str) -> String {
    text.chars().fold(String::new(), |mut regex, char| {
        if r"\.+*?()|[]{}^$".contains(char) {
            regex.push('\\');
        }
        regex.push(char);
        regex
    })
}

/// Writes the rules as a `.sops.yaml`.
pub fn yaml(rules: &[CreationRule]) -> String {
    if rules.is_empty() {
        return "creation_rules: []\n".to_owned();
    }
    format!("creation_rules:\n{}", items(rules, "  "))
}

/// Writes the rules as items of a list.
pub fn items(rules: &[CreationRule], indent: &str) -> String {
    let mut text = String::new();
    for rule in rules {
        let regex = rule.path_regex.replace('\'', "''");
        let keys = rule.age.join(&format!(",\n{indent}    "));
        let _ = writeln!(text, "{indent}- path_regex: '{regex}'\n{indent}  age: >-\n{indent}    {keys}");
        if !rule.pgp.is_empty() {
            let _ = writeln!(text, "{indent}  pgp: '{}'", rule.pgp.join(","));
        }
    }
    text
}
