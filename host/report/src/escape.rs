/// Makes text from outside safe for a terminal, on one line: what cannot be seen, moves the cursor or turns the direction of
/// writing is escaped, line breaks too.
pub fn escaped(text: &str) -> String {
    artifacts_text::line(text).into_owned()
}

/// The same with its line breaks, for messages whose lines are indented: never for what is asked about.
pub fn escaped_lines(text: &str) -> String {
    artifacts_text::lines(text).into_owned()
}
