/// Proves that this process is locked down. Only the last step of the lockdown makes one.
pub(crate) struct SandboxedProcess(());

impl SandboxedProcess {
    /// The process is what it says from here on.
    pub(super) fn new() -> Self {
        Self(())
    }
}
