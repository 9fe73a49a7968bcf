//! How a merge conflict in an entry is settled.

use super::index::{Index, Versions};
use super::run;
use super::staged::Settlement;
use super::tree::Group;
use super::view::View;
use crate::names::RECEIPT;
use crate::receipt::MAX_RECEIPT;
use crate::{Generation, Receipt};

/// References by which git names the commit of the other branch, while it merges, rebases or picks.
const OTHER: [&str; 4] = ["MERGE_HEAD", "REBASE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD"];

/// Finds out how the conflict in an entry is settled. Reads both receipts, and nothing else of the entry.
pub fn settlement(view: &View<'_>, group: &Group, index: &Index, entry: &str) -> Settlement {
    let versions = index.versions(group, entry);
    let has_all = |side: usize| versions.values().all(|versions| versions[side].is_some());
    // A file that one branch does not have makes `checkout` refuse all. A commit knows which files there are; what git left in the
    // index and beside them goes first, and both versions are in commits.
    let of_commit = |reference: &str| {
        let remove = group.command("rm -rfq", [entry]);
        format!("{remove} && {}", group.command(&format!("restore --source={reference} --staged --worktree"), [entry]))
    };
    let ours = if has_all(0) { group.command("checkout --ours", [entry]) } else { of_commit("HEAD") };
    let theirs = if has_all(1) {
        Some(group.command("checkout --theirs", [entry]))
    } else {
        let git_dir = &view.repository.git_dir;
        OTHER.into_iter().find(|name| git_dir.join(name).is_file()).map(of_commit)
    };
    let receipt = group.in_git(&format!("{entry}/{RECEIPT}"));
    let receipts = receipt.and_then(|path| versions.get(&path).copied());
    let same_value = receipts.and_then(|receipts| {
        let [ours, theirs] = [0, 1].map(|side| generation(view, receipts, side));
        Some(ours? == theirs?)
    });
    Settlement { ours, theirs, add: group.command("add", [entry]), same_value }
}

/// Returns the generation in one version of a receipt.
fn generation(view: &View<'_>, versions: &Versions, side: usize) -> Option<Generation> {
    let object = versions[side].as_ref()?;
    let answer = run(view.command().args(["cat-file", "-s", object]), b"").ok()?;
    let length: u64 = String::from_utf8_lossy(&answer).trim().parse().ok()?;
    if length > MAX_RECEIPT {
        return None;
    }
    let bytes = run(view.command().args(["cat-file", "blob", object]), b"").ok()?;
    Some(Receipt::parse(&bytes).ok()?.generation)
}
