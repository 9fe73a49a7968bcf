use artifacts_seam::Secret;

/// Whoever can be asked while something is opened. `None` means that nobody answers.
pub trait Prompter: Send + Sync {
    /// A passphrase, not shown while it is typed.
    fn passphrase(&self, what: &str) -> Option<Secret>;
    /// Something to read, such as that a key is to be touched.
    fn message(&self, text: &str);
    /// A choice between `yes` and `no`.
    fn confirm(&self, text: &str, yes: &str, no: Option<&str>) -> Option<bool>;
    /// A line that is no secret.
    fn text(&self, what: &str) -> Option<String>;
}

/// Nobody: for runs without a terminal.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoPrompter;

impl Prompter for NoPrompter {
    fn passphrase(&self, _: &str) -> Option<Secret> {
        None
    }

    fn message(&self, _: &str) {}

    fn confirm(&self, _: &str, _: &str, _: Option<&str>) -> Option<bool> {
        None
    }

    fn text(&self, _: &str) -> Option<String> {
        None
    }
}
