//! What `doctor` found: one line for each finding, and a count of the rest.

use artifacts_text::{counted, shell_word};

use crate::layout::{Below, GREEN, Line, RED, YELLOW, layout};
use crate::{ReportPage, RowFilter, Style, Way};

/// Width of the longest verdict.
const VERDICTS: usize = "broken".len();

/// Names what is examined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Area {
    /// The sandbox of workers, in which components run.
    Workers,
    /// The sandbox of generators.
    Generators,
    /// The directory for plaintext.
    Ram,
    /// Where the kernel could write memory to.
    Swap,
    /// Nix and its settings.
    Nix,
    /// What git knows of the stored entries.
    Git,
    /// The stored files, by their receipts.
    Receipts,
    /// The files and variables that give private keys.
    Identities,
    /// The programs of age plugins.
    Plugins,
    /// The directory of what this machine knows.
    State,
    /// The audit log.
    Audit,
}

impl Area {
    /// Every area, in the order in which it is listed.
    pub const ALL: [Self; 11] = [
        Self::Workers,
        Self::Generators,
        Self::Ram,
        Self::Swap,
        Self::Nix,
        Self::Git,
        Self::Receipts,
        Self::Identities,
        Self::Plugins,
        Self::State,
        Self::Audit,
    ];

    /// Returns its word, as it is typed and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Workers => "workers",
            Self::Generators => "generators",
            Self::Ram => "ram",
            Self::Swap => "swap",
            Self::Nix => "nix",
            Self::Git => "git",
            Self::Receipts => "receipts",
            Self::Identities => "identities",
            Self::Plugins => "plugins",
            Self::State => "state",
            Self::Audit => "audit",
        }
    }
}

/// Says what a check came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Commands fail, or what was found must not be trusted.
    Broken,
    /// Something is weaker than it could be, is left to do, or cannot be determined.
    Work,
    /// It is as it should be.
    Ok,
}

impl Verdict {
    /// Every verdict, the worst first.
    pub const ALL: [Self; 3] = [Self::Broken, Self::Work, Self::Ok];

    /// Returns its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Broken => "broken",
            Self::Work => "work",
            Self::Ok => "ok",
        }
    }
}

/// Holds what one check came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthFinding {
    /// What was examined.
    pub area: Area,
    /// What came of it.
    pub verdict: Verdict,
    /// One sentence. No secret.
    pub message: String,
    /// What to do, the best first; nothing of what is as it should be.
    pub remedies: Vec<Way>,
}

impl HealthFinding {
    /// Creates a finding that is as it should be.
    pub fn ok(area: Area, message: impl Into<String>) -> Self {
        Self { area, verdict: Verdict::Ok, message: message.into(), remedies: Vec::new() }
    }

    /// Creates a finding that leaves work.
    pub fn work(area: Area, message: impl Into<String>) -> Self {
        Self { verdict: Verdict::Work, ..Self::ok(area, message) }
    }

    /// Creates a finding of something broken.
    pub fn broken(area: Area, message: impl Into<String>) -> Self {
        Self { verdict: Verdict::Broken, ..Self::ok(area, message) }
    }

    /// Adds a command to run.
    #[must_use]
    pub fn command<S: Into<String>>(mut self, words: impl IntoIterator<Item = S>) -> Self {
        self.remedies.push(Way::Command(words.into_iter().map(Into::into).collect()));
        self
    }

    /// Adds what to do that no single command does.
    #[must_use]
    pub fn advice(mut self, text: impl Into<String>) -> Self {
        self.remedies.push(Way::Text(text.into()));
        self
    }

    /// Adds the hint of an error, if it has one.
    #[must_use]
    pub fn hint(self, hint: Option<String>) -> Self {
        match hint {
            Some(hint) => self.advice(hint),
            None => self,
        }
    }
}

/// Holds what `doctor` found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checkup {
    /// Every check, in the order of the areas.
    pub findings: Vec<HealthFinding>,
}

impl Checkup {
    /// 1 when something is broken, else 3 when work is left, else 0.
    pub fn exit_status(&self) -> u8 {
        match self.findings.iter().map(|finding| finding.verdict).min() {
            Some(Verdict::Broken) => 1,
            Some(Verdict::Work) => 3,
            Some(Verdict::Ok) | None => 0,
        }
    }

    /// Returns the page: the findings that need work, or all.
    pub fn page(&self, listing: RowFilter, style: &Style) -> ReportPage {
        let mut shown: Vec<&HealthFinding> = self.findings.iter().collect();
        if listing == RowFilter::Work {
            shown.retain(|finding| finding.verdict != Verdict::Ok);
        }
        shown.sort_by_key(|finding| finding.verdict);
        let lines: Vec<Line> = shown.into_iter().map(|finding| finding.line(style)).collect();
        ReportPage { head: layout(&lines, VERDICTS, style), tail: self.summary() }
    }

    /// `21 checks: 18 ok, 2 work, 1 broken`.
    fn summary(&self) -> String {
        let of = |verdict| self.findings.iter().filter(|finding| finding.verdict == verdict).count();
        let parts = Verdict::ALL.iter().rev().map(|verdict| (of(*verdict), verdict.as_str()));
        let parts: Vec<String> =
            parts.filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}")).collect();
        format!("{}: {}\n", counted(self.findings.len(), "check"), parts.join(", "))
    }
}

impl HealthFinding {
    fn line(&self, style: &Style) -> Line {
        let remedies = self.remedies.iter().map(|way| match way {
            Way::Command(words) => {
                let words: Vec<String> = words.iter().map(|word| shell_word(word)).collect();
                format!("hint: `{}`", words.join(" "))
            }
            Way::Text(text) => format!("hint: {}", style.names.shorten_text(text)),
        });
        Line {
            word: self.verdict.as_str(),
            paint: match self.verdict {
                Verdict::Broken => RED,
                Verdict::Work => YELLOW,
                Verdict::Ok => GREEN,
            },
            name: self.area.as_str().to_owned(),
            last: style.names.shorten_text(&self.message).into_owned(),
            below: remedies.map(Below::Text).collect(),
            ..Line::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{plain, style};

    fn checkup() -> Checkup {
        Checkup {
            findings: vec![
                HealthFinding::ok(Area::Ram, "plaintext is kept in /run/user/1000"),
                HealthFinding::work(Area::Swap, "swap is not encrypted: /dev/sda2")
                    .command(["swapoff", "/dev/sda2"])
                    .advice("or encrypt it"),
                HealthFinding::broken(Area::State, "other users can write in the directory of what this machine knows"),
            ],
        }
    }

    #[test]
    fn the_worst_comes_first_and_the_rest_is_counted() {
        let ReportPage { head, tail } = checkup().page(RowFilter::Work, &style(80));
        assert_eq!(
            plain(&head),
            "broken  state\n        other users can write in the directory of what this machine knows\nwork    swap           \
             swap is not encrypted: /dev/sda2\n        hint: `swapoff /dev/sda2`\n        hint: or encrypt it\n"
        );
        assert_eq!(tail, "3 checks: 1 ok, 1 work, 1 broken\n");
        let all = plain(&checkup().page(RowFilter::All, &style(80)).head);
        assert!(all.ends_with("ok      ram            plaintext is kept in /run/user/1000\n"), "{all}");
    }

    #[test]
    fn what_is_broken_beats_work() {
        let mut checkup = checkup();
        assert_eq!(checkup.exit_status(), 1);
        checkup.findings.pop();
        assert_eq!(checkup.exit_status(), 3);
        checkup.findings.pop();
        assert_eq!(checkup.exit_status(), 0);
        assert_eq!(Checkup::default().exit_status(), 0);
    }
}
