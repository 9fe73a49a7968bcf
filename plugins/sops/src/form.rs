/// Names the layout of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// JSON with one value, `data`, of any bytes.
    Binary,
    /// JSON, one text a key.
    Json,
    /// YAML, one text a key.
    Yaml,
}

/// Only key of the binary form.
pub(crate) const DATA: &str = "data";

/// Key of the metadata.
pub(crate) const METADATA: &str = "sops";

impl Form {
    /// Returns its name, as for `sops --input-type`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Binary => "binary",
            Self::Json => "json",
            Self::Yaml => "yaml",
        }
    }
}

impl std::fmt::Display for Form {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
