//! Text from outside, made fit to be shown. Pure.
//!
//! One set of characters counts as hidden, by Unicode's own classes: whatever cannot be seen, controls a terminal or changes
//! the direction of writing. Names have none of them, and everything else shows them escaped.

mod hidden;
mod shown;

pub use hidden::is_hidden;
pub use shown::{line, lines, shortened};
