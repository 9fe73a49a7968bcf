/// Different file-system calls of one call of an exported function that may be refused; one more ends it.
pub const MOST_REFUSALS: usize = 16_384;

/// Says why a component is ended that was refused more than that.
pub fn too_many_refusals() -> String {
    "it was stopped: too many denied file-system calls".to_owned()
}
