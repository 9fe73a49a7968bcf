use std::io;
use std::os::fd::OwnedFd;

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, PathBeneath, Ruleset, RulesetAttr, RulesetCreatedAttr,
    RulesetError, RulesetStatus, Scope,
};

/// All that is used of it: Linux 6.12.
const WHOLE: ABI = ABI::V6;
/// Without this there is nothing to speak of: Linux 5.13.
pub(super) const OLDEST: ABI = ABI::V1;

/// How much of it could be had.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Strength {
    /// Files, ports, devices, signals and abstract sockets.
    Whole,
    /// Files only, or some of the others.
    Part,
}

/// From here on this thread, and those that it starts, open nothing but what lies in the room, and no port; where the kernel
/// knows less, or no more is wanted, at least no file.
pub(super) fn only(room: Option<OwnedFd>, wanted: Strength) -> io::Result<Strength> {
    let abi = if wanted == Strength::Whole { WHOLE } else { OLDEST };
    match restrict(room, abi).map_err(io::Error::other)? {
        RulesetStatus::FullyEnforced => Ok(wanted),
        RulesetStatus::PartiallyEnforced => Ok(Strength::Part),
        RulesetStatus::NotEnforced => Err(io::Error::other("this kernel has no Landlock")),
    }
}

fn restrict(room: Option<OwnedFd>, abi: ABI) -> Result<RulesetStatus, RulesetError> {
    let everything = AccessFs::from_all(abi);
    let needless = AccessFs::Execute
        | AccessFs::MakeChar
        | AccessFs::MakeBlock
        | AccessFs::MakeSock
        | AccessFs::MakeFifo
        | AccessFs::IoctlDev;
    let mut rules = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(OLDEST))?
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(everything)?;
    if abi == WHOLE {
        rules = rules.handle_access(AccessNet::from_all(abi))?.scope(Scope::from_all(abi))?;
    }
    let mut rules = rules.create()?;
    if let Some(room) = room {
        rules = rules.add_rule(PathBeneath::new(room, everything & !needless))?;
    }
    Ok(rules.restrict_self()?.ruleset)
}
