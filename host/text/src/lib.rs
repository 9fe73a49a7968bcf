//! Text fit for a terminal, a shell or Nix, counting, and how an error is explained. Pure.
//!
//! One set of characters counts as hidden, by Unicode's own classes: all that cannot be seen, controls a terminal or changes
//! the direction of writing. Names have none of them, and everything else shows them escaped.

mod explain;
mod hidden;
mod nix;
mod shell;
mod size;
mod terminal;
mod words;

pub use explain::{Comparison, Explain};
pub use hidden::{has_control, has_hidden, is_control, is_hidden};
pub use nix::{nix_attribute, nix_string};
pub use shell::{command_words, pathspec, shell_word, sops_extract, sops_text};
pub use size::size;
pub use terminal::{shortened, terminal, terminal_lines, visible_ascii};
pub use words::{agreeing, counted, listed, listed_up_to, separated};
