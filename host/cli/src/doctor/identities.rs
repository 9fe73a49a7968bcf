//! What is at the places of identities.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use artifacts_age::{IdentityError, IdentityKind};
use artifacts_doctor::{IdentityPlace, IdentitySource, OpenFile};
use artifacts_text::Explain as _;

use crate::identities::{IdentityOptions, KeyPlace};

/// Permission bits of other users.
const OTHERS: u32 = 0o077;

/// Looks at each place. What is there is read no further than tells its kind; no program is run and standard input is left alone.
pub fn places(options: &IdentityOptions) -> Vec<IdentityPlace> {
    let look = |(name, place, is_named): (String, KeyPlace<'_>, bool)| {
        let source = match place {
            KeyPlace::Text(text) => kind(IdentityKind::read(&name, text.expose()), None),
            KeyPlace::Command => IdentitySource::NotRead("a command that prints identities; it was not run".to_owned()),
            KeyPlace::File(file) if file == Path::new("-") => {
                IdentitySource::NotRead("standard input; it was not read".to_owned())
            }
            KeyPlace::File(file) => of_file(&name, &file),
        };
        IdentityPlace { name, is_named, source }
    };
    options.places().into_iter().map(look).collect()
}

/// Returns the plugins that identities need.
pub fn plugins(places: &[IdentityPlace]) -> BTreeSet<String> {
    let plugin = |place: &IdentityPlace| match &place.source {
        IdentitySource::Found { plugin, .. } => plugin.clone(),
        _ => None,
    };
    places.iter().filter_map(plugin).collect()
}

fn of_file(name: &str, file: &Path) -> IdentitySource {
    let found = match file.metadata() {
        Ok(found) => found,
        Err(error) if error.kind() == ErrorKind::NotFound => return IdentitySource::Absent,
        Err(error) => return IdentitySource::Unreadable(error.to_string()),
    };
    if found.is_dir() {
        return IdentitySource::Unreadable("it is a directory".to_owned());
    }
    if !found.is_file() {
        return IdentitySource::NotRead("a pipe or device; it was not read".to_owned());
    }
    let mode = found.permissions().mode() & 0o7777;
    let open = (mode & OTHERS != 0).then(|| OpenFile { path: file.to_owned(), mode });
    match File::open(file) {
        Ok(opened) => kind(IdentityKind::read(name, opened), open),
        Err(error) => IdentitySource::Unreadable(error.to_string()),
    }
}

fn kind(read: std::io::Result<Result<IdentityKind, IdentityError>>, open: Option<OpenFile>) -> IdentitySource {
    match read {
        Ok(Ok(kind)) => {
            IdentitySource::Found { kind: kind.to_string(), plugin: kind.plugin().map(str::to_owned), open }
        }
        Ok(Err(error)) => IdentitySource::Unusable { why: error.to_string(), hint: error.hint() },
        Err(error) => IdentitySource::Unreadable(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_pipe_is_not_read_and_a_file_says_its_kind_and_mode() {
        let dir = tempfile::tempdir().unwrap();
        let (pipe, key) = (dir.path().join("pipe"), dir.path().join("key"));
        // Whoever opens it waits for someone who writes to it.
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        assert!(matches!(of_file("k", &pipe), IdentitySource::NotRead(_)));
        assert_eq!(of_file("k", &dir.path().join("none")), IdentitySource::Absent);
        assert!(matches!(of_file("k", dir.path()), IdentitySource::Unreadable(_)));
        std::fs::write(&key, "AGE-PLUGIN-TPM-1QQ\n").unwrap();
        for (mode, open) in [(0o600, None), (0o640, Some(OpenFile { path: key.clone(), mode: 0o640 }))] {
            std::fs::set_permissions(&key, std::fs::Permissions::from_mode(mode)).unwrap();
            let IdentitySource::Found { plugin, open: found, .. } = of_file("k", &key) else { panic!() };
            assert_eq!((plugin.as_deref(), found), (Some("tpm"), open));
        }
    }
}
