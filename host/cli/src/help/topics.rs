//! What the help says besides commands.

/// Holds a topic of `artifacts help`.
pub struct Topic {
    pub name: &'static str,
    /// Section of the manual in which it is a page of its own.
    pub section: Option<u8>,
    /// What it is about, in the first line, and its parts.
    pub text: &'static str,
}

/// Every topic but `global`, whose text are the options themselves.
pub const TOPICS: [Topic; 5] = [
    Topic { name: "selectors", section: Some(7), text: include_str!("pages/selectors.txt") },
    Topic { name: "files", section: Some(5), text: include_str!("pages/files.txt") },
    Topic { name: "environment", section: Some(7), text: include_str!("pages/environment.txt") },
    Topic { name: "backends", section: Some(7), text: include_str!("pages/backends.txt") },
    Topic { name: "exit", section: None, text: include_str!("pages/exit.txt") },
];

/// Returns the text of a topic, as it is shown.
pub fn topic(name: &str) -> Option<&'static str> {
    TOPICS.iter().find(|topic| topic.name == name).map(|topic| topic.text)
}
