use std::io;
use std::os::fd::OwnedFd;

use landlock::{
    ABI, Access, AccessFs, AccessNet, PathBeneath, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetStatus, Scope,
};

/// From here on this thread, and those that it starts, open nothing but what lies in the room, and no port.
pub(super) fn only(room: Option<OwnedFd>) -> io::Result<()> {
    let status = restrict(room).map_err(io::Error::other)?;
    match status {
        RulesetStatus::FullyEnforced | RulesetStatus::PartiallyEnforced => Ok(()),
        RulesetStatus::NotEnforced => Err(io::Error::other("this kernel has no Landlock")),
    }
}

fn restrict(room: Option<OwnedFd>) -> Result<RulesetStatus, landlock::RulesetError> {
    let abi = ABI::V6;
    let everything = AccessFs::from_all(abi);
    let needless = AccessFs::Execute
        | AccessFs::MakeChar
        | AccessFs::MakeBlock
        | AccessFs::MakeSock
        | AccessFs::MakeFifo
        | AccessFs::IoctlDev;
    let mut rules = Ruleset::default()
        .handle_access(everything)?
        .handle_access(AccessNet::from_all(abi))?
        .scope(Scope::from_all(abi))?
        .create()?;
    if let Some(room) = room {
        rules = rules.add_rule(PathBeneath::new(room, everything & !needless))?;
    }
    Ok(rules.restrict_self()?.ruleset)
}
