/// Represents a value of a file, with keys in their order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum SopsNode {
    Map(Vec<(String, SopsNode)>),
    List(Vec<SopsNode>),
    Text(String),
    Bool(bool),
    /// A number as sops writes it.
    Number(String),
    Null,
    /// A plain YAML scalar whose type differs between readers, such as `2001-01-01`.
    Odd(String),
    /// A comment in the place of a key, as texts have them.
    Comment(String),
}

impl SopsNode {
    /// Returns the name of its kind.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Map(_) => "a map",
            Self::List(_) => "a list",
            Self::Text(_) | Self::Odd(_) => "a text",
            Self::Bool(_) => "a truth value",
            Self::Number(_) => "a number",
            Self::Null => "null",
            Self::Comment(_) => "a comment",
        }
    }
}
