//! Asks for the values of prompts, or reads them from an answers file.
//!
//! All values are asked for before anything is generated. At the terminal, [`PromptKind::Hidden`] and
//! [`PromptKind::Line`] take one line without its final newline; the multiline kinds take everything up to Ctrl-D,
//! each line with its newline. A value from an answers file is taken unchanged.
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
