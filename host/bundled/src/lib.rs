//! The backends inside this program.

use artifacts_contract::{Component, Refusal};
use artifacts_text::Explain;

/// Name, component, and its code where the program was made with it.
type Bundled = (&'static str, &'static [u8], Option<&'static [u8]>);

include!(concat!(env!("OUT_DIR"), "/bundled.rs"));

/// Says why there is no bundled backend of a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The host does not run the component.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The program was built without it.
    #[error("backend `{0}` is missing from this build")]
    NotBundled(String),
    /// No bundled backend has this name.
    #[error("unknown bundled backend `{name}`; available: {known}")]
    Unknown {
        /// The name asked for.
        name: String,
        /// Those that exist.
        known: String,
    },
}

impl Explain for Error {
    fn kind(&self) -> &'static str {
        match self {
            Self::Refused(refusal) => refusal.kind(),
            Self::NotBundled(_) | Self::Unknown { .. } => "component",
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Refused(refusal) => return refusal.hint(),
            Self::NotBundled(_) => "build with `cargo xtask build`, which includes the backends",
            Self::Unknown { .. } => "to use your own backend, set `artifacts.backends.NAME.component`",
        };
        Some(hint.to_owned())
    }
}

/// Returns the bytes of a bundled component, if this program has it.
pub fn bytes(name: &str) -> Option<&'static [u8]> {
    COMPONENTS.iter().find(|(known, _, _)| *known == name).map(|(_, bytes, _)| *bytes)
}

/// Returns a bundled component, inspected.
///
/// # Errors
/// When no bundled backend has the name, or this program was built without it.
pub fn component(name: &str) -> Result<Component, Error> {
    match bytes(name) {
        Some(bytes) => {
            let component = Component::bundled(bytes)?;
            Ok(match compiled(name) {
                Some(code) => component.with_compiled(code),
                None => component,
            })
        }
        None if NAMES.contains(&name) => Err(Error::NotBundled(name.to_owned())),
        None => Err(Error::Unknown { name: name.escape_debug().to_string(), known: NAMES.join(", ") }),
    }
}

/// Returns the code of the bundled component of this SHA-256, if it came with code.
pub fn code_of(component: &[u8; 32]) -> Option<&'static [u8]> {
    COMPONENTS.iter().find_map(|(_, _, code)| code.and_then(|code| code.strip_prefix(component.as_slice())))
}

/// Code of a bundled backend behind its SHA-256, compiled when the program was made, for any processor of its architecture.
fn compiled(name: &str) -> Option<&'static [u8]> {
    COMPONENTS.iter().find(|(known, _, _)| *known == name).and_then(|(_, _, code)| *code)
}
