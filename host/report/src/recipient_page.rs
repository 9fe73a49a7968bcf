//! The page on which a person sees who would be able to decrypt what: one for a whole run, by who, additions first.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use anstyle::{AnsiColor, Style as Paint};
use artifacts_text::{agreeing, counted, listed_up_to, terminal};
use textwrap::core::display_width;

use crate::recipients::{EVERYONE, RecipientChange};
use crate::{KnownRecipient, RecipientNames, Style};

/// So many secrets of a recipient are named.
const NAMED: usize = 3;
/// So many recipients are named in one line.
const LISTED: usize = 5;
/// The name column is as wide as its longest name up to this, in columns.
const NAME: usize = 32;

/// What happens to a recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Move {
    /// It joins where another key had its name.
    Replaces,
    /// It leaves where another key has its name now.
    IsReplaced,
    /// It is used for the first time, in files of which nothing was accepted before.
    First,
    Joins,
    Leaves,
}

/// Holds the secrets of one recipient that change alike.
struct Row<'a> {
    name: String,
    /// One key; or two, where a backend converts the key of one who is a recipient of other backends.
    keys: BTreeSet<&'a str>,
    step: Move,
    secrets: BTreeSet<ChangedSecret<'a>>,
}

/// A secret that changes: the full name of its instance, and the file where that alone becomes public.
type ChangedSecret<'a> = (&'a str, Option<&'a str>);

/// Renders the page of these changes. With `details` every key is whole and every secret is named.
pub fn recipient_page(changes: &[RecipientChange], names: &RecipientNames, details: bool, style: &Style) -> String {
    let rows = rows(changes, names);
    let of = |step: Move| rows.iter().filter(|row| row.step == step).collect::<Vec<_>>();
    let page = Page { names, details, style };
    let mut text = String::new();
    let replaced = [of(Move::Replaces), of(Move::IsReplaced)].concat();
    if !replaced.is_empty() {
        let replacing: BTreeSet<String> = replaced.iter().map(|row| row.name.clone()).collect();
        let listed = listed_up_to(&replacing.into_iter().collect::<Vec<_>>(), LISTED);
        let paint = AnsiColor::Red.on_default().bold();
        let _ = writeln!(text, "{paint}KEY CHANGED{paint:#}: {listed}\n");
        page.section(&mut text, &replaced);
    }
    let first = of(Move::First);
    if !first.is_empty() {
        page.heading(&mut text, &format!("First use of {} on this machine", counted(first.len(), "recipient")));
        page.section(&mut text, &first);
    }
    let others = [of(Move::Joins), of(Move::Leaves)].concat();
    if !others.is_empty() {
        let secrets: BTreeSet<&str> =
            others.iter().flat_map(|row| &row.secrets).map(|(instance, _)| *instance).collect();
        page.heading(&mut text, &format!("Recipients change in {}", counted(secrets.len(), "secret")));
        page.section(&mut text, &others);
    }
    text
}

/// Names in one line who joins and leaves, with the number of secrets: `+mail1 (3), -admin2 (12)`.
pub fn recipient_summary(changes: &[RecipientChange], names: &RecipientNames) -> String {
    let one = |row: &Row<'_>| {
        let sign = if row.leaves() { '-' } else { '+' };
        let mark = if matches!(row.step, Move::Replaces | Move::IsReplaced) { ", KEY CHANGED" } else { "" };
        format!("{sign}{} ({}{mark})", row.name, row.secrets.len())
    };
    let all: Vec<String> = rows(changes, names).iter().map(one).collect();
    listed_up_to(&all, LISTED)
}

/// Returns how many secrets these changes are about.
pub fn changed_secrets(changes: &[RecipientChange]) -> usize {
    changes.iter().map(|change| &change.instance).collect::<BTreeSet<_>>().len()
}

/// The recipients that change, in the order in which they are shown: what gives access first.
fn rows<'a>(changes: &'a [RecipientChange], names: &'a RecipientNames) -> Vec<Row<'a>> {
    let all = |of: fn(&RecipientChange) -> (&BTreeSet<String>, &BTreeSet<String>)| -> BTreeSet<String> {
        changes.iter().map(of).flat_map(|(with, without)| with.difference(without)).cloned().collect()
    };
    let (joined, left) = (all(|it| (&it.after, &it.before)), all(|it| (&it.before, &it.after)));
    let (new, old) = names.replaced(&joined, &left);
    let mut rows: BTreeMap<(Move, String, &str), Row<'a>> = BTreeMap::new();
    let mut add = |step: Move, key: &'a str, change: &'a RecipientChange| {
        let file = (key == EVERYONE).then_some(change.file.as_str());
        let name = names.name(key);
        let row = rows.entry((step, name.clone(), names.common(key))).or_insert_with(|| Row {
            name,
            step,
            keys: BTreeSet::new(),
            secrets: BTreeSet::new(),
        });
        row.keys.insert(key);
        row.secrets.insert((&change.instance, file));
    };
    for change in changes {
        for key in change.after.difference(&change.before) {
            let step = match change.is_first {
                _ if new.contains(key) => Move::Replaces,
                true => Move::First,
                false => Move::Joins,
            };
            add(step, key, change);
        }
        // Who could read what everyone can read now loses nothing.
        for key in change.before.difference(&change.after).filter(|_| !change.after.contains(EVERYONE)) {
            add(if old.contains(key) { Move::IsReplaced } else { Move::Leaves }, key, change);
        }
    }
    rows.into_values().collect()
}

struct Page<'a> {
    names: &'a RecipientNames,
    details: bool,
    style: &'a Style,
}

impl Page<'_> {
    fn heading(&self, text: &mut String, heading: &str) {
        let bold = Paint::new().bold();
        if !text.is_empty() {
            text.push('\n');
        }
        let _ = writeln!(text, "{bold}{heading}{bold:#}\n");
    }

    fn section(&self, text: &mut String, rows: &[&Row<'_>]) {
        let width = rows.iter().map(|row| display_width(&row.name)).max().unwrap_or_default().min(NAME);
        let digits = rows.iter().map(|row| row.secrets.len().to_string().len()).max().unwrap_or_default();
        let does = rows.iter().map(|row| row.does(digits).len()).max().unwrap_or_default();
        for row in rows {
            self.row(text, row, (width, does, digits));
        }
    }

    /// `+ mail1   joins 3   host key of nixos mail1`, and below it the keys and the secrets.
    fn row(&self, text: &mut String, row: &Row<'_>, (width, does, digits): (usize, usize, usize)) {
        let (sign, color) = if row.leaves() { ('-', AnsiColor::Red) } else { ('+', AnsiColor::Green) };
        let (paint, bold) = (color.on_default(), Paint::new().bold());
        let name = &row.name;
        let sources = row.keys.iter().filter_map(|key| self.names.get(key)).map(|known| known.source.as_str());
        let source = sources.max().unwrap_or_default();
        let pad = " ".repeat(width.saturating_sub(display_width(name)));
        let indent = " ".repeat(width + 7);
        let _ = write!(text, "  {paint}{sign}{paint:#} {bold}{name}{bold:#}{pad}   {:does$}", row.does(digits));
        let used = 7 + display_width(name) + pad.len() + does;
        match source {
            "" => {}
            source if used + 3 + display_width(source) <= self.style.width => text.extend(["   ", source]),
            source => text.extend(["\n", &indent, source]),
        }
        // What is behind the last column is nothing.
        text.truncate(text.trim_end_matches(' ').len());
        text.push('\n');
        for line in self.keys(row) {
            let _ = writeln!(text, "{indent}{line}");
        }
        for line in self.secrets(row, indent.len()) {
            let _ = writeln!(text, "{indent}{line}");
        }
    }

    /// Keys, a line each: none of a line's words is broken.
    fn keys(&self, row: &Row<'_>) -> Vec<String> {
        if row.keys.contains(EVERYONE) {
            return vec!["stored unencrypted: who can read the repository can read it".to_owned()];
        }
        let key = |key: &str| if self.details { terminal(key).into_owned() } else { self.names.shown(key) };
        let mut lines: Vec<String> = row.keys.iter().map(|one| key(one)).filter(|key| *key != row.name).collect();
        let others: (&str, fn(&KnownRecipient) -> &BTreeSet<String>) = match row.step {
            Move::Replaces => ("accepted before under this name:", |known| &known.earlier),
            Move::IsReplaced => ("declared under this name now:", |known| &known.later),
            Move::First | Move::Joins | Move::Leaves => return lines,
        };
        let (said, others) = others;
        let others: BTreeSet<&String> =
            row.keys.iter().filter_map(|key| self.names.get(key)).flat_map(others).collect();
        lines.extend(
            std::iter::once(said.to_owned()).chain(others.into_iter().map(|other| format!("  {}", key(other)))),
        );
        lines
    }

    /// The name as it is typed; of a public file with the file.
    fn secret(&self, (instance, file): &ChangedSecret<'_>) -> String {
        let name = instance.parse().map_or_else(|_| (*instance).to_owned(), |name| self.style.names.shorten(&name));
        let name = file.map_or_else(|| name.clone(), |file| format!("{name}: {file}"));
        terminal(&name).into_owned()
    }

    /// Names of secrets, several in a line as far as they fit; none is broken.
    fn secrets(&self, row: &Row<'_>, indent: usize) -> Vec<String> {
        let most = if self.details { usize::MAX } else { NAMED };
        let mut names: Vec<String> = row.secrets.iter().map(|secret| self.secret(secret)).collect();
        names.sort();
        names.truncate(most);
        let more = row.secrets.len() - names.len();
        let count = names.len();
        for name in names.iter_mut().take(count.saturating_sub(1)) {
            name.push(',');
        }
        names.extend((more > 0).then(|| format!("and {more} more")));
        let width = self.style.width.saturating_sub(indent);
        let mut lines: Vec<String> = Vec::new();
        for name in names {
            match lines.last_mut().filter(|line| display_width(line) + 1 + display_width(&name) <= width) {
                Some(line) => line.extend([" ", &name]),
                None => lines.push(name),
            }
        }
        lines
    }
}

impl Row<'_> {
    fn leaves(&self) -> bool {
        matches!(self.step, Move::IsReplaced | Move::Leaves)
    }

    fn does(&self, digits: usize) -> String {
        let count = self.secrets.len();
        match self.step {
            Move::First => format!("{count:>digits$} {}", agreeing(count, "secret", "secrets")),
            Move::Replaces | Move::Joins => format!("joins {count}"),
            Move::IsReplaced | Move::Leaves => format!("leaves {count}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use artifacts_declared::Label;
    use artifacts_plan::ShortNames;

    use super::*;
    use crate::testing::{plain, style};

    const MAIL1: &str = "ssh-ed25519 MAIL1";
    const ADMIN2: &str = "ssh-ed25519 ADMIN2";

    fn set(words: &[&str]) -> BTreeSet<String> {
        words.iter().map(ToString::to_string).collect()
    }

    fn change(instance: &str, before: &[&str], after: &[&str]) -> RecipientChange {
        let (instance, is_first) = (instance.to_owned(), before.is_empty());
        RecipientChange { instance, file: "f".to_owned(), before: set(before), after: set(after), is_first }
    }

    fn known(label: Label, source: &str, shown: &str) -> KnownRecipient {
        let (source, shown) = (source.to_owned(), shown.to_owned());
        KnownRecipient { label: Some(label), source, shown, ..KnownRecipient::default() }
    }

    fn names() -> RecipientNames {
        let declared = |name: &str| Label::Declared(set(&[name]));
        let mail1 = "ssh-ed25519 SHA256:yuoLx2jmSDRy4Myg6A8FFmX/XKxbsm5v/F+LfjcPK4w";
        let admin2 = "ssh-ed25519 SHA256:wi3gfny2QOHdjU7Akkicp2FlpgtM1DUZl1ik6Kc4O8U";
        [
            (MAIL1, known(declared("mail1"), "host key of nixos mail1", mail1)),
            (ADMIN2, known(declared("admin2"), "", admin2)),
            ("age1one", known(declared("admin1"), "recipients of web1 and web2", "age1one")),
        ]
        .map(|(key, known)| (key.to_owned(), known))
        .into_iter()
        .collect()
    }

    #[test]
    fn a_change_is_shown_by_who_and_what_gives_access_comes_first() {
        let mut changes: Vec<_> =
            (1..=12).map(|n| change(&format!("per-machine/web{n}/a"), &["k", ADMIN2], &["k"])).collect();
        changes.extend(
            ["shared/postgres-app", "shared/restic-password", "shared/root-password"]
                .map(|name| change(name, &["k"], &["k", MAIL1])),
        );
        let page = recipient_page(&changes, &names(), false, &style(80));
        assert_eq!(
            plain(&page),
            "Recipients change in 15 secrets

  + mail1    joins 3     host key of nixos mail1
             ssh-ed25519 SHA256:yuoLx2jmSDRy4Myg6A8FFmX/XKxbsm5v/F+LfjcPK4w
             shared/postgres-app, shared/restic-password, shared/root-password
  - admin2   leaves 12
             ssh-ed25519 SHA256:wi3gfny2QOHdjU7Akkicp2FlpgtM1DUZl1ik6Kc4O8U
             web1/a, web10/a, web11/a and 9 more
"
        );
        assert_eq!(recipient_summary(&changes, &names()), "+mail1 (3), -admin2 (12)");
        assert_eq!(changed_secrets(&changes), 15);
        let details = plain(&recipient_page(&changes, &names(), true, &style(80)));
        assert!(details.contains("  ssh-ed25519 ADMIN2\n") && details.contains("web9/a\n"), "{details}");
        assert!(!details.contains("more") && !details.contains("SHA256"), "{details}");
    }

    #[test]
    fn secrets_of_one_short_name_are_counted_and_named_each() {
        let all = ["per-machine/web1/x", "per-user/web1/x", "per-machine/shared/y", "shared/y", "per-machine/mail1/z"];
        let names_of_all = ShortNames::new(all.iter().filter_map(|name| name.parse().ok()));
        let style = Style { names: Arc::new(names_of_all), ..style(80) };
        let joins = all.map(|name| change(name, &["k"], &["k", MAIL1]));
        let page = plain(&recipient_page(&joins, &names(), true, &style));
        assert!(page.contains("+ mail1   joins 5 "), "{page}");
        for name in ["per-machine/web1/x", "per-user/web1/x", "per-machine/shared/y", " shared/y", " mail1/z"] {
            assert!(page.contains(name), "{name}: {page}");
        }
        assert_eq!(recipient_summary(&joins, &names()), "+mail1 (5)");
        let public = all.map(|name| change(name, &[MAIL1], &[EVERYONE]));
        let page = plain(&recipient_page(&public, &names(), true, &style));
        assert!(page.contains("joins 5") && page.contains("per-user/web1/x: f"), "{page}");
    }

    #[test]
    fn a_first_use_is_no_change() {
        let changes = [
            change("per-machine/web1/a", &[], &["age1one"]),
            change("per-machine/web1/b", &[], &["age1one", MAIL1]),
            change("shared/c", &["k"], &["k", "age1one"]),
        ];
        let page = plain(&recipient_page(&changes, &names(), false, &style(80)));
        let expected = "First use of 2 recipients on this machine

  + admin1   2 secrets   recipients of web1 and web2
             age1one
             web1/a, web1/b
  + mail1    1 secret    host key of nixos mail1
             ssh-ed25519 SHA256:yuoLx2jmSDRy4Myg6A8FFmX/XKxbsm5v/F+LfjcPK4w
             web1/b

Recipients change in 1 secret

  + admin1   joins 1   recipients of web1 and web2
";
        assert!(page.starts_with(expected), "{page}");
    }

    #[test]
    fn another_key_under_a_name_comes_before_everything_else() {
        let mut names = names();
        let mut swapped = known(Label::Declared(set(&["admin2"])), "recipients of web1", "age1evil");
        swapped.earlier = set(&[ADMIN2]);
        names.extend([("age1evil".to_owned(), swapped)].into_iter().collect());
        let changes = [
            change("per-machine/web1/a", &[ADMIN2], &["age1evil", "age1one"]),
            change("per-machine/web1/new", &[], &["age1evil", "age1one"]),
        ];
        let page = plain(&recipient_page(&changes, &names, false, &style(80)));
        let expected = "KEY CHANGED: admin2

  + admin2   joins 2   recipients of web1
             age1evil
             accepted before under this name:
               ssh-ed25519 SHA256:wi3gfny2QOHdjU7Akkicp2FlpgtM1DUZl1ik6Kc4O8U
             web1/a, web1/new

First use of 1 recipient";
        assert!(page.starts_with(expected), "{page}");
        assert!(page.contains("  - admin2   leaves 1\n"), "{page}");
        assert!(
            recipient_summary(&changes, &names).starts_with("+admin2 (2, KEY CHANGED), +admin1"),
            "in one line, too"
        );
    }

    #[test]
    fn who_has_a_key_now_that_was_accepted_under_another_name_comes_first_too() {
        let mut names = names();
        let lost = KnownRecipient { later: set(&["age1one"]), ..known(Label::Declared(set(&["admin2"])), "", "") };
        names.extend([(ADMIN2.to_owned(), lost)].into_iter().collect());
        let changes = [change("per-machine/web1/a", &[ADMIN2, "age1one"], &["age1one"])];
        let page = plain(&recipient_page(&changes, &names, false, &style(80)));
        let expected = "KEY CHANGED: admin2

  - admin2   leaves 1
             ssh-ed25519 ADMIN2
             declared under this name now:
               age1one
             web1/a
";
        assert_eq!(page, expected);
        assert_eq!(recipient_summary(&changes, &names), "-admin2 (1, KEY CHANGED)");
    }

    #[test]
    fn one_person_has_one_row_whatever_backends_convert_their_key_to() {
        let mut names = names();
        let host = || Label::Declared(set(&["mail1"]));
        let converted = Some("age1converted".to_owned());
        let ssh = KnownRecipient { converted, ..known(host(), "host key of nixos mail1", "ssh-ed25519 SHA256:x") };
        let age = known(host(), "host key of nixos mail1", "age1converted");
        names.extend([(MAIL1.to_owned(), ssh), ("age1converted".to_owned(), age)].into_iter().collect());
        let changes = [
            change("shared/a", &["k"], &["k", MAIL1]),
            change("shared/b", &["k"], &["k", "age1converted"]),
            change("shared/c", &["k"], &["k", "age1converted"]),
        ];
        let page = plain(&recipient_page(&changes, &names, false, &style(80)));
        let expected = "Recipients change in 3 secrets

  + mail1   joins 3   host key of nixos mail1
            age1converted
            ssh-ed25519 SHA256:x
            shared/a, shared/b, shared/c
";
        assert_eq!(page, expected);
        assert_eq!(recipient_summary(&changes, &names), "+mail1 (3)");
    }

    #[test]
    fn who_was_accepted_for_other_secrets_of_the_targets_is_no_first_use() {
        let adopted = RecipientChange { is_first: false, ..change("per-machine/web1/a", &[], &["age1one"]) };
        let page = plain(&recipient_page(&[adopted], &names(), false, &style(80)));
        assert!(page.starts_with("Recipients change in 1 secret\n\n  + admin1   joins 1 "), "{page}");
    }

    #[test]
    fn hostile_words_stay_in_their_row() {
        let mut names = names();
        let evil = known(Label::Claimed("mail1\u{1b}[2J\n  + admin1\u{202e}".to_owned()), "", "");
        names.extend([("age1\u{1b}[2Jevil".to_owned(), evil)].into_iter().collect());
        let changes = [change("per-machine/web1/\u{1b}[2Ja", &["k\u{202e}"], &["age1\u{1b}[2Jevil", "age1two\nx"])];
        let page = plain(&recipient_page(&changes, &names, false, &style(80)));
        assert!(page.contains("+ \"mail1\\u{1b}[2J\\n  + admin1\\u{202e}\""), "{page}");
        assert!(page.lines().all(|line| !line.chars().any(char::is_control) && !line.contains('\u{202e}')), "{page}");
        assert_eq!(page.matches("\n  + ").count(), 2, "{page}");
    }

    #[test]
    fn a_column_that_does_not_fit_goes_to_the_next_line_and_nothing_is_broken() {
        let changes = [
            change("shared/postgres-app-of-a-long-name", &["k"], &["k", "age1one"]),
            change("shared/b", &["k"], &["k", "age1one"]),
        ];
        let page = plain(&recipient_page(&changes, &names(), false, &style(40)));
        let expected = "  + admin1   joins 2\n             recipients of web1 and web2\n             age1one\n             shared/b,\n             shared/postgres-app-of-a-long-name\n";
        assert!(page.ends_with(expected), "{page}");
    }

    #[test]
    fn who_could_read_what_everyone_can_read_does_not_leave() {
        let changes = [change("per-machine/web1/a", &[MAIL1], &[EVERYONE])];
        let page = plain(&recipient_page(&changes, &names(), false, &style(80)));
        assert!(page.contains("+ everyone (public file)   joins 1\n") && page.contains("web1/a: f\n"), "{page}");
        assert!(page.contains("stored unencrypted") && !page.contains("mail1"), "{page}");
    }
}
