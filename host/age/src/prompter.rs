use artifacts_seam::Secret;

/// Answers questions while something is decrypted. `None` means that there is no answer.
pub trait Prompter: Send + Sync {
    /// Asks for a passphrase, which is not shown while it is typed.
    fn passphrase(&self, what: &str) -> Option<Secret>;
    /// Shows a message, for example that a key has to be touched.
    fn message(&self, text: &str);
    /// Asks for a choice between `yes` and `no`.
    fn confirm(&self, text: &str, yes: &str, no: Option<&str>) -> Option<bool>;
    /// Asks for a line that is not secret.
    fn text(&self, what: &str) -> Option<String>;
}

/// Answers no question. Used when there is no terminal or with `--no-input`.
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
