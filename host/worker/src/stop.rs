/// Why the host ends a component instance on purpose.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Stop {
    #[error("{0}")]
    Refused(String),
    #[error("{0}")]
    Overrun(String),
}
