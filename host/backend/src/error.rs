use crate::Refusal;

/// Why a backend cannot be used at all.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// This host does not run it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Not in this program.
    #[error("the backend `{0}` is not bundled with this program")]
    NotBundled(String),
    /// There is no such bundled backend.
    #[error("there is no bundled backend `{name}`; expected one of {known}")]
    UnknownBundled {
        /// The name asked for.
        name: String,
        /// Those that exist.
        known: String,
    },
    /// Its folder.
    #[error("the folder for the backend's slice cannot be used: {0}")]
    Room(std::io::Error),
}

impl Error {
    /// What a person can do about it.
    pub fn help(&self) -> Option<&'static str> {
        match self {
            Self::Refused(refusal) => refusal.help(),
            Self::NotBundled(_) => Some("`cargo xtask build` makes the complete program, with its backends inside"),
            Self::UnknownBundled { .. } => {
                Some("register a backend of one's own with its path in `artifacts.backends`")
            }
            Self::Room(_) => None,
        }
    }
}
