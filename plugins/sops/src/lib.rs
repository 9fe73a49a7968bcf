//! Reads and writes the files of sops, as far as age readers go: the binary form of one value, and flat JSON or YAML with
//! one text a key. What real sops wrote is read in full: nested values, lists, comments, suffixes, older layouts. Dotenv and INI are read
//! as one text each.
//!
//! Pure: bytes in, bytes out. The caller seals the data key to readers and opens it again, and says what time it is.
//!
//! ```
//! # fn seal(_: &[u8; 32], to: &[&str]) -> Result<Vec<String>, sops_format::Error> {
//! #     Ok(vec!["-----BEGIN AGE ENCRYPTED FILE-----\nAA==\n-----END AGE ENCRYPTED FILE-----\n".to_owned(); to.len()])
//! # }
//! use sops_format::{DataKey, Document, Form, LeafValue, create};
//!
//! let key = DataKey::generate()?;
//! let values = [LeafValue::new("data", *b"hunter2")];
//! let file = create(Form::Binary, &key, &values, &["age1…"], 1_700_000_000, seal)?;
//!
//! let document = Document::parse(Form::Binary, &file)?;
//! assert_eq!(document.decrypt(&key)?[0].bytes.as_slice(), b"hunter2");
//! # Ok::<(), sops_format::Error>(())
//! ```

mod document;
mod dotenv;
mod emit;
mod encrypted_value;
mod error;
mod flat;
mod form;
mod ini;
mod json;
mod key;
mod kind;
mod leaf;
mod mac;
mod metadata;
mod node;
mod rule;
mod ssh;
mod text;
mod text_document;
mod update;
mod yaml;

pub use document::Document;
pub use error::{Error, FormatError, NewKey};
pub use form::Form;
pub use key::DataKey;
pub use kind::Kind;
pub use leaf::LeafValue;
pub use metadata::{OtherRecipient, Stanza};
pub use ssh::{SshError, recipient_of_ssh};
pub use text::refused_key;
pub use text_document::{TextDocument, TextForm};
pub use update::{create, kept, rewrite, stay, update};
