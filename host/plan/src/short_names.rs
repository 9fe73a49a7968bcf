use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::Bound;

use artifacts_declared::{InstanceName, Name};

/// Shortens names of instances for people: `per-machine/web1/attic` is `web1/attic`, which every command takes. A name keeps its
/// full form where the short one is ambiguous: of a target that is named as a scope is, and of a machine and a user of one name.
#[derive(Debug, Clone, Default)]
pub struct ShortNames {
    machines: BTreeSet<Name>,
    users: BTreeSet<Name>,
    /// The full names of all that have a short one.
    full: BTreeSet<String>,
}

impl ShortNames {
    /// Takes the names of everything that is declared.
    pub fn new(names: impl IntoIterator<Item = InstanceName>) -> Self {
        let mut short = Self::default();
        let mut all = Vec::new();
        for name in names {
            match &name {
                InstanceName::Machine { target, .. } => drop(short.machines.insert(target.clone())),
                InstanceName::User { target, .. } => drop(short.users.insert(target.clone())),
                InstanceName::Shared { .. } => continue,
            }
            all.push(name);
        }
        short.full = all.iter().map(ToString::to_string).filter(|full| short.parse(full).is_some()).collect();
        short
    }

    /// Returns the name as it is shown.
    pub fn shorten(&self, name: &InstanceName) -> String {
        let is_ambiguous = match name {
            InstanceName::Machine { target, .. } => self.users.contains(target),
            InstanceName::User { target, .. } => self.machines.contains(target),
            InstanceName::Shared { .. } => false,
        };
        if is_ambiguous { name.to_string() } else { name.short() }
    }

    /// Returns the text with short names in place of full ones. A path, which has something before or behind the name, stays; so does
    /// a command between backticks that is not one of this program.
    pub fn shorten_text<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if self.full.is_empty() || !text.contains("per-") {
            return Cow::Borrowed(text);
        }
        let (mut shown, mut done) = (String::new(), 0);
        for (at, _) in text.match_indices("per-") {
            let Some((before, rest)) = text.split_at_checked(at).filter(|_| at >= done) else { continue };
            if before.chars().next_back().is_some_and(is_of_path) {
                continue;
            }
            let Some((full, short)) = self.at_start(rest) else { continue };
            if is_in_other_command(before, rest.get(full..).unwrap_or_default()) {
                continue;
            }
            shown.push_str(text.get(done..at).unwrap_or_default());
            shown.push_str(&short);
            done = at + full;
        }
        if done == 0 {
            return Cow::Borrowed(text);
        }
        shown.push_str(text.get(done..).unwrap_or_default());
        Cow::Owned(shown)
    }

    /// Finds the longest full name with which a text begins. Returns its length, and the short name.
    fn at_start(&self, text: &str) -> Option<(usize, String)> {
        let mut begin = text;
        loop {
            let last: &String = self.full.range::<str, _>((Bound::Unbounded, Bound::Included(begin))).next_back()?;
            let same = last.bytes().zip(text.bytes()).take_while(|(one, other)| one == other).count();
            if same == last.len() && ends_name(text.get(same..)?) {
                return Some((same, self.parse(last)?));
            }
            // A shorter one is not behind the part that both have.
            let same = text.floor_char_boundary(same.min(last.len() - 1));
            begin = text.get(..same).filter(|begin| !begin.is_empty())?;
        }
    }

    /// Returns the short form of a full name, if it has one.
    fn parse(&self, full: &str) -> Option<String> {
        let name = full.parse().ok()?;
        Some(self.shorten(&name)).filter(|short| short != full)
    }
}

/// Whether a name between these is in a command of another program, which takes it for a path.
fn is_in_other_command(before: &str, behind: &str) -> bool {
    let is_code = before.matches('`').count() % 2 == 1;
    let command = before.rsplit('`').next().unwrap_or_default();
    let is_alone = command.is_empty() && behind.starts_with('`');
    is_code && !is_alone && !command.trim_start().starts_with("artifacts ")
}

/// Whether a character belongs to the path or word that it stands in.
fn is_of_path(c: char) -> bool {
    c.is_alphanumeric() || "/._-@+\\".contains(c)
}

/// Whether a name ends where this follows. A period may end a sentence.
fn ends_name(rest: &str) -> bool {
    let mut rest = rest.chars();
    match rest.next() {
        Some('.') => rest.next().is_none_or(|next| !is_of_path(next)),
        Some(next) => !is_of_path(next),
        None => true,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn short(names: &[&str]) -> ShortNames {
        ShortNames::new(names.iter().map(|name| name.parse().unwrap()))
    }

    #[test]
    fn a_name_is_short_unless_it_could_be_another() {
        let names =
            ["per-machine/web1/attic", "per-user/alice/x", "per-user/web1/x", "shared/ca", "per-machine/shared/x"];
        let shown = names.map(|name| short(&names).shorten(&name.parse().unwrap()));
        assert_eq!(
            shown,
            ["per-machine/web1/attic", "alice/x", "per-user/web1/x", "shared/ca", "per-machine/shared/x"]
        );
        let unknown = "per-machine/gone/x".parse().unwrap();
        assert_eq!(short(&names).shorten(&unknown), "gone/x");
        assert_eq!(ShortNames::default().shorten(&unknown), "gone/x");
    }

    #[test]
    fn every_short_name_selects_what_it_is_short_for_and_nothing_else() {
        let names =
            ["per-machine/web1/attic", "per-user/alice/x", "per-user/web1/x", "shared/x", "per-machine/shared/x"];
        let all: Vec<InstanceName> = names.iter().map(|name| name.parse().unwrap()).collect();
        for name in &all {
            let selector = crate::Selector::new(short(&names).shorten(name));
            let meaning = selector.resolve(&all.iter().collect()).unwrap();
            assert_eq!(meaning.names.into_iter().collect::<Vec<_>>(), std::slice::from_ref(name));
        }
    }

    #[test]
    fn names_in_a_text_are_short_and_paths_stay() {
        let names = short(&["per-machine/web1/a", "per-machine/web1/a b", "per-machine/web1/a.b", "per-machine/é/x"]);
        for (text, shown) in [
            ("per-machine/web1/a", "web1/a"),
            ("run `artifacts adopt per-machine/web1/a`: per-machine/web1/a.", "run `artifacts adopt web1/a`: web1/a."),
            ("'per-machine/web1/a b' and per-machine/web1/a b", "'web1/a b' and web1/a b"),
            ("per-machine/web1/a.b, per-machine/é/x", "web1/a.b, é/x"),
            ("per-machine/web1/a per-machine/web1/a", "web1/a web1/a"),
            ("declare `per-machine/web1/a`, `x` per-machine/web1/a", "declare `web1/a`, `x` web1/a"),
        ] {
            assert_eq!(names.shorten_text(text), shown);
        }
        for text in [
            "secrets/per-machine/web1/a",
            "per-machine/web1/a/f.age",
            "per-machine/web1/ab",
            "per-machine/web1/",
            "per-machine/web1/a.age",
            "super-machine/web1/a",
            "run `git -C secrets add -- per-machine/web1/a`",
            "per-machine/web2/a",
            "per-",
            "",
        ] {
            assert_eq!(names.shorten_text(text), text);
        }
    }

    #[test]
    fn a_name_is_found_however_many_begin_alike() {
        let all: Vec<String> = (0..300).map(|n| format!("per-machine/web1/{}", "a".repeat(n + 1))).collect();
        let names = ShortNames::new(all.iter().map(|name| name.parse().unwrap()).take(200));
        assert_eq!(names.shorten_text(&format!("{}!", all[7])), format!("{}!", &all[7]["per-machine/".len()..]));
        assert_eq!(names.shorten_text(&all[250]), all[250]);
    }
}
