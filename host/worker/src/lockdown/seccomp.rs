use std::collections::BTreeMap;
use std::io;

use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, apply_filter_all_threads,
};

use super::calls::{ABSENT, Argument, allowed};

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// What a process needs that waits for another one and ends.
const WAITING: &[i64] =
    &[libc::SYS_wait4, libc::SYS_waitid, libc::SYS_exit_group, libc::SYS_rt_sigreturn, libc::SYS_munmap];

/// From here on every thread of this process is held to the list, with or without calls that take a path.
pub(super) fn filter(paths: bool) -> io::Result<()> {
    put_up(ABSENT.iter().map(|call| (*call, Vec::new())).collect(), SeccompAction::Allow, errno(libc::ENOSYS))?;
    let rules: Result<Rules, _> = allowed(paths).map(|call| Ok((call.number, rules(call.only)?))).collect();
    let mut rules = rules.map_err(|error: BackendError| io::Error::other(error))?;
    // Of two filters that give an error the later one's counts.
    rules.extend(ABSENT.iter().map(|call| (*call, Vec::new())));
    put_up(rules, errno(libc::EPERM), SeccompAction::Allow)
}

/// From here on this process waits and ends.
pub(super) fn only_wait() -> io::Result<()> {
    put_up(WAITING.iter().map(|call| (*call, Vec::new())).collect(), errno(libc::EPERM), SeccompAction::Allow)
}

fn rules(only: &[&[Argument]]) -> Result<Vec<SeccompRule>, BackendError> {
    only.iter().map(|arguments| SeccompRule::new(arguments.iter().map(condition).collect::<Result<_, _>>()?)).collect()
}

fn condition(argument: &Argument) -> Result<SeccompCondition, BackendError> {
    use SeccompCmpArgLen::{Dword, Qword};
    match *argument {
        Argument::Is(place, value) => SeccompCondition::new(place, Dword, SeccompCmpOp::Eq, value.into()),
        Argument::AtMost(place, value) => SeccompCondition::new(place, Dword, SeccompCmpOp::Le, value.into()),
        Argument::Bits(place, mask, value) => SeccompCondition::new(place, Qword, SeccompCmpOp::MaskedEq(mask), value),
    }
}

fn put_up(rules: Rules, otherwise: SeccompAction, listed: SeccompAction) -> io::Result<()> {
    let architecture = std::env::consts::ARCH.try_into().map_err(io::Error::other)?;
    let program: BpfProgram = SeccompFilter::new(rules, otherwise, listed, architecture)
        .and_then(TryInto::try_into)
        .map_err(io::Error::other)?;
    apply_filter_all_threads(&program).map_err(io::Error::other)
}

fn errno(number: i32) -> SeccompAction {
    SeccompAction::Errno(number.unsigned_abs())
}
