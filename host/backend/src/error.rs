use crate::Shortage;
use artifacts_contract::Refusal;
use artifacts_seam::SandboxLayer;
use artifacts_text::Explain;

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
    /// Its worker process.
    #[error("the worker process for the backend cannot be used: {0}")]
    Worker(String),
    /// Walls are missing, and all were required.
    #[error("the worker process cannot be locked down as required: {}", weaker(.0))]
    Unprotected(Vec<SandboxLayer>),
    /// Memory is short.
    #[error("there is too little memory for the backend's worker process: {0}")]
    Machine(Shortage),
    /// Its folder.
    #[error("the folder for the backend's slice cannot be used: {0}")]
    Room(std::io::Error),
}

impl Explain for Error {
    fn kind(&self) -> &'static str {
        match self {
            Self::Refused(refusal) => refusal.kind(),
            Self::NotBundled(_) | Self::UnknownBundled { .. } => "component",
            Self::Unprotected(_) => "sandbox",
            Self::Machine(shortage) => shortage.kind(),
            Self::Worker(_) | Self::Room(_) => "worker",
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Refused(refusal) => return refusal.hint(),
            Self::Machine(shortage) => return shortage.hint(),
            Self::NotBundled(_) => "`cargo xtask build` makes the complete program, with its backends inside",
            Self::UnknownBundled { .. } => "register a backend of one's own with its path in `artifacts.backends`",
            Self::Unprotected(_) => {
                "Linux 6.12 or newer, with Landlock and with user namespaces for this user, has it all; or leave `--require-sandbox` out"
            }
            Self::Worker(_) | Self::Room(_) => return None,
        };
        Some(hint.to_owned())
    }
}

fn weaker(missing: &[SandboxLayer]) -> String {
    missing.iter().map(|protection| protection.weaker()).collect::<Vec<_>>().join("; ")
}
