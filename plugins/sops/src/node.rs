/// A value as it lies in a file, keys in their order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum SopsNode {
    Map(Vec<(String, SopsNode)>),
    List(Vec<SopsNode>),
    Text(String),
    Bool(bool),
    /// The number as sops writes it.
    Number(String),
    Null,
    /// A plain YAML scalar whose type differs between readers, such as `2001-01-01`.
    Odd(String),
}

impl SopsNode {
    /// A word for what it is.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Map(_) => "a map",
            Self::List(_) => "a list",
            Self::Text(_) | Self::Odd(_) => "a text",
            Self::Bool(_) => "a truth value",
            Self::Number(_) => "a number",
            Self::Null => "null",
        }
    }
}
