use artifacts_backend_sdk::Failure;
use sops_format::Error;

/// A failure of the host's, or one of the format: what passes through writing a file.
pub enum Fault {
    Host(Failure),
    Format(Error),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Format(error)
    }
}

impl From<Failure> for Fault {
    fn from(failure: Failure) -> Self {
        Self::Host(failure)
    }
}

impl Fault {
    /// What is said of a stored file that could not be written.
    pub fn writing(self, stored: &str) -> Failure {
        match self {
            Self::Host(failure) => failure,
            Self::Format(error @ (Error::NotText { .. } | Error::Key { .. })) => {
                Failure::new("unsupported", format!("`{stored}` cannot be written: {error}"))
                    .hint("Set artifacts.config.sops-nix.format = \"binary\", which holds any bytes.")
            }
            Self::Format(error) => {
                Failure::internal(format!("`{stored}` cannot be written: {error}")).hint(error.help())
            }
        }
    }
}

/// What is said of a stored file that cannot be read.
pub fn reading(stored: &str, error: &Error) -> Failure {
    Failure::corrupt(format!("`{stored}`: {error}")).hint(error.help())
}
