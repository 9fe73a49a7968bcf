//! Files in an entry's directory that its receipt does not list: added by hand for a declared file, or strays that belong to no
//! one.

use std::collections::BTreeSet;

use artifacts_plan::Instance;
use artifacts_store::{Entry, Receipt, ReceiptState};

use crate::naming::bears;

/// So many strays of one entry are named.
const NAMED: usize = 5;

/// Makes added files part of the entry, and returns the paths of the strays, which stay out of it. Anyone who compares the entry's
/// fingerprint takes it first.
pub fn take_added(instance: &Instance, entry: &mut Entry) -> Vec<String> {
    let ReceiptState::Valid(receipt) = &entry.receipt else { return Vec::new() };
    let (added, strays): (Vec<_>, Vec<_>) =
        std::mem::take(&mut entry.extras).into_iter().partition(|(path, _)| is_added(instance, receipt, path));
    for (path, bytes) in added {
        match path.strip_prefix("public/") {
            Some(name) => entry.public.insert(name.to_owned(), bytes),
            None => entry.files.insert(path, bytes),
        };
    }
    let strays = strays.into_iter().map(|(path, _)| path).chain(entry.unread.iter().cloned());
    strays.collect::<BTreeSet<String>>().into_iter().collect()
}

/// Names some of many.
pub fn named(strays: &[String]) -> Vec<String> {
    let more = strays.len().saturating_sub(NAMED);
    let shown = strays.iter().take(NAMED).cloned();
    shown.chain((more > 0).then(|| format!("… and {more} more"))).collect()
}

/// Whether it is a declared file that was never stored, in the form in which the others are.
fn is_added(instance: &Instance, receipt: &Receipt, path: &str) -> bool {
    if let Some(name) = path.strip_prefix("public/") {
        return instance.public_files().any(|file| file.as_str() == name);
    }
    let endings: BTreeSet<&str> = receipt
        .files
        .keys()
        .flat_map(|stored| receipt.recipients.files().filter_map(|file| stored.strip_prefix(file.as_str())))
        .filter(|ending| ending.is_empty() || ending.starts_with('.'))
        .collect();
    let unstored = instance.secret_files().filter(|file| !receipt.recipients.contains(file.as_str()));
    let mut endings_of =
        unstored.filter(|file| bears(path, file.as_str())).filter_map(|file| path.strip_prefix(file.as_str()));
    endings_of.any(|ending| endings.is_empty() || endings.contains(ending))
}
