//! Nothing is stored or trashed without a ticket.

use crate::sources::host;

/// The files that may name the store's right to write: one locks storages, the other uses it up.
const HOLDERS: [&str; 2] = ["host/flow/src/agree/ticket.rs", "host/flow/src/tools/storages.rs"];

#[test]
fn what_is_locked_is_written_with_a_ticket_alone() {
    let mut found = Vec::new();
    for source in host().into_iter().filter(|source| !source.path.starts_with("host/store/")) {
        let names = source.code.split(';').any(|line| {
            line.contains("use artifacts_store::")
                && line.split(|c: char| !c.is_alphanumeric()).any(|word| word == "Writer")
        });
        if (names || source.code.contains("artifacts_store::Writer")) && !HOLDERS.contains(&source.path.as_str()) {
            found.push(format!("{} names the store's writer", source.path));
        }
        let uses = ["writer.commit(", "writer.remove(", "other.remove("];
        let is_used = uses.iter().any(|one| source.code.contains(one));
        if is_used && source.path != HOLDERS[0] {
            found.push(format!("{} writes without a ticket", source.path));
        }
    }
    assert!(found.is_empty(), "only a ticket stores and trashes: {found:#?}");
}
