//! Asks for the values of prompts, or reads them from an answers file.
//!
//! All values are asked for before anything is generated. At the terminal, [`PromptKind::Hidden`] and
//! [`PromptKind::Line`] take one line without its final newline; the multiline kinds take everything up to Ctrl-D,
//! each line with its newline. A value from an answers file is taken unchanged.
//!
//! While someone is asked, the program owns the terminal: [`Decoder`] turns its bytes into an [`Event`] each. [`Interview`] makes the
//! answers to all prompts of them, [`PromptDialog`] the answer to one, [`LineEditor`] the line of it; [`PromptRow`] shows that. These
//! know no terminal.
//!
//! [`PromptKind::Hidden`]: artifacts_declared::PromptKind::Hidden
//! [`PromptKind::Line`]: artifacts_declared::PromptKind::Line

mod answers;
mod answers_format;
mod ask;
mod decoder;
mod dialog;
mod error;
mod event;
mod interview;
mod keyboard;
mod line;
mod mode;
mod node;
mod options;
mod page;
mod request;
mod row;
mod screen;
mod template;
mod terminal;
mod wiped;

pub use answers::{AnswerFault, AnswersFile, is_blank};
pub use answers_format::AnswersFormat;
pub use ask::{all_answered, ask_all};
pub use decoder::Decoder;
pub use dialog::{DialogEffect, PromptDialog};
pub use error::Error;
pub use event::Event;
pub use interview::{Interview, InterviewEffect};
pub use line::{LineEditor, LineEffect, LineKind};
pub use mode::{is_asking, restore, suspend};
pub use options::TerminalOptions;
pub use request::PromptRequest;
pub use row::PromptRow;
pub use screen::rows;
pub use terminal::Terminal;
