//! A word that selects instances, and what it means among those that there are.
//!
//! A name is taken before a pattern, a full name before a short one. A word that names two things is an error, since each of the
//! two has a form of its own: `per-machine/web1/` is the machine, `*/web1` the artifact.

use std::collections::BTreeSet;
use std::fmt;

use artifacts_declared::InstanceName;
use artifacts_text::{Explain, shell_word};

use crate::glob::{Pattern, escape, is_pattern};
use crate::suggestion::suggestion;

/// Represents what a person names on the command line: a machine, a user, an artifact, an instance, a prefix of instances that
/// ends at a slash, or a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selector(String);

/// Describes what kind of thing a selector names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SelectorKind {
    /// One instance, in its full or its short form.
    Instance,
    /// An artifact, wherever it is declared.
    Artifact,
    /// All of a machine or user.
    Target,
    /// All that is shared, all of machines, or all of users.
    Scope,
    /// What matches a pattern.
    Pattern,
}

/// Holds what a selector means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SelectorMeaning {
    /// What kind of thing it names.
    pub kind: SelectorKind,
    /// The instances; at least one.
    pub names: BTreeSet<InstanceName>,
    /// The forms that have one meaning each, if a name is both a machine's and a user's.
    forms: Vec<SelectorForm>,
}

/// Describes why a selector cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectorError {
    /// It means nothing that there is.
    #[error("no artifact matches this selector")]
    Unmatched {
        /// The selector.
        selector: Selector,
        /// What was most likely meant.
        suggestion: Option<String>,
    },
    /// It names several things.
    #[error("names {}", things(.forms))]
    Ambiguous {
        /// The selector.
        selector: Selector,
        /// Each thing, with the selector that names it alone.
        forms: Vec<SelectorForm>,
    },
}

/// Holds one of several things that a selector names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SelectorForm {
    thing: &'static str,
    selector: String,
}

/// One way to read a selector.
#[derive(Clone)]
struct Reading {
    kind: SelectorKind,
    form: SelectorForm,
    names: BTreeSet<InstanceName>,
}

/// One component of a selector.
enum Word<'a> {
    Name(&'a str),
    Pattern(Pattern),
}

impl Word<'_> {
    fn is(&self, name: &str) -> bool {
        match self {
            Self::Name(own) => *own == name,
            Self::Pattern(pattern) => pattern.matches(name),
        }
    }

    fn is_name(&self) -> bool {
        matches!(self, Self::Name(_))
    }
}

const MACHINES: &str = "per-machine";
const USERS: &str = "per-user";
const SHARED: &str = "shared";

impl Selector {
    /// Takes the text as it was typed.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Returns the text as it was typed.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns what it means among these names.
    ///
    /// # Errors
    /// When it means none of them, or names several things.
    pub fn resolve(&self, names: &BTreeSet<&InstanceName>) -> Result<SelectorMeaning, SelectorError> {
        let mut readings = self.readings(names, Word::Name);
        let is_name = !readings.is_empty();
        if !is_name && is_pattern(&self.0) {
            readings = self.readings(names, |text| Word::Pattern(Pattern::new(text)));
        }
        let Some(first) = readings.first() else {
            return Err(SelectorError::Unmatched { selector: self.clone(), suggestion: self.suggestion(names) });
        };
        let (kind, differs) = (first.kind, readings.iter().any(|other| other.names != first.names));
        let forms: Vec<SelectorForm> = readings.iter().map(|reading| reading.form.clone()).collect();
        // What a pattern matches may be the same in both ways, as it is for `*`.
        if (is_name || differs) && readings.iter().any(|other| other.kind != kind) {
            return Err(SelectorError::Ambiguous { selector: self.clone(), forms });
        }
        let names = readings.into_iter().flat_map(|reading| reading.names).collect();
        let forms = if is_name && forms.len() > 1 { forms } else { Vec::new() };
        let kind = if is_name { kind } else { SelectorKind::Pattern };
        Ok(SelectorMeaning { kind, names, forms })
    }

    /// Does the same for what replaces or removes: a name that is both a machine's and a user's is an error as well.
    ///
    /// # Errors
    /// When it means none of them, or names several things.
    pub fn resolve_strictly(&self, names: &BTreeSet<&InstanceName>) -> Result<SelectorMeaning, SelectorError> {
        let mut meaning = self.resolve(names)?;
        match std::mem::take(&mut meaning.forms) {
            forms if forms.is_empty() => Ok(meaning),
            forms => Err(SelectorError::Ambiguous { selector: self.clone(), forms }),
        }
    }

    /// The ways to read it in which it means something. A full name is read in no other way.
    fn readings<'a>(&'a self, names: &BTreeSet<&InstanceName>, word: impl Fn(&'a str) -> Word<'a>) -> Vec<Reading> {
        let is_prefix = self.0.ends_with('/');
        let texts: Vec<&str> = self.0.strip_suffix('/').unwrap_or(&self.0).split('/').collect();
        let words: Vec<Word<'a>> = texts.iter().map(|text| word(text)).collect();
        let mut readings = match (words.as_slice(), is_prefix) {
            ([one], true) => [scopes(names, one), targets(names, None, one, texts[0])].concat(),
            ([one], false) if !one.is_name() && texts[0].chars().all(|c| c == '*') => artifacts(names, one, texts[0]),
            ([one], false) => {
                let scope = if one.is_name() { scopes(names, one) } else { Vec::new() };
                [targets(names, None, one, texts[0]), scope, artifacts(names, one, texts[0])].concat()
            }
            ([scope, target], true) => targets(names, Some(scope), target, texts[1]),
            ([first, second], false) => {
                let scope = Some(texts[0]).filter(|text| [MACHINES, USERS].contains(text)).map(Word::Name);
                let target = scope.map(|scope| targets(names, Some(&scope), second, texts[1]));
                [instances(names, &[first, second]), target.unwrap_or_default()].concat()
            }
            ([scope, target, artifact], false) => instances(names, &[scope, target, artifact]),
            _ => Vec::new(),
        };
        let is_full = |reading: &Reading| reading.form.selector == self.0;
        if readings.iter().any(is_full) {
            readings.retain(is_full);
        }
        readings
    }

    /// What was most likely meant, in the form in which it was typed.
    fn suggestion(&self, names: &BTreeSet<&InstanceName>) -> Option<String> {
        let is_prefix = self.0.ends_with('/');
        let slashes = self.0.matches('/').count();
        let mut known = BTreeSet::new();
        for parts in names.iter().map(|name| name.components()) {
            let short = if parts.len() == 3 { parts.get(1..) } else { parts.get(..) };
            let short = short.unwrap_or_default();
            match (slashes, is_prefix, short) {
                (0, false, [target, artifact]) => known.extend([(*target).to_owned(), (*artifact).to_owned()]),
                (1, true, [target, _]) => known.extend([format!("{target}/")]),
                (1, false, _) => known.extend([short.join("/")]),
                (2, true, _) => known.extend(parts.get(..2).map(|above| format!("{}/", above.join("/")))),
                (2, false, _) => known.extend([parts.join("/")]),
                _ => {}
            }
        }
        suggestion(&self.0, known)
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl SelectorError {
    /// Returns the selector.
    pub fn selector(&self) -> &Selector {
        let (Self::Unmatched { selector, .. } | Self::Ambiguous { selector, .. }) = self;
        selector
    }
}

impl Explain for SelectorError {
    fn kind(&self) -> &'static str {
        "selector"
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Unmatched { suggestion: Some(meant), .. } => format!("did you mean `{}`?", shell_word(meant)),
            Self::Unmatched { .. } => "`artifacts status --all` lists all names".to_owned(),
            Self::Ambiguous { forms, .. } => {
                let each: Vec<String> =
                    forms.iter().map(|form| format!("`{}` for {}", shell_word(&form.selector), form.thing)).collect();
                format!("pass {}", each.join(", or "))
            }
        })
    }
}

fn things(forms: &[SelectorForm]) -> String {
    forms.iter().map(|form| form.thing).collect::<Vec<_>>().join(" and ")
}

/// A reading, if it means anything.
fn reading(
    names: &BTreeSet<&InstanceName>,
    kind: SelectorKind,
    form: SelectorForm,
    is_meant: impl Fn(&[&str]) -> bool,
) -> Option<Reading> {
    let meant = names.iter().filter(|name| is_meant(&name.components()));
    let names: BTreeSet<InstanceName> = meant.map(|name| (*name).clone()).collect();
    (!names.is_empty()).then_some(Reading { kind, form, names })
}

/// All machines, all users, or all that is shared.
fn scopes(names: &BTreeSet<&InstanceName>, word: &Word<'_>) -> Vec<Reading> {
    let things = [(MACHINES, "all machines"), (USERS, "all users"), (SHARED, "all shared artifacts")];
    let meant = things.into_iter().filter(|(scope, _)| word.is(scope));
    let read = |(scope, thing)| {
        let form = SelectorForm { thing, selector: format!("{scope}/") };
        reading(names, SelectorKind::Scope, form, |parts| parts.first() == Some(&scope))
    };
    meant.filter_map(read).collect()
}

/// All of machines and users, of one of the two if that is named.
fn targets(names: &BTreeSet<&InstanceName>, scope: Option<&Word<'_>>, word: &Word<'_>, text: &str) -> Vec<Reading> {
    let things = [(MACHINES, "the machine"), (USERS, "the user")];
    let meant = things.into_iter().filter(|(own, _)| scope.is_none_or(|scope| scope.is(own)));
    let read = |(own, thing)| {
        let form = SelectorForm { thing, selector: format!("{own}/{text}/") };
        reading(
            names,
            SelectorKind::Target,
            form,
            |parts| matches!(parts, [scope, target, _] if *scope == own && word.is(target)),
        )
    };
    meant.filter_map(read).collect()
}

/// An artifact, wherever it is declared.
fn artifacts(names: &BTreeSet<&InstanceName>, word: &Word<'_>, text: &str) -> Vec<Reading> {
    let everywhere = if word.is_name() { format!("*/{}", escape(text)) } else { format!("*/{text}") };
    let form = SelectorForm { thing: "the artifact", selector: everywhere };
    let is_it = |parts: &[&str]| parts.last().is_some_and(|artifact| word.is(artifact));
    let mut found = reading(names, SelectorKind::Artifact, form, is_it);
    if let Some(found) = &mut found
        && let (Some(only), 1) = (found.names.first(), found.names.len())
    {
        found.form.selector = only.to_string();
    }
    found.into_iter().collect()
}

/// Instances in their full or their short form.
fn instances(names: &BTreeSet<&InstanceName>, words: &[&Word<'_>]) -> Vec<Reading> {
    let things =
        [(MACHINES, "the machine's artifact"), (USERS, "the user's artifact"), (SHARED, "the shared artifact")];
    let is_each =
        |parts: &[&str]| parts.len() == words.len() && parts.iter().zip(words).all(|(part, word)| word.is(part));
    let read = |(scope, thing)| {
        let form = SelectorForm { thing, selector: String::new() };
        let mut found = reading(names, SelectorKind::Instance, form, |parts| {
            let short = parts.get(1..).filter(|short| short.len() == 2);
            parts.first() == Some(&scope) && (is_each(parts) || short.is_some_and(is_each))
        })?;
        found.form.selector = found.names.first().map(ToString::to_string).unwrap_or_default();
        Some(found)
    };
    things.into_iter().filter_map(read).collect()
}
