use std::collections::BTreeSet;
use std::path::Path;

use artifacts_declared::{Name, TargetId};
use artifacts_text::is_hidden;

/// Returns a text as a name; what no name has becomes a `-`.
///
/// A text that nothing is left of gives none.
pub fn name_of(text: &str) -> Option<Name> {
    let plain = |c: char| if c == '/' || c == '\\' || is_hidden(c) { '-' } else { c };
    let kept: String = text.chars().map(plain).collect();
    let mut kept = kept.trim_start_matches('-').to_owned();
    while kept.len() > 180 {
        kept.pop();
    }
    Name::new(kept).ok()
}

/// Returns the file name of a path up to its first dot.
pub fn stem(path: &Path) -> String {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    name.split('.').find(|part| !part.is_empty()).unwrap_or("secrets").to_owned()
}

/// Keeps the names of artifacts apart: those of one target, and the shared ones.
#[derive(Debug, Default)]
pub struct TakenNames {
    of_targets: BTreeSet<(TargetId, Name)>,
    shared: BTreeSet<Name>,
}

impl TakenNames {
    /// Takes a name for an artifact of these targets: the first of those that is free, or one with a number.
    pub fn take(&mut self, candidates: &[String], targets: &BTreeSet<TargetId>, is_shared: bool) -> Option<Name> {
        let first = candidates.first()?;
        let numbered = (2..1000).map(|number| format!("{first}-{number}"));
        let mut names = candidates.iter().cloned().chain(numbered).filter_map(|text| name_of(&text));
        let name = names.find(|name| self.is_free(name, targets, is_shared))?;
        self.of_targets.extend(targets.iter().map(|target| (target.clone(), name.clone())));
        if is_shared {
            self.shared.insert(name.clone());
        }
        Some(name)
    }

    fn is_free(&self, name: &Name, targets: &BTreeSet<TargetId>, is_shared: bool) -> bool {
        let is_taken = |target: &TargetId| self.of_targets.contains(&(target.clone(), name.clone()));
        let is_shared_twice = is_shared && self.shared.contains(name);
        !is_shared_twice && !targets.iter().any(is_taken)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use artifacts_declared::TargetKind;

    use super::*;

    #[test]
    fn what_no_name_has_becomes_a_dash() {
        for (text, name) in [
            ("attic", "attic"),
            ("web/attic env", "web-attic env"),
            ("a\\b\u{200b}c\nd", "a-b-c-d"),
            ("--force", "force"),
            ("${x}\"", "${x}\""),
        ] {
            assert_eq!(name_of(text).unwrap().as_str(), name);
        }
        for text in ["", "-", "/", ".", ".."] {
            assert_eq!(name_of(text), None, "{text}");
        }
        assert_eq!(name_of(&"é".repeat(500)).unwrap().as_str().len(), 180);
        assert_eq!(stem(Path::new("hosts/web1.enc.yaml")), "web1");
        assert_eq!(stem(Path::new("a/.hidden")), "hidden");
    }

    #[test]
    fn no_two_artifacts_of_a_target_have_one_name() {
        let target = |name: &str| TargetId { kind: TargetKind::Nixos, name: Name::new(name).unwrap() };
        let (web1, both) = (BTreeSet::from([target("web1")]), BTreeSet::from([target("web1"), target("web2")]));
        let mut taken = TakenNames::default();
        let mut take = |words: &[&str], targets, shared| {
            let words: Vec<String> = words.iter().map(ToString::to_string).collect();
            taken.take(&words, targets, shared).unwrap().to_string()
        };
        assert_eq!(take(&["a"], &web1, false), "a");
        assert_eq!(take(&["a", "b-a"], &both, true), "b-a");
        assert_eq!(take(&["a", "b-a"], &both, true), "a-2");
        let (web3, others) = (BTreeSet::from([target("web3")]), BTreeSet::from([target("web3"), target("web4")]));
        assert_eq!(take(&["a"], &web3, false), "a");
        assert_eq!(take(&["a"], &others, true), "a-3");
    }
}
