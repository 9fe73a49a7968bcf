//! Who may read a deployed file, and where it is found.

use std::collections::BTreeMap;
use std::path::PathBuf;

use artifacts_declared::{DeclaredFile, Name};
use artifacts_on_target::accounts::Accounts;
use artifacts_on_target::manifest::expand;
use artifacts_on_target::place::FilePermissions;
use artifacts_plan::Instance;
use artifacts_report::Failure;

use crate::context::ActivationContext;
use crate::failure::failure;

/// Returns the path of the link to a file. A public file that was generated elsewhere is in the store.
pub(crate) fn link_path(file: &DeclaredFile, context: &ActivationContext<'_>) -> Option<PathBuf> {
    let path = PathBuf::from(expand(file.path.as_deref()?, context.runtime.as_deref()));
    (file.deploy && !path.starts_with(&context.store)).then_some(path)
}

/// Returns who may read each file. A file that is not deployed is for its owner's generators alone.
pub(crate) fn accesses(instance: &Instance, user: (u32, u32)) -> Result<BTreeMap<Name, FilePermissions>, Failure> {
    let mut accounts = Accounts::default();
    let mut of = |(name, file): (&Name, &DeclaredFile)| {
        let unknown = |what: &str, text: &str| {
            failure(instance, format!("file `{name}`: unknown {what} `{text}`"))
                .hint(Some(format!("declare it as one of `users.{what}s`, or use another")))
        };
        if !file.deploy {
            return Ok((name.clone(), FilePermissions { mode: 0o400, user: user.0, group: user.1 }));
        }
        let mode = file.mode.as_deref().unwrap_or("0400");
        let bad = || failure(instance, format!("file `{name}`: invalid mode `{mode}`; expected an octal number"));
        let mode = u32::from_str_radix(mode, 8).ok().filter(|mode| *mode <= 0o7777).ok_or_else(bad)?;
        let owner = match file.owner.as_deref() {
            Some(owner) => accounts.user(owner).ok_or_else(|| unknown("user", owner))?,
            None => user.0,
        };
        let group = match file.group.as_deref() {
            Some(group) => accounts.group(group).ok_or_else(|| unknown("group", group))?,
            None => user.1,
        };
        Ok((name.clone(), FilePermissions { mode, user: owner, group }))
    };
    instance.artifact.files.iter().map(&mut of).collect()
}
