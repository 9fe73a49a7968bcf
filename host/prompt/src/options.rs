/// How a terminal is used.
#[derive(Debug, Clone, Copy)]
pub struct TerminalOptions {
    /// It knows no escape sequences, as with `TERM=dumb`.
    pub dumb: bool,
    /// Nothing is dim, as with `NO_COLOR`.
    pub plain: bool,
    /// Called when a person presses Ctrl-C, once the terminal is as it was. When it returns, the question fails.
    pub interrupted: fn(),
}
