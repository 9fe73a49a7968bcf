//! Has an artifact's files deployed once more: a key that was not there at boot, on a stick or in hardware, may be there by now.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use crate::manifest::DeployedArtifact;
use crate::watch::switch::{LOCK, under_way};
use crate::watch::systemd::{Manager, Systemctl};

/// Restarts the installers of an artifact and waits for them. At a boot and during a switch it does nothing, and gives `false`: they have
/// their turn then, and one file that is missing must not have all others deployed again and again.
///
/// # Errors
/// When systemd does not answer. That an installer fails is none: its files are looked at afterwards.
pub fn deploy_again(artifact: &DeployedArtifact, user: bool) -> io::Result<bool> {
    let systemd = Systemctl { user };
    if under_way(Path::new(LOCK))? || systemd.is_booting()? {
        return Ok(false);
    }
    let installers: BTreeSet<&str> = artifact.installers.iter().map(String::as_str).collect();
    let known = systemd.show(&installers)?;
    let known: BTreeSet<&str> = known.iter().filter(|(_, unit)| !unit.gone).map(|(name, _)| name.as_str()).collect();
    if known.is_empty() {
        return Ok(false);
    }
    systemd.restart(&known);
    Ok(true)
}
