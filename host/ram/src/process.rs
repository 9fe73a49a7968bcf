use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

use crate::Error;

/// Makes sure that this process leaves no core dump, neither as a file nor through a handler, and that no other process of
/// the user can read its memory. Call it before any secret is read.
///
/// From then on `/proc/self/*` belongs to root; programs that are started are not affected by that.
///
/// # Errors
/// When the system refuses.
pub fn no_core_dumps() -> Result<(), Error> {
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(|errno| Error::CoreDumps(errno.into()))?;
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })
        .map_err(|errno| Error::CoreDumps(errno.into()))
}
