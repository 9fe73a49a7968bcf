//! Asking a person, or reading the answers from a file.
//!
//! All is asked before anything is generated. A value from the terminal: one line for [`PromptKind::Hidden`] and
//! [`PromptKind::Line`], without its final newline; for the multiline kinds what was typed up to Ctrl-D, every line with its
//! newline. A value from an answers file is taken exactly as it stands there.
//!
//! [`PromptKind::Hidden`]: artifacts_declared::PromptKind::Hidden
//! [`PromptKind::Line`]: artifacts_declared::PromptKind::Line

mod answers;
mod ask;
mod error;
mod node;
mod terminal;

pub use answers::{AnswersFile, AnswersFormat};
pub use ask::{PromptRequest, all_answered, ask_all};
pub use error::Error;
pub use terminal::{Terminal, restore};
