use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use artifacts_plan::RecipientDelta;
use artifacts_text::{counted, listed, terminal};

use crate::{InstanceRow, RecipientNames, Report, RowAction, Style, diff, recipient_page};

/// A file that is written, or would be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileChange {
    /// As it is declared, or was.
    pub file: String,
    /// What is stored; nothing when it is new.
    pub before: Option<Side>,
    /// What takes its place; nothing when it goes.
    pub after: Option<Side>,
}

/// A file before or after. No secret is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Side {
    /// Encrypted.
    Secret {
        /// Its bytes as they are stored, where that can be determined.
        size: Option<u64>,
        /// Whom it is encrypted to, where anyone knows.
        recipients: Option<BTreeSet<String>>,
    },
    /// In plain text.
    Public {
        /// Its bytes, where that is known already.
        size: Option<u64>,
        /// Its content, where that is known already.
        content: Option<Vec<u8>>,
    },
}

impl Side {
    /// A public file of this content.
    pub fn public(content: Vec<u8>) -> Self {
        Self::Public { size: Some(content.len() as u64), content: Some(content) }
    }

    fn is_secret(&self) -> bool {
        matches!(self, Self::Secret { .. })
    }

    fn size(&self) -> Option<u64> {
        match self {
            Self::Secret { size, .. } | Self::Public { size, .. } => *size,
        }
    }

    fn recipients(&self) -> Option<&BTreeSet<String>> {
        match self {
            Self::Secret { recipients, .. } => recipients.as_ref(),
            Self::Public { .. } => None,
        }
    }

    fn content(&self) -> Option<&[u8]> {
        match self {
            Self::Secret { .. } => None,
            Self::Public { content, .. } => content.as_deref(),
        }
    }
}

impl FileChange {
    /// The bytes that are stored of it.
    pub fn stored(&self) -> Option<u64> {
        self.before.as_ref().and_then(Side::size)
    }

    /// `env: secret, 2 recipients, 413 bytes stored`.
    pub fn line(&self) -> String {
        let Some(after) = &self.after else {
            let what = if self.before.as_ref().is_some_and(Side::is_secret) { "secret" } else { "public file" };
            return format!("{}: would be removed (no longer a declared {what})", self.file);
        };
        let parts = [Some(self.kind(after)), self.recipients(after), self.size(after)];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        format!("{}: {}", self.file, parts.join(", "))
    }

    /// `env: 2 recipients`, `env: +mail1`, `cert: public`: what it would be, as a person reads it.
    pub(crate) fn brief(&self, names: &RecipientNames) -> String {
        let Some(after) = &self.after else { return format!("{}: removed", self.file) };
        let kind = self.kind(after);
        let recipients = || self.recipients(after).filter(|_| after.is_secret());
        let recipients = self.changed(after, names).or_else(recipients);
        let parts: Vec<String> = match recipients {
            Some(recipients) if kind == "secret" => vec![recipients],
            recipients => std::iter::once(kind).chain(recipients).collect(),
        };
        format!("{}: {}", self.file, parts.join(", "))
    }

    /// What goes with an entry: `env (2 recipients)`, `cert (public)`.
    pub(crate) fn goes(&self) -> Option<String> {
        let what = match self.before.as_ref()? {
            Side::Secret { recipients: Some(recipients), .. } => counted(recipients.len(), "recipient"),
            Side::Secret { recipients: None, .. } => "recipients unknown".to_owned(),
            Side::Public { .. } => "public".to_owned(),
        };
        Some(format!("{} ({what})", self.file))
    }

    fn kind(&self, after: &Side) -> String {
        let word = |side: &Side| if side.is_secret() { "secret" } else { "public" };
        let before = self.before.as_ref().map(word).filter(|before| *before != word(after));
        before.map_or_else(|| word(after).to_owned(), |before| format!("{before} -> {}", word(after)))
    }

    fn recipients(&self, after: &Side) -> Option<String> {
        if let Side::Secret { recipients: None, .. } = after {
            return Some("recipients unknown".to_owned());
        }
        let after = after.recipients()?;
        let before = self.before.as_ref().and_then(Side::recipients).filter(|before| *before != after);
        let changes = before.map_or_else(String::new, |before| format!("{} -> ", before.len()));
        Some(format!("{changes}{}", counted(after.len(), "recipient")))
    }

    /// Who joins and who leaves, where some do.
    fn changed(&self, after: &Side, names: &RecipientNames) -> Option<String> {
        let (before, after) = self.before.as_ref().and_then(Side::recipients).zip(after.recipients())?;
        let delta = RecipientDelta { joined: after - before, left: before - after, ..RecipientDelta::default() };
        let changed = names.changed(&delta, false);
        Some(changed).filter(|changed| !changed.is_empty())
    }

    fn size(&self, after: &Side) -> Option<String> {
        let before = self.stored().map(|size| counted(size, "byte"));
        let new = after.size().map(|size| counted(size, "byte"));
        match (before, new) {
            (Some(before), Some(new)) => Some(format!("{before} -> {new}")),
            (Some(before), None) => Some(format!("{before} stored")),
            (None, new) => new,
        }
    }

    /// What changes in a public file of that instance, line by line; nothing when its content stays, or is not known yet.
    pub(crate) fn diff(&self, instance: &str) -> String {
        let content = |side: &Option<Side>| side.as_ref().and_then(Side::content).map(<[u8]>::to_vec);
        let unknown = |side: &Side| matches!(side, Side::Public { content: None, .. });
        let secret = self.after.as_ref().is_some_and(Side::is_secret);
        if secret || self.before.iter().chain(&self.after).any(unknown) {
            return String::new();
        }
        let name = if instance.is_empty() { String::new() } else { format!("{instance}/") } + "public/" + &self.file;
        diff(&name, content(&self.before).as_deref(), content(&self.after).as_deref())
    }
}

impl InstanceRow {
    /// What programs are told of it, a line each: files, recipients, sizes.
    pub(crate) fn lines(&self) -> impl Iterator<Item = String> {
        let would = self.done.is_some_and(RowAction::is_to_come);
        let files = self.files.iter().filter(move |_| would).map(FileChange::line);
        files.chain(self.notes.iter().cloned()).chain(self.sentences.iter().cloned())
    }
}

impl Report {
    /// Returns the recipients that are named in it, by key.
    pub fn recipient_keys(&self) -> BTreeSet<String> {
        let changes = self.recipients.iter().flat_map(|change| change.before.iter().chain(&change.after));
        let files =
            self.rows.values().flat_map(|row| &row.files).chain(self.trashed.iter().flat_map(|one| &one.contents));
        let sides = files.flat_map(|change| change.before.iter().chain(&change.after));
        changes.chain(sides.filter_map(Side::recipients).flatten()).cloned().collect()
    }

    /// For a person who is to agree to it: recipients that would change, who would read what is new, what would change in public
    /// files.
    pub fn preview(&self, style: &Style) -> String {
        let mut text = recipient_page(&self.recipients, &self.names, false, style);
        let known: BTreeSet<(&str, &str)> =
            self.recipients.iter().map(|change| (change.instance.as_str(), change.file.as_str())).collect();
        let mut new: BTreeMap<&BTreeSet<String>, Vec<String>> = BTreeMap::new();
        for (name, row) in &self.rows {
            let name = name.to_string();
            for FileChange { file, before, after } in &row.files {
                let Some(after) = after.as_ref().and_then(Side::recipients) else { continue };
                if before.is_none() && !known.contains(&(&name, file)) {
                    new.entry(after).or_default().push(format!("{name}: {file}"));
                }
            }
        }
        for (recipients, files) in new {
            let _ = writeln!(text, "recipients of new secrets: {}", self.names.sorted(recipients).join(", "));
            let _ = writeln!(text, "    {}", terminal(&listed(&files)));
        }
        for (name, row) in &self.rows {
            let name = name.to_string();
            text.extend(row.files.iter().map(|file| file.diff(&name)));
        }
        text
    }
}
