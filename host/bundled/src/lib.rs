//! The backends inside this program.

use artifacts_contract::{Component, Refusal};
use artifacts_digest::Hex;
use artifacts_text::Explain;

/// A backend inside this program.
struct Bundled {
    name: &'static str,
    component: &'static [u8],
    /// The digest of the component, computed when the program was built.
    sha256: [u8; 32],
    /// Code of the component behind its digest, compiled when the program was built, for any processor of its architecture.
    code: Option<&'static [u8]>,
}

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
    found(name).map(|bundled| bundled.component)
}

/// Returns a bundled component, inspected.
///
/// # Errors
/// When no bundled backend has the name, or this program was built without it.
pub fn component(name: &str) -> Result<Component, Error> {
    match found(name) {
        Some(Bundled { component, sha256, code, .. }) => {
            let component = Component::bundled(component, Hex(*sha256))?;
            Ok(match code {
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
    let code = COMPONENTS.iter().find(|bundled| bundled.sha256 == *component)?.code?;
    code.strip_prefix(component.as_slice())
}

fn found(name: &str) -> Option<&'static Bundled> {
    COMPONENTS.iter().find(|bundled| bundled.name == name)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use artifacts_digest::Sha256;

    use super::*;

    #[test]
    fn digests_are_those_of_the_components_and_their_code_is_found_by_them() {
        for Bundled { name, component: bytes, sha256, code } in COMPONENTS {
            assert_eq!(Sha256::digest(bytes), Hex(*sha256), "{name}");
            let component = component(name).unwrap();
            assert_eq!(component.sha256(), Component::read(*bytes).unwrap().sha256(), "{name}");
            assert_eq!(code_of(sha256), component.compiled(), "{name}");
            assert_eq!(code_of(sha256).is_some(), code.is_some(), "{name}");
        }
        assert_eq!(code_of(&[0; 32]), None);
    }
}
