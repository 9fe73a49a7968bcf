use crate::Shortage;
use artifacts_contract::Refusal;
use artifacts_seam::SandboxLayer;
use artifacts_text::Explain;

/// Says why a backend cannot be used at all.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// This host does not run it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Its worker process.
    #[error("the worker process for the backend cannot be used: {0}")]
    Worker(String),
    /// Walls are missing, and all were required.
    #[error("the sandbox is incomplete: {}", weaker(.0))]
    Unprotected(Vec<SandboxLayer>),
    /// Memory is short.
    #[error("there is too little memory for the backend's worker process: {0}")]
    Machine(Shortage),
}

impl Explain for Error {
    fn kind(&self) -> &'static str {
        match self {
            Self::Refused(refusal) => refusal.kind(),
            Self::Unprotected(_) => "sandbox",
            Self::Machine(shortage) => shortage.kind(),
            Self::Worker(_) => "worker",
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Refused(refusal) => return refusal.hint(),
            Self::Machine(shortage) => return shortage.hint(),
            Self::Unprotected(_) => {
                "use Linux 6.12 or newer with Landlock and user namespaces, or drop `--require-sandbox`"
            }
            Self::Worker(_) => return None,
        };
        Some(hint.to_owned())
    }
}

fn weaker(missing: &[SandboxLayer]) -> String {
    missing.iter().map(|protection| protection.weaker()).collect::<Vec<_>>().join("; ")
}
