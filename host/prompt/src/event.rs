use zeroize::Zeroizing;

/// What a person does at the keyboard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A character that can be seen.
    Character(char),
    /// A control character that means nothing else here.
    Control(char),
    /// A character to be taken as it is, whatever it means elsewhere.
    Literal(char),
    /// A text that was pasted as a whole.
    Paste(Zeroizing<String>),
    /// Bytes that are no text, or a paste that is too long.
    Unreadable(&'static str),
    /// Enter, or a line break.
    Enter,
    /// Removes the character before the cursor.
    Backspace,
    /// Removes the character at the cursor.
    Delete,
    /// Moves to the character before.
    Left,
    /// Moves to the character behind.
    Right,
    /// Moves to the begin of the line.
    Home,
    /// Moves to the end of the line.
    End,
    /// Removes all of the line that is before the cursor.
    ClearLine,
    /// Removes the word before the cursor.
    ClearWord,
    /// Ctrl-C.
    Interrupt,
    /// Ctrl-D.
    EndOfInput,
    /// Ctrl-Z.
    Suspend,
    /// Ctrl-N: skips what is asked for.
    Skip,
    /// Ctrl-P: goes back to what was asked before.
    Back,
    /// Ctrl-R: shows what is hidden, until the next key.
    Show,
    /// A key that does nothing here.
    Ignored,
}
