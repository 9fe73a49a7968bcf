use artifacts_seam::PlaintextRef;

/// A plaintext behind a handle.
pub struct Plaintext {
    pub(crate) value: PlaintextRef,
    pub(crate) size: u64,
}
