//! A backend that misbehaves as its configuration says, for the tests of the host.
//!
//! `artifacts.config.hostile` of the first target: `recipients`, and by name of an operation (`readers` for `recipients`, `check`,
//! `serialize`, `retrieve`) what it does instead of behaving well; `text` is for those that need one. `retrieve` is told of no
//! configuration: where it names that operation, `serialize` stores it as the file `plan`, in hex so that nobody looks into it. A
//! behaviour of `anywhere.rs` or `escape.rs` may be named for every operation, the others for their own. One that got where it
//! should not says so with a failure of kind `escaped`; one that was held off goes on and behaves well. Unknown names panic.

mod anywhere;
mod check;
mod escape;
mod recipients;
mod resource;
mod retrieve;
mod serialize;

#[allow(missing_docs, unsafe_code, clippy::pedantic, clippy::unwrap_used, clippy::expect_used)]
mod bindings {
    wit_bindgen::generate!({
        path: "../../../wit",
        inline: "
            package artifacts:hostile;
            world hostile {
                include artifacts:backend/backend@0.2.0;
                export artifacts:backend/retrieval@0.2.0;
            }
        ",
        generate_all,
    });

    #[cfg(target_arch = "wasm32")]
    mod component {
        use super::super::Hostile;
        super::export!(Hostile with_types_in super);
    }
}

use bindings::artifacts::backend::entries::{Entry, EntryWriter};
use bindings::artifacts::backend::types::{Context, Failure, Instance, OpenError};
use bindings::exports::artifacts::backend::retrieval::{self, Answer};
use bindings::exports::artifacts::backend::storage::{FileRecipients, Guest, Item, SerializeError, State};

/// The backend.
pub struct Hostile;

#[cfg(target_arch = "wasm32")]
#[allow(unsafe_code)]
#[used]
#[unsafe(link_section = "artifacts-backend")]
static MANIFEST: [u8; include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/manifest.json")).len()] =
    *include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/manifest.json"));

impl Guest for Hostile {
    fn recipients(instance: Instance) -> Result<Vec<FileRecipients>, Failure> {
        let plan = Plan::of(&instance, "readers")?;
        recipients::run(&plan, &instance)
    }

    fn check(_: Context, instance: Instance, entry: &Entry) -> Result<State, Failure> {
        let plan = Plan::of(&instance, "check")?;
        check::run(&plan, &instance, entry)
    }

    fn serialize(_: Context, instance: Instance, items: Vec<Item>, entry: &EntryWriter) -> Result<(), SerializeError> {
        let plan = Plan::of(&instance, "serialize")?;
        serialize::run(&plan, &instance, &items, entry)
    }
}

impl retrieval::Guest for Hostile {
    fn retrieve(_: Context, files: Vec<String>, entry: &Entry) -> Result<Vec<Answer>, Failure> {
        retrieve::run(&Plan::stored()?, &files, entry)
    }
}

/// What one operation is to do.
struct Plan {
    mode: String,
    text: String,
    recipients: Vec<String>,
    /// The configuration, where it says what `retrieve` is to do.
    to_store: Option<String>,
}

impl Plan {
    fn of(instance: &Instance, operation: &str) -> Result<Self, Failure> {
        let text = instance.targets.first().map_or("{}", |target| target.config.as_str());
        Self::read(text, operation)
    }

    /// That of `retrieve`.
    fn stored() -> Result<Self, Failure> {
        let hex = std::fs::read_to_string(PLAN).unwrap_or_default();
        let pairs = hex.as_bytes().chunks(2).map(|pair| str::from_utf8(pair).unwrap_or_default());
        let bytes: Vec<u8> = pairs.filter_map(|pair| u8::from_str_radix(pair, 16).ok()).collect();
        let text = String::from_utf8_lossy(&bytes);
        Self::read(if text.is_empty() { "{}" } else { &text }, "retrieve")
    }

    fn read(text: &str, operation: &str) -> Result<Self, Failure> {
        let config: serde_json::Value =
            serde_json::from_str(text).map_err(|error| failure("config", &error.to_string()))?;
        let word = |field: &str| config[field].as_str().unwrap_or_default().to_owned();
        let recipients = config["recipients"].as_array().into_iter().flatten();
        Ok(Self {
            mode: word(operation),
            text: word("text"),
            recipients: recipients.filter_map(|recipient| recipient.as_str().map(str::to_owned)).collect(),
            to_store: config["retrieve"].is_string().then(|| text.to_owned()),
        })
    }

    /// Stores what `retrieve` is to do.
    fn store(&self) -> std::io::Result<()> {
        let Some(text) = &self.to_store else { return Ok(()) };
        std::fs::write(PLAN, hex(text.as_bytes()))
    }
}

/// Bytes as text in which nobody finds anything.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).filter_map(|half| char::from_digit(half.into(), 16)).collect()
}

/// Where it is.
const PLAN: &str = "/entry/plan";

fn failure(kind: &str, message: &str) -> Failure {
    Failure { kind: kind.to_owned(), message: message.to_owned(), hint: None, attrs: Vec::new() }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        failure("internal", &error.to_string())
    }
}

impl From<Failure> for SerializeError {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<Failure> for OpenError {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// Where a stored file lies.
fn path(name: &str) -> String {
    format!("/entry/{name}.age")
}
