//! Whose the public keys are that another tool's files are encrypted to.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use artifacts_declared::without_comment;
use artifacts_import::{SourceText, Tree, key_labels, private_key};
use artifacts_nix::Flake;
use artifacts_report::Failure;
use serde_json::Value;

use crate::checkout_files::CheckoutFiles;

/// Public keys by file below the root.
type KeysByFile = BTreeMap<PathBuf, Vec<String>>;

/// Name of agenix' file of rules.
const RULES: &str = "secrets.nix";

/// Reads each `secrets.nix`. One that has a private key in it is not evaluated.
pub fn of_agenix(flake: &Flake<'_>, files: &CheckoutFiles<'_>, texts: &[SourceText]) -> (KeysByFile, Vec<Failure>) {
    let (mut keys, mut failures) = (KeysByFile::new(), Vec::new());
    let is_rules = |text: &&SourceText| Path::new(&text.path).file_name().is_some_and(|name| name == RULES);
    for text in texts.iter().filter(is_rules) {
        match rules(flake, files, text) {
            Ok(found) => keys.extend(found),
            Err(failure) => failures.push(failure),
        }
    }
    (keys, failures)
}

fn rules(flake: &Flake<'_>, files: &CheckoutFiles<'_>, text: &SourceText) -> Result<KeysByFile, Failure> {
    let failed = |why: String, hint: &str| Failure::new(text.path.clone(), why).hint(Some(hint));
    if let Some(line) = private_key(&text.text) {
        let why =
            format!("there is a private key in line {line}; Nix would copy it into its store, which everyone can read");
        return Err(failed(why, "remove it, replace the key everywhere, then import again"));
    }
    let path = Path::new(&text.path);
    let in_source = files.in_source(path);
    let in_source = in_source
        .ok_or_else(|| failed("it is not in the flake".to_owned(), "pass the flake that has it: `--flake`"))?;
    let value = flake.agenix_rules(&in_source).map_err(|error| {
        let failure = Failure::about(text.path.clone(), error);
        match failure.message.strip_prefix(&format!("evaluating {}: ", in_source.display())) {
            Some(why) => Failure { message: format!("cannot evaluate: {why}"), ..failure },
            None => failure,
        }
    })?;
    let rules: BTreeMap<String, Vec<String>> = serde_json::from_value(value)
        .map_err(|why| failed(format!("its rules are not as agenix has them: {why}"), "fix them, then import again"))?;
    let mut keys = KeysByFile::new();
    for (file, public) in rules {
        if public.iter().any(|key| private_key(key).is_some()) {
            return Err(failed(
                format!("a private key is among the public keys of `{file}`"),
                "remove it, replace the key everywhere, then import again",
            ));
        }
        let dir = path.parent().unwrap_or(Path::new(""));
        let Some(path) = below(dir, &file) else {
            return Err(failed(
                format!("`{file}` leaves the directory of the flake"),
                "fix its path, then import again",
            ));
        };
        keys.insert(path, public);
    }
    Ok(keys)
}

/// Joins a path of a rule to the directory of its file; none where it leaves the root.
fn below(dir: &Path, file: &str) -> Option<PathBuf> {
    let mut path = dir.to_owned();
    for part in Path::new(file).components() {
        match part {
            Component::Normal(name) => path.push(name),
            Component::CurDir => {}
            Component::ParentDir if path.pop() => {}
            _ => return None,
        }
    }
    Some(path)
}

/// Returns the names by which keys are written: in Nix, in `.sops.yaml`, and in clan's directories of machines and users.
pub fn labels(files: &CheckoutFiles<'_>, texts: &[SourceText]) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    for kind in ["sops/machines", "sops/users", "secrets/age-keys/machines"] {
        for path in files.list(Path::new(kind)) {
            let name = path.parent().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
            for key in files.read(&path).ok().into_iter().flat_map(|bytes| public_keys(&bytes)) {
                labels.entry(key).or_insert_with(|| name.clone().unwrap_or_default());
            }
        }
    }
    for text in texts {
        key_labels(&text.text, &mut labels);
    }
    labels
}

/// Returns the public keys in a file of clan: JSON with `publickey`, or the key itself.
fn public_keys(bytes: &[u8]) -> Vec<String> {
    let Ok(value) = serde_json::from_slice::<Value>(bytes) else {
        let text = String::from_utf8_lossy(bytes);
        return text.lines().map(without_comment).filter(|line| line.starts_with("age1")).collect();
    };
    let list = value.as_array().cloned().unwrap_or_else(|| vec![value]);
    list.iter().filter_map(|key| key["publickey"].as_str()).map(without_comment).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_a_rule_stays_in_the_root() {
        for (dir, file, expected) in [
            ("", "secrets/a.age", Some("secrets/a.age")),
            ("secrets", "./a.age", Some("secrets/a.age")),
            ("secrets", "../b.age", Some("b.age")),
            ("secrets", "../../b.age", None),
            ("", "/etc/passwd", None),
        ] {
            assert_eq!(below(Path::new(dir), file), expected.map(PathBuf::from), "{dir} {file}");
        }
    }

    #[test]
    fn a_key_of_clan_is_in_json_or_alone() {
        assert_eq!(public_keys(br#"{"publickey": "age1a", "type": "age"}"#), ["age1a"]);
        assert_eq!(public_keys(br#"[{"publickey": "age1a"}, {"publickey": "age1b"}]"#), ["age1a", "age1b"]);
        assert_eq!(public_keys(b"age1c\n"), ["age1c"]);
        assert!(public_keys(b"AGE-SECRET-KEY-1X").is_empty());
    }
}
