use artifacts_backend_sdk::Failure;
use sops_format::Error;

/// Represents a failure of the host, or one of the format, while a file is written.
pub enum StorageFailure {
    Host(Failure),
    StorageFormat(Error),
}

impl From<Error> for StorageFailure {
    fn from(error: Error) -> Self {
        Self::StorageFormat(error)
    }
}

impl From<Failure> for StorageFailure {
    fn from(failure: Failure) -> Self {
        Self::Host(failure)
    }
}

impl StorageFailure {
    /// Describes a stored file that could not be written.
    pub fn writing(self, stored: &str) -> Failure {
        match self {
            Self::Host(failure) => failure,
            Self::StorageFormat(error @ (Error::NotText { .. } | Error::Key { .. })) => {
                Failure::new("unsupported", format!("`{stored}` cannot be written: {error}"))
                    .hint("set artifacts.config.sops-nix.format = \"binary\", which holds any bytes")
            }
            Self::StorageFormat(error @ (Error::Kept { .. } | Error::Format(_))) => {
                Failure::unsupported(format!("`{stored}`: {error}")).hint(error.hint())
            }
            Self::StorageFormat(error) => {
                Failure::internal(format!("`{stored}` cannot be written: {error}")).hint(error.hint())
            }
        }
    }
}

/// Describes a stored file that cannot be read.
pub fn reading(stored: &str, error: &Error) -> Failure {
    Failure::corrupt(format!("`{stored}`: {error}")).hint(error.hint())
}
