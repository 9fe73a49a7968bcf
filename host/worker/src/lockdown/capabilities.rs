use std::io;

use rustix::io::Errno;
use rustix::thread::{
    CapabilitiesSecureBits, CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set,
    remove_capability_from_bounding_set, set_capabilities, set_capabilities_secure_bits,
};

/// Gives up every capability of this thread and of those that it starts, and the ways to get one back.
pub(super) fn drop_all() -> io::Result<()> {
    // The bounding set matters to who may gain privileges by a program, which "no new privileges" forbids besides.
    if capabilities(None)?.effective.contains(CapabilitySet::SETPCAP) {
        for capability in 0..u64::BITS {
            match remove_capability_from_bounding_set(CapabilitySet::from_bits_retain(1 << capability)) {
                // This kernel has no more.
                Err(Errno::INVAL) => break,
                result => result?,
            }
        }
        set_capabilities_secure_bits(secure())?;
    }
    match clear_ambient_capability_set() {
        // Linux before 4.3 has no such set.
        Err(Errno::INVAL) => {}
        result => result?,
    }
    let none = CapabilitySet::empty();
    set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })?;
    if are_none() { Ok(()) } else { Err(io::Error::other("capabilities are left")) }
}

/// Whether this thread has none.
pub(crate) fn are_none() -> bool {
    capabilities(None).is_ok_and(|sets| (sets.effective | sets.permitted | sets.inheritable).is_empty())
}

/// User 0 is a user as any other, for good.
fn secure() -> CapabilitiesSecureBits {
    CapabilitiesSecureBits::NO_ROOT
        | CapabilitiesSecureBits::NO_ROOT_LOCKED
        | CapabilitiesSecureBits::NO_SETUID_FIXUP
        | CapabilitiesSecureBits::NO_SETUID_FIXUP_LOCKED
        | CapabilitiesSecureBits::KEEP_CAPS_LOCKED
        | CapabilitiesSecureBits::NO_CAP_AMBIENT_RAISE
        | CapabilitiesSecureBits::NO_CAP_AMBIENT_RAISE_LOCKED
}
