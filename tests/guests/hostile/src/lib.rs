//! A backend that misbehaves as its configuration says, for the tests of the host.
//!
//! `artifacts.config.hostile` of the first target: `recipients`, and by name of an operation (`readers`, `check`,
//! `serialize`, `retrieve`) what it does instead of behaving well; `text` is for those that need one. A behaviour of `anywhere.rs` or
//! `escape.rs` may be named for every operation, the others for their own. One that got where it should not says so with a
//! failure of kind `escaped`; one that was held off goes on and behaves well. Unknown names panic.

mod anywhere;
mod check;
mod escape;
mod readers;
mod retrieve;
mod serialize;

#[allow(missing_docs, unsafe_code, clippy::pedantic, clippy::unwrap_used, clippy::expect_used)]
mod bindings {
    wit_bindgen::generate!({ path: "../../../wit", world: "backend-with-retrieval" });

    #[cfg(target_arch = "wasm32")]
    mod component {
        use super::super::Hostile;
        super::export!(Hostile with_types_in super);
    }
}

use bindings::artifacts::backend::types::{Failure, Instance};
use bindings::exports::artifacts::backend::retrieval;
use bindings::exports::artifacts::backend::storage::{Guest, Item, State};

/// The backend.
pub struct Hostile;

#[cfg(target_arch = "wasm32")]
#[allow(unsafe_code)]
#[used]
#[unsafe(link_section = "artifacts-backend")]
static MANIFEST: [u8; include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/manifest.json")).len()] =
    *include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/manifest.json"));

impl Guest for Hostile {
    fn readers(instance: Instance) -> Result<Vec<(String, Vec<String>)>, Failure> {
        let plan = Plan::of(&instance, "readers")?;
        readers::run(&plan, &instance)
    }

    fn check(instance: Instance) -> Result<State, Failure> {
        let plan = Plan::of(&instance, "check")?;
        check::run(&plan, &instance)
    }

    fn serialize(instance: Instance, items: Vec<Item>) -> Result<(), Failure> {
        let plan = Plan::of(&instance, "serialize")?;
        serialize::run(&plan, &instance, &items)
    }
}

impl retrieval::Guest for Hostile {
    fn retrieve(instance: Instance, names: Vec<String>) -> Result<Vec<Item>, Failure> {
        let plan = Plan::of(&instance, "retrieve")?;
        retrieve::run(&plan, &instance, &names)
    }
}

/// What one operation is to do.
struct Plan {
    mode: String,
    text: String,
    recipients: Vec<String>,
}

impl Plan {
    fn of(instance: &Instance, operation: &str) -> Result<Self, Failure> {
        let text = instance.targets.first().map_or("{}", |target| target.config.as_str());
        let config: serde_json::Value =
            serde_json::from_str(text).map_err(|error| failure("config", &error.to_string()))?;
        let word = |field: &str| config[field].as_str().unwrap_or_default().to_owned();
        let recipients = config["recipients"].as_array().into_iter().flatten();
        Ok(Self {
            mode: word(operation),
            text: word("text"),
            recipients: recipients.filter_map(|recipient| recipient.as_str().map(str::to_owned)).collect(),
        })
    }
}

fn failure(kind: &str, message: &str) -> Failure {
    Failure { kind: kind.to_owned(), message: message.to_owned(), hint: None }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        failure("internal", &error.to_string())
    }
}

/// Where a stored file lies.
fn path(name: &str) -> String {
    format!("/slice/{name}.age")
}
