//! The backends inside this program.

use crate::Error;
use artifacts_contract::Component;

/// Name, component, and its code where the program was made with it.
type Bundled = (&'static str, &'static [u8], Option<&'static [u8]>);

include!(concat!(env!("OUT_DIR"), "/bundled.rs"));

/// Names of the backends that a complete program has inside.
pub const BUNDLED: &[&str] = &["agenix", "dummy", "sops-nix"];

/// The component of a bundled backend, if this program has it.
pub fn bundled(name: &str) -> Option<&'static [u8]> {
    COMPONENTS.iter().find(|(known, _, _)| *known == name).map(|(_, bytes, _)| *bytes)
}

/// A bundled backend, inspected.
///
/// # Errors
/// When there is none of that name, or this program was built without it.
pub fn bundled_component(name: &str) -> Result<Component, Error> {
    match bundled(name) {
        Some(bytes) => {
            let component = Component::read(bytes)?;
            Ok(match compiled(name) {
                Some(code) => component.with_compiled(code),
                None => component,
            })
        }
        None if BUNDLED.contains(&name) => Err(Error::NotBundled(name.to_owned())),
        None => Err(Error::UnknownBundled { name: name.escape_debug().to_string(), known: BUNDLED.join(", ") }),
    }
}

/// Code of a bundled backend, compiled when the program was made, for any processor of its architecture.
fn compiled(name: &str) -> Option<&'static [u8]> {
    COMPONENTS.iter().find(|(known, _, _)| *known == name).and_then(|(_, _, code)| *code)
}
